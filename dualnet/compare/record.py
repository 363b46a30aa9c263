"""Record: a live model's side of a comparison, kept; and the comparison of two that were kept."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualnet import __version__
from dualnet.backends import backend
from dualnet.backends.draws import Draw
from dualnet.backends.live import Live, adapter, framework
from dualnet.compare.certify import TWICE, _said, certify, given, lossless
from dualnet.compare.couple import Couple, _exact
from dualnet.compare.match import _in_orders, _layouts, _out_orders, opened
from dualnet.compare.pairs import Matching, match
from dualnet.compare.reads import settle_reads
from dualnet.compare.report import Report
from dualnet.errors import DataError, SpecError
from dualnet.run.calls import told
from dualnet.run.port import porter
from dualnet.run.recording import Pass, Recording, arrays_of, named_inputs
from dualnet.run.replay import Replay, wide
from dualnet.run.train import nudged

STEPS = 5  # as a check of two live models makes
Draws = dict[str, Sequence[Draw]]
MODES = {"eval": False, "train": True}


def record(
    model: Any,
    inputs: Any = None,
    *,
    like: Recording | None = None,
    table: Mapping[str, str] | None = None,
    as_is: bool = False,
    name: str = "",
) -> Recording:
    """Return what a live model does on inputs, in both precisions and modes, and over a few updates.

    The first recording of a comparison takes ``inputs`` as ``check`` does, and starts from the model's weights,
    constant ones moved off 0 and 1, unless ``as_is``. The second takes both ``like`` the first: its weights are matched
    to the first's as ``check`` matches them, by ``table`` where that says how. Raises ``SpecError``, ``WeightsError``
    or ``UnsupportedError``.
    """
    here = framework(model)
    page = adapter(here)
    name = name or type(model).__name__
    if like is not None:
        return _second(model, here, page, like, table, _refused(like, inputs, as_is, name))
    if inputs is None:
        msg = f"{name}: a first recording needs inputs: an array, a tuple of them, or a dictionary by keyword."
        raise SpecError(msg)
    arrays = given(porter(here).arrays(inputs))
    page.build(model, arrays, ())
    facts = page.facts(model)
    make = partial(opened, page, model, facts)
    couple = Couple((make, make), ("recorded", "again"), arrays, None if as_is else "left", STEPS)
    made = Recording(name, here, not as_is, STEPS, facts=facts)
    _fill(made, couple, 0, {})
    made.origin = made.digest()
    return made


def _refused(like: Recording, inputs: Any, as_is: bool, name: str) -> str:
    """Return the name; raise ``SpecError`` for what a second recording does not take."""
    if inputs is not None or as_is:
        msg = f"{name}: what is recorded like another takes that one's inputs and start. Leave them out."
        raise SpecError(msg)
    if not like.first:
        msg = f"{name}: the recording of {like.name} was itself made like that of {like.of}. Give that one."
        raise SpecError(msg)
    return name


def _second(model: Any, here: str, page: Any, like: Recording, table: Mapping[str, str] | None, name: str) -> Recording:
    """Return the recording of a model on another's inputs and weights, in its names and order of axes."""
    inputs = arrays_of(like)
    first = _opened(like)
    orders = _in_orders((like.framework, here), page, model, inputs)
    page.build(model, inputs, orders)
    own = {a: page.name_of(model, b) for a, b in (table or {}).items()}
    found: Matching = match(like.facts, page.facts(model), own, like.part("own"), page.values(model))
    for spare in found.spare[0]:
        found.left_out[spare] = "a second bias: record first the side that has one only"
    model = page.fold(model, found.spare[1])
    settle_reads(found, first, partial(page.live, model, in_orders=orders), inputs)
    outs = _out_orders(first("float32"), page.live(model, "float32", in_orders=orders), inputs)
    right = partial(page.live, model, carries=found.carries, in_orders=orders, out_orders=outs)
    couple = Couple((first, right), ("origin", "recorded"), inputs, None, like.steps)
    if like.given:
        given = like.part("start/weights")
        couple.start = {side: _exact(couple.own[side]) | {n: given[n] for n in couple.paired} for side in couple.sides}
    made = Recording(name, here, like.given, like.steps, like.rate, like.origin, like.name, found.note)
    made.matching = {carry.source: carry.target for carry in found.carries}
    draws = {
        mode: like.passes[f"start/float64/{mode}"].draws for mode in MODES if f"start/float64/{mode}" in like.passes
    }
    _fill(made, couple, 1, draws)
    return made


def _opened(recording: Recording) -> Callable[[str], Live]:
    """Return what opens a recording in a precision, at its start."""

    def live(dtype: str) -> Live:
        replay = Replay(recording, dtype)
        replay.load({})
        return replay

    return live


