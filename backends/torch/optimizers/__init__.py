"""Optimizers of a spec in torch: ``torch.optim`` where the fields are its own, the formula where they are not."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dualnet.backends.torch.optimizers import adam, momentum, scaled
from dualnet.backends.torch.optimizers.flavoured import Flavoured, Rule
from dualnet.backends.torch.optimizers.stock import SLOTS, stock
from dualnet.specs import optimizers as S
from dualnet.specs.optimizers.slots import shares

__all__ = ["SLOTS", "Flavoured", "clip", "make"]

RULES: dict[type[S.Optimizer], Rule] = {
    S.SGD: momentum.sgd,
    S.ASGD: momentum.asgd,
    S.Rprop: momentum.rprop,
    S.Lion: momentum.lion,
    S.Muon: momentum.muon,
    S.Adam: adam.adam,
    S.AdamW: adam.adam,
    S.Adamax: adam.adamax,
    S.NAdam: adam.nadam,
    S.RAdam: adam.radam,
    S.Lamb: adam.lamb,
    S.ScheduleFreeAdamW: adam.schedule_free_adamw,
    S.RMSprop: scaled.rmsprop,
    S.Adagrad: scaled.adagrad,
    S.Adadelta: scaled.adadelta,
    S.Adafactor: scaled.adafactor,
    S.Ftrl: scaled.ftrl,
}


def make(optimizer: S.Optimizer, named: Mapping[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
    """Return the live optimizers, one for all parameters that go by the same settings."""
    made: list[torch.optim.Optimizer] = []
    for share, names in shares(optimizer, {name: tuple(p.shape) for name, p in named.items()}).items():
        own, parameters = share.optimizer, [named[name] for name in names]
        live = stock(own, parameters) or Flavoured(parameters, own, RULES[type(own)])
        live.param_groups[0]["rate_factor"] = share.rate_factor
        made.append(live)
    return made


def clip(gradients: list[Tensor], rule: S.Clip) -> None:
    """Clip gradients in place, by the formula in ``specs.Clip``."""
    if rule.by == "value":
        for gradient in gradients:
            gradient.clamp_(-rule.limit, rule.limit)
        return
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    if rule.by == "global_norm":
        norms = torch.linalg.vector_norm(norms).expand_as(norms)
    for gradient, factor in zip(gradients, (rule.limit / (norms + rule.epsilon)).clamp(max=1.0), strict=True):
        gradient.mul_(factor)
