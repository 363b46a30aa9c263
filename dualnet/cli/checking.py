"""The verb ``check``: any two live models out of users' files."""

from argparse import Namespace
from functools import partial
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


def check(arguments: Namespace) -> int:
    """Compare two live models and print the verdict; return 0 if they are one function, else 1."""
    names = asked(arguments.stages)
    pairs = pairing.read(arguments.table) if arguments.table else None
    if arguments.save_table:
        pairing.known(arguments.save_table)
    report = _live(arguments, names, pairs)
    _tell(report, arguments)
    return 0 if report.agrees else 1


def _live(arguments: Namespace, names: tuple[str, ...], pairs: dict[str, str] | None) -> Report:
    say = speaker(arguments.quiet)
    say(f"running {arguments.left}")
    again = partial(source.model_of, arguments.left, arguments.kwargs_left, "--kwargs-left")
    left = again()
    say(f"running {arguments.right}")
    right = source.model_of(arguments.right, arguments.kwargs_right, "--kwargs-right")
    inputs = source.inputs_of(arguments.input, left, arguments.left, again)
    if inputs is None:
        msg = f"{arguments.left}: say what it takes by --input, the shape of one sample, such as 28x28x1."
        raise SpecError(msg)
    say("comparing the two, in float32 and float64")
    return api.check(left, right, inputs, table=pairs, weights_from=arguments.weights_from, stages=names)


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
    write(arguments.json, report.to_data())
