"""The gate on speed: what a case is held to, when it has lost, and that a busy machine is seen."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

HOME = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def pages() -> Any:
    """The pages of benchmarks, which find each other beside the file that is run."""
    sys.path.insert(0, str(HOME))
    try:
        import cases
        import gate

        yield gate, cases
    finally:
        sys.path.remove(str(HOME))


def test_a_case_is_held_to_the_harder_of_its_mark_and_what_was_recorded(pages: Any) -> None:
    gate, cases = pages
    more = cases.Case("work", "against", lambda given: cases.Measured(), 2.0, 3.0)
    less = cases.Case("work", "against", lambda given: cases.Measured(), 2.0, 1.0, less=True)
    assert gate.limit(more, {}) == gate.limit(less, {}) == 2.0
    assert gate.limit(more, {"work": {"value": 6.0}}) == 6.0 / gate.SLACK
    assert gate.limit(more, {"work": {"value": 2.1}}) == 2.0
    assert gate.limit(less, {"work": {"value": 1.0}}) == gate.SLACK
    assert gate.limit(less, {"work": {"value": 1.9}}) == 2.0


@pytest.mark.parametrize(
    ("low", "high", "more", "less"),
    [(2.5, 3.0, False, True), (1.5, 2.5, False, False), (1.0, 1.5, True, False), (math.nan, math.nan, True, True)],
    ids=["above", "across", "below", "not measured"],
)
def test_a_case_has_lost_if_its_whole_interval_lies_beyond(
    pages: Any, low: float, high: float, more: bool, less: bool
) -> None:
    gate, cases = pages
    found = cases.Measured(2.0, low, high)
    for flag, lost in ((False, more), (True, less)):
        case = cases.Case("work", "against", lambda given: found, 2.0, 3.0, less=flag)
        assert gate.lost(case, found, 2.0) is lost


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the kernel counts nothing here")
def test_a_busy_machine_is_seen(pages: Any) -> None:
    gate, _ = pages
    one = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert gate.busy(1.0) > 0.5 / (gate.os.cpu_count() or 1)
    finally:
        one.kill()
        one.wait()


def test_what_was_recorded_are_the_cases_that_there_are(pages: Any) -> None:
    gate, _ = pages
    recorded = gate.json.loads(gate.RECORD.read_text(encoding="utf-8"))
    assert list(recorded["cases"]) == [case.work for case in gate.CASES]
    assert all(each["low"] <= each["value"] <= each["high"] for each in recorded["cases"].values())
