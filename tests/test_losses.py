"""Every loss with every value of its fields: value and gradient on both frameworks, against the class that is meant."""

from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array, Session

# The sums run over at most 8 rows of 5 entries: some 40 roundings of 2.2e-16, relative to the largest entry.
CLOSE = 1e-13

ROWS, CLASSES = 8, 5
CLASS_WEIGHTS = [0.3, 1.7, 0.9, 2.2, 0.4]
RNG = np.random.default_rng(20)
LOGITS = RNG.normal(0.2, 3.0, (ROWS, CLASSES))
LABELS = np.array([4, 0, 2, 2, 1, 4, 3, 0])
ROWS_OF_ONE = np.eye(CLASSES)[LABELS]
SHARES = RNG.uniform(0.05, 0.95, (ROWS, CLASSES))
TEACHER = RNG.normal(-0.4, 4.0, (ROWS, CLASSES))

MEAN_OVER, WEIGHTED_BY = ("weights", "samples"), ("class", "sample")
ENTROPIES = [
    S.CrossEntropy(smoothing, weights, over, by, reduction)
    for smoothing, weights, over, by, reduction in product(
        (0.0, 0.2), (None, CLASS_WEIGHTS), MEAN_OVER, WEIGHTED_BY, ("mean", "sum")
    )
]
ELEMENTWISE = [
    kind(reduction, target)
    for kind, reduction, target in product(
        (S.MeanSquaredError, S.BinaryCrossEntropy), ("mean", "sum", "sum_of_means"), ("one_hot", "input")
    )
]
DISTILLATIONS = [
    S.Distillation(temperature, alpha, reduction)
    for temperature, alpha, reduction in product((1.0, 4.5), (0.0, 0.3, 1.0), ("batchmean", "mean"))
]
LOSSES: list[S.Loss] = [*ENTROPIES, *ELEMENTWISE, *DISTILLATIONS]
Judgement = tuple[float, Array]


@pytest.fixture(scope="module")
def sessions(both: tuple[Backend, Backend]) -> list[Session]:
    """Return sessions of a model that gives back its input, so that gradients of inputs are those of outputs."""
    spec = S.Spec("through", S.Flatten(), (CLASSES,))
    return [backend.session(spec, dtype="float64") for backend in both]


def data(loss: S.Loss) -> dict[str, Any]:
    if isinstance(loss, (S.CrossEntropy, S.Distillation)):
        return {"targets": LABELS, "soft": TEACHER if isinstance(loss, S.Distillation) else None}
    return {"targets": ROWS_OF_ONE if getattr(loss, "target", "") == "one_hot" else SHARES}


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_value_and_gradient_are_those_of_the_class_that_is_meant(sessions: list[Session], loss: S.Loss) -> None:
    value, gradient = judge(loss)
    for session in sessions:
        found = session.gradients({"input": LOGITS}, loss, **data(loss))
        np.testing.assert_allclose(found["loss"], value, rtol=CLOSE)
        np.testing.assert_allclose(found["inputs"]["input"], gradient, rtol=0, atol=CLOSE * np.abs(gradient).max())
        np.testing.assert_allclose(session.loss(loss, LOGITS, **data(loss)), value, rtol=CLOSE)


@pytest.mark.parametrize("loss", [S.CrossEntropy(), S.BinaryCrossEntropy(), S.Distillation()], ids=str)
@pytest.mark.parametrize("size", [0.0, 40.0, 900.0])
def test_extreme_logits_stay_exact(sessions: list[Session], loss: S.Loss, size: float) -> None:
    logits = size * np.sign(LOGITS)
    given = {**data(loss), "soft": size * np.sign(TEACHER)}
    torch, keras = (session.gradients({"input": logits}, loss, **given) for session in sessions)
    assert np.isfinite(torch["loss"])
    np.testing.assert_allclose(keras["loss"], torch["loss"], rtol=CLOSE)
    # relative to 1, the largest entry a gradient of these losses can have: at 40, softmax is 1e-18 from its limit
    np.testing.assert_allclose(keras["inputs"]["input"], torch["inputs"]["input"], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=str)
def test_losses_of_images_compare_pixel_with_pixel(both: tuple[Backend, Backend], loss: S.Loss) -> None:
    shape = (2, 4, 3)
    images, wanted = RNG.normal(size=(3, *shape)), RNG.uniform(size=(3, *shape))
    spec = S.Spec("images", S.Tanh(), shape)
    torch, keras = (backend.session(spec, dtype="float64") for backend in both)
    first, second = (session.gradients({"input": images}, loss, wanted) for session in (torch, keras))
    np.testing.assert_allclose(first["loss"], torch.loss(loss, np.tanh(images), wanted), rtol=CLOSE)
    np.testing.assert_allclose(second["loss"], keras.loss(loss, np.tanh(images), wanted), rtol=CLOSE)
    np.testing.assert_allclose(second["loss"], first["loss"], rtol=CLOSE)
    np.testing.assert_allclose(second["inputs"]["input"], first["inputs"]["input"], rtol=0, atol=CLOSE)


