"""Math: reductions, products of matrices and what else mixes the values of a tensor, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write_elementwise import FLOATS, cast, operand
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value, axes_of, distinct, lying
from dualnet.backends.source.rules import Rule, along, dims_of, fresh, given, kept, reduced
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _typed(frame: Frame, op: Op) -> Value:
    """Return the input in the type of the result, where that is a float or integers are added."""
    value = given(frame)
    dtype = frame.dtype()
    return value if value.dtype == dtype or dtype == "bool" else operand(frame, op.arguments["input"], dtype)


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


def contraction(frame: Frame, values: list[Value], letters: list[str], out: str) -> Value:
    """Write a sum of products: ``letters`` name each value's logical axes; the result lies as the first value does."""
    sizes = {letter: axis for value, names in zip(values, letters, strict=True) for letter, axis in zip(names, value.logical, strict=True) if axis or letter not in out}
    codes, spelt = [], []
    for value, names in zip(values, letters, strict=True):
        x, order = frame.whole(value)
        codes.append(x)
        spelt.append("".join(names[axis] for axis in order))
    first = [letter for letter in spelt[0] if letter in out]
    rest = [letter for letter in out if letter not in first]
    order_out = _placed(first, rest, spelt[0], out)
    logical, _ = distinct(tuple(sizes.get(letter, ()) for letter in out), ())
    physical = tuple(logical[out.index(letter)] for letter in order_out)
    text = f"{','.join(spelt)}->{''.join(order_out)}"
    return frame.made(code("ops.einsum({}, {}, {})" if len(codes) == 2 else "ops.einsum({}, {})", f'"{text}"', *codes), logical, physical)


def _placed(first: list[str], rest: list[str], spelt: str, out: str) -> list[str]:
    """Return the result's order: as the first operand lies, a new axis in the place of the one summed over."""
    made = [letter if letter in out else None for letter in spelt]
    new = list(rest)
    filled = [letter if letter is not None else (new.pop(0) if new else None) for letter in made]
    return [letter for letter in filled if letter is not None] + new


def matmul(frame: Frame, op: Op) -> Value:
    """``matmul``, ``bmm``, ``mm``, ``mv``, ``dot``: products over the last axis and the last but one."""
    names = [name for name in ("input", "mat2", "other", "vec", "tensor") if name in op.arguments]
    values = [operand(frame, op.arguments[name], frame.dtype()) for name in names]
    return product(frame, values[0], values[1])


def product(frame: Frame, left: Value, right: Value) -> Value:
    """Return left @ right; as ``ops.matmul`` where both lie in their own order, else as an einsum of what lies."""
    if left.rank >= 2 and right.rank >= 2:
        batch = max(left.rank, right.rank) - 2
        joined = [
            (left.logical[i - batch + left.rank - 2] if i >= batch - left.rank + 2 else ()) for i in range(batch)
        ]
        others = [
            (right.logical[i - batch + right.rank - 2] if i >= batch - right.rank + 2 else ()) for i in range(batch)
        ]
        straight = _straight(left) and _straight(right)
        alike = all(bool(a) == bool(b) for a, b in zip(joined, others, strict=True)) and left.rank == right.rank
        if not straight and (alike or right.rank == 2):
            stem = LETTERS[:batch]
            i, j, k = LETTERS[batch : batch + 3]
            ones = [letter for letter, axis in zip(stem, joined, strict=True) if not axis]
            if not ones:
                return contraction(frame, [left, right], [stem + i + j, (stem if right.rank > 2 else "") + j + k], stem + i + k)
        logical, _ = distinct((*(a or b for a, b in zip(joined, others, strict=True)), left.logical[-2], right.logical[-1]), ())
        return frame.made(code("ops.matmul({}, {})", frame.logical(left), frame.logical(right)), logical, logical)
    logical = left.logical[:-1] + (right.logical[:-2] + right.logical[-1:] if right.rank > 1 else ())
    return frame.made(code("ops.matmul({}, {})", frame.logical(left), frame.logical(right)), logical, logical)


def _straight(value: Value) -> bool:
    """Return whether a value lies in its own order, or could at no cost."""
    return not value.placed or lying(value) == list(range(value.rank))


def einsum(frame: Frame, op: Op) -> Value:
    """``einsum``."""
    values = [frame.value(argument) for argument in op.arguments["tensors"]]
    equation = op.arguments["equation"].replace(" ", "")
    left, _, out = equation.partition("->")
    terms = left.split(",")
    if "->" not in equation:
        out = "".join(sorted(c for c in set(left) - {",", "."} if left.count(c) == 1))
        out = "..." + out if "..." in left else out
    if "..." in equation or any(len(set(term)) != len(term) for term in terms) or len(values) != 2:
        text = f"{','.join(terms)}->{out}"
        codes = [frame.logical(value) for value in values]
        return fresh(frame, code(f"ops.einsum({', '.join(['{}'] * (len(codes) + 1))})", f'"{text}"', *codes))
    same = {}
    for value, term in zip(values, terms, strict=True):
        for letter, axis in zip(term, value.logical, strict=True):
            if letter in same and bool(same[letter]) != bool(axis):
                return fresh(frame, code("ops.einsum({}, {}, {})", f'"{",".join(terms)}->{out}"', *(frame.logical(v) for v in values)))
            same[letter] = axis
    return contraction(frame, values, terms, out)


