"""The table of layer cases: every layer with every value and corner of its fields, as small specs with odd shapes.

A new layer is one row more: outputs, gradients, statistics and the stock model follow from it in ``test_layers.py``.
"""

from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends.protocol import Arrays

# float64 rounds each sum to 2.2e-16 of its largest term, and the frameworks add the terms (up to some 500 in these
# cases) in different orders, then divide by a deviation or two: 1e-12 of the array's largest entry leaves tenfold room.
CLOSE = 1e-12

IMAGE, FEATURES, SEQUENCE = (4, 9, 6), (10,), (6, 5)
BATCH = 3

Shape = tuple[int, ...]
CASES: dict[str, S.Spec] = {}


def case(name: str, inputs: Shape | dict[str, Shape], *layers: S.Layer, outputs: tuple[str, ...] = ()) -> None:
    """Enter a row."""
    assert name not in CASES, name
    CASES[name] = S.Spec(name, S.Block(layers, outputs=outputs), inputs)


def image(**rows: S.Layer) -> None:
    """Enter rows of one layer on an image."""
    for name, layer in rows.items():
        case(name, IMAGE, layer)


def everywhere(**rows: S.Layer) -> None:
    """Enter rows of one layer on an image, on features and on a sequence."""
    for name, layer in rows.items():
        for kind, shape in (("image", IMAGE), ("features", FEATURES), ("sequence", SEQUENCE)):
            case(f"{name}-{kind}", shape, layer)


