"""The ladder's report as a result: its stages, the gaps layer by layer, and the curves of the stages on data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import SAME
from dualnet.compare.verdict import Finding
from dualnet.report import exhibits as E
from dualnet.report.result import Result
from dualnet.report.table import MEANING, heads, located, stage_row

# Which findings of a stage are a chart of their own: their prefix, the chart's title, and whether they run backwards.
CHARTS = (
    ("forward", "eval: ", "Outputs, layer by layer", False),
    ("forward", "train: ", "Outputs in training mode", False),
    ("gradients", "layer ", "Gradients, layer by layer", True),
    ("gradients", "parameter ", "Gradients of parameters", False),
    ("gradients", "eval: parameter ", "Gradients of parameters", False),  # of two live models
)


def result(report: Report, environment: Mapping[str, Any]) -> Result:
    """Return a climb's report as a result named "parity", with what there is to see of it."""
    found = {stage.name: stage for stage in report.stages}
    shown: list[E.Exhibit] = [_stages(report)]
    for name, prefix, head, backwards in CHARTS:
        shown += _gaps(found[name], prefix, head, backwards, report.precision) if name in found else []
    for name, draw in (("training", _training), ("accuracy", _accuracy), ("distillation", _distillation)):
        shown += draw(found[name]) if name in found and found[name].figures else []
    title = f"{report.name}: {' and '.join(report.sides)}"
    made = Result("parity", title, _says(report), shown, report.to_data(), report.verdict, report.source)
    made.environment = dict(environment)
    return made


def _says(report: Report) -> list[str]:
    """Return the first divergence of each stage that has one, else what the verdict means."""
    told, causes = [], set[str]()
    for stage in (each for each in report.stages if each.where):
        known = any(cause in stage.cause for cause in causes)  # once in words is enough
        lines = located(replace(stage, cause="as above" if known else stage.cause))
        told.append(". ".join(line.strip() for line in lines) + ".")
        causes |= {stage.cause} - {""}
    if told and report.verdict == "divergent":
        told[0] = f"First divergence: {told[0]}"
    return told or [f"No stage diverges: {MEANING[report.verdict]}."]


def _stages(report: Report) -> E.Table:
    rows = [
        (stage.name, "not checked", "-", "-", "-", "-", report.not_checked[stage.name])
        if stage.verdict == "not checked"
        else stage_row(stage)
        for stage in report.stages
    ]
    note = "A gap is max |left - right| over the larger side's max. A dash stands where a stage takes none."
    return E.Table("Stages", heads(report), tuple(rows), note)


def _gaps(stage: Stage, prefix: str, title: str, backwards: bool, precision: str) -> list[E.Exhibit]:
    """Return the gaps of the findings that begin with a prefix, in graph order, on a logarithmic axis."""
    found = [each for each in stage.findings if each.name.startswith(prefix) and each.gap64 == each.gap64]
    found = found[::-1] if backwards else found
    if not found:
        return []
    series = (
        _gap(f"{precision} gap", [each.gap32 for each in found], 0),
        _gap(f"{precision}'s own noise", [each.noise for each in found], 6),
        _gap("float64 gap", [each.gap64 for each in found], 1),
        _gap("float64 tolerance", [SAME] * len(found), 2),
    )
    names = tuple(each.name.removeprefix(prefix) for each in found)
    return [E.Lines(title, "", "relative gap", series, "y", _unseen(found), names)]


def _gap(name: str, values: Sequence[float], colour: int) -> E.Series:
    return E.Series(name, E.numbers(range(len(values))), E.numbers(values), colour=colour)


def _unseen(found: Sequence[Finding]) -> str:
    endless = [each.name for each in found if each.gap64 == float("inf")]
    return f"Infinite, and not drawn: {', '.join(endless)}." if endless else ""


def _training(stage: Stage) -> list[E.Exhibit]:
    """Return the loss of every step, and the accuracies of every epoch, of both sides."""
    losses = [(side, _known(values)) for side, values in stage.figures.get("losses", {}).items()]
    curves = tuple(_side(name, range(1, len(y) + 1), y, 0, at) for at, (name, y) in enumerate(losses))
    shown: list[E.Exhibit] = [E.Lines("Training loss", "step", "loss", curves, "y")] if curves else []
    scores = []
    for at, (name, epochs) in enumerate(stage.figures.get("history", {}).items()):
        for colour, kind in enumerate(("train", "test")):
            values = [epoch[f"{kind}_accuracy"] for epoch in epochs]
            if None not in values:
                y = [100 * value for value in values]
                scores.append(_side(f"{name}, {kind}", [epoch["epoch"] for epoch in epochs], y, colour, at))
    return [*shown, *([E.Lines("Accuracy", "epoch", "accuracy, %", tuple(scores))] if scores else [])]


def _side(name: str, x: Sequence[float], y: Sequence[float], colour: int, side: int) -> E.Series:
    return E.Series(name, E.numbers(x), E.numbers(y), colour=colour, dashed=side > 0)


def _known(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _accuracy(stage: Stage) -> list[E.Exhibit]:
    sides = stage.figures["test_accuracy"]
    seeds = stage.figures["seeds"]
    groups = tuple(
        E.Group(name, E.numbers([100 * score for score in _known(scores)]), dashed=at > 0)
        for at, (name, scores) in enumerate(sides.items())
    )
    names = tuple(f"seed {seed}" for seed in seeds)
    return [E.Bars("Test accuracy by seed", names, "test accuracy, %", groups, note=stage.note)]


def _distillation(stage: Stage) -> list[E.Exhibit]:
    sides = stage.figures["result"]
    roles = tuple(next(iter(sides.values())))
    groups = tuple(
        E.Group(name, E.numbers([100 * found[role]["test_accuracy"] for role in roles]), dashed=at > 0)
        for at, (name, found) in enumerate(sides.items())
    )
    return [E.Bars("Distillation", roles, "test accuracy, %", groups, note=stage.note)]