def added(scaled: str) -> Rule:
    """Return the rule of ``addmm`` and its like: beta·input + alpha·(a @ b)."""

    def rule(frame: Frame, op: Op) -> Value:
        a, b = (frame.value(op.arguments[name]) for name in scaled.split())
        made = product(frame, a, b)
        if op.op == "addbmm":
            made = frame.made(code("ops.sum({}, axis=0)", frame.logical(made)), made.logical[1:], made.logical[1:])
        beta, alpha = op.arguments.get("beta", 1), op.arguments.get("alpha", 1)
        (x, y), logical, physical = frame.aligned([given(frame), made])
        left = code("{} * {}", Lit(beta, "beta"), x) if beta != 1 else x
        right = code("{} * {}", Lit(alpha, "alpha"), y) if alpha != 1 else y
        return frame.made(code("{} + {}", left, right), logical, physical)

    return rule


def outer(frame: Frame, op: Op) -> Value:
    """``outer``."""
    other = op.arguments.get("vec2", op.arguments.get("other"))
    return contraction(frame, [given(frame), frame.value(other)], ["a", "b"], "ab")


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


def tensordot(frame: Frame, op: Op) -> Value:
    """``tensordot(dims_self, dims_other)``."""
    left, right = (operand(frame, op.arguments[name], frame.dtype()) for name in ("input", "other"))
    mine, theirs = (
        [dim % value.rank for dim in op.arguments[name]]
        for value, name in ((left, "dims_self"), (right, "dims_other"))
    )
    one, two = list(LETTERS[: left.rank]), list(LETTERS[left.rank : left.rank + right.rank])
    for a, b in zip(mine, theirs, strict=True):
        two[b] = one[a]
    out = [letter for at, letter in enumerate(one) if at not in mine]
    out += [letter for at, letter in enumerate(two) if at not in theirs]
    return contraction(frame, [left, right], ["".join(one), "".join(two)], "".join(out))


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
    return _norm(frame, value, 2.0, dims_of(value, op.arguments.get("dim", (-2, -1))), bool(op.arguments.get("keepdim", False)))


def matrix_power(frame: Frame, op: Op) -> Value:
    """``matrix_power(n)``: the product of n of a matrix."""
    times = op.arguments["n"]
    if times < 1:
        msg = f"matrix_power({times}); of 1 and more it can be written"
        raise UnsupportedError(msg)
    value = given(frame)
    made = value
    for _ in range(times - 1):
        made = product(frame, made, value)
    return made


def chain(frame: Frame, op: Op) -> Value:
    """``linalg_multi_dot``: a product of several matrices."""
    first, *others = (frame.value(argument) for argument in op.arguments.get("tensors", op.arguments.get("matrices")))
    for other in others:
        first = product(frame, first, other)
    return first


def vecdot(frame: Frame, op: Op) -> Value:
    """``linalg_vecdot``: Σ x·y along an axis."""
    values = [frame.value(op.arguments[name]) for name in (("x", "y") if "x" in op.arguments else ("input", "other"))]
    (x, y), logical, physical = frame.aligned(values)
    joined = frame.made(code("{} * {}", x, y), logical, physical)
    code_, order = frame.whole(joined)
    dim = op.arguments.get("dim", -1) % joined.rank
    made = invoke("ops.sum", code_, axis=Lit(order.index(dim), "axis"))
    return frame.made(made, *reduced(joined, order, [dim], False))


REFUSED = {
    "linalg_eigh": "eigenvectors have no sign of their own; take linalg.eigvalsh, or compute them outside of the model",
    "linalg_eig": "eigenvectors have no sign of their own; compute them outside of the model",
    "linalg_svd": "singular vectors have no sign of their own; take linalg.svdvals, or compute them outside of the model",
    "linalg_qr": "its factors have no sign of their own; compute them outside of the model",
    "mode": "Keras has no mode of values; take median, or an argmax of counts",
    "masked_scatter": "where each value goes depends on values; torch.where keeps the shape",
    "masked_select": "its shape depends on values; torch.where keeps the shape",
    "argwhere": "its shape depends on values; torch.where keeps the shape",
    "bincount": "its shape depends on values; sum F.one_hot instead",
    "histc": "Keras counts in other bins; sum F.one_hot of torch.bucketize instead",
    "embedding_renorm": "max_norm of an embedding changes its weights when it is called; leave max_norm out",
    "item": "a number taken out of a tensor; keep it a tensor",
    "linalg_eigvals": "eigenvalues have no order of their own; take linalg.eigvalsh",
    "fractional_max_pool2d": "it draws its windows at random; take AdaptiveMaxPool2d",
    "fractional_max_pool3d": "it draws its windows at random; take AdaptiveMaxPool3d",
    "lgamma": "Keras has no gamma function",
    "digamma": "Keras has no gamma function",
    "unique_dim": "its shape depends on values",
    "_unique2": "its shape depends on values",
    "multinomial": "Keras draws from other categories than PyTorch; draw outside of the model",
    "_upsample_bilinear2d_aa": "antialias=True; resize without it, or before the model",
    "_upsample_bicubic2d_aa": "antialias=True; resize without it, or before the model",
    "stft": "take torch.fft.rfft of x.unfold(-1, n_fft, hop)",
    "istft": "Keras's differs at the edges",
}


