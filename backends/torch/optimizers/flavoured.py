"""Flavoured: an optimizer whose formula ``torch.optim`` lacks or rounds: one rule, called on each parameter."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dualnet.specs.optimizers import Optimizer
from dualnet.specs.optimizers.slots import slots

# (the optimizer at work, parameter, learning rate): updates the parameter in place.
Rule = Callable[[Any, Tensor, float], None]


class Flavoured(torch.optim.Optimizer):
    """What a rule works with: the spec, the number of the update from 1, and slots by the spec's names."""

    def __init__(self, parameters: list[nn.Parameter], spec: Optimizer, rule: Rule) -> None:
        super().__init__(parameters, {"lr": spec.learning_rate})
        self.spec, self.rule, self.count = spec, rule, 0

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every parameter that has a gradient."""
        self.count += 1
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.rule(self, p, group["lr"])

    def gradient(self, p: Tensor, lr: float) -> Tensor:
        """Return the gradient to go down by, coupled decay added; decoupled decay is done."""
        g = -p.grad if self.spec.maximize else p.grad
        if self.spec.weight_decay and self.spec.decay == "decoupled":
            p.mul_(1.0 - lr * self.spec.weight_decay)
        elif self.spec.weight_decay:
            g = g + self.spec.weight_decay * p
        found: Tensor = g
        return found

    def slot(self, p: Tensor, name: str) -> Tensor:
        """Return a slot of a parameter, made as the spec says at its first use."""
        state = self.state[p]
        if name not in state:
            slot = slots(self.spec, tuple(p.shape))[name]
            # a number that is no mean of entries stays exact, whatever the precision of the model
            plain = {"dtype": torch.float64 if slot.shape == () else p.dtype, "device": p.device}
            shape = p.shape if slot.shape is None else slot.shape
            state[name] = p.clone() if slot.start == "parameter" else torch.full(shape, slot.start, **plain)
        found: Tensor = state[name]
        return found

    def mean(self, p: Tensor, name: str, value: Tensor, weight: float) -> Tensor:
        """Move a running mean by ``weight`` towards a value; return it."""
        return self.slot(p, name).lerp_(value, weight)

    def mean_of_squares(self, p: Tensor, name: str, value: Tensor, kept: float) -> Tensor:
        """Move a running mean of squares, of which ``kept`` stays; return it."""
        return self.slot(p, name).mul_(kept).addcmul_(value, value, value=1.0 - kept)
