"""Examples of ``torch.nn``: a new class is a line here, and one in ``rows.txt``."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.coverage.example import Example, by, each, example, shares, signs, whole

FEATURES, SEQUENCE, IMAGE = (3, 10), (3, 6, 8), (3, 4, 9, 6)
LINE = {1: (3, 4, 13), 2: IMAGE, 3: (2, 4, 6, 5, 7)}  # channels first, of one to three axes
EVEN = {1: (3, 4, 12), 2: (3, 4, 8, 6), 3: (2, 4, 6, 4, 8)}
AXES, SIZES = (1, 2, 3), {1: 5, 2: (3, 2), 3: (3, 2, 2)}


class Used(nn.Module):
    """What a module's parts give by a rule: for classes that do not run by themselves."""

    def __init__(self, own: Any, rule: Callable[..., Any]) -> None:
        super().__init__()
        self.own, self.rule = own, rule

    def forward(self, *inputs: Any) -> Any:
        return self.rule(self.own, *inputs)


def used(own: Callable[[Any], Any], rule: Callable[..., Any], of: Any) -> Example:
    return by(lambda home: Used(own(home), rule), of)


def unpooled(axes: int) -> Example:
    pool = getattr(F, f"max_pool{axes}d")
    return used(
        lambda home: getattr(home, f"MaxUnpool{axes}d")(2),
        lambda own, x: own(*pool(x, 2, return_indices=True)),
        EVEN[axes],
    )


def one() -> Any:
    return nn.Parameter(torch.ones(10) / 3)


