"""Fuzz: random graphs of the whole catalogue. ``python -m tests.fuzz`` runs many, and goes on where it was stopped.

Each graph is built by both frameworks in float64 and run in both modes; outputs of every layer and gradients of every
parameter and input must agree. As text it must come back the same, and the source written from it, for either
framework, must give what the live model gives. A failure shrinks to a minimal spec, printed as text.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from dualnet import specs as S
from dualnet.backends import backend
from dualnet.backends.protocol import Arrays, Session
from dualnet.compare.tolerance import NOISE_FACTOR, SAME, SHRINKS_TO
from dualnet.compare.verdict import zero
from dualnet.errors import UnsupportedError
from dualnet.run.port import porter, program_of, written
from dualnet.run.train import nudged
from dualnet.specs import text
from dualnet.specs.program import Program
from tests.cases import arrays, weights
from tests.cases import inputs as inputs_of
from tests.strategies import specs

PIECE = 50  # graphs between two lines of progress, and lost at most when it is stopped
TRACED = 5  # one piece in so many runs Keras in traced functions; the others eagerly, in half the time
NUDGES = 3  # runs from weights that are an ulp off, by which a gap is told from noise
ROUNDING = 1e-14  # some 50 ulps of the largest number in a run: what cancels leaves so much
HUGE = 1e100  # beyond it a graph of exponentials says nothing about a layer

Run = Callable[[Arrays, Arrays], Arrays]


def examine(spec: S.Spec) -> list[str]:
    """Return what came of a graph, in words to be counted. Raises ``AssertionError`` where something differs."""
    assert text.loads(text.dumps(spec)) == spec, "it does not come back from its text"
    inputs, own = inputs_of(spec, 1), weights(spec, 2)
    try:
        runs = [_session(name, spec) for name in ("torch", "keras")]
    except UnsupportedError as error:
        return [f"refused: {_reason(error)}"]
    ours, theirs = (run(inputs, own) for run in runs)
    if not _finite(ours):
        return ["not finite"]
    rough = cache(lambda: tuple(_session(name, spec, "float32")(inputs, own) for name in ("torch", "keras")))

    def noise() -> Any:
        """Return the larger movement of both: a zero of one framework is the other's rounding."""
        moved = [_noise(run, inputs, own, found) for run, found in zip(runs, (ours, theirs), strict=True)]
        return Counter({name: max(moved[0][name], moved[1][name]) for name in ours})

    outcome = "unstable" if apart(ours, theirs, noise, rough) else "equal"
    try:
        program = program_of(spec)
    except UnsupportedError as error:
        return [outcome, f"source: refused: {_reason(error)}"]
    return [outcome, *(f"source for {to}: {_emitted(spec, program, to, inputs)}" for to in ("torch", "keras"))]


def _finite(found: Arrays) -> bool:
    return all(np.isfinite(array).all() and np.abs(array).max(initial=0.0) < HUGE for array in found.values())


def apart(ours: Arrays, theirs: Arrays, noise: Callable[[], Arrays], rough: Callable[[], tuple[Arrays, ...]]) -> bool:
    """Return whether arrays differ by more than rounding, yet as rounding alone may make them. Raises beyond that.

    Rounding moves an array by ``noise``; and is all there is to an array, or to a gap, that is so much larger in
    float32, which ``rough`` gives of both.
    """
    assert list(ours) == list(theirs), f"{list(ours)} and {list(theirs)}"
    largest = max((float(np.abs(array).max(initial=0.0)) for array in ours.values()), default=0.0)
    gaps = {name: _gap(ours[name], theirs[name], ROUNDING * largest) for name in ours}
    parted = {name: gap for name, gap in gaps.items() if not gap <= SAME}
    moved = noise() if parted else {}
    for name, gap in parted.items():
        explained = gap <= NOISE_FACTOR * moved[name] or all(
            zero(rough()[0][name], each[name]) for each in (ours, theirs)
        )
        explained = explained or gap <= SHRINKS_TO * _gap(rough()[0][name], rough()[-1][name])
        assert explained, f"{name}: they differ by {gap:.1e}, an ulp moves it by {moved[name]}"
    return bool(parted)


def _gap(left: Any, right: Any, floor: float = 0.0) -> float:
    """Return the largest difference, relative; 0 up to the floor."""
    assert np.shape(left) == np.shape(right), f"shapes {np.shape(left)} and {np.shape(right)}"
    size = np.abs(left).max(initial=0.0)
    gap = float(np.abs(np.subtract(left, right)).max(initial=0.0))
    return 0.0 if gap <= floor else gap / float(size) if size else gap


def _noise(run: Run, inputs: Arrays, own: Arrays, found: Arrays) -> Any:
    """Return by how much an ulp in weights and inputs moves each array, relative."""
    moved: Any = Counter()
    for number in range(NUDGES):
        moving = {name: array for name, array in inputs.items() if array.dtype.kind == "f"}
        again = run(inputs | nudged(moving, number, 1), nudged(own, number, 1))
        for name, array in found.items():
            moved[name] = max(moved[name], _gap(array, again[name]))
    return moved


