"""The report of a climb: one verdict, what each stage found, and what was not checked."""

import json
from dataclasses import dataclass, field
from typing import Any

from dualnet.compare.smallest import Smallest
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Verdict, worst
from dualnet.errors import SpecError, did_you_mean


@dataclass(repr=False)
class Report:
    """What a climb found on one pair: ``verdict``, ``stages``, ``not_checked``; ``str()`` tells it in lines.

    ``precision`` is the lower of the two in which numbers were compared; the other is float64. ``smallest`` is the
    pair of layers at which two live models part, as a script, where there is one.
    """

    name: str
    sides: list[str]
    stages: list[Stage] = field(default_factory=list)
    source: str = ""
    precision: str = "float32"
    smallest: Smallest | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any stage; "not checked" if nothing was compared."""
        return worst([stage.verdict for stage in self.stages])

    @property
    def agrees(self) -> bool:
        """Whether the two sides are the same function: equal, or equal up to rounding."""
        return self.verdict in ("equal", "rounding")

    @property
    def not_checked(self) -> dict[str, str]:
        """Why, for each stage without a verdict."""
        return {s.name: s.skipped or "nothing was there to compare" for s in self.stages if s.verdict == "not checked"}

    def stage(self, name: str) -> Stage:
        """Return a stage by name. Raises ``SpecError`` if there is none."""
        found = next((stage for stage in self.stages if stage.name == name), None)
        if found is None:
            names = [stage.name for stage in self.stages]
            msg = f"There is no stage {name!r}.{did_you_mean(name, names) or f' There are: {names}.'}"
            raise SpecError(msg)
        return found

    def __str__(self) -> str:
        """Return the verdict, a line for each stage, and what was not checked."""
        drawn = [stage for stage in self.stages if stage.verdict != "not checked"]
        lines = [f"{self.name} ({' and '.join(self.sides)}): {self.verdict}"]
        lines += [f"  {stage.name:13}{stage.verdict:11}{stage.where or stage.note}" for stage in drawn]
        return "\n".join([*lines, *(f"  not checked: {', '.join(names)}: {why}" for why, names in self.reasons())])

    def __repr__(self) -> str:
        return f"<Report of {self.name}: {self.verdict}>"

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Return why stages have no verdict, and which ones, a reason at a time."""
        grouped: dict[str, list[str]] = {}
        for name, why in self.not_checked.items():
            grouped.setdefault(why, []).append(name)
        return list(grouped.items())

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        own = {"name": self.name, "sides": self.sides, "verdict": self.verdict, "source": self.source}
        own |= {"precision": self.precision}
        return {**own, "stages": [stage.to_json() for stage in self.stages], "not_checked": self.not_checked}

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_data(), indent=2)