def test_the_table_has_every_value_of_every_field() -> None:
    for cls in S.Loss.registry.values():
        for field in fields(cls):
            values = {getattr(loss, field.name) for loss in LOSSES if type(loss) is cls}
            assert len(values) > 1, f"{cls.__name__}.{field.name} never varies"
    assert {type(loss) for loss in LOSSES} == set(S.Loss.registry.values())


def judge(loss: Any) -> Judgement:
    """Return value and gradient by the framework whose meaning the fields have, or by the paper's formula."""
    if isinstance(loss, S.Distillation):
        return by_hinton(loss)
    if isinstance(loss, S.CrossEntropy):
        keras_smooths = loss.class_weights is not None and loss.smoothing_weighted_by == "sample"
        return by_keras_entropy(loss) if keras_smooths else by_torch_entropy(loss)
    return by_keras_elementwise(loss) if loss.reduction == "sum_of_means" else by_torch_elementwise(loss)


def by_torch(rule: Any, targets: Array, divisor: float = 1.0) -> Judgement:
    import torch

    logits = torch.tensor(LOGITS, requires_grad=True)
    value = rule(logits, torch.tensor(targets)) / divisor
    value.backward()
    return float(value.detach()), logits.grad.numpy()


def by_torch_entropy(loss: S.CrossEntropy) -> Judgement:
    import torch

    weights = None if loss.class_weights is None else torch.tensor(loss.class_weights, dtype=torch.float64)
    over_samples = loss.reduction == "mean" and loss.mean_over == "samples"
    reduction = "sum" if over_samples else loss.reduction
    rule = torch.nn.CrossEntropyLoss(weights, reduction=reduction, label_smoothing=loss.label_smoothing)
    return by_torch(rule, LABELS, ROWS if over_samples else 1.0)


def by_torch_elementwise(loss: Any) -> Judgement:
    import torch

    kind = torch.nn.MSELoss if isinstance(loss, S.MeanSquaredError) else torch.nn.BCEWithLogitsLoss
    return by_torch(kind(reduction=loss.reduction), data(loss)["targets"])


def by_keras(rule: Any, targets: Array, sample_weight: Array | None = None) -> Judgement:
    import tensorflow as tf

    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        value = rule(tf.constant(targets), logits.value(), sample_weight=sample_weight)
    return float(value), tape.gradient(value, logits).numpy()


def by_keras_entropy(loss: S.CrossEntropy) -> Judgement:
    from keras.losses import CategoricalCrossentropy

    mean = "mean_with_sample_weight" if loss.mean_over == "weights" else "sum_over_batch_size"
    options: Any = {"reduction": mean if loss.reduction == "mean" else "sum", "dtype": "float64"}
    rule = CategoricalCrossentropy(from_logits=True, label_smoothing=loss.label_smoothing, **options)
    return by_keras(rule, ROWS_OF_ONE, np.array(loss.class_weights)[LABELS])


def by_keras_elementwise(loss: Any) -> Judgement:
    from keras.losses import BinaryCrossentropy, MeanSquaredError

    options: Any = {"reduction": "sum", "dtype": "float64"}
    squared = isinstance(loss, S.MeanSquaredError)
    rule = MeanSquaredError(**options) if squared else BinaryCrossentropy(from_logits=True, **options)
    return by_keras(rule, data(loss)["targets"])


def by_hinton(loss: S.Distillation) -> Judgement:
    """alpha·CE + (1 - alpha)·T²·KL, whose gradient is alpha·(q₁ - label) + (1 - alpha)·T·(q - p), per row."""
    t, alpha, rows = loss.temperature, loss.alpha, ROWS * (CLASSES if loss.reduction == "mean" else 1)
    p, q = softmax(TEACHER / t, 1), softmax(LOGITS / t, 1)
    divergence = (p * (log_softmax(TEACHER / t, 1) - log_softmax(LOGITS / t, 1))).sum() / rows
    hard = -(ROWS_OF_ONE * log_softmax(LOGITS, 1)).sum() / ROWS
    gradient = alpha * (softmax(LOGITS, 1) - ROWS_OF_ONE) / ROWS + (1 - alpha) * t * (q - p) / rows
    return alpha * hard + (1 - alpha) * t * t * divergence, gradient