DENSE = {
    "Linear": example(10, 7, of=FEATURES),
    "LazyLinear": example(7, of=FEATURES),
    "Bilinear": example(10, 4, 7, of=[FEATURES, (3, 4)]),
    "Identity": example(of=FEATURES),
    "Flatten": example(of=IMAGE),
    "Unflatten": example(1, (2, 5), of=FEATURES),
    "CosineSimilarity": example(of=[FEATURES, FEATURES]),
    "PairwiseDistance": example(of=[FEATURES, FEATURES]),
    "Sequential": by(lambda home: home.Sequential(home.Linear(10, 7), home.Tanh(), home.Linear(7, 3)), FEATURES),
    "ModuleList": used(
        lambda home: home.ModuleList([home.Linear(10, 10), home.Linear(10, 4)]),
        lambda own, x: own[1](own[0](x).tanh()),
        FEATURES,
    ),
    "ModuleDict": used(
        lambda home: home.ModuleDict({"a": home.Linear(10, 10), "b": home.Linear(10, 4)}),
        lambda own, x: own["b"](own["a"](x).tanh()),
        FEATURES,
    ),
    "ParameterList": used(
        lambda home: home.ParameterList([one(), one()]), lambda own, x: x * own[0] + own[1], FEATURES
    ),
    "ParameterDict": used(
        lambda home: home.ParameterDict({"a": one(), "b": one()}), lambda own, x: x * own["a"] + own["b"], FEATURES
    ),
}
SPATIAL = {
    **each("Conv{}d", AXES, lambda n: example(4, 6, 3, stride=2, padding=1, of=LINE[n])),
    **each("ConvTranspose{}d", AXES, lambda n: example(4, 6, 3, stride=2, padding=1, output_padding=1, of=LINE[n])),
    **each("LazyConv{}d", AXES, lambda n: example(6, 3, of=LINE[n])),
    **each("LazyConvTranspose{}d", AXES, lambda n: example(6, 3, of=LINE[n])),
    "Unfold": example(3, padding=1, of=IMAGE),
    "Fold": example((5, 4), 2, of=(3, 8, 12)),
    **each("MaxPool{}d", AXES, lambda n: example(3, stride=2, padding=1, of=LINE[n])),
    **each("AvgPool{}d", AXES, lambda n: example(3, stride=2, padding=1, of=LINE[n])),
    **each("LPPool{}d", AXES, lambda n: example(2, 2, of=LINE[n])),
    **each("MaxUnpool{}d", AXES, unpooled),
    **each("AdaptiveAvgPool{}d", AXES, lambda n: example(SIZES[n], of=LINE[n])),
    **each("AdaptiveMaxPool{}d", AXES, lambda n: example(SIZES[n], of=LINE[n])),
    **each("FractionalMaxPool{}d", (2, 3), lambda n: example(2, output_size=2, of=LINE[n])),
    **each("ZeroPad{}d", AXES, lambda n: example(2, of=LINE[n])),
    **each("ConstantPad{}d", AXES, lambda n: example(2, 1.5, of=LINE[n])),
    **each("ReflectionPad{}d", AXES, lambda n: example(2, of=LINE[n])),
    **each("ReplicationPad{}d", AXES, lambda n: example(2, of=LINE[n])),
    **each("CircularPad{}d", AXES, lambda n: example(2, of=LINE[n])),
    "Upsample": example(scale_factor=2, mode="bicubic", of=IMAGE),
    "UpsamplingNearest2d": example(scale_factor=2, of=IMAGE),
    "UpsamplingBilinear2d": example(scale_factor=2, of=IMAGE),
    "PixelShuffle": example(2, of=IMAGE),
    "PixelUnshuffle": example(3, of=IMAGE),
    "ChannelShuffle": example(2, of=IMAGE),
}
NORMS = {
    **each("BatchNorm{}d", AXES, lambda n: example(4, of=LINE[n])),
    **each("LazyBatchNorm{}d", AXES, lambda n: example(of=LINE[n])),
    **each("InstanceNorm{}d", AXES, lambda n: example(4, affine=True, track_running_stats=True, of=LINE[n])),
    **each("LazyInstanceNorm{}d", AXES, lambda n: example(of=LINE[n])),
    "LayerNorm": example(8, of=SEQUENCE),
    "GroupNorm": example(2, 4, of=IMAGE),
    "RMSNorm": example(8, of=SEQUENCE),
    "LocalResponseNorm": example(3, of=IMAGE),
    "CrossMapLRN2d": example(3, of=IMAGE),
}
SEQUENCES = {
    "Embedding": example(11, 5, of=whole(11, 3, 6)),
    "EmbeddingBag": example(11, 5, of=whole(11, 3, 6)),
    **{name: example(8, 5, batch_first=True, of=SEQUENCE) for name in ("RNN", "LSTM", "GRU")},
    **{f"{name}Cell": example(10, 5, of=FEATURES) for name in ("RNN", "LSTM", "GRU")},
    "MultiheadAttention": example(8, 2, batch_first=True, of=[SEQUENCE] * 3),
    "Transformer": example(8, 2, 1, 1, 12, batch_first=True, of=[SEQUENCE, (3, 5, 8)]),
    "TransformerEncoderLayer": example(8, 2, 12, batch_first=True, of=SEQUENCE),
    "TransformerDecoderLayer": example(8, 2, 12, batch_first=True, of=[SEQUENCE, (3, 5, 8)]),
    "TransformerEncoder": by(
        lambda home: home.TransformerEncoder(home.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2), SEQUENCE
    ),
    "TransformerDecoder": by(
        lambda home: home.TransformerDecoder(home.TransformerDecoderLayer(8, 2, 12, batch_first=True), 2),
        [SEQUENCE, (3, 5, 8)],
    ),
}
DROPOUTS = {
    "Dropout": example(0.3, of=SEQUENCE),
    **each("Dropout{}d", AXES, lambda n: example(0.3, of=LINE[n])),
    "AlphaDropout": example(0.3, of=SEQUENCE),
    "FeatureAlphaDropout": example(0.3, of=IMAGE),
}
NAMES = """
ReLU ReLU6 LeakyReLU PReLU RReLU ELU SELU CELU GELU SiLU Mish GLU Sigmoid LogSigmoid Tanh Tanhshrink Hardsigmoid
Hardswish Hardtanh Hardshrink Softshrink Softplus Softsign
"""
ACTIVATIONS = {
    **{name: example(of=SEQUENCE) for name in NAMES.split()},
    **{name: example(-1, of=SEQUENCE) for name in ("Softmax", "LogSoftmax", "Softmin")},
    "Softmax2d": example(of=IMAGE),
    "Threshold": example(0.4, 0.2, of=SEQUENCE),
}
LOGITS, LABELS = (6, 5), whole(5, 6)
LOSSES = {
    **{name: example(of=[LOGITS, LOGITS]) for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss")},
    "PoissonNLLLoss": example(of=[LOGITS, shares(*LOGITS)]),
    "KLDivLoss": example(reduction="batchmean", of=[LOGITS, shares(*LOGITS)]),
    **{name: example(of=[LOGITS, LABELS]) for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")},
    "BCEWithLogitsLoss": example(of=[LOGITS, shares(*LOGITS)]),
    "BCELoss": example(of=[shares(*LOGITS), shares(*LOGITS, seed=9)]),
    "HingeEmbeddingLoss": example(of=[LOGITS, signs(*LOGITS)]),
    "SoftMarginLoss": example(of=[LOGITS, signs(*LOGITS).astype(np.int64)]),  # torch has no gradient of its targets
    "CosineEmbeddingLoss": example(of=[LOGITS, LOGITS, signs(6)]),
    "MarginRankingLoss": example(of=[(6,), (6,), signs(6)]),
    "MultiLabelMarginLoss": example(of=[LOGITS, whole(5, *LOGITS)]),
    "MultiLabelSoftMarginLoss": example(of=[LOGITS, shares(*LOGITS)]),
    "TripletMarginLoss": example(of=[LOGITS] * 3),
    "TripletMarginWithDistanceLoss": example(of=[LOGITS] * 3),
    "GaussianNLLLoss": example(of=[LOGITS, LOGITS, shares(*LOGITS)]),
    "AdaptiveLogSoftmaxWithLoss": example(5, 9, [3, 6], of=[LOGITS, whole(9, 6)]),
    "LinearCrossEntropyLoss": example(5, 7, of=[LOGITS, whole(7, 6)]),
    "CTCLoss": used(
        lambda home: home.CTCLoss(),
        lambda own, x: own(
            x.log_softmax(2), torch.tensor([[1, 2], [2, 3]]), torch.tensor([6, 6]), torch.tensor([2, 2])
        ),
        (6, 2, 5),
    ),
}
EXAMPLES = {**DENSE, **SPATIAL, **NORMS, **SEQUENCES, **DROPOUTS, **ACTIVATIONS, **LOSSES}
