"""The verb ``sweep``: a grid of cells, an executor to work through it, a record of what is done, and one page."""

import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from dualnet.backends.precision import precision
from dualnet.cli.pages import write_page
from dualnet.cli.results import write
from dualnet.errors import SpecError
from dualnet.report.environment import environment
from dualnet.report.exhibits import Table
from dualnet.report.progress import progress
from dualnet.report.result import Result
from dualnet.report.table import exhibit
from dualnet.specs import zoo
from dualnet.sweep import cells as grid
from dualnet.sweep.calls import checked
from dualnet.sweep.local import Local
from dualnet.sweep.merged import EVERY, merged
from dualnet.sweep.record import finished, lines
from dualnet.sweep.run import Executor
from dualnet.sweep.run import sweep as worked


def sweep(arguments: Namespace) -> int:
    """Work through a grid; return 1 if a cell failed or its sides do not agree."""
    whole = _grid(arguments)
    own = grid.shard(whole, arguments.shard) if arguments.shard else whole
    with progress(arguments.quiet, "cells") as show:
        options: Any = {"resume": arguments.resume, "shard": arguments.shard, "progress": show}
        worked(own, arguments.out, _executor(arguments), **options)
    recorded = lines(arguments.out)
    found = {name: recorded[name] for name in map(grid.identity, whole) if name in recorded}
    result = merged(arguments.what, found, len(whole) - len(found))
    result.environment = environment()
    _keep(arguments, result)
    bad = result.verdict in ("divergent", "unstable") or not all(finished(line) for line in found.values())
    return 1 if bad else 0


def _grid(arguments: Namespace) -> list[grid.Cell]:
    """Return the cells that the words ask for. Raises ``SpecError`` or ``DeviceError`` before any of them runs."""
    verb = checked(arguments.what)
    dtypes = [precision(word.strip()).name for word in arguments.dtype.split(",")]
    if arguments.stages and verb != "parity":
        msg = f"--stages are those of parity. Received: sweep {verb} --stages {arguments.stages}"
        raise SpecError(msg)
    options = {"stages": arguments.stages, "limit": arguments.limit}
    training = {
        "epochs": _values(arguments.epochs, int),
        "batch_size": _values(arguments.batch_size, int),
        "learning_rate": _values(arguments.learning_rate, float),
    }
    specs = [zoo.load(name) for name in arguments.specs]
    given = {name: values for name, values in training.items() if values}
    place = {"device": arguments.device}
    return grid.cells(verb, specs, grid.numbers(arguments.seeds), dtypes, options, given, place)


def _values(words: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return [kind(word) for word in words.split(",") if word]
    except ValueError:
        msg = f"Expected numbers with commas between them. Received: {words!r}"
        raise SpecError(msg) from None


def _executor(arguments: Namespace) -> Callable[[], Executor]:
    """Return what makes the executor; interpreters reach its workers as they reach any worker, by the environment."""
    for name, python in (("TORCH", arguments.torch_python), ("KERAS", arguments.keras_python)):
        if python:
            os.environ[f"DUALNET_{name}_PYTHON"] = python
    if arguments.executor == "ray":
        from dualnet.sweep.on_ray import OnRay

        return partial(OnRay, arguments.workers, arguments.threads)
    return partial(Local, arguments.workers, arguments.threads)


def _keep(arguments: Namespace, result: Result) -> None:
    shown = [
        each for each in result.exhibits if isinstance(each, Table) and each.title != EVERY
    ]  # that is for the page
    print("\n\n".join([result.title, *map(exhibit, shown), *result.says]))
    result.save(arguments.out / "sweep.json")
    write_page(arguments.out / "report.html", [result], f"dualnet: {arguments.out.resolve().name}")
    write(arguments.json, result.to_data())
    print(f"written: {arguments.out}/sweep.json, report.html")
