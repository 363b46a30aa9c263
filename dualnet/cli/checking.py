"""The verb ``check``: any two live models out of users' files, or what was recorded of them."""

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dualnet import api
from dualnet.cli.common import speaker
from dualnet.cli.pages import write_page
from dualnet.cli.results import write
from dualnet.compare.choice import asked
from dualnet.compare.report import Report
from dualnet.errors import SpecError
from dualnet.report import ladder, table
from dualnet.report.environment import environment
from dualnet.run import pairing, source
from dualnet.run.recording import SUFFIX


def check(arguments: Namespace) -> int:
    """Compare two models, or recordings of them, and print the verdict; return 0 if they are one function, else 1."""
    names = asked(arguments.stages)
    pairs = pairing.read(arguments.table) if arguments.table else None
    if arguments.save_table:
        pairing.known(arguments.save_table)
    report = _compared(arguments, names, pairs)
    _tell(report, arguments)
    return 0 if report.agrees else 1


def _compared(arguments: Namespace, names: tuple[str, ...], pairs: dict[str, str] | None) -> Report:
    """Return the report on what stands on either side: a model out of a file, or a recording."""
    say = speaker(arguments.quiet)
    if not recorded(arguments.left):
        if recorded(arguments.right):
            msg = f"{arguments.right} is a recording, and {arguments.left} none: name the recording first."
            raise SpecError(msg)
        return _live(arguments, names, pairs, say)
    told = {
        "--input": arguments.input,
        "--weights-from": arguments.weights_from,
        "--kwargs-left": arguments.kwargs_left,
    }
    if recorded(arguments.right):
        told |= {"--table": arguments.table, "--kwargs-right": arguments.kwargs_right}
    for name, value in told.items():
        if value:
            msg = f"{name} is not for recordings, which bring their inputs, start and matching with them. Leave it out."
            raise SpecError(msg)
    right: Any = Path(arguments.right)
    if not recorded(arguments.right):
        say(f"running {arguments.right}")
        right = source.model_of(arguments.right, arguments.kwargs_right, "--kwargs-right")
    say("comparing the two, in float32 and float64")
    return api.check(Path(arguments.left), right, table=pairs, stages=names)


def recorded(place: str) -> bool:
    """Return whether a place is that of a recording."""
    return Path(place).suffix == SUFFIX


def _live(
    arguments: Namespace, names: tuple[str, ...], pairs: dict[str, str] | None, say: Callable[[str], None]
) -> Report:
    say(f"running {arguments.left}")
    again = partial(source.model_of, arguments.left, arguments.kwargs_left, "--kwargs-left")
    left = again()
    say(f"running {arguments.right}")
    right = source.model_of(arguments.right, arguments.kwargs_right, "--kwargs-right")
    inputs = inputs_of(arguments.input, left, arguments.left, again)
    say("comparing the two, in float32 and float64")
    return api.check(left, right, inputs, table=pairs, weights_from=arguments.weights_from, stages=names)


def inputs_of(shapes: list[str], model: Any, place: str, again: Callable[[], Any]) -> Any:
    """Return the inputs that --input asks for. Raises ``SpecError`` if it asks for none."""
    inputs = source.inputs_of(shapes, model, place, again)
    if inputs is None:
        msg = f"{place}: say what it takes by --input, the shape of one sample, such as 28x28x1."
        raise SpecError(msg)
    return inputs


def matching(report: Report) -> dict[str, str]:
    """Return which weight of the left model was taken for which of the right one."""
    found: dict[str, str] = next((s.figures.get("matching", {}) for s in report.stages if s.name == "structure"), {})
    return found


def _tell(report: Report, arguments: Namespace) -> None:
    print(table.parity(report))
    print("the float64 gap is the smallest tolerance with which a stage would pass")
    if arguments.matching:
        rows: list[Any] = list(matching(report).items())
        print("\n" + tabulate(rows, report.sides, tablefmt=table.STYLE, disable_numparse=True))
    if arguments.save_table:
        pairing.write(arguments.save_table, matching(report))
        print(f"written: {arguments.save_table}")
    if arguments.out:
        found = ladder.result(report, environment())
        found.save(arguments.out / "check.json")
        write_page(arguments.out / "report.html", [found], f"dualnet: {report.name}")
        print(f"written: {arguments.out}/check.json, report.html")
        if report.smallest is not None:
            report.smallest.save(arguments.out)
            print(f"written: {arguments.out}/smallest.py: the smallest pair of layers that differs, by itself")
    write(arguments.json, report.to_data())