def arrays(shapes: dict[str, Shape], seed: int, batch: int | None = BATCH) -> Arrays:
    """Return random arrays by name, entries of both signs and none round, with a batch axis if asked for."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0.3, 1.1, shape if batch is None else (batch, *shape)) for name, shape in shapes.items()}


def inputs(spec: S.Spec, seed: int) -> Arrays:
    """Return random inputs of a spec; where it holds integers, they come more than once."""
    rng = np.random.default_rng(seed)
    integers = {n: rng.integers(0, below, (BATCH, *spec.inputs[n])) for n, below in spec.integers.items()}
    return arrays(spec.inputs, seed) | integers


def weights(spec: S.Spec, seed: int) -> Arrays:
    """Return random parameters and buffers, none at its usual start; variances are positive."""
    drawn = arrays({name: parameter.shape for name, parameter in spec.parameters.items()}, seed, None)
    return {name: np.abs(array) + 0.2 if name.endswith("running_var") else array for name, array in drawn.items()}


case("linear", FEATURES, S.Linear(7))
case("linear_no_bias", FEATURES, S.Linear(7, bias=False))
case("linear_sequence", SEQUENCE, S.Linear(7))
case("linear_fixed", FEATURES, S.Linear(7, trainable=False), S.Linear(4))
case("sum-features", FEATURES, S.Sum())
case("sum_1-sequence", SEQUENCE, S.Sum(1))
case("halve-features", FEATURES, S.Halve())
case("halve_little-sequence", SEQUENCE, S.Halve(13.7))
case("halve_never-features", FEATURES, S.Halve(1e9))
case("halve-image", IMAGE, S.Halve(0.3), S.Conv2d(3, 2))

image(
    conv=S.Conv2d(5, (3, 2)),
    conv_1x1=S.Conv2d(3, 1),
    conv_1x1_stride=S.Conv2d(3, 1, stride=(2, 3)),
    conv_no_bias=S.Conv2d(5, (2, 3), bias=False),
    conv_whole=S.Conv2d(5, (9, 6)),
    conv_stride=S.Conv2d(5, (3, 2), stride=2),
    conv_stride_pair=S.Conv2d(5, (2, 3), stride=(3, 1)),
    conv_padding=S.Conv2d(5, (3, 2), padding=2),
    conv_padding_pair=S.Conv2d(5, (3, 5), padding=(0, 2)),
    conv_padding_half=S.Conv2d(5, (3, 5), padding=(1, 2)),
    conv_padding_stride=S.Conv2d(5, 3, padding=1, stride=2),
    conv_padding_stride_pair=S.Conv2d(5, (4, 3), padding=(2, 1), stride=(2, 3)),
    conv_dilation=S.Conv2d(5, (3, 2), dilation=2),
    conv_dilation_pair=S.Conv2d(5, (2, 3), dilation=(3, 2), padding=(1, 2)),
    conv_dilation_half=S.Conv2d(5, 3, dilation=(3, 2), padding=(3, 2)),
    conv_dilation_stride=S.Conv2d(5, (3, 2), dilation=2, stride=2, padding=1),
    conv_dilation_stride_pair=S.Conv2d(5, (3, 2), dilation=(1, 2), stride=(3, 2), padding=(2, 1)),
    conv_groups=S.Conv2d(6, (3, 2), groups=2),
    conv_groups_all=S.Conv2d(6, (3, 2), groups=2, stride=2, padding=(1, 2), dilation=(2, 1), bias=False),
    conv_groups_same=S.Conv2d(6, (2, 3), groups=2, stride=2, padding="same"),
    depthwise=S.Conv2d(4, (3, 2), groups=4),
    depthwise_double=S.Conv2d(8, (3, 2), groups=4, padding=1),
    depthwise_no_bias=S.Conv2d(8, 3, groups=4, bias=False, dilation=2),
    depthwise_stride=S.Conv2d(4, 3, groups=4, stride=2, padding=1),
    depthwise_stride_pair=S.Conv2d(8, 3, groups=4, stride=(2, 3), padding=(1, 0)),
    depthwise_stride_dilation=S.Conv2d(4, (2, 3), groups=4, stride=2, dilation=(3, 2)),
    depthwise_same=S.Conv2d(4, (4, 3), groups=4, padding="same"),
    depthwise_same_stride=S.Conv2d(8, (2, 3), groups=4, padding="same", stride=2),
    depthwise_same_stride_pair=S.Conv2d(4, (4, 3), groups=4, padding="same", stride=(3, 2)),
    same_dilation=S.Conv2d(5, (3, 2), padding="same", dilation=(2, 3)),
    same_dilation_stride=S.Conv2d(5, (3, 2), padding="same", dilation=2, stride=2),
    same_stride_pair=S.Conv2d(5, (4, 3), padding="same", stride=(3, 2)),
    same_kernel_below_stride=S.Conv2d(5, (1, 2), padding="same", stride=3),
    **{f"same_{k}_stride{s}": S.Conv2d(5, (k, 5 - k), padding="same", stride=s) for k in (2, 3, 4) for s in (1, 2, 3)},
)
case("conv_fixed", IMAGE, S.Conv2d(5, (2, 3), trainable=False), S.Conv2d(3, 2))
case("conv_fixed_depthwise", IMAGE, S.Conv2d(4, 3, groups=4, trainable=False), S.Conv2d(3, 2))
case("conv_one_channel", (1, 7, 5), S.Conv2d(3, (3, 2), padding=1))
case("conv_odd_and_even", (2, 8, 7), S.Conv2d(3, 3, padding="same", stride=2))

POOLS: dict[str, dict[str, Any]] = {
    "plain": {"kernel": 2},
    "pair": {"kernel": (3, 2)},
    "overlap": {"kernel": 3, "stride": 2},
    "gaps": {"kernel": 2, "stride": (3, 4)},
    "padding": {"kernel": 3, "stride": 2, "padding": 1},
    "padding_pair": {"kernel": (2, 4), "stride": (1, 3), "padding": (0, 2)},
    "ceil": {"kernel": 2, "ceil_mode": True},
    "ceil_padding": {"kernel": (3, 4), "stride": (3, 2), "padding": (1, 2), "ceil_mode": True},
    "ceil_gaps": {"kernel": 1, "stride": (4, 3), "ceil_mode": True},
    "ceil_start_in_padding": {"kernel": (2, 3), "stride": (2, 5), "padding": (1, 1), "ceil_mode": True},
}
for title, options in POOLS.items():
    case(f"max_{title}", IMAGE, S.MaxPool2d(**options))
    for counted in (True, False):
        case(f"avg_{title}-{counted}", IMAGE, S.AvgPool2d(**options, count_include_pad=counted))
for size in ((1, 1), (3, 2), (9, 6), (4, 5), (1, 4), (1, 3), (7, 1), (11, 13)):
    case(f"adaptive_{size[0]}x{size[1]}", IMAGE, S.AdaptiveAvgPool2d(size))

RUNNING: dict[str, dict[str, Any]] = {
    "": {},
    "_biased": {"running_variance": "biased"},
    "_bare": {"affine": False, "epsilon": 0.1, "momentum": 0.3},
    "_bare_biased": {"affine": False, "epsilon": 0.1, "momentum": 0.01, "running_variance": "biased"},
    "_still": {"momentum": 0.0},
    "_forgetful": {"momentum": 1.0, "running_variance": "biased"},
}
for title, options in RUNNING.items():
    case(f"batchnorm{title}-image", IMAGE, S.BatchNorm2d(**options), S.Conv2d(3, 2))
    case(f"batchnorm{title}-features", FEATURES, S.BatchNorm1d(**options), S.Linear(3))
    case(f"batchnorm{title}-sequence", SEQUENCE, S.BatchNorm1d(**options), S.Linear(3))
everywhere(layernorm=S.LayerNorm(), layernorm_bare=S.LayerNorm(epsilon=0.1, affine=False))
image(layernorm_2=S.LayerNorm(2), layernorm_3=S.LayerNorm(3), layernorm_3_bare=S.LayerNorm(3, affine=False))
case("layernorm_2-sequence", SEQUENCE, S.LayerNorm(2, epsilon=1e-3))
everywhere(groupnorm=S.GroupNorm(2), groupnorm_one=S.GroupNorm(1, 0.1), groupnorm_bare=S.GroupNorm(2, affine=False))
case("groupnorm_all", IMAGE, S.GroupNorm(4))

everywhere(
    relu=S.ReLU(),
    relu_shift=S.ReLU(0.37),
    leaky=S.LeakyReLU(),
    leaky_zero=S.LeakyReLU(0.0),
    leaky_steep=S.LeakyReLU(1.3),
    elu=S.ELU(),
    elu_alpha=S.ELU(0.3),
    gelu=S.GELU(),
    gelu_tanh=S.GELU("tanh"),
    sigmoid=S.Sigmoid(),
    hardsigmoid=S.Hardsigmoid(),
    tanh=S.Tanh(),
    silu=S.SiLU(),
    selu=S.SELU(),
    celu=S.CELU(),
    celu_alpha=S.CELU(0.3),
    softplus=S.Softplus(),
    softplus_beta=S.Softplus(2.5),
    softplus_low=S.Softplus(1.0, 0.7),
    softplus_none=S.Softplus(30.0, 0.0),
    softsign=S.Softsign(),
    hardtanh=S.Hardtanh(),
    hardtanh_odd=S.Hardtanh(-0.3, 1.7),
    relu6=S.Hardtanh(0.0, 6.0),
    hardswish=S.Hardswish(),
    log_sigmoid=S.LogSigmoid(),
    tanhshrink=S.Tanhshrink(),
    softshrink=S.Softshrink(),
    softshrink_wide=S.Softshrink(1.1),
    hardshrink=S.Hardshrink(),
    hardshrink_none=S.Hardshrink(0.0),
    threshold=S.Threshold(0.4),
    threshold_value=S.Threshold(-0.2, 3.0),
    mish=S.Mish(),
    exponential=S.Exponential(),
    identity=S.Identity(),
    softmax=S.Softmax(),
    log_softmax=S.LogSoftmax(),
    dropout=S.Dropout(0.3),
    dropout_none=S.Dropout(0.0),
)
for dim in (1, 2, 3, -3):
    image(**{f"sum_{dim}": S.Sum(dim)})
    image(**{f"softmax_{dim}": S.Softmax(dim), f"log_softmax_{dim}": S.LogSoftmax(dim)})
