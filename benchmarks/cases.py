"""Speed cases: what is measured against what, what it must reach, and the page that says whether it did.

Each of training.py, inference.py, building.py and starting.py runs its cases and writes them into
results/<date>-speed.json and .md, beside those that the others wrote on the same day:

    python benchmarks/training.py [--tiny] [--only WORDS] [--processes N] [--seconds S] [--out DIR]
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dualnet import store
from dualnet.bench import plan, statistics
from dualnet.bench.machine import load, machine
from dualnet.bench.run import Run
from dualnet.errors import DualnetError
from dualnet.report.environment import environment
from dualnet.report.look import short
from dualnet.report.progress import progress
from dualnet.report.result import Result, dumps
from dualnet.specs.spec import Spec

HERE = Path(__file__).parent
HEADS = ("work", "against", "ratio", "95 % interval", "control", "at least", "aim", "passed", "aim reached")


@dataclass(frozen=True)
class Measured:
    """A figure with its interval, and the control that it must be beyond; ``note`` says why there is none."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    control: float = math.nan
    note: str = ""

    def inverted(self) -> "Measured":
        """Return the ratio of times for that of speeds."""
        return replace(self, value=1 / self.value, low=1 / self.high, high=1 / max(self.low, 1e-12))


@dataclass(frozen=True)
class Case:
    """One row: what is done, against what, and the figure to reach: at least, or at most where less is better."""

    work: str
    against: str
    measure: Callable[["Given"], Measured]
    least: float
    aim: float
    less: bool = False
    unit: str = "×"


@dataclass(frozen=True)
class Given:
    """How to measure: the settings of a bench, and whether only to see that it runs."""

    settings: plan.Settings
    tiny: bool


def between(
    left: str, right: str, result: Callable[[Given], Result], what: str, batch: int = 0
) -> Callable[[Given], Measured]:
    """Return what finds a ratio in a bench's result, by the names of its rows."""

    def measure(given: Given) -> Measured:
        found = result(given)
        for each in found.data["ratios"]:
            if (each["left"], each["right"], each["what"]) == (left, right, what) and batch in (0, each["batch"]):
                return Measured(each["ratio"], each["low"], each["high"], each["control"])
        gate = [words for words in found.data["gates"].values() if "divergent" in words or "could not" in words]
        return Measured(note="; ".join(gate + [line for line in found.says if line.startswith("left out")]))

    return measure


KNOWN: dict[str, Result] = {}


def benched(spec: Spec, recipes: Sequence[str], what: str, **changes: Any) -> Callable[[Given], Result]:
    """Return what times a spec's named recipes, once for all cases that ask for the same."""

    def run(given: Given) -> Result:
        key = f"{spec.name} {recipes} {what} {changes}"
        if key not in KNOWN:
            changed = changes | ({"samples": given.settings.samples} if given.tiny else {})
            settings = replace(given.settings, whats=(what,), recipes=tuple(recipes) or "usual", **changed)
            KNOWN[key] = running(settings).specs([spec], ("torch", "keras"))
        return KNOWN[key]

    return run


def pair(framework: str, net: str, shape: str, batch: int) -> Callable[[Given], Result]:
    """Return what times a compiled spec beside the same net by hand, in one framework: training step and inference."""
    places = [f"{HERE.name}/nets_{framework}.py:{name}" for name in (f"compiled_{net}", net)]
    words = {"input": [shape], "kwargs_left": "", "kwargs_right": "", "weights_from": "left", "table": {}}

    def run(given: Given) -> Result:
        key = f"{places} {batch}"
        if key not in KNOWN:
            settings = replace(given.settings, whats=("train", "infer"), batches=(batch,))
            recipe = "resident", "inference_mode", "tf.function step", "tf.function"
            run = running(replace(settings, recipes=recipe))
            KNOWN[key] = run.models(places, words)
        return KNOWN[key]

    return run


def running(settings: plan.Settings) -> Run:
    """Return a run that says what it does."""
    return Run(settings, say=lambda text: print(f"  {text}", file=sys.stderr, flush=True))


def seconds(each: Iterable[float]) -> Measured:
    """Return seconds with their interval, from one figure of each of several processes."""
    times = [[one] for one in each]
    own = statistics.own(times)
    return Measured(own.value, own.low, own.high, math.exp(statistics.control(times)))


def starts(left: Sequence[float], right: Sequence[float]) -> Measured:
    """Return the ratio of the times of two commands, from the seconds of several starts of each."""
    found = statistics.ratio([[one] for one in left], [[one] for one in right])
    return Measured(found.speed.value, found.speed.low, found.speed.high, found.control).inverted()


