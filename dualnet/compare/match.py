"""Check on any two live models: their weights are matched, their inputs and outputs laid as each takes them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualnet.backends.draws import FIRST, LAST, Array, Order
from dualnet.backends.fact import Fact
from dualnet.backends.live import CHANNELS, Inputs, adapter, framework
from dualnet.backends.recipe import Recipe
from dualnet.compare.certify import UNGIVEN, _said, certify, given, lossless
from dualnet.compare.pairs import match
from dualnet.compare.reads import settle_reads
from dualnet.compare.report import Report
from dualnet.errors import DualnetError, SpecError, WeightsError
from dualnet.run.port import porter
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
    facts = ours.facts(left)
    found = match(facts, theirs.facts(right), own, ours.values(left), theirs.values(right))
    left, right = ours.fold(left, found.spare[0]), theirs.fold(right, found.spare[1])
    outs = _out_orders(ours.live(left, "float32"), theirs.live(right, "float32", in_orders=orders), arrays)
    settle_reads(found, partial(opened, ours, left, facts), partial(theirs.live, right, in_orders=orders), arrays)
    report = certify(
        lambda dtype: opened(ours, left, facts, dtype),
        lambda dtype: theirs.live(right, dtype, found.carries, in_orders=orders, out_orders=outs),
        arrays,
        name or " against ".join(dict.fromkeys(type(model).__name__ for model in (left, right))),
        sides,
        training=training,
        weights_from=weights_from,
        strict=False,
        note=found.note,
        layout=_layouts(facts),
        recipes=recipes,
        targets=targets,
    )
    why = report.stage("forward").skipped or "no tensor comes back"
    if why.startswith(UNGIVEN):
        msg = f"{why}: table={{left name: right name}}. Found so far: {found.note}."
        raise WeightsError(msg)
    if report.stage("forward").verdict == "not checked":
        msg = f"the models cannot be run on these inputs: {why}"
        raise SpecError(msg)
    report.stage("structure").figures["matching"] = {carry.source: carry.target for carry in found.carries}
    if recipes is None:
        lossless(report)
    return report


def opened(page: Any, model: Any, facts: Sequence[Fact], dtype: str) -> Any:
    """Return the left model live; where a variable holds several weights, by the names of these."""
    parts = any(fact.at is not None for fact in facts)
    return page.live(model, dtype, [fact.itself() for fact in facts] if parts else None)


def _layouts(facts: Sequence[Fact]) -> Callable[[str, Array], Array]:
    """Return what lays a weight of a model as PyTorch does."""
    known = {fact.name: fact for fact in facts}

    def laid(name: str, array: Array) -> Array:
        fact = known.get(name)
        return array if fact is None else fact.laid(array)

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
