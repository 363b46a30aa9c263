"""The ladder: the stages in order on one pair. A stage that fails does not stop the next from being tried."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dualnet.compare.decide import decided
from dualnet.compare.pair import Pair
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.compare.stages import (
    accuracy,
    distillation,
    explanation,
    forward,
    gradients,
    init,
    loss,
    state,
    steps,
    structure,
    training,
)
from dualnet.compare.verdict import Finding
from dualnet.errors import DataError, DeviceError, SpecError, UnsupportedError, WeightsError, did_you_mean
from dualnet.run.feed import Feed, feed
from dualnet.run.plan import Progress, silent
from dualnet.specs import zoo
from dualnet.specs.losses import Distillation, classifies
from dualnet.specs.spec import Spec

STAGES = (
    "structure",
    "init",
    "forward",
    "loss",
    "gradients",
    "step",
    "state",
    "explanation",
    "training",
    "accuracy",
    "distillation",
)
# What needs no data set and takes seconds: the default from Python.
QUICK = STAGES[:8]


@dataclass
class Climb:
    """How far to climb. ``epochs`` and ``limit`` (examples of each part) keep the stages on real data short."""

    stages: tuple[str, ...] = STAGES
    steps: int = 20
    seeds: int = 3
    epochs: int | None = None
    limit: int | None = None
    dtype: str = "float32"
    progress: Progress = silent
    announce: Callable[[str], None] = lambda stage: None
    feeds: dict[str, Feed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("steps", "seeds"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1. Received: {getattr(self, name)}"
                raise SpecError(msg)

    def feed(self, spec: Spec) -> Feed:
        """Return the spec's data, loaded once."""
        if "feed" not in self.feeds:
            self.feeds["feed"] = feed(spec, dtype=self.dtype, limit=self.limit)
        return self.feeds["feed"]


def climb(pair: Pair, how: Climb) -> Report:
    """Run the stages on a pair and return the report."""
    unknown = [name for name in how.stages if name not in STAGES]
    if unknown:
        hint = did_you_mean(unknown[0], STAGES) or f" There are: {', '.join(STAGES)}."
        msg = f"There is no stage {unknown[0]!r}.{hint}"
        raise SpecError(msg)
    report = Report(_title(pair), [side.label for side in pair.sides], precision=pair.dtypes[0])
    for name in STAGES:
        if name not in how.stages:
            report.stages.append(Stage(name, skipped="not asked for"))
            continue
        how.announce(name)
        start = time.perf_counter()
        stage = _stage(name, pair, how)
        stage.seconds = time.perf_counter() - start
        report.stages.append(stage)
    if "feed" in how.feeds:
        report.source = how.feeds["feed"].source
    _explain(report)
    return report


def _title(pair: Pair) -> str:
    """Return what is compared: one spec, or one against another."""
    left, right = (side.spec for side in pair.sides)
    return left.name if left == right else f"{left.name} against {right.name}"


def _explain(report: Report) -> None:
    """Point the stages that found no cause of their own to what the specs and the live layers say."""
    seen = next((stage for stage in report.stages if stage.name == "structure" and stage.where), None)
    for stage in report.stages:
        if seen and stage is not seen and stage.verdict == "divergent" and stage.cause in ("", "unknown"):
            stage.cause = f"{seen.where}: {seen.cause}, as structure says"


def _stage(name: str, pair: Pair, how: Climb) -> Stage:
    """Run one stage. What a side refuses is not checked; what fails otherwise is no verdict, and never green."""
    try:
        return RULES[name](pair, how)
    except (WeightsError, SpecError) as error:
        return Stage(name, skipped=str(error))
    except (UnsupportedError, DataError, DeviceError):
        raise
    except Exception as error:  # a framework's own, of which there is no list
        said = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        return Stage(name, [Finding(name, "unstable", note=said)], note=f"failed: {said}", where=name)


def _on_data(run: Callable[[Pair, Climb, Feed], Stage], name: str) -> Callable[[Pair, Climb], Stage]:
    """Return a stage that needs the spec's data, skipped with the reason where it has none."""

    def stage(pair: Pair, how: Climb) -> Stage:
        if name != "training" and not classifies(pair.spec.training.loss):
            return Stage(name, skipped="the loss knows no classes")
        return run(pair, how, how.feed(pair.spec))

    return stage


def _training(pair: Pair, how: Climb, data: Feed) -> Stage:
    return decided(lambda p: training.training(p, data, how.epochs, how.progress), pair)


def _distillation(pair: Pair, how: Climb, data: Feed) -> Stage:
    wanted = pair.spec.student
    student = zoo.load(wanted.spec) if wanted else pair.spec
    loss = wanted.loss if wanted and isinstance(wanted.loss, Distillation) else Distillation()
    epochs = how.epochs or (wanted.epochs if wanted else 1)
    return decided(lambda p: distillation.distillation(p, student, loss, data, epochs, how.progress), pair)


RULES: dict[str, Callable[[Pair, Climb], Stage]] = {
    "structure": lambda pair, how: structure.structure(pair),
    "init": lambda pair, how: init.init(pair),
    "forward": lambda pair, how: forward.forward(pair),
    "loss": lambda pair, how: loss.loss(pair),
    "gradients": lambda pair, how: gradients.gradients(pair),
    "step": lambda pair, how: steps.step(pair, how.steps),
    "state": lambda pair, how: state.state(pair),
    "explanation": lambda pair, how: explanation.explanation(pair),
    "training": _on_data(_training, "training"),
    "accuracy": _on_data(
        lambda pair, how, data: accuracy.accuracy(pair, data, how.seeds, how.epochs or 1, how.progress), "accuracy"
    ),
    "distillation": _on_data(_distillation, "distillation"),
}


def stages(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the stages that a user names: "all", "quick", one, several, or None for quick."""
    if names is None or names == "quick":
        return QUICK
    if names == "all":
        return STAGES
    return tuple(part.strip() for part in names.split(",")) if isinstance(names, str) else tuple(names)