def _session(name: str, spec: S.Spec, dtype: str = "float64") -> Run:
    session = backend(name).session(spec, dtype=dtype, seed=3)

    def run(inputs: Arrays, own: Arrays) -> Arrays:
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there
            session.load(own)
        found: Arrays = {}
        for training in (False, True):
            made = session.forward(inputs, training=training, step=5)
            outputs = {f"output {index}": output for index, output in enumerate(made["outputs"])}
            targets = list(arrays({key: array.shape for key, array in outputs.items()}, 4, None).values())
            slopes = session.gradients(inputs, None, targets, training=training, step=5)
            for kind, each in (("", outputs), ("layer ", made["layers"]), ("gradient of ", slopes["parameters"])):
                found |= {f"{kind}{key}, training={training}": array for key, array in each.items()}
            found |= {f"gradient of input {key}, training={training}": a for key, a in slopes["inputs"].items()}
        return found

    return run


def _emitted(spec: S.Spec, program: Program, to: str, inputs: Arrays) -> str:
    """Return whether the source written for a framework gives what the live model gives."""
    try:
        made = written(program, to)
    except UnsupportedError as error:
        return f"refused: {_reason(error)}"
    live = porter(to).ported(made.document, made.model, "float64", made.document.carries)
    original, low = (backend("torch").session(spec, dtype=dtype) for dtype in ("float64", "float32"))

    def run(given: Arrays, own: Arrays, session: Session = original) -> Arrays:
        session.load(own)
        made = session.forward(given)["outputs"]
        return {f"source for {to}: output {index}": array for index, array in enumerate(made)}

    with np.errstate(over="ignore"):  # what float32 cannot hold makes the graph "not finite"
        own = {name: array.astype(np.float32).astype(np.float64) for name, array in original.weights().items()}
    if any((array != 0)[own[name] == 0].any() for name, array in original.weights().items()):
        return "weights below float32's least number, in which source holds them"
    found = run(inputs, own)
    if not _finite(found):
        return "not finite"
    outputs = live.run(dict(enumerate(inputs.values())), training=False, gradients=False)["outputs"]
    theirs = {f"source for {to}: output {index}": array for index, array in enumerate(outputs)}
    return (
        "unstable"
        if apart(found, theirs, lambda: _noise(run, inputs, own, found), lambda: (run(inputs, own, low),))
        else "equal"
    )


def _reason(error: Exception) -> str:
    """Return why something was refused, without the names that are this graph's own."""
    said = str(error).splitlines()[-1]
    return " ".join("…" if "'" in word or any(c.isdigit() for c in word) else word for word in said.split())[:110]


def piece(number: int, count: int = PIECE) -> Counter[str]:
    """Examine ``count`` graphs, those of a seed; return what came of them."""
    counted: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,  # the rest comes when the first is mended
    )
    @given(specs())
    def every(spec: S.Spec) -> None:
        counted["graphs"] += 1
        try:
            counted.update(examine(spec))
        except Exception as error:
            error.add_note(f"\n{text.dumps(spec)}")
            raise

    every()
    return counted


def pieces(numbers: list[int], jobs: int) -> Iterator[tuple[int, dict[str, int] | str]]:
    """Yield each piece's number, and its counts or the failure, as they come; every process takes the next piece."""
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=4) as pool:  # frameworks keep what they trace
        yield from pool.imap_unordered(_tried, numbers)


def _tried(number: int) -> tuple[int, dict[str, int] | str]:
    import tensorflow as tf

    tf.config.run_functions_eagerly(number % TRACED != 0)
    try:
        return number, dict(piece(number))
    except Exception as error:  # whatever failed is what is looked for
        notes = "\n".join(getattr(error, "__notes__", []))
        return number, f"{type(error).__name__}: {error}{notes}"


def main(words: list[str] | None = None) -> int:
    """Run the pieces that the record does not hold yet; return 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="graphs in all (default 10000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--seed", type=int, default=0, help="the first piece's seed")
    parser.add_argument("--record", type=Path, default=Path("build/fuzz.jsonl"), help="what is done (build/fuzz.jsonl)")
    given_ = parser.parse_args(words)
    given_.record.parent.mkdir(parents=True, exist_ok=True)
    lines = given_.record.read_text().splitlines() if given_.record.exists() else []
    done = {entry["piece"]: entry for entry in map(json.loads, lines)}
    wanted = range(given_.seed, given_.seed + -(-given_.count // PIECE))
    left, start = [number for number in wanted if number not in done], time.monotonic()
    with given_.record.open("a") as record:
        for at, (number, found) in enumerate(pieces(left, given_.jobs), 1):
            done[number] = {"piece": number, **({"failed": found} if isinstance(found, str) else {"found": found})}
            record.write(json.dumps(done[number]) + "\n")
            record.flush()
            minutes = (time.monotonic() - start) / at * (len(left) - at) / 60
            bad = f"FAILED\n{found}\n" if isinstance(found, str) else "fine"
            print(f"piece {number}: {bad}, {at} of {len(left)}, {minutes:.0f} minutes left", flush=True)
    return told([done[number] for number in wanted if number in done])


def told(entries: list[dict[str, Any]]) -> int:
    """Print the counts of all pieces; return 1 if any failed."""
    counted: Counter[str] = Counter()
    for entry in entries:
        counted.update(entry.get("found", {}))
    for name, count in counted.most_common():
        print(f"{count:7,}  {name}")
    failed = [entry for entry in entries if "failed" in entry]
    print(
        f"{len(failed)} of {len(entries)} pieces failed: {', '.join(str(each['piece']) for each in failed) or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
