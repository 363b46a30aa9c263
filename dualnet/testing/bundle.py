"""Bundle: what it takes to run a failed comparison again, in a folder of its own."""

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends.draws import Arrays
from dualnet.backends.live import adapter, framework
from dualnet.compare.certify import given
from dualnet.compare.record import record
from dualnet.compare.report import Report
from dualnet.errors import DataError, DualnetError
from dualnet.report.result import dumps
from dualnet.run.port import porter

AGAIN = '''"""Run the comparison again: python again.py LEFT.py:NAME RIGHT.py:NAME

The two names are models, or classes or functions that make them; weights and inputs are those beside this file.
"""

import json
import sys
from pathlib import Path

import dualnet
from dualnet.run.source import fill, model_of
from dualnet.store import load

HERE = Path(__file__).parent
models = [model_of(place) for place in sys.argv[1:3]]
inputs = load(HERE / "inputs.safetensors")[0]
for side, model in zip(("left", "right"), models, strict=True):
    weights = HERE / f"{side}.safetensors"
    if getattr(model, "built", True) and weights.exists():
        fill(model, weights)
options = json.loads((HERE / "report.json").read_text(encoding="utf-8"))["options"]
given = {int(name) if name.isdecimal() else name: array for name, array in inputs.items()}
print(dualnet.check(*models, given, **options))
'''


def bundle(
    folder: Path, test: str, left: Any, right: Any, inputs: Any, options: Mapping[str, Any], report: Report
) -> Path:
    """Write weights, inputs, the report and how to run it again; return the new folder. What cannot be is left out."""
    place = _free(folder / re.sub(r"[^\w.=-]+", "-", test).strip("-")[-120:])
    left_out = []
    parts = {
        "left": partial(_weights, left),
        "right": partial(_weights, right),
        "inputs": partial(_inputs, left, inputs),
    }
    for name, arrays in parts.items():
        try:
            store.save(place / f"{name}.safetensors", arrays())
        except (DualnetError, TypeError, ValueError) as error:
            left_out.append(f"{name}: {error}")
    try:
        _record(place, left, right, inputs, options)
    except (DualnetError, TypeError, ValueError) as error:
        left_out.append(f"recordings: {error}")
    plain = {name: value for name, value in options.items() if _plain(value)}
    left_out += [f"the option {name}, which is no plain data" for name in options if name not in plain]
    told = {"test": test, "options": plain, "report": report.to_data()}
    store.write_text(place / "report.json", dumps(told))
    store.write_text(place / "again.py", AGAIN)
    if report.smallest is not None:
        report.smallest.save(place)
    store.write_text(place / "README.md", _readme(test, report, left_out))
    return place


def _record(place: Path, left: Any, right: Any, inputs: Any, options: Mapping[str, Any]) -> None:
    """Record both sides, from the start that the check gave them."""
    given = options.get("weights_from")
    if given == "right":
        msg = "the left side starts from the right one's weights, and a recording from its own or the first one's"
        raise DataError(msg)
    first = record(left, inputs, as_is=given is None)
    second = record(right, like=first, table=options.get("table"))
    first.save(place / "left.trace")
    second.save(place / "right.trace")


def _free(place: Path) -> Path:
    """Return the place, or the first numbered one that is not taken: a test may compare more than once."""
    count = 1
    free = place
    while free.exists():
        count += 1
        free = place.with_name(f"{place.name}-{count}")
    return free


def _weights(model: Any) -> Arrays:
    found: Arrays = adapter(framework(model)).values(model)
    return found


def _inputs(model: Any, inputs: Any) -> Arrays:
    arrays = given(porter(framework(model)).arrays(inputs))
    return {str(name): np.asarray(value) for name, value in arrays.items()}


def _plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _readme(test: str, report: Report, left_out: list[str]) -> str:
    lines = [
        f"# {test}: {report.verdict}",
        "",
        f"`pytest '{test}'` runs the test again. `python again.py LEFT.py:NAME RIGHT.py:NAME` compares two models on "
        "these weights and inputs, wherever they come from. `dualnet check left.trace right.trace` draws the verdict "
        "from what both sides did, without the models or their frameworks.",
        "",
        "- `left.safetensors`, `right.safetensors`: the weights of both models, by their own names",
        "- `inputs.safetensors`: what they were given, by place or keyword, in the left model's order of axes",
        "- `left.trace`, `right.trace`: what both sides did, recorded",
        *(["- `smallest.py`: the smallest pair of layers that differs, by itself"] if report.smallest else []),
        "- `report.json`: the options of the check, and everything that it found",
        "",
        "```text",
        str(report),
        "```",
        *(["", "Not here:", "", *(f"- {each}" for each in left_out)] if left_out else []),
    ]
    return "\n".join(lines) + "\n"
