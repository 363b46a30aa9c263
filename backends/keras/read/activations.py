"""Activations: the functions of ``keras.activations`` that take more than a name, and attention, as ATen ops."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dualnet.backends.keras.read.sheet import Sheet, as_held


def softmax(s: Sheet, x: Any, axis: Any, log: bool = False) -> Any:
    """Write a softmax over one axis or several."""
    if isinstance(axis, int) or len(axis) == 1:
        return s("log_softmax" if log else "softmax", x, dim=axis if isinstance(axis, int) else axis[0])
    shifted = s("sub", x, other=s("logsumexp", x, dim=tuple(axis), keepdim=True))
    return shifted if log else s("exp", shifted)


def relu(s: Sheet, op: Any, x: Any) -> Any:
    """Write Keras's relu of four numbers."""
    slope, top, threshold = (as_held(float(v or 0), x.dtype) for v in (op.negative_slope, op.max_value, op.threshold))
    if not slope and not threshold:
        return s("relu", x) if op.max_value is None else s("hardtanh", x, min_val=0.0, max_val=top)
    if slope and not threshold and op.max_value is None:
        return s("leaky_relu", x, negative_slope=slope)
    above = s("gt", x, other=threshold)
    below = s("mul", s("sub", x, other=threshold), other=slope) if slope else 0.0
    made = s("where", condition=above, input=x, other=below)
    return made if op.max_value is None else s("clamp", made, max=top)


def softsign(s: Sheet, op: Any, x: Any) -> Any:
    """Write x / (|x| + 1)."""
    return s("div", x, other=s("add", s("abs", x), other=1))


def squareplus(s: Sheet, op: Any, x: Any) -> Any:
    """Write (x + sqrt(x² + b)) / 2."""
    return s("div", s("add", x, other=s("sqrt", s("add", s("square", x), other=op.b))), other=2)


def sparse_plus(s: Sheet, op: Any, x: Any) -> Any:
    """Write 0 below -1, x above 1, (x + 1)² / 4 between."""
    middle = s("div", s("square", s("add", x, other=1)), other=4)
    upper = s("where", condition=s("ge", x, other=1), input=x, other=middle)
    return s("where", condition=s("le", x, other=-1), input=s("zeros_like", x), other=upper)


def sparse_sigmoid(s: Sheet, op: Any, x: Any) -> Any:
    """Write 0 below -1, 1 above 1, (x + 1) / 2 between."""
    return s("clamp", s("div", s("add", x, other=1), other=2), min=0, max=1)


def attention(
    s: Sheet, op: Any, query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: Any = None
) -> Any:  # fmt: skip
    """Write scaled dot product attention of (batch, time, heads, size) tensors."""
    q, k, v = (s.permute(s.tensor(t), (0, 2, 1, 3)) for t in (query, key, value))
    if k.shape[1] != q.shape[1]:
        k, v = (s("repeat_interleave", t, repeats=q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    scale = as_held(float(1 / np.sqrt(q.shape[-1]) if scale is None else scale), q.dtype)
    scores = s("mul", s("matmul", q, other=s("transpose", k, dim0=-2, dim1=-1)), other=scale)
    if op.attn_logits_soft_cap is not None:
        cap = op.attn_logits_soft_cap
        scores = s("mul", s("tanh", s("div", scores, other=cap)), other=cap)
    scores = scores if bias is None else s("add", scores, other=bias)
    for seen in [*([] if mask is None else [mask]), *([_causal(q.shape[-2], k.shape[-2])] if op.is_causal else [])]:
        scores = s("where", condition=seen, input=scores, other=float(np.finfo(q.dtype).min))
    return s.permute(s("matmul", s("softmax", scores, dim=-1), other=v), (0, 2, 1, 3))


def _causal(rows: int, columns: int) -> Any:
    return np.tril(np.ones((rows, columns), bool))


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "ReLU": relu,
    "Relu6": lambda s, op, x: s("hardtanh", x, min_val=0.0, max_val=6.0),
    "LeakyRelu": lambda s, op, x: s("leaky_relu", x, negative_slope=as_held(float(op.negative_slope), x.dtype)),
    "Elu": lambda s, op, x: s("elu", x, **({} if op.alpha == 1 else {"alpha": float(op.alpha)})),
    "Celu": lambda s, op, x: s("celu", x, **({} if op.alpha == 1 else {"alpha": float(op.alpha)})),
    "Gelu": lambda s, op, x: s("gelu", x, **({"approximate": "tanh"} if op.approximate else {})),
    "Glu": lambda s, op, x: s("glu", x, dim=op.axis),
    "HardShrink": lambda s, op, x: s("hardshrink", x, lambd=op.threshold),
    "SoftShrink": lambda s, op, x: s("softshrink", x, lambd=op.threshold),
    "TanhShrink": lambda s, op, x: s("sub", x, other=s("tanh", x)),
    "Threshold": lambda s, op, x: s("threshold", x, threshold=op.threshold, value=op.default_value),
    "Softmax": lambda s, op, x: softmax(s, x, op.axis),
    "LogSoftmax": lambda s, op, x: softmax(s, x, op.axis, log=True),
    "Softsign": softsign,
    "Squareplus": squareplus,
    "SparsePlus": sparse_plus,
    "SparseSigmoid": sparse_sigmoid,
    "DotProductAttention": attention,
}
