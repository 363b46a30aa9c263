"""Norms: the operations of ``keras.ops`` that normalize, as the ATen op where there is one, else what it is made of."""

from collections.abc import Callable
from typing import Any

import keras

from dualnet.backends.keras.read.sheet import Sheet, Value


def moments(s: Sheet, op: Any, x: Any) -> Any:
    """Write mean and variance."""
    dims = tuple(d % len(x.shape) for d in (op.axes if isinstance(op.axes, (list, tuple)) else [op.axes]))
    keep = {"keepdim": True} if op.keepdims else {}
    return s("mean", x, dim=dims, **keep), s("var", x, dim=dims, correction=0, **keep)


def layer_norm(s: Sheet, op: Any, x: Any, gamma: Any = None, beta: Any = None) -> Any:
    """Write a layer norm: the op where the axes are the last ones, else what it is made of."""
    axes, rank = tuple(sorted(a % len(x.shape) for a in _tuple(op.axis))), len(x.shape)
    weight, bias = _named(s, gamma, "weight"), _named(s, beta, "bias")
    if op.rms_scaling:
        spread = s("var", x, dim=axes, correction=0, keepdim=True)
        made = s("mul", x, other=s("rsqrt", s("add", spread, other=op.epsilon)))
        return s("mul", made, other=_along(s, weight, x, axes))
    if axes == tuple(range(rank - len(axes), rank)):
        kept = {k: v for k, v in (("weight", weight), ("bias", bias)) if v is not None}
        return s("layer_norm", x, normalized_shape=tuple(x.shape[a] for a in axes), **kept, eps=op.epsilon)
    mean, spread = (s(o, x, dim=axes, **k, keepdim=True) for o, k in (("mean", {}), ("var", {"correction": 0})))
    made = s("mul", s("sub", x, other=mean), other=s("rsqrt", s("add", spread, other=op.epsilon)))
    made = made if weight is None else s("mul", made, other=_along(s, weight, x, axes))
    return made if bias is None else s("add", made, other=_along(s, bias, x, axes))


def rms_norm(s: Sheet, op: Any, x: Any, scale: Any = None) -> Any:
    """Write x · rsqrt(mean(x²) + ε) · scale."""
    axes, rank = tuple(sorted(a % len(x.shape) for a in _tuple(op.axis))), len(x.shape)
    eps, weight = op.epsilon or keras.config.epsilon(), _named(s, scale, "weight")
    whole = weight is None or tuple(weight.shape) == tuple(x.shape[a] for a in axes)
    if axes == tuple(range(rank - len(axes), rank)) and whole:
        kept = {} if weight is None else {"weight": weight}
        return s("rms_norm", x, normalized_shape=tuple(x.shape[a] for a in axes), **kept, eps=eps)
    root = s("rsqrt", s("add", s("mean", s("square", x), dim=axes, keepdim=True), other=eps))
    made = s("mul", x, other=root)
    return made if weight is None else s("mul", made, other=weight)


def normalize(s: Sheet, op: Any, x: Any) -> Any:
    """Write x divided by its norm along axes, as Keras guards it."""
    axes = tuple(range(len(x.shape))) if op.axis is None else _tuple(op.axis)
    eps = keras.config.epsilon() if op.epsilon is None else op.epsilon
    if op.order == 2:
        squares = s("sum", s("square", x), dim=axes, keepdim=True)
        return s("mul", x, other=s("rsqrt", s("clamp", squares, min=eps**2)))
    norm = s("linalg_vector_norm", x, ord=op.order, dim=axes, keepdim=True)
    return s("div", x, other=s("clamp", norm, min=eps))


def _along(s: Sheet, weight: Any, x: Value, axes: tuple[int, ...]) -> Any:
    """Return a weight of the sizes of ``axes`` so that it spreads over the others."""
    if weight is None or axes == tuple(range(len(x.shape) - len(axes), len(x.shape))):
        return weight
    return s("reshape", weight, shape=tuple(size if i in axes else 1 for i, size in enumerate(x.shape)))


def _named(s: Sheet, value: Any, name: str) -> Any:
    return s.weight(value, name) if isinstance(value, keras.Variable) else s.tensor(value)


def _tuple(axis: Any) -> tuple[int, ...]:
    return tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)


NORMS: dict[str, Callable[..., Any]] = {
    "Moments": moments,
    "LayerNorm": layer_norm,
    "RMSNorm": rms_norm,
    "Normalize": normalize,
}