def refused(reason: str) -> Rule:
    """Return the rule of what cannot be written, with what would help."""

    def rule(frame: Frame, op: Op) -> Value:
        raise UnsupportedError(reason)

    return rule


def logical_call(template: str, *names: str, parts: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> Rule:
    """Return the rule of a function of tensors that lie in the program's own order; other names are literals."""

    def rule(frame: Frame, op: Op) -> Any:
        frame.writer.parts.update(parts)
        codes = []
        for name in names:
            key, _, default = name.partition("=")
            found = op.arguments.get(key, _default(default))
            codes.append(frame.logical(frame.value(found)) if type(found).__name__ in ("Ref", "Held") else Lit(found, key))
        made = code(template, *codes)
        if len(op.results) == 1:
            return fresh(frame, made)
        return several(frame, op, made)

    return rule


def several(frame: Frame, op: Op, made: Any) -> tuple[Value, ...]:
    """Enter an expression that gives back one tensor for each of an op's results."""
    from dualnet.backends.source.code import Var
    from dualnet.backends.source.form import Storage

    variables = tuple(Var(op.op) for _ in op.results)
    frame.line(variables, made)
    values = []
    for index, var in enumerate(variables):
        axes = axes_of(frame.out(index))
        values.append(Value(axes, Storage(var, axes, frame.dtype(index))))
    return tuple(values)


def _default(text: str) -> Any:
    import ast

    return ast.literal_eval(text) if text else None


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
    **dict.fromkeys(("matmul", "bmm", "mm", "mv", "dot", "inner", "linalg_matmul", "vdot"), matmul),
    "einsum": einsum,
    "addmm": added("mat1 mat2"),
    "addmv": added("mat vec"),
    "baddbmm": added("batch1 batch2"),
    "addbmm": added("batch1 batch2"),
    "outer": outer,
    "ger": outer,
    "tensordot": tensordot,
    "dist": distance,
    "count_nonzero": count_nonzero,
    "linalg_vector_norm": norm,
    "linalg_matrix_norm": matrix_norm,
    "frobenius_norm": norm,
    "trapezoid": trapezoid,
    "linalg_eigvalsh": logical_call("ops.eigh({})[0]", "input"),
    "linalg_svdvals": logical_call("ops.svd({}, compute_uv=False)", "A"),
    "linalg_slogdet": logical_call("ops.slogdet({})", "A"),
    "logdet": logical_call("ops.slogdet({})[1]", "input"),
    "linalg_pinv": logical_call("ops.pinv({})", "input"),
    **{name: refused(reason) for name, reason in REFUSED.items()},
    "norm": norm,
    "linalg_norm": norm,
    "linalg_inv": logical_call("ops.inv({})", "A"),
    "inverse": logical_call("ops.inv({})", "input"),
    "linalg_det": logical_call("ops.det({})", "A"),
    "det": logical_call("ops.det({})", "input"),
    "linalg_matrix_power": matrix_power,
    "matrix_power": matrix_power,
    **dict.fromkeys(("linalg_vecdot", "vecdot"), vecdot),
    **dict.fromkeys(("chain_matmul", "linalg_multi_dot"), chain),
    "linalg_cholesky": logical_call("ops.cholesky({})", "input"),
    "cholesky": logical_call("ops.cholesky({})", "input"),
    "linalg_solve": logical_call("ops.solve({}, {})", "A", "B"),
    "bilinear": logical_call("bilinear({}, {}, {}, {})", "input1", "input2", "weight", "bias", parts=("bilinear",)),
    "cdist": logical_call("cdist({}, {}, {})", "x1", "x2", "p=2.0", parts=("cdist",)),
    "cosine_similarity": logical_call("cosine_similarity({}, {}, {}, {})", "x1", "x2", "dim=1", "eps=1e-8", parts=("cosine_similarity",)),
    "pairwise_distance": logical_call("pairwise_distance({}, {}, {}, {}, {})", "x1", "x2", "p=2.0", "eps=1e-6", "keepdim=False", parts=("pairwise_distance", "vector_norm")),
    "cross": logical_call("ops.cross({}, {}, axis={})", "input", "other", "dim=-1"),
    "linalg_cross": logical_call("ops.cross({}, {}, axis={})", "input", "other", "dim=-1"),
    "diff": logical_call("ops.diff({}, n={}, axis={})", "input", "n=1", "dim=-1"),
    "kron": logical_call("ops.kron({}, {})", "input", "other"),
    "trace": logical_call("ops.trace({})", "input"),
}
__all__ = ["MATH", "cast"]
