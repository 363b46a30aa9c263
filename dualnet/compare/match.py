"""Matching: which weight of one live model is which of another, and ``check`` on any two of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualnet.backends.draws import FIRST, LAST, Array, Arrays, Order
from dualnet.backends.live import CHANNELS, Fact, Inputs, adapter, framework
from dualnet.backends.recipe import Recipe
from dualnet.compare.certify import _said, certify, given, lossless
from dualnet.compare.report import Report
from dualnet.errors import DualnetError, SpecError, WeightsError, did_you_mean
from dualnet.run.port import porter
from dualnet.specs.carry import Carry
from dualnet.specs.program import leaves


def check(
    left: Any,
    right: Any,
    inputs: Any,
    *,
    table: Mapping[str, str] | None = None,
    weights_from: str | None = None,
    training: bool = True,
    name: str = "",
    recipes: tuple[Recipe, Recipe] | None = None,
    targets: Any = None,
) -> Report:
    """Return the report on two live models, each an ``nn.Module`` or a ``keras.Model``, compared as they are.

    ``inputs``: one array, a tuple, or a dict by keyword, in the left model's order. ``table`` names weights of the
    right model by those of the left; the others are matched by name, else by kind of layer, order and shape.
    ``weights_from`` ("left" or "right") gives both the weights of one. ``recipes`` are the sides' own training on
    ``targets``, which each side's loss takes as they are. Raises ``UnsupportedError`` or ``WeightsError``.
    """
    sides = framework(left), framework(right)
    ours, theirs = (adapter(each) for each in sides)
    if inputs is None:
        msg = "check of two live models needs inputs: an array, a tuple of them, or a dictionary by keyword."
        raise SpecError(msg)
    arrays = given(porter(sides[0]).arrays(inputs))
    orders = _in_orders(sides, theirs, right, arrays)
    _build(ours, left, arrays, ())
    _build(theirs, right, arrays, orders)
    own = {a: theirs.name_of(right, b) for a, b in (table or {}).items()}
    found = match(ours.facts(left), theirs.facts(right), own, ours.values(left), theirs.values(right))
    outs = _out_orders(ours.live(left, "float32"), theirs.live(right, "float32", in_orders=orders), arrays)
    report = certify(
        lambda dtype: ours.live(left, dtype),
        lambda dtype: theirs.live(right, dtype, found.carries, in_orders=orders, out_orders=outs),
        arrays,
        name or " against ".join(dict.fromkeys(type(model).__name__ for model in (left, right))),
        sides,
        training=training,
        weights_from=weights_from,
        strict=False,
        note=found.note,
        layout=_layouts(ours.facts(left)),
        recipes=recipes,
        targets=targets,
    )
    if report.stage("forward").verdict == "not checked":
        why = report.stage("forward").skipped or "no tensor comes back"
        msg = f"the models cannot be run on these inputs: {why}"
        raise SpecError(msg)
    report.stage("structure").figures["matching"] = {carry.source: carry.target for carry in found.carries}
    if recipes is None:
        lossless(report)
    return report


def _layouts(facts: Sequence[Fact]) -> Callable[[str, Array], Array]:
    """Return what lays a weight of a model as PyTorch does."""
    known = {fact.name: fact for fact in facts}

    def laid(name: str, array: Array) -> Array:
        fact = known.get(name)
        return array if fact is None else array.transpose(fact.order).reshape(fact.shape)

    return laid


def _build(page: Any, model: Any, inputs: Inputs, orders: Sequence[Order]) -> None:
    """Run a model once, if it has no weights yet. Raises ``SpecError`` with the model's own words if it cannot."""
    try:
        page.build(model, inputs, orders)
    except DualnetError:
        raise
    except Exception as error:
        msg = f"the models cannot be run on these inputs: {type(error).__name__}: {_said(error)}"
        raise SpecError(msg) from error


def _in_orders(sides: tuple[str, str], theirs: Any, model: Any, inputs: Inputs) -> list[Order]:
    """Return how each input lies in the right model: images change their axes between the frameworks."""
    if CHANNELS[sides[0]] == CHANNELS[sides[1]]:
        return []
    orders = LAST if CHANNELS[sides[1]] == "last" else FIRST
    arrays, declared = list(leaves(dict(inputs))), theirs.expects(model)
    wanted = declared if len(declared) == len(arrays) else [None] * len(arrays)
    return [_in_order(np.asarray(array), orders, shape) for array, shape in zip(arrays, wanted, strict=True)]


