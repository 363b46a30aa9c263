"""Stock losses: every loss with every value of its fields, and its judge: the class that is meant, or a formula."""

from itertools import product
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array, Session
from dualnet.specs.losses import dense

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
    S.CrossEntropy(smoothing, weights, over, by, reduction, ignored)
    for smoothing, weights, over, by, reduction, ignored in product(
        (0.0, 0.2), (None, CLASS_WEIGHTS), MEAN_OVER, WEIGHTED_BY, ("mean", "sum"), (None, 2)
    )
    if ignored is None or by == "class"  # Keras smooths no labels that it ignores: there is no judge
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
LIKELIHOODS = [
    S.NegativeLogLikelihood(weights, ignored, over, reduction)
    for weights, ignored, over, reduction in product((None, CLASS_WEIGHTS), (None, 2), MEAN_OVER, ("mean", "sum"))
]
MARGINS = [
    S.MultiMargin(power, margin, weights, reduction)
    for power, margin, weights, reduction in product((1, 2), (1.0, 0.3), (None, CLASS_WEIGHTS), ("mean", "sum"))
]
REDUCTIONS, TARGETS = ("mean", "sum", "sum_of_means"), ("one_hot", "input", "given")
OTHERS: list[S.Loss] = [
    kind(reduction, target, **fields)
    for kind, more in {
        S.MeanSquaredError: [{}],
        S.MeanAbsoluteError: [{}],
        S.Huber: [{}, {"delta": 0.7}],
        S.SmoothL1: [{}, {"beta": 2.5}],
        S.LogCosh: [{}],
        S.MeanAbsolutePercentageError: [{}, {"epsilon": 0.5}],
        S.MeanSquaredLogarithmicError: [{}, {"epsilon": 0.5}],
        S.Poisson: [{}, {"log_input": False}, {"full": True}, {"log_input": False, "epsilon": 0.1}],
        S.BinaryCrossEntropy: [{}, {"positive_weights": CLASS_WEIGHTS}],
        S.BinaryFocal: [{}, {"gamma": 0.5}, {"alpha": 0.25}],
        S.SoftMargin: [{}],
        S.Hinge: [{}, {"power": 2}],
        S.HingeEmbedding: [{}, {"margin": 2.5}],
        S.CosineSimilarity: [{}, {"epsilon": 9.0}],
        S.CategoricalHinge: [{}],
        S.ProbabilityCrossEntropy: [{}, {"cut": "probability"}, {"cut": "probability", "epsilon": 0.2}],
        S.CategoricalFocal: [{}, {"gamma": 0.5, "alpha": 1.5}],
        S.GeneralizedCrossEntropy: [{}, {"q": 0.9}],
        S.Tversky: [{}, {"alpha": 0.2, "beta": 0.9}, {"over": "sample", "epsilon": 0.5}],
        S.Dice: [{}, {"over": "sample"}, {"epsilon": 0.5}],
    }.items()
    for fields in more
    for reduction, target in product(REDUCTIONS, TARGETS)
]
OTHERS += [
    S.KLDivergence(reduction, target, logarithms)
    for reduction, target, logarithms in product((*REDUCTIONS, "batchmean"), TARGETS, (False, True))
]
LOSSES: list[S.Loss] = [*ENTROPIES, *ELEMENTWISE, *DISTILLATIONS, *LIKELIHOODS, *MARGINS, *OTHERS]
LOSSES = list(dict.fromkeys(LOSSES))
PROBABLE = (S.ProbabilityCrossEntropy, S.GeneralizedCrossEntropy, S.Tversky, S.Dice)
Judgement = tuple[float, Array]


def through(backend: Backend) -> Session:
    """Return a session of a model that gives back its input, so that gradients of inputs are those of outputs."""
    return backend.session(S.Spec("through", S.Flatten(), (CLASSES,)), dtype="float64")


def data(loss: S.Loss) -> dict[str, Any]:
    if not dense(loss):
        return {"targets": LABELS, "soft": TEACHER if isinstance(loss, S.Distillation) else None}
    if loss.target == "one_hot":
        return {"targets": ROWS_OF_ONE}
    if isinstance(loss, (S.SoftMargin, S.Hinge, S.HingeEmbedding)):
        return {"targets": 2 * ROWS_OF_ONE - 1}
    # counts above and below 1 for Poisson, of which Stirling's terms take the larger ones
    return {"targets": 4 * SHARES if isinstance(loss, S.Poisson) else SHARES}


def outputs(loss: S.Loss) -> Array:
    """Return what the network gives: rates are positive, and log(x + epsilon) knows no others; or probabilities."""
    if isinstance(loss, PROBABLE):
        return expit(LOGITS)
    return np.abs(LOGITS) + 0.1 if isinstance(loss, S.Poisson) and not loss.log_input else LOGITS


