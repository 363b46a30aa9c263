"""Calls: what a cell of each verb does, and the few numbers that its row shows. All in the process that it runs in."""

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dualnet.errors import DualnetError, SpecError, did_you_mean

if TYPE_CHECKING:
    from dualnet.run.hosts import Host
    from dualnet.specs.spec import Spec

Outcome = dict[str, Any]
Call = Callable[[Mapping[str, Any], Callable[[], "Host"]], Outcome]


def outcome(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Outcome:
    """Return what a cell came to: ``verdict``, ``numbers`` and ``says``, or ``error`` in words; ``seconds``, ``cpu``.

    It is plain data that JSON can hold: what is no finite number is a word.
    """
    start, cpu = time.perf_counter(), time.process_time()
    try:
        found = plain(CALLS[checked(cell["verb"])](cell, host))
    except DualnetError as error:
        found = {"error": str(error)}
    except Exception as error:  # whatever it is, the other cells go on
        found = {"error": f"{type(error).__name__}: {error}"}
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu} | found


def plain(found: Outcome) -> Outcome:
    """Return an outcome whose numbers are finite, or words."""
    numbers = {name: _finite(value) for name, value in found["numbers"].items()}
    return found | {"numbers": numbers}


def _finite(value: Any) -> Any:
    return value if value is None or math.isfinite(value) else str(value)


def checked(verb: str) -> str:
    """Return a verb that cells can have. Raises ``SpecError`` for another."""
    if verb not in CALLS:
        hint = did_you_mean(verb, CALLS) or f" There are: {', '.join(CALLS)}."
        msg = f"No sweep runs {verb!r}.{hint}"
        raise SpecError(msg)
    return verb


def _parity(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Outcome:
    from dualnet import api
    from dualnet.compare.ladder import stages

    options = dict(cell["options"])
    names = stages(options.pop("stages", "all"))
    report = api.check(_spec(cell), stages=names, host=host(), climb_options=options, **_common(cell))
    gaps = {f"{report.precision} gap": _largest(report.stages, "gap32")}
    gaps["float64 gap"] = _largest(report.stages, "gap64")
    first = next((stage for stage in report.stages if stage.verdict == report.verdict), None)
    told = [f"{first.name}: {first.where}"] if first and first.where else []
    told += [f"not checked: {', '.join(names)}" for _, names in report.reasons()]
    return {"verdict": report.verdict, "numbers": gaps, "says": told}


def _largest(stages: Any, key: str) -> float | None:
    found = [getattr(stage, key) for stage in stages]
    return max((gap for gap in found if not math.isnan(gap)), default=None)


def _train(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Outcome:
    from dualnet.experiments.training import train

    result = train(_spec(cell), bench=_bench(cell, host), **cell["options"])
    numbers: dict[str, float | None] = {}
    for name, epochs in result.data["history"].items():
        numbers |= {f"{name} loss": epochs[-1]["loss"], f"{name} test": epochs[-1]["test_accuracy"]}
    return {"verdict": result.verdict, "numbers": numbers, "says": result.says}


def _experiment(name: str) -> Call:
    """Return the call of an experiment whose words are its result."""

    def call(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Outcome:
        from dualnet import experiments

        result = getattr(experiments, name)(_spec(cell), bench=_bench(cell, host), **cell["options"])
        return {"verdict": result.verdict, "numbers": {}, "says": result.says}

    return call


def _busy(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Outcome:
    """Be busy for a known time, by which ``benchmarks/sweeping.py`` measures what a sweep costs."""
    end = time.perf_counter() + cell["options"]["busy"]
    while time.perf_counter() < end:
        pass
    return {"verdict": "", "numbers": {}, "says": []}


def _spec(cell: Mapping[str, Any]) -> "Spec":
    from dualnet.specs import text

    return text.from_data(cell["spec"])


def _common(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {"seed": cell["seed"], "dtype": cell["dtype"], "device": cell.get("device", "cpu")}


def _bench(cell: Mapping[str, Any], host: "Callable[[], Host]") -> Any:
    from dualnet.experiments.bench import Bench

    return Bench(host=host(), **_common(cell))


CALLS: dict[str, Call] = {
    "parity": _parity,
    "train": _train,
    "init": _experiment("init"),
    "signal": _experiment("signal"),
    "clip": _experiment("clip"),
    "busy": _busy,
}