def _in_order(array: Any, orders: Mapping[int, tuple[int, ...]], wanted: Any) -> Order:
    order = orders.get(array.ndim)
    if order is None or not np.issubdtype(array.dtype, np.floating):
        return None
    if wanted is None:
        return order if array.ndim > 3 else None
    turned = _fits(tuple(array.shape[axis] for axis in order), wanted)
    return order if turned and (array.ndim > 3 or not _fits(array.shape, wanted)) else None


def _fits(shape: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, size) for size, w in zip(shape, wanted, strict=True))


def _out_orders(left: Any, right: Any, inputs: Inputs) -> list[Order]:
    """Return how each output lies in the right model, by the shapes that both give."""
    try:
        runs = [live.run(inputs, training=False, gradients=False)["outputs"] for live in (left, right)]
    except Exception:
        return []
    turned = any(right.orders[0])
    return [_out_order(ours.shape, theirs.shape, turned) for ours, theirs in zip(*runs, strict=False)]


def _out_order(ours: tuple[int, ...], theirs: tuple[int, ...], turned: bool) -> Order:
    """Return the axes of an output; where its shape leaves it open, images are turned as the inputs are."""
    guesses = [each[len(ours)] for each in (LAST, FIRST) if len(ours) in each]
    fits = [order for order in guesses if tuple(ours[axis] for axis in order) == theirs]
    if not fits or len(ours) != len(theirs):
        return None
    return fits[0] if ours != theirs or (turned and len(ours) > 3) else None


@dataclass
class Matching:
    """The pairs that were found, how, and what was left out and why."""

    carries: list[Carry] = field(default_factory=list)
    ways: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, way: str, carries: Iterable[Carry]) -> None:
        """Enter pairs that were found one way."""
        for carry in carries:
            self.carries.append(carry)
            self.ways[way] = self.ways.get(way, 0) + 1

    @property
    def note(self) -> str:
        """The matching in words."""
        ways = ", ".join(f"{count} {way}" for way, count in self.ways.items())
        out = f"; left out: {'; '.join(self.left_out)}" if self.left_out else ""
        return f"matched {ways or 'nothing'}{out}"


def match(
    ours: Sequence[Fact], theirs: Sequence[Fact], table: Mapping[str, str], left: Arrays, right: Arrays
) -> Matching:
    """Return which weight is which. Raises ``WeightsError`` for a table that names what is not there."""
    made = Matching()
    both = {fact.name: fact for fact in ours}, {fact.name: fact for fact in theirs}
    images = _flattened(ours) | _flattened(theirs)
    for row in table.items():
        told, channels = _told(*both, *row), images.get(row[0]) or images.get(row[1])
        found = _valued(both[0][row[0]], both[1][row[1]], channels, left, right) if channels else None
        made.add("by the table", [found or told])
    free = [[fact for fact in side if fact.name not in _taken(made)] for side in (ours, theirs)]
    named = {fact.name: fact for fact in free[1]}
    made.add("by name", [f.carry(named[f.name]) for f in free[0] if f.name in named and f.shape == named[f.name].shape])
    for key in dict.fromkeys((fact.kind, fact.role) for fact in free[0]):
        groups = [[f for f in side if (f.kind, f.role) == key and f.name not in _taken(made)] for side in free]
        for a, b in _pairs(made, *groups):
            written = _written(a, b, left, right)
            if written is not None:
                made.add("by value", [written])
            elif a.order == b.order or not {a.name, b.name} & images.keys():
                made.add("by kind and order", [a.carry(b)])
            else:
                _image(made, a, b, images.get(a.name) or images[b.name], left, right)
    return made


def _taken(made: Matching) -> set[str]:
    return {name for carry in made.carries for name in (carry.source, carry.target)}


def _told(ours: Mapping[str, Fact], theirs: Mapping[str, Fact], name: str, target: str) -> Carry:
    """Return the pair that the table names."""
    for known, wanted in ((ours, name), (theirs, target)):
        if wanted not in known:
            msg = f"The table names {wanted!r}, which is not there.{did_you_mean(wanted, known)}"
            raise WeightsError(msg)
    a, b = ours[name], theirs[target]
    axes = tuple(range(len(a.own)))
    if a.kind == b.kind and a.shape == b.shape:
        return a.carry(b)
    if a.own == b.own:
        return Carry(name, target, a.own, a.own, axes, b.own, a.trainable)
    if a.own == b.own[::-1]:
        return Carry(name, target, a.own, a.own, axes[::-1], b.own, a.trainable)
    msg = f"The table pairs {name} of shape {list(a.own)} with {target} of shape {list(b.own)}, which does not fit."
    raise WeightsError(msg)