def judge(loss: Any) -> Judgement:
    """Return value and gradient by the framework whose meaning the fields have, or by the paper's formula."""
    if isinstance(loss, S.Distillation):
        return by_hinton(loss)
    if isinstance(loss, S.CrossEntropy):
        keras_smooths = loss.class_weights is not None and loss.smoothing_weighted_by == "sample"
        return by_keras_entropy(loss) if keras_smooths else by_torch_entropy(loss)
    if isinstance(loss, (S.NegativeLogLikelihood, S.MultiMargin)):
        return by_torch_labels(loss)
    warns = isinstance(loss, S.KLDivergence) and loss.reduction == "mean"  # torch's own word against its "mean"
    if isinstance(loss, S.ProbabilityCrossEntropy) and loss.cut == "probability":
        return by_keras_dense(loss)
    if type(loss) in TORCH and loss.reduction != "sum_of_means" and not warns:
        return by_torch_dense(loss)
    return by_keras_dense(loss) if type(loss) in KERAS else by_rows(loss)


def by_torch(rule: Any, targets: Array, divisor: float = 1.0, given: Array | None = None) -> Judgement:
    import torch

    logits = torch.tensor(LOGITS if given is None else given, requires_grad=True)
    value = rule(logits, torch.tensor(targets)) / divisor
    value.backward()
    return float(value.detach()), logits.grad.numpy()


def by_torch_entropy(loss: S.CrossEntropy) -> Judgement:
    import torch

    return by_torch_classes(loss, torch.nn.CrossEntropyLoss, label_smoothing=loss.label_smoothing)


def by_torch_labels(loss: Any) -> Judgement:
    import torch

    if isinstance(loss, S.NegativeLogLikelihood):
        return by_torch_classes(loss, torch.nn.NLLLoss)
    weights = None if loss.class_weights is None else torch.tensor(loss.class_weights, dtype=torch.float64)
    return by_torch(torch.nn.MultiMarginLoss(loss.power, loss.margin, weights, reduction=loss.reduction), LABELS)


def by_torch_classes(loss: Any, kind: Any, **options: Any) -> Judgement:
    """Judge by a torch class whose mean is over weights; over samples it is the sum, divided."""
    import torch

    weights = None if loss.class_weights is None else torch.tensor(loss.class_weights, dtype=torch.float64)
    over_samples = loss.reduction == "mean" and loss.mean_over == "samples"
    ignored = {} if loss.ignore_index is None else {"ignore_index": loss.ignore_index}
    rule = kind(weights, reduction="sum" if over_samples else loss.reduction, **ignored, **options)
    return by_torch(rule, LABELS, float((loss.ignore_index != LABELS).sum()) if over_samples else 1.0)


# torch's class for each loss that it has, and how its arguments are named.
TORCH: dict[type[Any], tuple[str, dict[str, str]]] = {
    S.MeanSquaredError: ("MSELoss", {}),
    S.MeanAbsoluteError: ("L1Loss", {}),
    S.Huber: ("HuberLoss", {"delta": "delta"}),
    S.SmoothL1: ("SmoothL1Loss", {"beta": "beta"}),
    S.Poisson: ("PoissonNLLLoss", {"log_input": "log_input", "full": "full", "epsilon": "eps"}),
    S.BinaryCrossEntropy: ("BCEWithLogitsLoss", {"positive_weights": "pos_weight"}),
    S.SoftMargin: ("SoftMarginLoss", {}),
    S.HingeEmbedding: ("HingeEmbeddingLoss", {"margin": "margin"}),
    S.KLDivergence: ("KLDivLoss", {"log_target": "log_target"}),
    S.ProbabilityCrossEntropy: ("BCELoss", {}),
}
# Keras's, for those that torch has not; they average a row's entries, so "sum_of_means" is their own sum.
KERAS: dict[type[Any], tuple[str, dict[str, str]]] = {
    S.MeanSquaredError: ("MeanSquaredError", {}),
    S.MeanAbsolutePercentageError: ("MeanAbsolutePercentageError", {}),
    S.MeanSquaredLogarithmicError: ("MeanSquaredLogarithmicError", {}),
    S.BinaryFocal: ("BinaryFocalCrossentropy", {"gamma": "gamma", "alpha": "alpha"}),
    S.CosineSimilarity: ("CosineSimilarity", {}),
    S.CategoricalHinge: ("CategoricalHinge", {}),
    S.ProbabilityCrossEntropy: ("BinaryCrossentropy", {}),
    S.CategoricalFocal: ("CategoricalFocalCrossentropy", {"gamma": "gamma", "alpha": "alpha"}),
    S.Tversky: ("Tversky", {"alpha": "alpha", "beta": "beta"}),
    S.Dice: ("Dice", {}),
}


def signs(loss: Any, targets: Array) -> Array:
    """Return one-hot rows as signs for the losses that take them."""
    kinds = (S.SoftMargin, S.Hinge, S.HingeEmbedding)
    return 2 * targets - 1 if isinstance(loss, kinds) and loss.target == "one_hot" else targets


