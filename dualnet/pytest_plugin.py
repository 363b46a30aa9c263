"""The pytest plugin: its options, the fixture ``parity``, and when reports are gathered and written.

pytest loads this page in every run, so it imports nothing but pytest; what a check needs is loaded by the first check.
"""

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dualnet.testing.parity import Parity

KEPT = pytest.StashKey[list[dict[str, Any]]]()
KINDS = (".html", ".json")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings."""
    group = parser.getgroup("dualnet", "parity of live models (dualnet)")
    group.addoption(
        "--dualnet-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write every comparison to FILE: a page (.html) or data (.json); may be given for both",
    )
    group.addoption(
        "--dualnet-stages", metavar="NAMES", help="stages of parity.check: all, quick, or names with commas"
    )
    group.addoption("--dualnet-bundles", metavar="DIR", help="keep weights, inputs and report of each failure there")
    parser.addini("dualnet_report", "files of --dualnet-report, from the folder of this file", "args", [])
    parser.addini("dualnet_stages", "stages of parity.check, unless a test says which", "args", [])
    parser.addini("dualnet_bundles", "folder of --dualnet-bundles, from the folder of this file", "args", [])


def pytest_configure(config: pytest.Config) -> None:
    """Look at the options, and gather reports: in the process that the user started, not in its workers."""
    for path in reports(config):
        if path.suffix not in KINDS:
            msg = f"--dualnet-report must name a .html or .json file. Received: {path}"
            raise pytest.UsageError(msg)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gatherer(config), "dualnet.gatherer")


def reports(config: pytest.Config) -> list[Path]:
    """Return the files that reports are to be written to."""
    return [config.invocation_params.dir / path for path in config.getoption("--dualnet-report")] or [
        config.rootpath / path for path in config.getini("dualnet_report")
    ]


def bundles(config: pytest.Config) -> Path | None:
    """Return the folder of the bundles, if they are asked for."""
    told, usual = config.getoption("--dualnet-bundles"), config.getini("dualnet_bundles")
    if told:
        return Path(config.invocation_params.dir / told)
    return Path(config.rootpath / usual[0]) if usual else None


def stages(config: pytest.Config) -> str:
    """Return the stages that a check compares unless it says otherwise."""
    return config.getoption("--dualnet-stages") or ",".join(config.getini("dualnet_stages")) or "all"


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> "Parity":
    """Compare two live models: ``parity.check(left, right, inputs)``, as ``dualnet.check``, fails unless they agree."""
    from dualnet.testing.parity import Parity

    kept = request.node.stash.setdefault(KEPT, [])
    return Parity(request.node.nodeid, kept, stages(request.config), bundles(request.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what a test compared along with its report, as text: so it crosses from a worker process, too."""
    report = yield
    found = item.stash.get(KEPT, [])
    if found:
        vars(report)["dualnet"] = json.dumps(found)  # a report carries what plugins give it
        found.clear()
    return report


class Gatherer:
    """Everything that was compared in a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: list[dict[str, Any]] = []
        self.interrupted = False
        self.said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test compared, and how the test came out."""
        for each in json.loads(getattr(report, "dualnet", "[]")):
            self.found.append({**each, "outcome": report.outcome})

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that a run was broken off."""
        self.interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, each whole or not at all; those of a run that was broken off are not written."""
        wanted = reports(self.config)
        if wanted and (self.interrupted or not self.found):
            why = "the run was interrupted" if self.interrupted else "no test compared anything"
            self.said.append(f"not written: {', '.join(map(str, wanted))}: {why}")
        elif wanted:
            from dualnet.testing.pages import written

            failure, self.said = written(self.found, wanted)
            session.exitstatus = session.exitstatus or (pytest.ExitCode.INTERNAL_ERROR if failure else 0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was compared and written, and annotate failures where GitHub runs the tests."""
        if not (self.found or self.said):
            return
        verdicts = [each["verdict"] for each in self.found]
        counts = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts))
        terminalreporter.write_sep("-", f"dualnet: {len(verdicts)} compared: {counts}" if counts else "dualnet")
        for line in self.said:
            terminalreporter.write_line(line)
        if os.environ.get("GITHUB_ACTIONS"):
            from dualnet.testing.annotate import annotations

            for line in annotations(self.found, self.config.rootpath):
                terminalreporter.write_line(line)
