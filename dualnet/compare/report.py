"""The report of a climb: one verdict, what each stage found, and what was not checked."""

import json
from dataclasses import dataclass, field
from typing import Any

from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Verdict, worst


@dataclass
class Report:
    """What a climb found on one pair."""

    name: str
    sides: list[str]
    stages: list[Stage] = field(default_factory=list)
    source: str = ""

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
        """Return a stage by name."""
        return next(stage for stage in self.stages if stage.name == name)

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        own = {"name": self.name, "sides": self.sides, "verdict": self.verdict, "source": self.source}
        return {**own, "stages": [stage.to_json() for stage in self.stages], "not_checked": self.not_checked}

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_data(), indent=2)
