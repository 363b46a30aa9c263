"""Choice: which stages are asked for where two live models are compared; of the others the report says so."""

from collections.abc import Iterable

from dualnet.compare.certify import RULES
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.errors import SpecError, did_you_mean

QUICK = ("structure", "weights", "forward")
NOT_ASKED = "not asked for"


def asked(stages: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return stages by name: "all" (also None), "quick" (no training), or names, one with commas or several.

    A name may be written with "_" or "-" for its space. Raises ``SpecError`` for one that is not there.
    """
    if stages is None or stages == "all":
        return tuple(RULES)
    if stages == "quick":
        return QUICK
    words = stages.split(",") if isinstance(stages, str) else stages
    names = [word.strip().replace("_", " ").replace("-", " ") for word in words]
    for name in names:
        if name not in RULES:
            hint = did_you_mean(name, RULES) or f" There are: all, quick, {', '.join(RULES)}."
            msg = f"There is no stage {name!r}.{hint}"
            raise SpecError(msg)
    if not names:
        msg = f"No stage was asked for: nothing compared is never green. There are: all, quick, {', '.join(RULES)}."
        raise SpecError(msg)
    return tuple(name for name in RULES if name in names)


def trains(names: Iterable[str]) -> bool:
    """Return whether one of these stages needs training mode."""
    return bool({*names} - {*QUICK})


def kept(report: Report, names: Iterable[str]) -> Report:
    """Return the report with a verdict for these stages alone; the others say that they were not asked for."""
    wanted = {*names}
    for index, stage in enumerate(report.stages):
        if stage.name in RULES and stage.name not in wanted:
            report.stages[index] = Stage(stage.name, skipped=NOT_ASKED, figures=stage.figures)
    return report
