"""Fitting: over- and underfitting named from learning curves, each by a rule that is stated with it."""

import math
from collections.abc import Sequence

from dualnet.run.plan import Epoch

# The held-out loss has turned when it ends this share above its lowest value: epochs jitter by a percent or two.
TURNED = 0.03
# Training is unfinished while the last epoch still lowers the loss by this share: at 2 % an epoch it halves in 35.
FALLING = 0.02
# Points of accuracy that training may lead by before the net has learned its examples by heart.
LEAD = 0.05


def diagnosis(epochs: Sequence[Epoch]) -> str:
    """Return one line: diverged, overfitting, underfitting, or neither, with figures and rule. Needs two epochs."""
    if len(epochs) < 2:
        return "one epoch says nothing of over- or underfitting"
    burst = next((epoch.epoch for epoch in epochs if not math.isfinite(sum(_losses(epoch)))), 0)
    return f"diverged: the loss is not finite from epoch {burst} on" if burst else _fitting(epochs)


def _losses(epoch: Epoch) -> list[float]:
    return [loss for loss in (epoch.loss, epoch.validation_loss, epoch.test_loss) if loss is not None]


def _fitting(epochs: Sequence[Epoch]) -> str:
    part = "validation" if epochs[-1].validation_loss is not None else "test"
    held = [getattr(epoch, f"{part}_loss") for epoch in epochs]
    if None in held:
        return "no loss was taken on held-out data, so fitting is not judged"
    best = min(range(len(held)), key=held.__getitem__)
    rise = held[-1] / held[best] - 1 if held[best] > 0 else math.inf if held[-1] > 0 else 0.0
    if rise > TURNED and epochs[-1].loss < epochs[best].loss:
        return (
            f"overfitting from epoch {best + 2} on: the {part} loss has risen by {rise:.0%} from its lowest, in epoch "
            f"{best + 1}, while the training loss still falls (the rule is over {TURNED:.0%})"
        )
    ahead = (epochs[-1].train_accuracy or 0.0) - (getattr(epochs[-1], f"{part}_accuracy") or 0.0)
    if ahead > LEAD:
        return (
            f"overfitting: training accuracy is {100 * ahead:.1f} points above {part} accuracy "
            f"(the rule is over {100 * LEAD:g})"
        )
    fall = 1 - epochs[-1].loss / epochs[-2].loss if epochs[-2].loss > 0 else 0.0
    if fall > FALLING:
        return (
            f"underfitting: the last epoch still lowered the training loss by {fall:.0%} (the rule is over "
            f"{FALLING:.0%}); train on"
        )
    return f"neither over- nor underfitting: the {part} loss ends {rise:.0%} above its lowest, and training has settled"
