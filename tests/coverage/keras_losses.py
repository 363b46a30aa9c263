"""Losses of Keras: the spec that means a stock class, and both backends' value and gradient against that class."""

from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends import backend
from tests import stock_losses as stock
from tests.coverage.found import Found, gap

LOGITS = {"from_logits": True}
MEANT: dict[str, tuple[S.Loss, dict[str, Any]]] = {
    "MeanSquaredError": (S.MeanSquaredError("mean", "given"), {}),
    "MeanAbsoluteError": (S.MeanAbsoluteError("mean", "given"), {}),
    "Huber": (S.Huber("mean", "given"), {}),
    "LogCosh": (S.LogCosh("mean", "given"), {}),
    "MeanAbsolutePercentageError": (S.MeanAbsolutePercentageError("mean", "given"), {}),
    "MeanSquaredLogarithmicError": (S.MeanSquaredLogarithmicError("mean", "given"), {}),
    "Poisson": (S.Poisson("mean", "given", log_input=False, epsilon=1e-7), {}),
    "CategoricalCrossentropy": (S.CrossEntropy(), LOGITS),
    "SparseCategoricalCrossentropy": (S.CrossEntropy(), LOGITS),
    "CategoricalFocalCrossentropy": (S.CategoricalFocal(), LOGITS),
    "CategoricalGeneralizedCrossEntropy": (S.GeneralizedCrossEntropy(), {}),
    "BinaryCrossentropy": (S.BinaryCrossEntropy("mean", "given"), LOGITS),
    "BinaryCrossentropy of probabilities": (S.ProbabilityCrossEntropy("mean", "given", "probability"), {}),
    "BinaryFocalCrossentropy": (S.BinaryFocal("mean", "given"), LOGITS),
    "Hinge": (S.Hinge("mean", "given"), {}),
    "SquaredHinge": (S.Hinge("mean", "given", power=2), {}),
    "CategoricalHinge": (S.CategoricalHinge(), {}),
    "CosineSimilarity": (S.CosineSimilarity("mean", "given"), {}),
    "Dice": (S.Dice(), {}),
    "Tversky": (S.Tversky(), {}),
}
ONE_HOT = ("CategoricalCrossentropy",)  # where the spec takes labels
LABELS = ("CategoricalGeneralizedCrossEntropy",)  # where the spec takes rows of one
WHY = {
    "LogCosh": "Keras has log 2 in float32",
    "KLDivergence": "Keras's takes probabilities, the spec's their logarithms: end the model in LogSoftmax",
}


def loss(name: str, spec: str) -> Found:
    """Return the gaps of a Keras class, as it comes, and both backends' loss of the spec that means it."""
    if name not in MEANT:
        return Found("no", WHY[name])
    row = f"{name} of probabilities" if spec == "ProbabilityCrossEntropy" else name
    meant, given = MEANT[row]
    assert type(meant).__name__ == spec, (name, spec)
    shown = stock.data(meant)
    targets = {**dict.fromkeys(ONE_HOT, stock.ROWS_OF_ONE), **dict.fromkeys(LABELS, stock.LABELS)}
    import keras

    rule = getattr(keras.losses, name)(dtype="float64", **given)
    value, slope = stock.by_keras(rule, targets.get(name, shown["targets"]), given=stock.outputs(meant))
    values, slopes = [], []
    for side in ("torch", "keras"):
        found = stock.through(backend(side)).gradients({"input": stock.outputs(meant)}, meant, **shown)
        values.append(gap({"": np.array(value)}, {"": np.array(found["loss"])}))
        slopes.append(gap({"": slope}, {"": found["inputs"]["input"]}))
    return Found("yes", WHY.get(name, ""), max(values), max(slopes))
