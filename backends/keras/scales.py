"""Slopes, norms and products with the spec's weights; ``axes`` say which of the spec's axes each of memory's holds."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dualnet.backends.keras.bridges import Configured, register
from dualnet.backends.keras.held import Held


@register
class PReLU(Held):
    """x above 0, weight·x below; the weight's axes are moved as the input's are."""

    def __init__(self, axes: Sequence[int], **rest: Any) -> None:
        super().__init__(axes=axes, **rest)
        self.axes = tuple(axes)

    def call(self, x: Any) -> Any:
        """Return the activation."""
        weight, rank = self.held("weight"), len(self.axes)
        if len(weight.shape) < rank:  # one for all, or one for each entry of the spec's first axis
            weight = ops.reshape(weight, (-1, *[1] * (rank - 1)))
        return ops.where(x > 0, x, ops.transpose(weight, self.axes) * x)


@register
class RMSNorm(Held):
    """x / √(mean x² + epsilon) over the physical ``over``, times the weight; without epsilon, the precision's own."""

    def __init__(self, over: Sequence[int], order: Sequence[int], epsilon: float | None = None, **rest: Any) -> None:
        super().__init__(over=over, order=order, epsilon=epsilon, **rest)
        self.over, self.order, self.epsilon = list(over), tuple(order), epsilon

    def call(self, x: Any) -> Any:
        """Return x normalised."""
        epsilon = (
            float(np.finfo(keras.backend.standardize_dtype(x.dtype)).eps) if self.epsilon is None else self.epsilon
        )
        made = x * ops.rsqrt(ops.mean(x * x, axis=self.over, keepdims=True) + epsilon)
        weight = self.held("weight")
        if weight is None:
            return made
        sizes = [x.shape[axis] if axis in self.over else 1 for axis in range(1, len(x.shape))]
        return made * ops.reshape(ops.transpose(weight, self.order), sizes)


@register
class Bilinear(Held):
    """xᵀ W y + b over the last axes."""

    def call(self, inputs: Any) -> Any:
        """Return (N, …, features)."""
        made = ops.einsum("...i,oij,...j->...o", inputs[0], self.held("weight"), inputs[1])
        return made if self.held("bias") is None else made + self.held("bias")


@register
class GLU(Configured):
    """a·σ(b) of the halves along an axis."""

    def call(self, x: Any) -> Any:
        """Return the gated half."""
        left, right = ops.split(x, 2, axis=self.options["axis"])
        return left * ops.sigmoid(right)


@register
class Softmin(Configured):
    """e⁻ˣ / Σ e⁻ˣ along an axis."""

    def call(self, x: Any) -> Any:
        """Return the softmax of -x."""
        return ops.softmax(-x, axis=self.options["axis"])


def _unit(x: Any, axis: int, epsilon: float) -> Any:
    """Return x / max(‖x‖₂, epsilon); of zeros, 0 with a gradient of 1 / epsilon."""
    squares = ops.sum(x * x, axis=axis, keepdims=True)
    safe = ops.where(squares > 0, squares, ops.ones_like(squares))
    length = ops.where(squares > 0, ops.sqrt(safe), ops.zeros_like(squares))
    return x / ops.maximum(length, epsilon)


@register
class UnitNormalization(Configured):
    """x / max(‖x‖₂, epsilon) along an axis."""

    def call(self, x: Any) -> Any:
        """Return x normalised."""
        return _unit(x, self.options["axis"], self.options["epsilon"])


@register
class Affine(Configured):
    """scale·x + offset; numbers, or one for each entry of an axis."""

    def call(self, x: Any) -> Any:
        """Return scale·x + offset."""
        if len(self.options["scale"]) == 1:
            return x * self.options["scale"][0] + self.options["offset"][0]
        shape = [1] * len(x.shape)
        shape[self.options["axis"]] = -1
        given = (np.asarray(self.options[name], "float64").reshape(shape) for name in ("scale", "offset"))
        scale, offset = (ops.convert_to_tensor(each, dtype=x.dtype) for each in given)
        return x * scale + offset


@register
class Dot(Configured):
    """Σ over one axis of each input; ``normalize`` divides them by their norms first."""

    def call(self, inputs: Any) -> Any:
        """Return (N, the axes of the first that are left, those of the second), or (N, 1)."""
        left, right = self.options["left"], self.options["right"]
        rows, columns = ops.moveaxis(inputs[0], left, -1), ops.moveaxis(inputs[1], right, -1)
        if self.options.get("normalize"):
            rows, columns = (_unit(each, -1, self.options["epsilon"]) for each in (rows, columns))
        kept = (*rows.shape[1:-1], *columns.shape[1:-1]) or (1,)
        flat = [ops.reshape(each, (-1, int(np.prod(each.shape[1:-1])), each.shape[-1])) for each in (rows, columns)]
        return ops.reshape(ops.matmul(flat[0], ops.swapaxes(flat[1], 1, 2)), (-1, *kept))


@register
class PairwiseDistance(Configured):
    """(Σ |x - y + epsilon|^norm)^(1 / norm) over the last axis, which stays."""

    def call(self, inputs: Any) -> Any:
        """Return the distances."""
        norm, apart = self.options["norm"], ops.abs(inputs[0] - inputs[1] + self.options["epsilon"])
        if norm == 2:
            return ops.sqrt(ops.sum(apart * apart, axis=-1, keepdims=True))
        total = ops.sum(apart if norm == 1 else ops.power(apart, norm), axis=-1, keepdims=True)
        return total if norm == 1 else ops.power(total, 1.0 / norm)