def torch_rule(loss: Any, reduction: str) -> Any:
    import torch

    name, words = TORCH[type(loss)]
    options = {word: getattr(loss, field) for field, word in words.items() if getattr(loss, field) is not None}
    if "pos_weight" in options:
        options["pos_weight"] = torch.tensor(options["pos_weight"], dtype=torch.float64)
    return getattr(torch.nn, name)(reduction=reduction, **options)


def by_torch_dense(loss: Any) -> Judgement:
    return by_torch(torch_rule(loss, loss.reduction), signs(loss, data(loss)["targets"]), given=outputs(loss))


# Of losses that torch has not; Keras's LogCosh has a float32 log 2 in it, even in float64.
FORMULAS: dict[type[Any], Any] = {
    S.Hinge: lambda loss, x, t: (1 - t * x).relu() ** loss.power,
    S.LogCosh: lambda loss, x, t: (x - t).cosh().log(),
    S.GeneralizedCrossEntropy: lambda loss, x, t: (1 - (x * t).sum(1).pow(loss.q)) / loss.q,
}


def by_rows(loss: Any) -> Judgement:
    """Judge Keras's sum of the samples' means, or a formula that only a paper has, through torch's autograd."""

    def rule(x: Any, t: Any) -> Any:
        values = torch_rule(loss, "none")(x, t) if type(loss) in TORCH else FORMULAS[type(loss)](loss, x, t)
        return {
            "mean": values.mean,
            "sum": values.sum,
            "sum_of_means": (values.mean(1) if values.ndim > 1 else values).sum,
        }[loss.reduction]()

    return by_torch(rule, signs(loss, data(loss)["targets"]), given=outputs(loss))


def by_keras(rule: Any, targets: Array, sample_weight: Array | None = None, given: Array = LOGITS) -> Judgement:
    import tensorflow as tf

    logits = tf.Variable(given)
    with tf.GradientTape() as tape:
        value = rule(tf.constant(targets), logits.value(), sample_weight=sample_weight)
    return float(value), tape.gradient(value, logits).numpy()


def by_keras_entropy(loss: S.CrossEntropy) -> Judgement:
    from keras.losses import CategoricalCrossentropy

    mean = "mean_with_sample_weight" if loss.mean_over == "weights" else "sum_over_batch_size"
    options: Any = {"reduction": mean if loss.reduction == "mean" else "sum", "dtype": "float64"}
    rule = CategoricalCrossentropy(from_logits=True, label_smoothing=loss.label_smoothing, **options)
    return by_keras(rule, ROWS_OF_ONE, np.array(loss.class_weights)[LABELS])


def by_keras_dense(loss: Any) -> Judgement:
    """Judge by a Keras class, whose mean and sum are over samples; a sum over all entries is K times that."""
    import keras

    name, words = KERAS[type(loss)]
    options = {word: getattr(loss, field) for field, word in words.items()}
    if isinstance(loss, S.BinaryFocal):
        options |= {"from_logits": True, "apply_class_balancing": loss.alpha < 1}
    if isinstance(loss, S.CategoricalFocal):
        options["from_logits"] = True
    if getattr(loss, "over", "batch") == "sample":
        options["axis"] = 1
    before = keras.config.epsilon()
    keras.config.set_epsilon(getattr(loss, "epsilon", before))
    try:
        reduction = "sum_over_batch_size" if loss.reduction == "mean" else "sum"
        rule = getattr(keras.losses, name)(reduction=reduction, dtype="float64", **options)
        value, gradient = by_keras(rule, data(loss)["targets"], given=outputs(loss))
    finally:
        keras.config.set_epsilon(before)
    rowwise = isinstance(loss, (S.CosineSimilarity, S.CategoricalHinge, S.CategoricalFocal, S.Tversky, S.Dice))
    times = CLASSES if loss.reduction == "sum" and not rowwise else 1
    return times * value, times * gradient


def by_hinton(loss: S.Distillation) -> Judgement:
    """alpha·CE + (1 - alpha)·T²·KL, whose gradient is alpha·(q₁ - label) + (1 - alpha)·T·(q - p), per row."""
    t, alpha, rows = loss.temperature, loss.alpha, ROWS * (CLASSES if loss.reduction == "mean" else 1)
    p, q = softmax(TEACHER / t, 1), softmax(LOGITS / t, 1)
    divergence = (p * (log_softmax(TEACHER / t, 1) - log_softmax(LOGITS / t, 1))).sum() / rows
    hard = -(ROWS_OF_ONE * log_softmax(LOGITS, 1)).sum() / ROWS
    gradient = alpha * (softmax(LOGITS, 1) - ROWS_OF_ONE) / ROWS + (1 - alpha) * t * (q - p) / rows
    return alpha * hard + (1 - alpha) * t * t * divergence, gradient
