"""Products: sums of products, in the order in which their operands lie."""

from typing import Any

from dualnet.backends.keras.write.elementwise import operand
from dualnet.backends.source.code import Lit, code, invoke
from dualnet.backends.source.form import Value, distinct, lying
from dualnet.backends.source.rules import Rule, fresh, given, reduced
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def contraction(frame: Frame, values: list[Value], letters: list[str], out: str) -> Value:
    """Write a sum of products: ``letters`` name each value's logical axes; the result lies as the first value does."""
    sizes = {
        letter: axis
        for value, names in zip(values, letters, strict=True)
        for letter, axis in zip(names, value.logical, strict=True)
        if axis or letter not in out
    }
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
    return frame.made(
        code("ops.einsum({}, {}, {})" if len(codes) == 2 else "ops.einsum({}, {})", f'"{text}"', *codes),
        logical,
        physical,
    )


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
        joined = [(left.logical[i - batch + left.rank - 2] if i >= batch - left.rank + 2 else ()) for i in range(batch)]
        others = [
            (right.logical[i - batch + right.rank - 2] if i >= batch - right.rank + 2 else ()) for i in range(batch)
        ]
        straight = _straight(left) and _straight(right)
        alike = all(bool(a) == bool(b) for a, b in zip(joined, others, strict=True)) and left.rank == right.rank
        if not straight and (alike or right.rank == 2):
            stem = LETTERS[:batch]
            i, j, k = list(LETTERS[batch : batch + 3])
            ones = [letter for letter, axis in zip(stem, joined, strict=True) if not axis]
            if not ones:
                return contraction(
                    frame, [left, right], [stem + i + j, (stem if right.rank > 2 else "") + j + k], stem + i + k
                )
        logical, _ = distinct(
            (*(a or b for a, b in zip(joined, others, strict=True)), left.logical[-2], right.logical[-1]), ()
        )
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
    same: dict[str, Any] = {}
    for value, term in zip(values, terms, strict=True):
        for letter, axis in zip(term, value.logical, strict=True):
            if letter in same and bool(same[letter]) != bool(axis):
                return fresh(
                    frame,
                    code("ops.einsum({}, {}, {})", f'"{",".join(terms)}->{out}"', *(frame.logical(v) for v in values)),
                )
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


def tensordot(frame: Frame, op: Op) -> Value:
    """``tensordot(dims_self, dims_other)``."""
    left, right = (operand(frame, op.arguments[name], frame.dtype()) for name in ("input", "other"))
    mine, theirs = (
        [dim % value.rank for dim in op.arguments[name]] for value, name in ((left, "dims_self"), (right, "dims_other"))
    )
    one, two = list(LETTERS[: left.rank]), list(LETTERS[left.rank : left.rank + right.rank])
    for a, b in zip(mine, theirs, strict=True):
        two[b] = one[a]
    out = [letter for at, letter in enumerate(one) if at not in mine]
    out += [letter for at, letter in enumerate(two) if at not in theirs]
    return contraction(frame, [left, right], ["".join(one), "".join(two)], "".join(out))


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
    listed: Any = op.arguments.get("tensors", op.arguments.get("matrices"))
    first, *others = (frame.value(argument) for argument in listed)
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


PRODUCTS: dict[str, Rule] = {
    **dict.fromkeys(("matmul", "bmm", "mm", "mv", "dot", "inner", "linalg_matmul", "vdot"), matmul),
    "einsum": einsum,
    "addmm": added("mat1 mat2"),
    "addmv": added("mat vec"),
    "baddbmm": added("batch1 batch2"),
    "addbmm": added("batch1 batch2"),
    "outer": outer,
    "ger": outer,
    "tensordot": tensordot,
    "linalg_matrix_power": matrix_power,
    "matrix_power": matrix_power,
    **dict.fromkeys(("linalg_vecdot", "vecdot"), vecdot),
    **dict.fromkeys(("chain_matmul", "linalg_multi_dot"), chain),
}
