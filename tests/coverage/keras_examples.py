"""Examples of ``keras.layers``: a new class is a line here, and one in ``rows.txt``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.coverage.example import Example, by, each, example, whole

FEATURES, SEQUENCE, IMAGE = (3, 10), (3, 6, 8), (3, 9, 6, 4)
LINE = {1: (3, 13, 4), 2: IMAGE, 3: (2, 6, 5, 7, 4)}  # channels last, of one to three axes
AXES, SIZES = (1, 2, 3), {1: 5, 2: (3, 2), 3: (3, 2, 2)}
PICTURE = (2, 8, 8, 3)  # as augmentation takes it
PAIR = [SEQUENCE, SEQUENCE]


def merges(*names: str, **options: Any) -> dict[str, Example]:
    return {name: example(of=PAIR, **options) for name in names}


def pools(names: str, make: Callable[[int], Example]) -> dict[str, Example]:
    """Return the pools of one to three axes; of three, TensorFlow's on a CPU is in float32 alone."""
    whole, narrow = names.format(3), replace(make(3), narrow=True)
    return each(names, (1, 2), make) | {whole: narrow}


def inside(make: Callable[[Any], Any], of: Any = SEQUENCE) -> Example:
    """Return an example of a layer that another one runs."""
    return by(make, of)


DENSE = {
    "Dense": example(7, activation="tanh", of=FEATURES),
    "EinsumDense": example("abc,cd->abd", output_shape=(None, 7), bias_axes="d", of=SEQUENCE),
    "Identity": example(of=FEATURES),
    "Flatten": example(of=IMAGE),
    "Reshape": example((5, 2), of=FEATURES),
    "Permute": example((2, 1), of=SEQUENCE),
    "RepeatVector": example(4, of=FEATURES),
    **merges("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"),
    "Dot": example(2, of=PAIR),
    "Rescaling": example(1 / 3, -0.7, of=IMAGE),
    "Normalization": example(mean=0.3, variance=1.7, of=FEATURES),
    "UnitNormalization": example(of=FEATURES),
    "Pipeline": by(lambda home: home.Pipeline([home.Rescaling(0.3), home.CenterCrop(5, 4)]), IMAGE),
    "TimeDistributed": inside(lambda home: home.TimeDistributed(home.Dense(5))),
    "Lambda": example(lambda x: 2.0 * x, of=FEATURES),
    "Masking": inside(lambda home: [home.Masking(), home.LSTM(5)]),
    "ActivityRegularization": example(0.01, of=FEATURES),
}
SPATIAL = {
    **each("Conv{}D", AXES, lambda n: example(6, 3, strides=2, padding="same", activation="relu", of=LINE[n])),
    **each("Conv{}DTranspose", AXES, lambda n: example(6, 3, strides=2, padding="same", of=LINE[n])),
    **each("DepthwiseConv{}D", (1, 2), lambda n: example(3, depth_multiplier=2, of=LINE[n])),
    **each("SeparableConv{}D", (1, 2), lambda n: example(6, 3, padding="same", of=LINE[n])),
    **pools("MaxPooling{}D", lambda n: example(3, 2, "same", of=LINE[n])),
    **pools("AveragePooling{}D", lambda n: example(3, 2, "same", of=LINE[n])),
    **pools("AdaptiveAveragePooling{}D", lambda n: example(SIZES[n], of=LINE[n])),
    **pools("AdaptiveMaxPooling{}D", lambda n: example(SIZES[n], of=LINE[n])),
    **each("GlobalAveragePooling{}D", AXES, lambda n: example(of=LINE[n])),
    **each("GlobalMaxPooling{}D", AXES, lambda n: example(of=LINE[n])),
    **each("ZeroPadding{}D", AXES, lambda n: example(2, of=LINE[n])),
    **each("Cropping{}D", AXES, lambda n: example(1, of=LINE[n])),
    **each("UpSampling{}D", AXES, lambda n: example(2, of=LINE[n])),
    "CenterCrop": example(5, 4, of=IMAGE),
    "Resizing": example(5, 7, of=IMAGE),
}
NORMS = {
    "BatchNormalization": example(of=IMAGE),
    "LayerNormalization": example(of=SEQUENCE),
    "GroupNormalization": example(2, of=IMAGE),
    "RMSNormalization": example(of=SEQUENCE),
    "SpectralNormalization": inside(lambda home: home.SpectralNormalization(home.Dense(5)), FEATURES),
}
CELLS = {"SimpleRNNCell": 5, "LSTMCell": 5, "GRUCell": 5}
MOVIE = {1: (2, 3, 6, 4), 2: (2, 3, 6, 5, 4), 3: (2, 3, 4, 4, 3, 2)}
SEQUENCES = {
    "Embedding": example(11, 5, of=whole(11, 3, 6)),
    "ReversibleEmbedding": example(11, 5, of=whole(11, 3, 6)),
    **{name: example(5, return_sequences=True, of=SEQUENCE) for name in ("SimpleRNN", "LSTM", "GRU")},
    **{
        name: inside(lambda home, name=name, units=units: home.RNN(getattr(home, name)(units)))
        for name, units in CELLS.items()
    },
    "RNN": inside(lambda home: home.RNN(home.LSTMCell(5), return_sequences=True, go_backwards=True)),
    "StackedRNNCells": inside(lambda home: home.RNN(home.StackedRNNCells([home.GRUCell(5), home.LSTMCell(4)]))),
    "Bidirectional": inside(lambda home: home.Bidirectional(home.LSTM(5, return_sequences=True))),
    **each("ConvLSTM{}D", AXES, lambda n: example(3, 2, of=MOVIE[n])),
    "MultiHeadAttention": example(2, 4, of=PAIR),
    "GroupQueryAttention": example(4, 4, 2, of=PAIR),
    "Attention": example(of=PAIR),
    "AdditiveAttention": example(of=PAIR),
}
DROPOUTS = {
    "Dropout": example(0.3, of=SEQUENCE),
    **each("SpatialDropout{}D", AXES, lambda n: example(0.3, of=LINE[n])),
    "AlphaDropout": example(0.3, of=SEQUENCE),
    "GaussianDropout": example(0.3, of=SEQUENCE),
    "GaussianNoise": example(0.3, of=SEQUENCE),
}
NAMES = """
relu relu6 leaky_relu elu selu celu gelu silu mish glu sigmoid log_sigmoid tanh tanh_shrink hard_sigmoid hard_silu
hard_tanh hard_shrink soft_shrink softplus softsign softmax log_softmax exponential linear sparse_plus sparse_sigmoid
sparsemax squareplus
"""