def main(cases: Sequence[Case]) -> None:
    """Run the cases of a file and write the page."""
    words = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").strip())
    words.add_argument("--tiny", action="store_true", help="see that each runs: the figures say nothing")
    words.add_argument("--only", default="", help="the cases whose work or comparison holds these words")
    words.add_argument("--processes", type=int, default=5)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--out", type=Path, default=HERE / "results")
    given = words.parse_args()
    settings = plan.Settings(processes=given.processes, seconds=given.seconds, samples=20_000)
    if given.tiny:
        settings = replace(settings, processes=2, seconds=0.5, samples=400, chunk=0.01)
    if given.tiny and given.out == HERE / "results":
        words.error("--tiny figures say nothing and do not belong among the results: name another --out")
    os.chdir(HERE.parent)
    before, rows = load(), []
    chosen = [case for case in cases if given.only in f"{case.work} {case.against}"]
    with progress() as show:
        for number, case in enumerate(chosen):
            show("cases", number, len(chosen), case.work)
            try:
                found = case.measure(Given(settings, given.tiny))
            except DualnetError as error:
                found = Measured(note=str(error))
            rows.append(_row(case, found))
            print(" | ".join(_cells(rows[-1])), flush=True)
    own = {"rows": rows, "load": [before, load()], "settings": asdict(settings)}
    write(given.out, Path(sys.argv[0]).stem, own, given.tiny)


def _row(case: Case, found: Measured) -> dict[str, Any]:
    meets = (lambda value, goal: value <= goal) if case.less else (lambda value, goal: value >= goal)
    sure = found.high if case.less else found.low
    passed = "no" if not meets(found.value, case.least) else "yes" if meets(sure, case.least) else "yes, not surely"
    own = {"work": case.work, "against": case.against, "least": case.least, "aim": case.aim, "less": case.less}
    own |= {"unit": case.unit, "reached": "yes" if meets(found.value, case.aim) else "no"}
    if math.isnan(found.value):
        passed, own["reached"] = f"not measured: {found.note}", "-"
    return own | asdict(found) | {"passed": passed}


def _cells(row: dict[str, Any]) -> list[str]:
    sign, unit = ("≤ " if row["less"] else "≥ "), row["unit"]
    figures = {name: float(row[name]) for name in ("value", "low", "high", "control", "least", "aim")}
    told = "-" if math.isnan(figures["value"]) else f"{short(figures['value'])}{unit}"
    interval = "-" if math.isnan(figures["value"]) else f"[{short(figures['low'])}, {short(figures['high'])}]"
    beyond = "-" if math.isnan(figures["control"]) else f"×÷ {short(figures['control'])}"
    goals = [f"{sign}{short(figures[name])}{unit}" for name in ("least", "aim")]
    return [row["work"], row["against"], told, interval, beyond, *goals, row["passed"], row["reached"]]


def write(folder: Path, name: str, own: dict[str, Any], tiny: bool) -> None:
    """Write the rows of a file beside those of the others of the day, and the page of all of them."""
    path = folder / f"{date.today()}-speed.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    facts: dict[str, Any] = next((r.data["frameworks"] for r in KNOWN.values() if r.data["frameworks"]), {})
    found = known | {"machine": machine(), "environment": known.get("environment", {}) | environment(facts)}
    old = known.get("cases", {})
    # a run of some of a file's cases replaces those rows and leaves the others
    fresh = {(row["work"], row["against"]) for row in own["rows"]}
    kept = [r for r in old.get(name, {}).get("rows", []) if (r["work"], r["against"]) not in fresh]
    found["cases"] = old | {name: own | {"rows": kept + own["rows"]}}
    store.write_text(path, dumps(found))
    store.write_text(path.with_suffix(".md"), page(found, tiny))
    print(f"written: {path}, {path.with_suffix('.md').name}")


def page(found: dict[str, Any], tiny: bool) -> str:
    """Return the page of all cases as Markdown."""
    m, e = found["machine"], found["environment"]
    versions = ", ".join(f"{name} {e[name]['version']}" for name in ("torch", "keras") if name in e)
    parts = [f"# Speed, {date.today()}", "TINY SIZES: these figures say nothing." if tiny else ""]
    parts.append(f"{m['processor']}, {m['cpus']} cores, {m['memory_gib']} GiB; Python {e['python']}; {versions}.")
    parts.append(
        "Ratios of speed within one interleaved run, unless a limit with ≤ says that they are of time; in brackets the "
        "95 % interval over other processes; the control is the same side against itself."
    )
    for name, each in found["cases"].items():
        s = each["settings"]
        parts.append(f"## {name.capitalize()}")
        parts.append(
            f"{s['processes']} fresh processes a side, {s['threads']} thread each, up to {s['seconds']:g} s a cell; "
            f"load average {each['load'][0]} before, {each['load'][1]} after."
        )
        rows = [_cells(row) for row in each["rows"]]
        parts.append(tabulate(rows, HEADS, tablefmt="github", disable_numparse=True))
    return "\n\n".join(part for part in parts if part) + "\n"
