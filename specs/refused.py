"""Refused: layers of either framework that a spec has not, on purpose, and what to do instead."""

_TEXT = "It turns words or categories into numbers before the network. Do that to the data, and read an Embedding."
_WEIGHT = (
    "It computes another layer's weight from state of its own, by steps that each framework rounds and starts in its "
    "own way. Hold weights down by weight decay or Clip."
)
_IMAGES = "Its cell convolves images step by step, for which torch has none."

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "HashedCrossing", "CategoryEncoding"), _TEXT
    ),
    "Discretization": _TEXT,
    **dict.fromkeys(("SpectralNormalization", "SpectralNorm", "WeightNorm"), _WEIGHT),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), _IMAGES),
    "EinsumDense": "Its equation is any sum of products. Use Linear, which acts on the last axis, between Permute and "
    "Reshape; Bilinear, Dot or MultiheadAttention.",
    "CosineSimilarity": "Here it is Dot(normalize=True, epsilon=1e-8).",
    "ActivityRegularization": "It adds to the loss, which here is one of output and target. Use weight decay.",
    "Masking": "A wire of a spec is one array, without a mask. Cut sequences to one length.",
    "Lambda": "A file holds no code. Register a layer of your own: dualnet.register.",
    "TimeDistributed": "Linear and all activations act on every step of (N, L, F) already.",
    **{
        f"SeparableConv{n}{d}": f"It is two: Conv{n}d(in, kernel, groups=in, bias=False) and Conv{n}d(channels, 1)."
        for n in (1, 2)
        for d in "dD"
    },
    "StackedRNNCells": "Use the field layers of RNN, LSTM or GRU.",
    "AdaptiveLogSoftmaxWithLoss": "It is layer and loss in one, of labels sorted by frequency; Keras has none.",
}
