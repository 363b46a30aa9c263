"""Loss scaling: the loss grows before backward, gradients shrink again, an update that overflows is left out."""

from collections.abc import Mapping

import torch
from torch import Tensor

from dualnet.backends.protocol import Array, Arrays
from dualnet.backends.scaling import LARGEST, STATE, arrays, number
from dualnet.specs.optimizers import LossScale


class Scaling:
    """The factor at work, how many updates in a row were finite, and how many were left out."""

    def __init__(self, rule: LossScale) -> None:
        self.rule, self.scale, self.run, self.skipped = rule, rule.initial, 0, 0

    def finite(self, gradients: list[Tensor]) -> bool:
        """Divide gradients by the scale, in place; return whether all are finite, and move the scale accordingly."""
        for gradient in gradients:
            gradient.div_(self.scale)
        if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            self.scale, self.run, self.skipped = self.scale * self.rule.backoff, 0, self.skipped + 1
            return False
        self.run += 1
        if self.run == self.rule.interval:
            self.scale, self.run = grown if (grown := self.scale * self.rule.growth) <= LARGEST else self.scale, 0
        return True

    def slots(self) -> Arrays:
        """Return the state by name."""
        return arrays({name: getattr(self, name) for name in STATE})

    def load(self, slots: Mapping[str, Array]) -> None:
        """Put the state back."""
        for name in STATE:
            setattr(self, name, number(slots, name))
