"""Products: the operations of ``keras.ops`` that multiply and sum, as ATen ops."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.keras.read.sheet import Sheet, listed


def matmul(s: Sheet, op: Any, one: Any, other: Any) -> Any:
    """Write a product of matrices."""
    return s("matmul", one, other=other)


def einsum(s: Sheet, op: Any, *operands: Any) -> Any:
    """Write an einsum, spelled out."""
    tensors = tuple(s.tensor(t) for t in operands)
    return s("einsum", equation=spelled(op.subscripts, [len(t.shape) for t in tensors]), tensors=tensors)


def spelled(equation: str, ranks: list[int]) -> str:
    """Return an einsum's equation with letters in place of dots, and its output."""
    equation = equation.replace(" ", "")
    left, arrow, out = equation.partition("->")
    terms = left.split(",")
    free = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    most = max((r - len(t.replace("...", "")) for t, r in zip(terms, ranks, strict=True) if "..." in t), default=0)
    dots = "".join(free[:most])
    if not arrow:
        letters = sorted(set(left) - set(",."))
        out = ("..." if "..." in left else "") + "".join(c for c in letters if left.count(c) == 1)
    whole = [
        t.replace("...", dots[most - (r - len(t.replace("...", ""))) :] if r > len(t.replace("...", "")) else "")
        for t, r in zip(terms, ranks, strict=True)
    ]
    return f"{','.join(whole)}->{out.replace('...', dots)}"


def dot(s: Sheet, op: Any, one: Any, other: Any) -> Any:
    """Write NumPy's dot of up to two axes, or more on the left."""
    one, other = s.tensor(one), s.tensor(other)
    if not (hasattr(one, "shape") and hasattr(other, "shape")) or len(other.shape) > 2:
        msg = "keras.ops.dot of a right side with more than two axes. Use keras.ops.einsum."
        raise NotImplementedError(msg)
    return s("matmul", one, other=other)


def tensordot(s: Sheet, op: Any, one: Any, other: Any) -> Any:
    """Write a tensordot as an einsum."""
    one, other = s.tensor(one), s.tensor(other)
    n, m = len(one.shape), len(other.shape)
    pairs = (list(range(n - op.axes, n)), list(range(op.axes))) if isinstance(op.axes, int) else op.axes
    left, right = (listed(axes) for axes in pairs)
    names = [chr(97 + i) for i in range(n + m)]
    first, second = names[:n], names[n:]
    for a, b in zip(left, right, strict=True):
        second[b] = first[a]
    out = [c for i, c in enumerate(first) if i not in [a % n for a in left]]
    out += [c for i, c in enumerate(second) if i not in [b % m for b in right]]
    return s("einsum", equation=f"{''.join(first)},{''.join(second)}->{''.join(out)}", tensors=(one, other))


PRODUCTS: dict[str, Callable[..., Any]] = {
    "Matmul": matmul,
    "Einsum": einsum,
    "Dot": dot,
    "Tensordot": tensordot,
}
