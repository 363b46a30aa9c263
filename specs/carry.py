"""Carry: how one array of a model becomes the array of its port: reshaped, permuted, reshaped. Data, and invertible."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Carry:
    """``source`` (its name there) of ``shape``, seen as ``split``, its axes in ``order``, is ``target`` of ``into``.

    ``target`` is a path of attributes and indices, such as ``layer1.0.conv1.kernel``.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    into: tuple[int, ...]
    trainable: bool = True

    def forth(self, array: Any) -> Any:
        """Return the port's array."""
        return np.array(np.reshape(array, self.split).transpose(self.order).reshape(self.into), order="C")

    def back(self, array: Any) -> Any:
        """Return the original's array."""
        lying = [self.split[axis] for axis in self.order]
        back = tuple(int(axis) for axis in np.argsort(self.order))
        return np.array(np.reshape(array, lying).transpose(back).reshape(self.shape), order="C")

    def inverse(self) -> "Carry":
        """Return the way from the port's array to the original's."""
        back = tuple(int(axis) for axis in np.argsort(self.order))
        lying = tuple(self.split[axis] for axis in self.order)
        return Carry(self.target, self.source, self.into, lying, back, self.shape, self.trainable)

    def to_data(self) -> dict[str, Any]:
        """Return the row of the mapping table."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
