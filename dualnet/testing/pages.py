"""Pages: everything that a run compared, as one HTML page or as JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dualnet import store
from dualnet.compare.verdict import worst
from dualnet.report.page import page
from dualnet.report.result import dumps, from_data

FORMAT = 1


def written(found: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> tuple[bool, list[str]]:
    """Write each path, whole or not at all; return whether one could not be written, and what is to be said."""
    ordered = sorted(found, key=lambda each: str(each["test"]))  # workers finish in any order
    said, failure = [], False
    for path in paths:
        text = _page(ordered) if path.suffix == ".html" else dumps(data(ordered))
        try:
            store.write_text(path, text)
            said.append(f"written: {path}")
        except OSError as error:
            failure = True
            said.append(f"not written: {path}: {error.strerror}")
    return failure, said


def data(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the comparisons as plain data: of each its test and place, its verdict, and the whole report."""
    names = ("test", "file", "line", "outcome", "verdict", "first", "bundle")
    rows = [{name: each[name] for name in names} | {"report": each["result"]["data"]} for each in found]
    environment = found[0]["result"]["environment"] if found else {}
    verdict = worst([each["verdict"] for each in found])
    return {"dualnet_reports": FORMAT, "verdict": verdict, "environment": environment, "reports": rows}


def _page(found: Sequence[Mapping[str, Any]]) -> str:
    return page([from_data(each["result"], str(each["test"])) for each in found], "dualnet: parity of the tests")
