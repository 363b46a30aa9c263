"""Math: reductions, products of matrices and what else mixes the values of a tensor, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write.elementwise import operand
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, along, dims_of, fresh, given, kept, reduced
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op


def _typed(frame: Frame, op: Op) -> Value:
    """Return the input in the type of the result, where that is a float or integers are added."""
    value = given(frame)
    dtype = frame.dtype()
    return value if dtype in (value.dtype, "bool") else operand(frame, op.arguments["input"], dtype)


def reduction(target: str, *parts: str, typed: bool = True, **options: Any) -> Rule:
    """Return the rule of a reduction over axes."""

    def rule(frame: Frame, op: Op) -> Value:
        value = _typed(frame, op) if typed else given(frame)
        if target in ("ops.any", "ops.all"):
            value = operand(frame, op.arguments["input"], "bool")
        dims, keepdim = dims_of(value, op.arguments.get("dim")), bool(op.arguments.get("keepdim", False))
        frame.writer.parts.update(parts)
        if not value.rank:
            return value
        x, order = frame.whole(value)
        axes = sorted(order.index(dim) for dim in dims)
        everything = len(axes) == value.rank
        axis: Any = None if everything else axes[0] if len(axes) == 1 else tuple(axes)
        axis = -1 if axis == value.rank - 1 else axis
        made = invoke(target, x, axis=Default(axis, None), keepdims=Default(keepdim, False), **options)
        logical, physical = reduced(value, order, dims, keepdim)
        layer = None
        if target == "ops.mean" and value.rank == 4 and axes == [1, 2]:
            layer = invoke("layers.GlobalAveragePooling2D", keepdims=Default(keepdim, False))
        return frame.made(made, logical, physical, layer=layer)

    return rule


def spread(name: str) -> Rule:
    """Return the rule of ``var`` and ``std``, whose divisor is n less a correction."""

    def rule(frame: Frame, op: Op) -> Any:
        value = given(frame)
        dims, keepdim = dims_of(value, op.arguments.get("dim")), bool(op.arguments.get("keepdim", False))
        correction = op.arguments.get("correction", 1)
        correction = 1 if correction is None else correction
        correction = int(op.arguments["unbiased"]) if "unbiased" in op.arguments else correction
        frame.writer.parts.add("variance")
        x, order = frame.whole(value)
        axes = tuple(sorted(order.index(dim) for dim in dims))
        made = invoke("variance", x, axis=Lit(axes, "axis"), correction=correction, keepdims=Default(keepdim, False))
        logical, physical = reduced(value, order, dims, keepdim)
        made = code("ops.sqrt({})", made) if name.startswith("std") else made
        found = frame.made(made, logical, physical)
        if not name.endswith("_mean"):
            return found
        mean = invoke("ops.mean", x, axis=Lit(axes, "axis"), keepdims=Default(keepdim, False))
        return found, frame.made(mean, logical, physical)

    return rule


def cumulative(target: str, *parts: str) -> Rule:
    """Return the rule of a running sum or product along an axis."""

    def rule(frame: Frame, op: Op) -> Value:
        value = _typed(frame, op)
        frame.writer.parts.update(parts)
        if not value.rank:
            return value
        x, axis, order = along(frame, value, op.arguments["dim"])
        return kept(frame, value, order, invoke(target, x, axis=Lit(axis, "axis")))

    return rule


def norm(frame: Frame, op: Op) -> Value:
    """``linalg_vector_norm`` and ``norm``: (Σ |x|ᵖ)^(1/p)."""
    value = given(frame)
    p = op.arguments.get("ord", op.arguments.get("p", 2))
    p = 2 if p is None or p == "fro" else p
    dims, keepdim = dims_of(value, op.arguments.get("dim")), bool(op.arguments.get("keepdim", False))
    return _norm(frame, value, float(p), dims, keepdim)


def _norm(frame: Frame, value: Value, p: float, dims: list[int], keepdim: bool) -> Value:
    frame.writer.parts.add("vector_norm")
    x, order = frame.whole(value)
    axes = tuple(sorted(order.index(dim) for dim in dims))
    made = invoke("vector_norm", x, p=Lit(p, "p"), axis=Lit(axes, "axis"), keepdims=Default(keepdim, False))
    return frame.made(made, *reduced(value, order, dims, keepdim))


def distance(frame: Frame, op: Op) -> Value:
    """``dist``: the p-norm of the difference of all values."""
    frame.writer.parts.add("vector_norm")
    values = [frame.value(op.arguments[name]) for name in ("input", "other")]
    codes, _, _ = frame.aligned(values)
    made = invoke("vector_norm", code("{} - {}", *codes), p=Default(float(op.arguments.get("p", 2)), 2.0))
    return fresh(frame, made, ())


def count_nonzero(frame: Frame, op: Op) -> Value:
    """``count_nonzero``: how many are not 0."""
    value = operand(frame, op.arguments["input"], "bool")
    dims = dims_of(value, op.arguments.get("dim"))
    x, order = frame.whole(value)
    axes = tuple(sorted(order.index(dim) for dim in dims))
    made = code('ops.sum(ops.cast({}, "int64"), axis={})', x, Lit(axes, "axis"))
    return frame.made(made, *reduced(value, order, dims, False))


def trapezoid(frame: Frame, op: Op) -> Value:
    """``trapezoid`` at even steps."""
    value, dim = given(frame, "y"), op.arguments.get("dim", -1)
    if op.arguments.get("x") is not None:
        msg = "trapezoid at places of its own; multiply by their differences"
        raise UnsupportedError(msg)
    x, axis, order = along(frame, value, dim)
    made = invoke("ops.trapezoid", x, dx=Default(float(op.arguments.get("dx", 1)), 1.0), axis=Default(axis, -1))
    return frame.made(made, *reduced(value, order, [dim % value.rank], False))


def matrix_norm(frame: Frame, op: Op) -> Value:
    """``linalg_matrix_norm``: Frobenius's."""
    if op.arguments.get("ord", "fro") != "fro":
        msg = "a matrix norm other than Frobenius's"
        raise UnsupportedError(msg)
    value = given(frame)
    return _norm(
        frame, value, 2.0, dims_of(value, op.arguments.get("dim", (-2, -1))), bool(op.arguments.get("keepdim", False))
    )


MATH: dict[str, Rule] = {
    "sum": reduction("ops.sum"),
    "mean": reduction("ops.mean"),
    "nanmean": reduction("nanmean", "nanmean"),
    "nansum": reduction("nansum", "nansum"),
    "prod": reduction("ops.prod"),
    "amax": reduction("ops.max"),
    "amin": reduction("ops.min"),
    "any": reduction("ops.any"),
    "all": reduction("ops.all"),
    "logsumexp": reduction("ops.logsumexp"),
    **{name: spread(name) for name in ("var", "std", "var_mean", "std_mean")},
    "cumsum": cumulative("ops.cumsum"),
    "cumprod": cumulative("ops.cumprod"),
    "logcumsumexp": cumulative("logcumsumexp", "logcumsumexp"),
    "dist": distance,
    "count_nonzero": count_nonzero,
    "linalg_vector_norm": norm,
    "linalg_matrix_norm": matrix_norm,
    "frobenius_norm": norm,
    "trapezoid": trapezoid,
    "norm": norm,
    "linalg_norm": norm,
}
