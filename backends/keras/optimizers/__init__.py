"""Optimizers of a spec in Keras: one class of ours with every field's meaning, a rule for each spec."""

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

from dualnet.backends.keras.optimizers import adam, momentum, scaled
from dualnet.backends.keras.optimizers.exact import Exact, Order, Rule
from dualnet.specs import optimizers as S
from dualnet.specs.optimizers.slots import shares

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


def make(
    optimizer: S.Optimizer, variables: Mapping[str, Any], orders: Mapping[str, Order], rate: Callable[[], Any]
) -> dict[Exact, list[str]]:
    """Return the live optimizers, one for all parameters that go by the same settings, each with their names.

    ``rate`` gives the learning rate of the step, float64.
    """
    made = {}
    for share, names in shares(optimizer, {name: order.shape for name, order in orders.items()}).items():
        own = share.optimizer

        def shared(factor: float = share.rate_factor) -> Any:
            return rate() * factor

        exact = Exact(own, shared, RULES[type(own)], [orders[name] for name in names])
        exact.build([variables[name] for name in names])
        made[exact] = names
    return made


def clip(gradients: list[Any], rule: S.Clip) -> list[Any]:
    """Return the clipped gradients, by the formula in ``specs.Clip``."""
    if rule.by == "value":
        return [ops.clip(gradient, -rule.limit, rule.limit) for gradient in gradients]
    squares = [ops.sum(gradient * gradient) for gradient in gradients]
    if rule.by == "global_norm":
        squares = [sum(squares)] * len(squares)
    factors = [ops.minimum(rule.limit / (ops.sqrt(square) + rule.epsilon), _as(1.0, square)) for square in squares]
    return [gradient * factor for gradient, factor in zip(gradients, factors, strict=True)]


def _as(value: Any, like: Any) -> Any:
    """Return a number as a tensor of another's dtype. ``ops.cast`` of a Python float goes through float32."""
    return ops.convert_to_tensor(value, dtype=like.dtype)
