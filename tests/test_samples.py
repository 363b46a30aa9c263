"""The frameworks' own test cases, ported: a few of each kind here, all of them where slow tests run."""

import warnings
from itertools import islice
from typing import Any

import pytest

from tests import keras_samples, torch_samples
from tests.ported import SAME, Outcome, keras_outcome, outcome

# A few of PyTorch's, by module and number: what stood out once stands first.
TORCH = [
    ("nn.SoftMarginLoss", 0),
    ("nn.MultiLabelMarginLoss", 7),
    ("nn.PoissonNLLLoss", 1),
    ("nn.PoissonNLLLoss", 5),
    *((f"nn.{name}", 0) for name in ("CELU", "GELU", "GLU", "Hardswish", "PReLU", "Softmin", "Softplus", "Threshold")),
    *(
        (f"nn.{name}Loss", 1)
        for name in ("BCE", "CrossEntropy", "Huber", "HingeEmbedding", "MultiMargin", "NLL", "GaussianNLL")
    ),
    ("nn.MultiheadAttention", 0),
    ("nn.Conv2d", 3),
]
# A few of Keras's, by layer and number.
KERAS = [
    ("SpectralNormalization", 0),
    ("SpectralNormalization", 2),
    ("Rescaling", 1),
    ("Rescaling", 3),
    *(("RNN", number) for number in (6, 11, 14)),
    *(("Resizing", number) for number in (0, 5, 10, 13, 26, 38)),
    ("ContrastLimitedAdaptiveHistogramEqualization", 0),
    *((name, 0) for name in ("MaxPooling3D", "AveragePooling3D", "Dense", "Embedding", "LayerNormalization")),
    *((name, 1) for name in ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "BatchNormalization", "EinsumDense")),
    *((name, 1) for name in ("LSTM", "GRU", "MultiHeadAttention", "Bidirectional", "Cropping3D", "UpSampling2D")),
    *((name, 0) for name in ("GaussianNoise", "ConvLSTM2D")),
]
PAGES = ("loss", "activation", "conv", "pooling", "normalization", "batchnorm", "instancenorm", "rnn", "transformer")
FOLDERS = [
    "activations",
    "attention",
    "convolutional",
    "core",
    "merging",
    "normalization",
    "pooling",
    "preprocessing",
    "regularization",
    "reshaping",
    "rnn",
]
REFUSED = (  # why a sample may be refused: what its reason says
    "at random while training",
    "draws its windows at random",
    "quantized",
    "looks words or numbers up",
    "renorm=True",
    "stateful=True",
    "has no counterpart among the ops",
    "reads the mask that an earlier layer made",
    "it has no inputs",
)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Let the samples warn: some are there to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def judged(label: str, made: Outcome) -> str:
    """Return what is wrong with an outcome, or nothing."""
    known = made.verdict != "refused" or any(words in made.why for words in REFUSED)
    return "" if made.verdict != "wrong" and known else f"{label}: {made.verdict}, {made.why}"


def test_nan_for_nan_is_said_to_be_so() -> None:
    _, module, inputs = next(torch_samples.samples("nn.KLDivLoss"))
    made = outcome(module, inputs, "keras")
    assert (made.verdict, made.why) == ("equal", "NaN for NaN: its input is a logarithm of what is negative")


def of_keras(name: str, number: int) -> keras_samples.Sample:
    """Return one sample of a layer by its number."""
    return next(islice((each for each in keras_samples.samples() if each.cls.__name__ == name), number, None))


@pytest.mark.parametrize(("name", "number"), TORCH)
def test_a_sample_of_pytorch_is_the_same_in_keras(name: str, number: int) -> None:
    _, module, inputs = next(islice(torch_samples.samples(name), number, None))
    made = outcome(module, inputs, "keras")
    assert (made.verdict, made.why) == ("equal", "")
    assert made.gap <= SAME


@pytest.mark.parametrize(("name", "number"), KERAS)
def test_a_sample_of_keras_is_the_same_in_pytorch(name: str, number: int) -> None:
    made = keras_outcome(of_keras(name, number))
    assert (made.verdict, made.why) == ("equal", "")
    assert made.gap <= SAME


@pytest.mark.parametrize(
    ("name", "number", "verdict", "why"),
    [
        ("RandomFlip", 0, "refused", "at random while training"),
        ("HashedCrossing", 0, "refused", "looks words or numbers up"),
        ("ReLU", 0, "refused by Keras", "max_value of a ReLU layer cannot be a negative value"),
    ],
)
def test_a_sample_that_does_not_port_says_why(name: str, number: int, verdict: str, why: str) -> None:
    made = keras_outcome(of_keras(name, number))
    assert made.verdict == verdict
    assert why in made.why


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("page", PAGES)
def test_every_sample_of_pytorch(page: str) -> None:
    names = [name for name in torch_samples.database() if torch_samples.page(name) == page]
    made = ((label, outcome(module, inputs, "keras")) for name in names for label, module, inputs in some(name, page))
    assert names
    assert [wrong for label, each in made if (wrong := judged(label, each))] == []


def some(name: str, page: str) -> Any:
    """Return all samples of a loss or an activation, and sixteen of any other module."""
    return islice(torch_samples.samples(name), None if page in ("loss", "activation") else 16)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_of_keras(folder: str) -> None:
    found = [each for each in keras_samples.samples() if each.folder == folder]
    assert found
    assert [wrong for each in found if (wrong := judged(each.label, keras_outcome(each)))] == []