def _pairs(made: Matching, ours: list[Fact], theirs: list[Fact]) -> Iterator[tuple[Fact, Fact]]:
    """Yield the weights of one kind in pairs: all in order if their shapes agree, else those of a shape of its own."""
    shapes = [[fact.shape for fact in side] for side in (ours, theirs)]
    if shapes[0] == shapes[1]:
        yield from zip(ours, theirs, strict=True)
        return
    for fact in ours:
        alike = [other for other in theirs if other.shape == fact.shape]
        if len(alike) == 1 and shapes[0].count(fact.shape) == 1:
            yield fact, alike[0]
        else:
            made.left_out.append(f"{fact.name}, of which there is no one counterpart")


def _flattened(facts: Sequence[Fact]) -> dict[str, int]:
    """Return the dense kernels that read a flattened image, by their shapes, and its channels."""
    found, channels = {}, 0
    for fact in facts:
        if fact.role == "weight" and "convolution" in fact.kind:
            channels = fact.shape[1 if fact.kind.startswith("transposed") else 0]
        elif fact.role == "weight" and fact.kind == "dense":
            if channels and fact.shape[1] != channels and fact.shape[1] % channels == 0:
                found[fact.name] = channels
            channels = 0
    return found


def _image(made: Matching, a: Fact, b: Fact, channels: int, left: Arrays, right: Arrays) -> None:
    """Pair two kernels that read a flattened image by their values: their shapes do not tell the order of its axes."""
    found = _valued(a, b, channels, left, right)
    if found:
        made.add("by value", [found])
    else:
        made.left_out.append(f"{a.name}, which reads a flattened image: the order of its axes cannot be known")


def _valued(a: Fact, b: Fact, channels: int, left: Arrays, right: Arrays) -> Carry | None:
    """Return the order of axes in which two kernels hold the same values, if there is one."""
    if a.shape != b.shape or a.order == b.order:
        return None
    ways = (a.carry(b), *_orders(a, b, channels))
    return next((way for way in ways if np.array_equal(way.forth(left[a.name]), right[b.name])), None)


def _written(a: Fact, b: Fact, left: Arrays, right: Arrays) -> Carry | None:
    """Return how the outputs of a dense layer that writes a flattened image lie, if the values show that they do."""
    plain = a.carry(b)
    values = left[a.name], right[b.name]
    if a.kind != "dense" or a.framed == b.framed or np.array_equal(plain.forth(values[0]), values[1]):
        return None
    if not np.array_equal(np.sort(values[0], axis=None), np.sort(values[1], axis=None)):
        return None
    return next((each for each in _rows(a, b) if np.array_equal(each.forth(values[0]), values[1])), None)


def _rows(a: Fact, b: Fact) -> Iterator[Carry]:
    """Yield the carries between dense layers that write (C, H, W) and (H, W, C), for every C, H and W."""
    out, first = a.shape[0], a.framed == "torch"
    for channels in (c for c in range(2, out) if out % c == 0):
        pixels = out // channels
        for high in (size for size in range(1, pixels + 1) if pixels % size == 0):
            split: tuple[int, ...] = (channels, high, pixels // high) if first else (high, pixels // high, channels)
            order: tuple[int, ...] = (1, 2, 0) if first else (2, 0, 1)
            if len(a.shape) > 1 and first:
                split, order = (*split, a.shape[1]), (3, *order)
            elif len(a.shape) > 1:
                split, order = (a.shape[1], *split), (*(1 + axis for axis in order), 0)
            yield Carry(a.name, b.name, a.own, split, order, b.own, a.trainable)


def _orders(a: Fact, b: Fact, channels: int) -> Iterator[Carry]:
    """Yield the carries between kernels that read (C, H, W) and (H, W, C), for every H and W."""
    out, width = a.shape
    pixels = width // channels
    for high in (size for size in range(1, pixels + 1) if pixels % size == 0):
        wide = pixels // high
        if b.order == (1, 0):
            split, order = (out, channels, high, wide), (2, 3, 1, 0)
        else:
            split, order = (high, wide, channels, out), (3, 2, 0, 1)
        yield Carry(a.name, b.name, a.own, split, order, b.own, a.trainable)
