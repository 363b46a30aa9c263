"""The fixture ``parity``: a check that fails the test, and keeps what it found."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dualnet import api
from dualnet.compare.report import Report
from dualnet.report import ladder
from dualnet.report.environment import environment
from dualnet.report.result import strict
from dualnet.testing.bundle import bundle
from dualnet.testing.screen import first, screen


@dataclass
class Parity:
    """Compares live models for one test. ``kept`` takes what was found, as plain data."""

    test: str
    kept: list[dict[str, Any]]
    stages: str = "all"
    bundles: Path | None = None

    def check(self, left: Any, right: Any = None, inputs: Any = None, stages: Any = None, **options: Any) -> Report:
        """Return the report of ``dualnet.check(left, right, inputs, stages=…, …)``; fail the test unless both agree.

        ``stages`` are those of the run (``--dualnet-stages``, or the setting ``dualnet_stages``, or "all") unless given
        here; all other keywords are ``dualnet.check``'s. Raises what that raises.
        """
        __tracebackhide__ = True
        file, line = _caller()
        options["stages"] = stages or self.stages
        report = api.check(left, right, inputs, **options)
        place = None
        if self.bundles and not report.agrees:
            place = bundle(self.bundles, self.test, left, right, inputs, options, report)
        result = ladder.result(report, environment())
        result.title = f"{self.test}: {result.title}"
        self.kept.append(
            {
                "test": self.test,
                "file": file,
                "line": line,
                "verdict": report.verdict,
                "first": first(report),
                "bundle": str(place or ""),
                "result": strict(result.to_data()),
            }
        )
        if not report.agrees:
            pytest.fail(screen(report, place), pytrace=False)
        return report


def _caller() -> tuple[str, int]:
    """Return the file and line that called ``check``."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno
