"""Loss: its value for every reduction and option, on logits that spread from certain to undecided."""

import itertools
import math
from dataclasses import replace

import numpy as np

from dualnet.backends.protocol import Array, Session
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage, judged
from dualnet.specs.draw import normal
from dualnet.specs.entrywise import Poisson
from dualnet.specs.losses import CrossEntropy, Distillation, Loss, dense

# Standard deviations of the rows of logits.
SCALES = (1.0, 3.0, 30.0, 300.0)


def loss(pair: Pair) -> Stage:
    """Compare the spec's loss and its variants."""
    shape = pair.spec.output_shapes[0]
    if len(shape) != 1 and not dense(pair.spec.training.loss):
        return Stage("loss", skipped=f"the loss takes class scores [K]; the first output has shape {list(shape)}")
    variants = options(pair.spec.training.loss, shape[0])
    outputs, soft = (_logits(max(pair.size, shape[0]), shape, key) for key in ("logits", "soft"))
    if isinstance(pair.spec.training.loss, Poisson) and not pair.spec.training.loss.log_input:
        outputs = np.abs(outputs)  # rates, of which it takes the logarithm

    def run(side: Side, session: Session) -> dict[str, np.float64]:
        named = {"the spec's loss": side.spec.training.loss} | {variant.brief(): variant for variant in variants}
        return {
            name: np.float64(session.loss(variant, outputs, _targets(variant, outputs), soft))
            for name, variant in named.items()
        }

    stage = Stage("loss", judged(pair, pair.each(run)))
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.note = f"{len(variants)} losses: {', '.join(dict.fromkeys(type(each).__name__ for each in variants))}"
    return stage


def _logits(count: int, shape: tuple[int, ...], key: str) -> Array:
    """Return logits whose rows go from undecided to so certain that other classes' probabilities underflow."""
    rows = normal(count * math.prod(shape), key).reshape(count, *shape)
    scales = np.resize(SCALES, count).reshape(count, *(1 for _ in shape))
    logits: Array = (rows * scales).astype(np.float32).astype(np.float64)
    return logits


def _targets(loss: Loss, outputs: Array) -> Array:
    """Return targets for rows of outputs: every class in turn, or random zeros and ones."""
    if dense(loss):
        return (normal(outputs.size, "targets").reshape(outputs.shape) > 0).astype(np.float64)
    labels: Array = np.arange(len(outputs)) % outputs.shape[1]
    return labels


def options(loss: Loss, classes: int) -> list[Loss]:
    """Return the other variants of a loss, over every field, and those of distillation where there are classes."""
    softened = [] if dense(loss) else _distillations()
    return [variant for variant in [*_own(loss, classes), *softened] if variant != loss]


def _own(loss: Loss, classes: int) -> list[Loss]:
    if isinstance(loss, CrossEntropy):
        weights = tuple(1.0 + index / 2 for index in range(classes))
        fields = itertools.product(
            (0.0, 0.1), (None, weights), ("weights", "samples"), ("class", "sample"), ("mean", "sum")
        )
        return [CrossEntropy(*values) for values in fields]  # type: ignore[arg-type]
    if dense(loss):
        return [replace(loss, reduction=reduction) for reduction in ("mean", "sum", "sum_of_means")]
    return []


def _distillations() -> list[Loss]:
    return [Distillation(*values) for values in itertools.product((1.0, 10.0), (0.0, 0.1, 1.0), ("batchmean", "mean"))]  # type: ignore[arg-type]
