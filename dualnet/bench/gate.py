"""The gate: what has not passed parity is not timed, for the speed of another function says nothing."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualnet import api
from dualnet.bench.plan import Settings
from dualnet.compare.ladder import STAGES
from dualnet.errors import DataError, DeviceError, UnsupportedError
from dualnet.run.hosts import Workers
from dualnet.run.launch import Order
from dualnet.run.process import Process
from dualnet.specs.spec import Spec

# Up to optimizer steps: what is timed is compared, and nothing that needs a data set.
STAGED = STAGES[: STAGES.index("step") + 1]
UNCHECKED = "NOT CHECKED for parity (--unchecked)"


@dataclass(frozen=True)
class Passed:
    """How a pair did: in words, and whether it may be timed."""

    words: str
    agrees: bool


def spec_passed(spec: Spec, settings: Settings, pythons: Mapping[str, str]) -> Passed:
    """Climb the ladder on a spec, in workers of its own, which are gone before anything is timed."""
    try:
        with Workers(pythons, settings.threads) as host:
            report = api.check(
                spec, stages=STAGED, seed=settings.seed, device=settings.device, dtype=settings.dtype, host=host
            )
    except (DataError, DeviceError, UnsupportedError) as error:
        return Passed(f"parity could not be checked: {error}", False)
    return _told(report.verdict, report.agrees, next((s.name for s in report.stages if s.where), ""))


def _told(verdict: str, agrees: bool, where: str) -> Passed:
    return Passed(f"parity: {verdict}" + (f", first at stage {where}" if where and not agrees else ""), agrees)


@dataclass(frozen=True)
class Opened:
    """Two live models: frameworks, inputs of each by name or place, in whose axes, and whether any batch will do."""

    backends: tuple[str, str]
    inputs: dict[str, Any]
    orders: dict[str, Any]
    free: bool
    passed: Passed


def models_passed(places: tuple[str, str], words: Mapping[str, Any], settings: Settings, check: bool) -> Opened:
    """Run both files in a process that holds both frameworks, compare the models there, and return how they are called.

    ``words`` are those of the command line: input, kwargs_left, kwargs_right, weights_from, table. Raises what
    ``dualnet check`` raises.
    """
    process = Process(Order(sys.executable, ("gate",), "dualnet.bench.gatekeeper", settings.threads))
    try:
        found = process.ask(None, "open", list(places), dict(words), check)
    except BaseException:
        process.process.kill()
        raise
    finally:
        process.close()
    left, right = found["backends"]
    passed = _told(found["verdict"], found["agrees"], found["where"]) if check else Passed(UNCHECKED, True)
    inputs = {name: np.asarray(array) for name, array in found["inputs"].items()}
    return Opened((left, right), inputs, found["orders"], found["free"], passed)
