"""Rules: what the two frameworks' tables share: operands lined up, axes found in memory, results entered."""

from collections.abc import Callable, Sequence
from typing import Any

from dualnet.backends.source.code import Var, code
from dualnet.backends.source.form import Atom, Axes, Storage, Value, axes_of, fine, flat, lying, regroup
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op, Sym

Rule = Callable[[Frame, Op], Any]


def given(frame: Frame, name: str = "input") -> Value:
    """Return a tensor argument that the op must have."""
    found = frame.tensor(name)
    if found is None:
        msg = f"{frame.op.op if frame.op else 'an op'} without {name}"
        raise UnsupportedError(msg)
    return found


def lies(frame: Frame, value: Value) -> Any:
    """Return the code of a value however it lies."""
    return frame.code(frame.settled_weight(value).storage)


def like(frame: Frame, value: Value, expression: Any, layer: Any = None, dtype: str = "") -> Value:
    """Enter an expression whose result lies as ``value`` does."""
    return frame.made(expression, value.logical, value.storage.physical, dtype, layer)


def dims_of(value: Value, dims: Any) -> list[int]:
    """Return axes as a list of positive numbers; None means all."""
    if dims is None or dims == ():
        return list(range(value.rank))
    listed = dims if isinstance(dims, (tuple, list)) else (dims,)
    return [dim % max(value.rank, 1) for dim in listed]


def along(frame: Frame, value: Value, dim: int) -> tuple[Any, int, list[int]]:
    """Return the code of a value in whole axes, where ``dim`` lies, and the order."""
    x, order = frame.whole(value)
    return x, order.index(dim % max(value.rank, 1)) if order else 0, order


def kept(
    frame: Frame, value: Value, order: Sequence[int], expression: Any, layer: Any = None, dtype: str = ""
) -> Value:
    """Enter a result of the same shape as a value that lies in whole axes."""
    logical = value.logical
    return frame.made(expression, logical, tuple(logical[axis] for axis in order), dtype, layer)


def resized(value: Value, order: Sequence[int], sizes: dict[int, Any]) -> tuple[Axes, Axes]:
    """Return logical and physical axes where some logical axes have new sizes."""
    fresh = {axis: axes_of((size,))[0] for axis, size in sizes.items()}
    logical = tuple(fresh.get(axis, atoms) for axis, atoms in enumerate(value.logical))
    return logical, tuple(logical[axis] for axis in order)


def reduced(value: Value, order: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[Axes, Axes]:
    """Return the axes that a reduction leaves."""
    logical = value.logical
    if keepdim:
        left = tuple(() if axis in dims else atoms for axis, atoms in enumerate(logical))
        return left, tuple(left[axis] for axis in order)
    return (
        tuple(atoms for axis, atoms in enumerate(logical) if axis not in dims),
        tuple(logical[axis] for axis in order if axis not in dims),
    )


def fresh(
    frame: Frame, expression: Any, shape: Sequence[Any] | None = None, dtype: str = "", layer: Any = None
) -> Value:
    """Enter a result that lies in the program's own order."""
    axes = axes_of(frame.out() if shape is None else shape)
    return frame.made(expression, axes, axes, dtype, layer)


def entered(frame: Frame, variables: Sequence[Var]) -> tuple[Value, ...]:
    """Return variables as the op's results, each in the program's own order."""
    values = []
    for index, var in enumerate(variables):
        axes = axes_of(frame.out(index))
        values.append(Value(axes, Storage(var, axes, frame.dtype(index))))
    return tuple(values)


def several(frame: Frame, op: Op, expression: Any, hint: str = "part") -> tuple[Value, ...]:
    """Enter an expression that gives back one tensor for each of an op's results."""
    variables = tuple(Var(hint) for _ in op.results)
    frame.line(variables, expression)
    return entered(frame, variables)


def matched(frame: Frame, value: Value, axis: int, atoms: Sequence[Atom]) -> list[Atom] | None:
    """Return a weight's axis in pieces of the sizes of ``atoms``; None if it cannot be cut so."""
    grouped = regroup((fine(value.axes)[axis],), [atom.size for atom in atoms])
    return None if grouped is None else [piece for group in grouped for piece in group]


def assigned(template: str) -> Rule:
    """Return the rule of ``assign``: a buffer is written to, in the order in which it lies."""

    def rule(frame: Frame, op: Op) -> tuple[Value, ...]:
        buffer, value = frame.settled_weight(given(frame)), given(frame, "src")
        place = {id(atom): index for index, axis in enumerate(buffer.logical) for atom in axis}
        order = [place[id(axis[0])] for axis in buffer.storage.physical if axis]
        if len(order) != buffer.rank or value.rank != buffer.rank:
            order = list(range(value.rank))
        frame.line((), code(template, frame.code(buffer.storage), frame.ordered(value, order)))
        return ()

    return rule


def zeros(frame: Frame, argument: Any) -> bool:
    """Return whether a state is made of zeros, which a recurrent layer starts from anyway."""
    made = frame.program.makers.get(getattr(argument, "name", ""))
    return made is not None and made.op in ("zeros", "new_zeros", "zeros_like")


def drawn(value: Value) -> Any:
    """Return how memory lies, for a mask of random numbers: an order of axes; else (sizes of atoms, their order)."""
    order = lying(value)
    if order is not None:
        return tuple(order)
    atoms = flat(value.logical)
    place = {id(atom): index for index, atom in enumerate(atoms)}
    if sum(isinstance(atom.size, Sym) for atom in atoms) > 1 or len(place) != len(flat(value.storage.physical)):
        return None
    sizes = tuple(-1 if isinstance(atom.size, Sym) else atom.size for atom in atoms)
    return sizes, tuple(place[id(atom)] for atom in flat(value.storage.physical))
