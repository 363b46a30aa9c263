"""The gate: a few of the speed cases, quickly; exit 1 where one has got slower beyond the noise.

    python benchmarks/gate.py            # what CI runs: two to three minutes
    python benchmarks/gate.py --record   # after a change that is meant: what is measured from now on

A case is held to its mark of the other files, and on the machine that recorded results/gate.json to what was recorded
there. It has failed if its whole interval lies beyond, twice, in fresh processes. Where others are at work on the
machine nothing can be concluded: the gate says so, and fails nobody.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import building
import inference
import starting
from cases import HERE, KNOWN, Case, Given, Measured, benched, between
from nets import MLP
from training import KERAS, TENSORS, TORCH

from dualnet import store
from dualnet.bench import plan
from dualnet.bench.machine import machine
from dualnet.report.look import short
from dualnet.report.result import dumps

RECORD = HERE / "results" / "gate.json"
# Two identical processes differ by 10 % on small machines, another day's placement of memory by as much again, and
# machines that give the same name to their processor by more.
SLACK = 1.5
# A start is timed on one core while another imports, and medians bear some of the time taken away, but not more.
BUSY = 0.2

BOUNDS = ("fixed batch", "fixed batch, XLA")  # what no training of the net can be faster than
train = benched(MLP, (TENSORS, *BOUNDS, "dualnet"), "train")


def of(cases: tuple[Case, ...], work: str) -> Case:
    """Return the case of this work."""
    return next(case for case in cases if case.work == work)


CASES = (
    Case(
        "torch MLP training", "TensorDataset + DataLoader", between(TORCH, f"torch: {TENSORS}", train, "train"), 1.5, 3
    ),
    Case(
        "Keras MLP training", "one fixed batch, XLA", between(KERAS, f"keras: {BOUNDS[1]}", train, "train"), 0.8, 0.95
    ),
    of(inference.CASES, "Keras inference, batch 1: mlp"),
    of(building.CASES, "build of a spec: mlp, torch"),
    of(starting.CASES, "dualnet --help"),
    of(starting.CASES, "dualnet show --backend torch"),
)


def busy(seconds: float = 3.0) -> float:
    """Return the share of the machine's time that others take, while this process sleeps; 0 where nobody counts."""
    if not Path("/proc/stat").exists():
        return 0.0
    before = _ticks()
    time.sleep(seconds)
    spent = [now - then for now, then in zip(_ticks(), before, strict=True)]
    return 1.0 - (spent[3] + spent[4]) / sum(spent)  # idle, and waiting for a disk


def _ticks() -> list[int]:
    """Return what the kernel counts: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]]


def limit(case: Case, recorded: dict[str, Any]) -> float:
    """Return what a case is held to: its mark, or, if that is the harder one, what was recorded and some slack."""
    held = recorded.get(case.work)
    if held is None:
        return case.least
    return min(case.least, held["value"] * SLACK) if case.less else max(case.least, held["value"] / SLACK)


def lost(case: Case, found: Measured, bound: float) -> bool:
    """Return whether the whole interval lies beyond the limit; what could not be measured is lost."""
    return not (found.low <= bound if case.less else found.high >= bound)


def main() -> int:
    """Measure, tell, and return the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--record", action="store_true", help="keep what is measured as what is held to")
    given = words.parse_args()
    os.chdir(HERE.parent)
    others = busy()
    if others > BUSY or (os.cpu_count() or 1) < 2:
        print(f"not measured: others take {others:.0%} of {os.cpu_count()} cores; it wants two that are idle")
        return 0
    known = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"machine": {}, "cases": {}}
    here = machine()["processor"], machine()["cpus"]
    recorded = known["cases"] if here == (known["machine"].get("processor"), known["machine"].get("cpus")) else {}
    settings = plan.Settings(processes=3, seconds=12.0, samples=20_000)
    fresh: dict[str, Any] = {}
    failed = []
    for case in CASES:
        bound = limit(case, {} if given.record else recorded)
        found = case.measure(Given(settings, tiny=False))
        if lost(case, found, bound):
            KNOWN.clear()
            found = case.measure(Given(settings, tiny=False))
        fresh[case.work] = asdict(found)
        told = f"{short(found.value)}× [{short(found.low)}, {short(found.high)}]" if not found.note else found.note
        ok = "lost" if lost(case, found, bound) else "kept"
        failed += [case.work] if ok == "lost" else []
        print(
            f"{ok}: {case.work} against {case.against}: {told}, {'≤' if case.less else '≥'} {short(bound)}×", flush=True
        )
    if given.record and not failed:
        store.write_text(RECORD, dumps({"machine": machine(), "cases": fresh}))
        print(f"written: {RECORD}")
    if not recorded and not given.record:
        print("another machine than the one that was recorded: held to the marks alone")
    if failed and (others := busy()) > BUSY:
        print(f"nothing concluded: others came, and take {others:.0%} of {os.cpu_count()} cores")
        return 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
