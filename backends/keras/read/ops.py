"""Operations: for each class of ``keras.ops``, what it is in ATen; trivial ones are a line of a table."""

from collections.abc import Callable
from typing import Any

import keras

from dualnet.backends.keras.read.activations import ACTIVATIONS
from dualnet.backends.keras.read.arrays import ARRAYS
from dualnet.backends.keras.read.convs import CONVS
from dualnet.backends.keras.read.images import IMAGES
from dualnet.backends.keras.read.norms import NORMS
from dualnet.backends.keras.read.picks import PICKS
from dualnet.backends.keras.read.pools import POOLS
from dualnet.backends.keras.read.products import PRODUCTS
from dualnet.backends.keras.read.recurrent import scanned
from dualnet.backends.keras.read.sheet import Sheet

Rule = Callable[..., Any]

UNARY = {
    "Absolute": "abs", "Arccos": "acos", "Arccosh": "acosh", "Arcsin": "asin", "Arcsinh": "asinh", "Arctan": "atan",
    "Arctanh": "atanh", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Erfc": "erfc", "Erfinv": "erfinv",
    "Exp": "exp", "Exp2": "exp2", "Expm1": "expm1", "Floor": "floor", "HardSigmoid": "hardsigmoid",
    "HardSilu": "hardswish", "HardTanh": "hardtanh", "Isfinite": "isfinite", "Isinf": "isinf", "Isnan": "isnan",
    "Log": "log", "Log10": "log10", "Log1p": "log1p", "Log2": "log2", "LogSigmoid": "log_sigmoid",
    "LogicalNot": "logical_not", "Mish": "mish", "Negative": "neg", "OnesLike": "ones_like",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Rsqrt": "rsqrt", "Selu": "selu",
    "Sigmoid": "sigmoid", "Sign": "sign", "Silu": "silu", "Sin": "sin", "Sinh": "sinh", "Softplus": "softplus",
    "Sqrt": "sqrt", "Square": "square", "StopGradient": "detach", "Tan": "tan", "Tanh": "tanh", "Trunc": "trunc",
    "ZerosLike": "zeros_like",
}  # fmt: skip
BINARY = {
    "Add": "add", "Arctan2": "atan2", "Equal": "eq", "FloorDivide": "floor_divide", "Greater": "gt",
    "GreaterEqual": "ge", "Less": "lt", "LessEqual": "le", "LogicalAnd": "logical_and", "LogicalOr": "logical_or",
    "LogicalXor": "logical_xor", "Mod": "remainder", "Multiply": "mul", "NotEqual": "ne", "Power": "pow",
    "Logaddexp": "logaddexp", "Maximum": "maximum", "Minimum": "minimum",
}  # fmt: skip
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "add": "add", "mul": "mul"}
MIRRORED |= {"maximum": "maximum", "minimum": "minimum"}
REDUCE = {"Sum": "sum", "Mean": "mean", "Max": "amax", "Min": "amin", "Amax": "amax", "Amin": "amin", "All": "all"}
REDUCE |= {"Any": "any", "Var": "var", "Std": "std", "Logsumexp": "logsumexp", "Prod": "prod"}


def binary(s: Sheet, name: str, one: Any, other: Any) -> Any:
    """Write an op of two operands, of which either may be a number."""
    one, other = s.tensor(one), s.tensor(other)
    if not hasattr(one, "shape"):
        if name == "pow":
            return s("pow", one, exponent=other)
        if name not in MIRRORED:
            one = s("full", size=(), fill_value=one, dtype=keras.backend.result_type(type(one), other.dtype))
            return s(name, one, other=other)
        name, one, other = MIRRORED[name], other, one
    if name in ("maximum", "minimum") and not hasattr(other, "shape"):
        return s("clamp", one, **{"min" if name == "maximum" else "max": other})
    return s(name, one, **{"exponent" if name == "pow" else "other": other})


def where(s: Sheet, op: Any, condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Write a choice; a condition that is settled while the model is read becomes a tensor, which ATen asks for."""
    condition = s.tensor(condition)
    settled = not hasattr(condition, "shape")
    asked = s("full", size=(), fill_value=bool(condition), dtype="bool") if settled else condition
    return s("where", condition=asked, input=x1, other=x2)


def subtract(s: Sheet, op: Any, one: Any, other: Any) -> Any:
    """Write a difference."""
    one, other = s.tensor(one), s.tensor(other)
    return s("sub", one, other=other) if hasattr(one, "shape") else s("rsub", other, other=one)


def divide(s: Sheet, op: Any, one: Any, other: Any) -> Any:
    """Write a quotient; whole numbers divide as floats do."""
    one, other = (_floating(s, s.tensor(v)) for v in (one, other))
    if hasattr(one, "shape"):
        return s("div", one, other=other)
    upside = s("reciprocal", other)
    return upside if one == 1 else s("mul", upside, other=one)


def _floating(s: Sheet, x: Any) -> Any:
    whole = hasattr(x, "shape") and not keras.backend.is_float_dtype(x.dtype)
    return s("to", x, dtype=keras.config.floatx()) if whole else x


def reduce(s: Sheet, name: str, op: Any, x: Any, **rest: Any) -> Any:
    """Write a reduction over axes."""
    x, axis = s.tensor(x), op.axis
    dims = tuple(range(len(x.shape))) if axis is None else tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    dims = tuple(d % len(x.shape) for d in dims)
    keep = {"keepdim": True} if getattr(op, "keepdims", False) else {}
    x = _floating(s, x) if name in ("mean", "var", "std", "logsumexp") else x
    if name in ("var", "std"):
        return s(name, x, dim=dims, correction=0, **keep)
    if name in ("prod", "any", "all"):
        for d in sorted(dims, reverse=True):
            x = s(name, x, dim=d, **keep)
        return x
    return s(name, x, dim=dims, **keep)


def identity(s: Sheet, op: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Write a change of precision, if it is one."""
    dtype = getattr(op, "dtype", None) or (args[0] if args else None) or kwargs.get("dtype")
    plain = s.tensor(x) if dtype else x
    return x if not dtype or plain.dtype == dtype else s("to", plain, dtype=keras.backend.standardize_dtype(dtype))


def _unary(name: str) -> Rule:
    return lambda s, op, x: s(name, x)


def _binary(name: str) -> Rule:
    return lambda s, op, one, other: binary(s, name, one, other)


def _reduce(name: str) -> Rule:
    return lambda s, op, x, **rest: reduce(s, name, op, x, **rest)


OPS: dict[str, Rule] = {
    **{name: _unary(op) for name, op in UNARY.items()},
    **{name: _binary(op) for name, op in BINARY.items()},
    **{name: _reduce(op) for name, op in REDUCE.items()},
    **ACTIVATIONS,
    **NORMS,
    **ARRAYS,
    **PRODUCTS,
    **PICKS,
    **CONVS,
    **POOLS,
    **IMAGES,
    "Subtract": subtract,
    "Divide": divide,
    "TrueDivide": divide,
    "Clip": lambda s, op, x, *a, **k: s("clamp", x, min=op.x_min, max=op.x_max),
    "Where": where,
    "Cast": identity,
    "ConvertToTensor": identity,
    "Scan": scanned,
    "Copy": lambda s, op, x: x,
    "Identity": lambda s, op, x: x,
}