def _fill(made: Recording, couple: Couple, at: int, draws: Mapping[str, Sequence[Draw]]) -> None:
    """Run one side of a couple from its start, and from one ulp beside it, and keep what it gives."""
    side, known = couple.sides[at], dict(draws)
    first = couple.live(side, "float64")
    made.inputs, arrays = named_inputs(couple.inputs)
    made.arrays |= arrays | _below("own", couple.own[side]) | _below("start/weights", couple.start[side])
    made.trainable, made.rest = first.trainable(), first.rest()
    made.arrays |= _below("rest", {name: first.other(name) for name in made.rest})
    made.versions = {"dualnet": __version__, made.framework: str(backend(made.framework).facts()["version"])}
    for base, dtype in (("start", "float64"), ("start", "float32"), ("nudged", "float64")):
        for mode in MODES:
            _pass(made, couple, (side, dtype), f"{base}/{dtype}", mode, known)
    for mode in MODES:
        _watch(made, couple, side, mode, known.get(mode, ()))
    for mode in MODES:
        path = f"start/float64/{mode}"
        said = made.passes[path]
        if not said.failed and not _lasting(made, couple, (side, "float64"), mode):
            made.passes[path] = Pass(said.draws, (*said.lost, TWICE))


def _lasting(made: Recording, couple: Couple, key: tuple[str, str], mode: str) -> bool:
    """Return whether a pass gives the same once more."""
    couple.started.discard(key)
    couple.fresh(key)
    again = couple.run(key, MODES[mode], made.passes[f"start/float64/{mode}"].draws, gradients=False)["outputs"]
    first = made.part(f"start/float64/{mode}/outputs")
    # As Couple.steady.
    return all(np.allclose(first[str(i)], b, rtol=1e-6, atol=1e-9, equal_nan=True) for i, b in enumerate(again))


def _watch(made: Recording, couple: Couple, side: str, mode: str, like: Sequence[Draw]) -> None:
    """Keep every call of a layer in a pass; a model whose layers cannot be watched has none."""
    key = (side, "float64")
    couple.started.discard(key)
    try:
        found = couple.fresh(key).watch(couple._given("float64"), training=MODES[mode], like=like)
        rows, arrays = told(found, f"calls/{mode}")
    except Exception:
        return
    made.calls[mode] = rows
    made.arrays |= arrays


def _pass(made: Recording, couple: Couple, key: tuple[str, str], place: str, mode: str, draws: Draws) -> None:
    """Make one pass, and from the one in training mode the updates."""
    path, start = f"{place}/{mode}", couple.start[key[0]]
    couple.started.discard(key)
    live = couple.fresh(key)
    if place.startswith("nudged"):
        start = start | nudged(wide(start), 0, 1)
        live.load(start)
    held = {name: array for name, array in live.weights().items() if not np.array_equal(array, start[name])}
    made.arrays |= _below(f"{place}/after 0", held)
    try:
        run = couple.run(key, MODES[mode], draws.get(mode, ()))
        draws.setdefault(mode, run["draws"])
        kept: dict[str, Any] = {name: value for name, value in run.items() if name not in ("draws", "lost")}
        if MODES[mode]:
            made.rate = made.rate or couple._rate(run)
            trained = couple._steps(key, run, made.rate)
            kept_weights = _below(f"{place}/after 1", trained.one) | _below(
                f"{place}/after {couple.count}", trained.last
            )
            made.arrays |= kept_weights
    except Exception as error:  # a framework's own, or the user's code's
        if path == "start/float64/eval":
            msg = f"{made.name} cannot be run on these inputs: {type(error).__name__}: {_said(error)}"
            raise SpecError(msg) from error
        made.passes[path] = Pass(failed=f"{type(error).__name__}: {_said(error)}")
        return
    for kind, value in kept.items():
        named = dict(enumerate(value)) if isinstance(value, list) else value
        made.arrays |= _below(path, {f"{kind}/{name}": array for name, array in named.items()})
    made.passes[path] = Pass(tuple(run["draws"]), tuple(run["lost"]))


def _below(path: str, arrays: Mapping[Any, Any]) -> dict[str, Any]:
    return {f"{path}/{name}": np.asarray(array) for name, array in arrays.items()}


def check_recordings(left: Recording, right: Recording, *, training: bool = True) -> Report:
    """Return the report on two recordings, of which one was made like the other, or both like a third.

    Raises ``DataError`` if they were not: then inputs, weights and random draws are not the same.
    """
    if left.origin != right.origin:
        msg = (
            f"The recordings of {left.name} and {right.name} share neither inputs nor weights. Record one like the "
            "other: dualnet record right.py:build --from left.trace --out right.trace"
        )
        raise DataError(msg)
    names = " against ".join(dict.fromkeys((left.name, right.name)))
    report = certify(
        lambda dtype: Replay(left, dtype),
        lambda dtype: Replay(right, dtype),
        arrays_of(left),
        names,
        (left.framework, right.framework),
        training=training,
        steps=left.steps,
        weights_from=None,  # each comes with the start that it was recorded from
        strict=False,
        note="; ".join(dict.fromkeys(each.note for each in (left, right) if each.note)),
        layout=_layouts(next((each.facts for each in (left, right) if each.first), [])),
    )
    second = right if left.first else left
    if left.given:
        weights = report.stage("weights")
        weights.note = f"{len(weights.findings)} weights, both given those of {second.of}"
    report.stage("structure").figures["matching"] = second.matching
    lossless(report)
    report.source = f"recorded: {_versions(left)}; {_versions(right)}"
    return report


def _versions(recording: Recording) -> str:
    return ", ".join(f"{name} {version}" for name, version in recording.versions.items())
