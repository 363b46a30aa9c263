"""Accuracy: paired over seeds, a test of equivalence with a stated margin (two one-sided t-tests, Schuirmann 1987)."""

from dataclasses import dataclass, replace

import numpy as np

from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import ACCURACY_MARGIN, CONFIDENCE, FALSE_ALARM
from dualnet.compare.verdict import Finding, Verdict
from dualnet.run.feed import Feed
from dualnet.run.plan import Progress, Settings, saying, silent
from dualnet.run.train import train_session


@dataclass(frozen=True)
class Equivalence:
    """The mean difference of paired accuracies, its confidence interval, and what follows. All fractions."""

    difference: float
    low: float
    high: float
    verdict: Verdict


def equivalence(left: list[float], right: list[float], margin: float = ACCURACY_MARGIN) -> Equivalence:
    """Return whether two paired samples of accuracies are equivalent within a margin.

    Equivalent if the 90 % interval lies within ±margin: two one-sided tests at 5 %. Divergent if a t-test tells the
    mean from zero at the false-alarm rate of all stages, and it is past the margin. Else "not checked": too few seeds.
    """
    from scipy import stats  # a second to load: not before something has been said

    differences = np.array(right) - np.array(left)
    mean, error = float(differences.mean()), float(stats.sem(differences))
    reach = 0.0 if error == 0.0 else float(stats.t.ppf(CONFIDENCE, len(differences) - 1)) * error
    low, high = mean - reach, mean + reach
    inside = -margin < low and high < margin
    chance = 0.0 if error == 0.0 else float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1))
    apart = abs(mean) > margin and chance < FALSE_ALARM
    return Equivalence(mean, low, high, "equal" if inside else "divergent" if apart else "not checked")


def accuracy(pair: Pair, feed: Feed, seeds: int = 3, epochs: int = 1, progress: Progress = silent) -> Stage:
    """Train both sides from several seeds and test whether their test accuracies are equivalent."""

    def run(side: Side) -> list[float]:
        return [_score(pair, side, feed, seed, epochs, progress) for seed in range(pair.seed, pair.seed + seeds)]

    made = pair.both(run)
    found = equivalence(made[pair.left.label], made[pair.right.label])
    note = (
        f"{seeds} seeds, {epochs} epochs: {100 * found.difference:+.3f} points, 90 % interval "
        f"[{100 * found.low:+.3f}, {100 * found.high:+.3f}], margin {100 * ACCURACY_MARGIN:g}"
    )
    figures = {label: [None if np.isnan(score) else score for score in scores] for label, scores in made.items()}
    finding = Finding("test accuracy", found.verdict, note=note)
    stage = Stage("accuracy", [finding], note, figures={"test_accuracy": figures, "margin": ACCURACY_MARGIN})
    stage.figures["seeds"] = list(range(pair.seed, pair.seed + seeds))
    stage.skipped = f"too few seeds, or training failed: {note}" if found.verdict == "not checked" else ""
    stage.where = "test accuracy" if found.verdict == "divergent" else ""
    return stage


def _score(pair: Pair, side: Side, feed: Feed, seed: int, epochs: int, progress: Progress) -> float:
    spec = replace(side.spec, training=replace(side.spec.training, epochs=epochs))
    session = pair.host.open(side.backend, spec, device=pair.device, dtype=pair.dtype, seed=seed)
    show = saying(progress, f"seed {seed}, {{}}")
    trained = train_session(side.label, session, spec, feed, Settings(seed, pair.dtype, pair.device), show)
    found = trained.history[-1].test_accuracy
    # Of a net that gives NaN, an accuracy says nothing.
    return found if found is not None and np.isfinite(trained.losses).all() else float("nan")
