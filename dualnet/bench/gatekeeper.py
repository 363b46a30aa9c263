"""The gatekeeper: a process that holds both frameworks, opens two live models, and compares them as `dualnet check`."""

import os
import signal
import sys
from functools import partial
from typing import Any

import numpy as np

from dualnet import api
from dualnet.backends.live import adapter, framework
from dualnet.compare.match import _in_orders
from dualnet.errors import SpecError
from dualnet.run import source
from dualnet.run.layers import registered
from dualnet.run.port import porter
from dualnet.run.worker import serve


class Gate:
    """Answers one command: open two models."""

    def answer(self, command: dict[str, Any]) -> Any:
        """Return frameworks, inputs, their order of axes in the right model, and the verdict."""
        return opened(*command["arguments"])


def opened(places: list[str], words: dict[str, Any], check: bool) -> dict[str, Any]:
    """Return what ``dualnet.bench.gate`` asks for, of two places such as mine.py:Net."""
    again = partial(source.model_of, places[0], words["kwargs_left"], "--kwargs-left")
    left, right = again(), source.model_of(places[1], words["kwargs_right"], "--kwargs-right")
    inputs = source.inputs_of(words["input"], left, places[0], again)
    if inputs is None:
        msg = f"{places[0]}: say what it takes by --input, the shape of one sample, such as 28x28x1."
        raise SpecError(msg)
    named = {str(k): v for k, v in (inputs if isinstance(inputs, dict) else dict(enumerate(inputs))).items()}
    sides = framework(left), framework(right)
    arrays = porter(sides[0]).arrays(inputs)
    by = arrays if isinstance(arrays, dict) else dict(enumerate(arrays))
    orders = _in_orders(sides, adapter(sides[1]), right, by) or [None] * len(named)
    found: dict[str, Any] = {
        "backends": list(sides),
        "inputs": {name: np.asarray(array) for name, array in named.items()},
    }
    found |= {"orders": dict(zip(named, orders, strict=True)), "free": _free(words["input"], named)}
    if check:
        how = {"weights_from": words["weights_from"], "table": words["table"] or None}
        report = api.check(left, right, inputs, stages="all", **how)
        where = next((stage.name for stage in report.stages if stage.where), "")
        found |= {"verdict": report.verdict, "agrees": report.agrees, "where": where}
    return found


def _free(texts: list[str], named: dict[str, Any]) -> bool:
    """Return whether the shapes left out the batch axis: then a batch of any size will do."""
    shapes = [text.partition("=")[2] or text for text in texts]
    given = [shape.partition(":")[0] for shape in shapes]
    return all(
        np.ndim(array) == (0 if words == "scalar" else words.count("x") + 1) + 1
        for words, array in zip(given, named.values(), strict=True)
    )


def main() -> None:
    """Run the gatekeeper."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear: it ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    registered()
    serve(Gate(), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
