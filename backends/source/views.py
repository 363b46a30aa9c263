"""Views: ops that only change how the program speaks of a tensor. They write nothing; memory stays as it is."""

from collections.abc import Callable, Sequence
from typing import Any

from dualnet.backends.source.form import Value
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op

Rule = Callable[[Frame, Op], Any]


def _permuted(value: Value, order: Sequence[int]) -> Value:
    return Value(tuple(value.axes[axis] for axis in order), value.storage)


def _input(frame: Frame) -> Value:
    found = frame.tensor("input")
    assert found is not None  # ATen gives every view one
    return found


def reshape(frame: Frame, op: Op) -> Value:
    """``reshape``, ``view``, ``flatten``, ``unflatten``: the shape is what the program says comes out."""
    return frame.view(_input(frame), frame.out())


def permute(frame: Frame, op: Op) -> Value:
    """``permute(dims)``."""
    value = _input(frame)
    return _permuted(value, [dim % value.rank for dim in op.arguments["dims"]])


def transpose(frame: Frame, op: Op) -> Value:
    """``transpose(dim0, dim1)``."""
    value = _input(frame)
    order = list(range(value.rank))
    if order:
        names = ("dim0", "dim1") if "dim0" in op.arguments else ("axis0", "axis1")
        one, other = (op.arguments[name] % value.rank for name in names)
        order[one], order[other] = order[other], order[one]
    return _permuted(value, order)


def turned(frame: Frame, op: Op) -> Value:
    """``t``, ``mT``, ``adjoint``: the last two axes change places."""
    value = _input(frame)
    order = list(range(value.rank))
    return _permuted(value, order if value.rank < 2 else [*order[:-2], order[-1], order[-2]])


def numpy_t(frame: Frame, op: Op) -> Value:
    """``numpy_T``: all axes in reverse."""
    value = _input(frame)
    return _permuted(value, list(range(value.rank))[::-1])


def movedim(frame: Frame, op: Op) -> Value:
    """``movedim(source, destination)``."""
    value = _input(frame)
    source, destination = (
        [dim % value.rank for dim in (found if isinstance(found, tuple) else (found,))]
        for found in (op.arguments["source"], op.arguments["destination"])
    )
    order: list[int | None] = [None] * value.rank
    for one, other in zip(source, destination, strict=True):
        order[other] = one
    rest = iter(axis for axis in range(value.rank) if axis not in source)
    return _permuted(value, [next(rest) if axis is None else axis for axis in order])


def unsqueeze(frame: Frame, op: Op) -> Value:
    """``unsqueeze(dim)``."""
    value = _input(frame)
    at = op.arguments["dim"] % (value.rank + 1)
    return Value((*value.axes[:at], (), *value.axes[at:]), value.storage)


def squeeze(frame: Frame, op: Op) -> Value:
    """``squeeze(dim)``: axes of size 1 go."""
    value = _input(frame)
    dims = op.arguments.get("dim")
    wanted = range(value.rank) if dims is None else dims if isinstance(dims, tuple) else (dims,)
    at = {dim % max(value.rank, 1) for dim in wanted}
    return Value(tuple(axis for index, axis in enumerate(value.axes) if axis or index not in at), value.storage)


def same(frame: Frame, op: Op) -> Value:
    """What is the input itself: ``contiguous``, ``alias``, ``clone``, ``lift_fresh`` …."""
    return _input(frame)


VIEWS: dict[str, Rule] = {
    **dict.fromkeys(
        ("reshape", "view", "flatten", "unflatten", "view_as", "ravel", "atleast_1d", "atleast_2d"), reshape
    ),
    "permute": permute,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), transpose),
    **dict.fromkeys(("t", "mT", "adjoint"), turned),
    "numpy_T": numpy_t,
    **dict.fromkeys(("movedim", "moveaxis"), movedim),
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    **dict.fromkeys(("contiguous", "alias", "clone", "lift_fresh", "lift_fresh_copy", "positive", "identity"), same),
}