def activated(name: str) -> Example:
    """Return the example of a function of ``keras.activations``."""
    return inside(lambda home: home.Activation(name))


def thresholded(home: Any) -> Any:
    """Return the layer of the one function that has no defaults."""
    import keras

    return home.Activation(lambda x: keras.activations.threshold(x, 0.4, 0.2))


ACTIVATIONS = {
    "ReLU": example(6.0, 0.1, 0.2, of=SEQUENCE),
    **{f"activations.{name}": activated(name) for name in NAMES.split()},
    "activations.threshold": inside(thresholded),
    "activations.hard_sigmoid": replace(activated("hard_sigmoid"), why="torch's gradient multiplies by 1/6 in float32"),
    **{name: example(of=SEQUENCE) for name in ("LeakyReLU", "PReLU", "ELU", "Softmax")},
}
RANDOM = {
    **{
        name: example(0.3, value_range=(0, 1), of=PICTURE)
        for name in ("RandomBrightness", "RandomColorDegeneration", "RandomContrast")
    },
    **{
        name: example(value_range=(0, 1), of=PICTURE)
        for name in ("RandomErasing", "RandomGaussianBlur", "RandomInvert")
    },
    **{name: example(0.2, of=PICTURE) for name in ("RandomRotation", "RandomShear", "RandomZoom")},
    **{
        name: example(of=PICTURE)
        for name in ["RandomElasticTransform", "RandomFlip", "RandomGrayscale", "RandomPerspective"]
    },
    "RandomColorJitter": example((0, 1), 0.3, of=PICTURE),
    "RandomCrop": example(5, 4, of=PICTURE),
    "RandomPosterization": example(4, value_range=(0, 1), of=PICTURE),
    "RandomHue": example(0.3, (0, 1), of=PICTURE),
    "RandomSaturation": example(0.3, of=PICTURE),
    "RandomSharpness": example(0.3, (0, 1), of=PICTURE),
    "RandomTranslation": example(0.2, 0.2, of=PICTURE),
    **{name: example((0, 1), of=PICTURE) for name in ("AugMix", "RandAugment")},
    "CutMix": example(of=PICTURE),
    "MixUp": example(of=PICTURE),
}
BEFORE = {
    "MelSpectrogram": example(8, 16, 8, sampling_rate=64, of=(2, 64)),
    "STFTSpectrogram": example(frame_length=16, frame_step=8, of=(2, 64, 1)),
    **{
        name: example(value_range=(0, 1), of=PICTURE)
        for name in ("AutoContrast", "Solarization", "ContrastLimitedAdaptiveHistogramEqualization")
    },
    "HashedCrossing": example(5, of=[whole(11, 3, 1)] * 2),
    "Hashing": example(5, of=whole(11, 3, 6)),
    "IntegerLookup": example(vocabulary=[1, 2, 3], of=whole(5, 3, 6)),
    "CategoryEncoding": example(11, of=whole(11, 3, 6)),
    "Discretization": example([-0.5, 0.1, 1.0], of=FEATURES),
}
EXAMPLES = {**DENSE, **SPATIAL, **NORMS, **SEQUENCES, **DROPOUTS, **ACTIVATIONS, **RANDOM, **BEFORE}
