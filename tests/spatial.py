"""The table of spatial cases: convolutions, pools, padding, resizing, norms and dropout, of one to three axes."""

from typing import Any

from dualnet import specs as S
from tests.cases import CASES, IMAGE, POOLS, RUNNING, case

BEFORE = len(CASES)

PLACES = {1: (4, 11), 2: IMAGE, 3: (4, 5, 6, 4)}
CONVS = {1: S.Conv1d, 2: S.Conv2d, 3: S.Conv3d}
TRANSPOSED = {1: S.ConvTranspose1d, 2: S.ConvTranspose2d, 3: S.ConvTranspose3d}


def each(name: str, layers: dict[int, Any], *given: Any, **options: Any) -> None:
    """Enter a row for each number of axes; lists are sizes, of which each takes as many as it has axes."""
    for axes, layer in layers.items():
        sized = [tuple(value[:axes]) if isinstance(value, list) else value for value in given]
        named = {key: tuple(value[:axes]) if isinstance(value, list) else value for key, value in options.items()}
        case(f"{name}_{axes}d", PLACES[axes], layer(*sized, **named))


# An image's own table is tests.cases; here stand signals and volumes, and what is new for all.
OTHERS = {1: S.Conv1d, 3: S.Conv3d}
each("conv_plain", OTHERS, 5, [3, 2, 2])
each("conv_no_bias", OTHERS, 5, 2, bias=False)
each("conv_strided", OTHERS, 5, [3, 2, 3], stride=2, padding=1)
each("conv_strides", OTHERS, 5, [2, 3, 2], stride=[3, 1, 2], padding=[2, 0, 1])
each("conv_half", OTHERS, 5, 3, padding=1)
each("conv_dilated", OTHERS, 5, [3, 2, 2], dilation=[2, 3, 1], padding=[1, 2, 0])
each("conv_dilated_strided", OTHERS, 5, 2, dilation=2, stride=[3, 2, 2], padding=1)
each("conv_grouped", OTHERS, 6, [3, 2, 2], groups=2, stride=2, padding=[1, 0, 1])
each("conv_grouped_all", OTHERS, 6, 2, groups=2, stride=2, dilation=2, padding="same", bias=False)
each("conv_depthwise", OTHERS, 4, [3, 2, 2], groups=4, padding=1)
each("conv_depthwise_double", OTHERS, 8, 2, groups=4, stride=2, fans="depthwise")
each("conv_depthwise_sliced", OTHERS, 4, 2, groups=4, stride=[2, 3, 1], dilation=2)
for axes, layer in CONVS.items():
    case(f"conv_fixed_{axes}d", PLACES[axes], layer(5, 2, trainable=False), layer(3, 2))
    fixed = TRANSPOSED[axes](3, 2, trainable=False)
    case(f"transposed_fixed_{axes}d", PLACES[axes], fixed, layer(2, 2))
each("conv_fans", CONVS, 4, 2, groups=4, fans="depthwise")
for kernel, stride, dilation in ((2, 1, 1), (3, 2, 1), (4, 3, 1), (2, 1, 2), (3, 2, 2)):
    each(f"conv_same_{kernel}{stride}{dilation}", OTHERS, 5, kernel, stride=stride, dilation=dilation, padding="same")
each("conv_same_uneven", OTHERS, 5, [4, 3, 2], stride=[3, 2, 1], padding="same")
for mode in ("reflect", "replicate", "circular"):
    each(f"conv_{mode}", CONVS, 5, [3, 2, 3], padding=[2, 1, 2], padding_mode=mode)
    each(f"conv_{mode}_same", CONVS, 6, [4, 3, 2], groups=2, stride=2, padding="same", padding_mode=mode)
    case(f"conv_causal_{mode}", PLACES[1], S.Conv1d(5, 3, padding="causal", padding_mode=mode, dilation=2))
causal: dict[str, dict[str, Any]] = {
    "": {},
    "_strided": {"stride": 2},
    "_dilated": {"dilation": 3},
    "_both": {"stride": 2, "dilation": 2},
    "_grouped": {"groups": 2, "stride": 2},
    "_depthwise": {"groups": 4, "dilation": 2},
}
for title, options in causal.items():
    case(f"conv_causal{title}", PLACES[1], S.Conv1d(4, 3, padding="causal", **options))

each("transposed", TRANSPOSED, 5, [3, 2, 2])
each("transposed_no_bias", TRANSPOSED, 5, [2, 3, 2], bias=False, stride=2)
each("transposed_gaps", TRANSPOSED, 3, 2, stride=3)
each("transposed_whole_gaps", TRANSPOSED, 3, 2, stride=3, output_padding=1)
each("transposed_padding", TRANSPOSED, 3, [3, 4, 2], stride=[2, 3, 1], padding=1)
each("transposed_more", TRANSPOSED, 3, 3, stride=[2, 3, 2], padding=[1, 2, 1], output_padding=[1, 2, 1])
each("transposed_dilated", TRANSPOSED, 3, 2, stride=2, dilation=[3, 2, 2], padding=1, output_padding=[2, 1, 1])
each("transposed_grouped", TRANSPOSED, 6, [3, 2, 2], groups=2, stride=2, padding=1)
for kernel, stride in ((2, 1), (3, 2), (4, 3), (2, 3), (1, 2)):
    each(f"transposed_same_{kernel}{stride}", TRANSPOSED, 3, kernel, stride=stride, padding="same")
for kernel, more in ((3, 0), (3, 1), (4, 1), (4, 2), (5, 2)):
    each(f"transposed_same_{kernel}_more{more}", TRANSPOSED, 3, kernel, stride=3, padding="same", output_padding=more)
each("transposed_same_all", TRANSPOSED, 6, [3, 2, 3], stride=2, dilation=2, groups=2, padding="same")
each("transposed_same_gaps", TRANSPOSED, 2, [2, 2, 1], stride=3, groups=2, padding="same")

WHOLE: dict[str, dict[str, Any]] = {  # for signals and volumes
    "plain": {"kernel": 2},
    "overlap": {"kernel": 3, "stride": 2, "padding": 1},
    "ceil": {"kernel": 2, "stride": 3, "ceil_mode": True},
    "ceil_padding": {"kernel": 4, "stride": 3, "padding": 2, "ceil_mode": True},
}
SAME: dict[str, dict[str, Any]] = {
    "same": {"kernel": 2, "padding": "same"},
    "same_overlap": {"kernel": 3, "stride": 2, "padding": "same"},
    "same_one": {"kernel": 4, "stride": 1, "padding": "same"},
}
MAX, AVG = {1: S.MaxPool1d, 3: S.MaxPool3d}, {1: S.AvgPool1d, 3: S.AvgPool3d}
for title, options in WHOLE.items():
    each(f"max_{title}", MAX, **options)
    each(f"avg_{title}", AVG, **options)
    each(f"avg_{title}_real", AVG, **options, count_include_pad=False)
for title, options in SAME.items():
    each(f"max_{title}", {**MAX, 2: S.MaxPool2d}, **options)
    for counted in (True, False):
        each(f"avg_{title}-{counted}", {**AVG, 2: S.AvgPool2d}, **options, count_include_pad=counted)
each("max_sizes", MAX, [3, 2, 2], [2, 1, 3])
each("max_dilated", {**MAX, 2: S.MaxPool2d}, [3, 2, 2], 2, 1, dilation=[2, 3, 1])
each("max_dilated_ceil", {**MAX, 2: S.MaxPool2d}, 2, 3, ceil_mode=True, dilation=2)
each("max_dilated_same", {**MAX, 2: S.MaxPool2d}, 2, 2, "same", dilation=2)
for pool in ("plain", "padding", "ceil_start_in_padding"):
    case(f"avg_by_{pool}", IMAGE, S.AvgPool2d(**POOLS[pool], divisor_override=3))
for pool in ("plain", "ceil_padding"):
    case(f"avg_by_{pool}_3d", PLACES[3], S.AvgPool3d(**WHOLE[pool], divisor_override=5))
case("avg_by_same", IMAGE, S.AvgPool2d(3, 2, "same", divisor_override=2))
# where many values are level, as zeros behind a ReLU are, the first takes the gradient
case("max_level_3d", PLACES[3], S.ReLU(0.0), S.MaxPool3d(3, 2, 1), S.Conv3d(2, 1))
case("max_level_dilated", IMAGE, S.ReLU(0.0), S.MaxPool2d(3, 1, dilation=2), S.Conv2d(2, 1))
case("adaptive_max_level", IMAGE, S.ReLU(0.0), S.AdaptiveMaxPool2d((4, 1)), S.Conv2d(2, 1))
# nor does it matter that what is dropped is -0.0 where it was below 0
for title, layer in (("dilated", S.MaxPool2d(3, 2, dilation=2)), ("adaptive", S.AdaptiveMaxPool2d((3, 5)))):
    case(f"max_dropped_{title}", IMAGE, S.Dropout2d(0.5), layer, S.Conv2d(2, 1))
case("max_dropped_3d", PLACES[3], S.Dropout3d(0.5), S.MaxPool3d(2, 1), S.Conv3d(2, 1))
for sizes in ((1, 1, 1), (3, 2, 2), (4, 5, 3), (1, 6, 4), (13, 7, 5)):
    title = "x".join(map(str, sizes))
    each(f"adaptive_avg_{title}", {1: S.AdaptiveAvgPool1d, 3: S.AdaptiveAvgPool3d}, list(sizes))
    each(f"adaptive_max_{title}", {1: S.AdaptiveMaxPool1d, 2: S.AdaptiveMaxPool2d, 3: S.AdaptiveMaxPool3d}, list(sizes))
LP = {1: S.LPPool1d, 2: S.LPPool2d, 3: S.LPPool3d}
each("lp", LP, 2.0, [3, 2, 2])
each("lp_four", LP, 4.0, 2, 1)
each("lp_sum", LP, 1.0, 2, [2, 1, 2])
each("lp_ceil", LP, 2.0, 3, 2, ceil_mode=True)
case("lp_zeros", IMAGE, S.ReLU(5.0), S.ReLU(), S.LPPool2d(2.0, 2), S.Conv2d(2, 1))

for axes, shape in PLACES.items():
    ends = [[1, 2], [0, 3], [2, 1]][:axes]
    for mode in ("constant", "reflect", "replicate", "circular"):
        case(f"pad_{mode}_{axes}d", shape, S.Pad(ends, mode))
        case(f"pad_{mode}_all_{axes}d", shape, S.Pad(1, mode))
    case(f"pad_value_{axes}d", shape, S.Pad([ends[0]], value=-1.7))
    case(f"crop_{axes}d", shape, S.Cropping(ends))
    case(f"crop_all_{axes}d", shape, S.Cropping(1))
    case(f"upsample_{axes}d", shape, S.Upsample(2))
    case(f"upsample_some_{axes}d", shape, S.Upsample([3, 1, 2][:axes]))
    case(f"upsample_to_{axes}d", shape, S.Upsample(size=[7, 13, 5][:axes]))
    case(f"upsample_part_{axes}d", shape, S.Upsample(1.7))
    case(f"upsample_barely_{axes}d", shape, S.Upsample(1.07))
    case(f"upsample_over_double_{axes}d", shape, S.Upsample([2.02, 2.1, 2.05][:axes]))
    case(f"upsample_exact_barely_{axes}d", shape, S.Upsample(1.07, mode="nearest-exact"))
    for mode in ("nearest-exact", "linear", *(["cubic"] if axes == 2 else [])):
        case(f"upsample_{mode}_{axes}d", shape, S.Upsample(2, mode=mode))
        case(f"upsample_{mode}_to_{axes}d", shape, S.Upsample(size=[7, 13, 5][:axes], mode=mode))
        case(f"upsample_{mode}_part_{axes}d", shape, S.Upsample([1.7, 0.6, 2.3][:axes], mode=mode))
        if mode != "nearest-exact":
            for size in (7, 1):
                layer = S.Upsample(size=size, mode=mode, align_corners=True)
                case(f"upsample_{mode}_corners{size}_{axes}d", shape, layer)
    case(f"channel_shuffle_{axes}d", shape, S.ChannelShuffle(2))
    case(f"channel_shuffle_one_{axes}d", shape, S.ChannelShuffle(4))
    for size, more in ((3, {}), (2, {"alpha": 0.3, "beta": 0.6, "k": 1.5}), (9, {"alpha": 1.0})):
        case(f"response_{size}_{axes}d", shape, S.LocalResponseNorm(size, **more))
for mode in ("nearest", "nearest-exact"):  # 10·float32(0.7) is 7, and 10·0.7 is below
    case(f"upsample_{mode}_rounds", (2, 14), S.Upsample(size=20, mode=mode))
    case(f"upsample_{mode}_rounds_by_scale", (2, 14), S.Upsample(1 / 0.7, mode=mode))
for factor in (2, 3):
    case(f"pixel_shuffle_{factor}", (2 * factor**2, 3, 5), S.PixelShuffle(factor))
    case(f"pixel_unshuffle_{factor}", (2, 2 * factor, 3 * factor), S.PixelUnshuffle(factor))
WINDOWS: dict[str, dict[str, Any]] = {
    "": {},
    "_more": {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)},
}
for title, options in WINDOWS.items():
    case(f"unfold{title}", IMAGE, S.Unfold((3, 2), **options))
    case(f"unfold_linear{title}", IMAGE, S.Conv2d(3, 1), S.Unfold(2, **options), S.Linear(4))
    folded = S.Fold((5, 4), (3, 2), **options)
    case(f"fold{title}", (3 * 6, 14 if title else 9), folded, S.Conv2d(2, 1))
case("fold_apart", (2 * 4, 6), S.Fold((4, 6), 2, 2), S.Conv2d(2, 1))

NORMS = {1: S.InstanceNorm1d, 2: S.InstanceNorm2d, 3: S.InstanceNorm3d}
each("instance", NORMS)
each("instance_affine", NORMS, affine=True, epsilon=0.1)
for axes, layer in NORMS.items():
    case(f"instance_tracks_{axes}d", PLACES[axes], layer(track_running_stats=True), CONVS[axes](2, 2))
each("instance_tracks_affine", NORMS, track_running_stats=True, affine=True, momentum=0.3, epsilon=1e-3)
for title, more in RUNNING.items():
    case(f"batchnorm{title}_3d", PLACES[3], S.BatchNorm3d(**more), S.Conv3d(3, 2))
each("channel_dropout", {1: S.Dropout1d, 2: S.Dropout2d, 3: S.Dropout3d}, 0.4)
each("channel_dropout_none", {1: S.Dropout1d, 2: S.Dropout2d, 3: S.Dropout3d}, 0.0)

NAMES = list(CASES)[BEFORE:]

# Wires of signals and volumes: what turns them, what flattens them, what uses a layer twice
SIGNAL, VOLUME = PLACES[1], PLACES[3]
case(
    "signal_net", SIGNAL, S.Conv1d(5, 3, padding=1), S.BatchNorm1d(), S.ReLU(), S.MaxPool1d(2), S.Flatten(), S.Linear(3)
)
case("volume_net", VOLUME, S.Conv3d(5, 2), S.BatchNorm3d(), S.ReLU(), S.MaxPool3d(2), S.Flatten(), S.Linear(3))
case("signal_output", SIGNAL, S.Tanh(), S.Conv1d(5, 3))
case("signal_linear", SIGNAL, S.Conv1d(5, 3, name="a"), S.Linear(4), S.Conv1d(3, 2))
case("signal_norms", SIGNAL, S.Conv1d(4, 3), S.LayerNorm(), S.GroupNorm(2), S.LayerNorm(2), S.Softmax(1), S.Sum(2))
case("signal_reshape", SIGNAL, S.Conv1d(6, 2), S.Reshape((3, -1)), S.Conv1d(2, 3), S.Reshape((-1,)), S.Linear(2))
case("signal_flatten", SIGNAL, S.Conv1d(4, 2), S.Flatten(), S.LayerNorm(), S.Linear(2))
case("volume_flatten", VOLUME, S.Conv3d(4, 2), S.Flatten(), S.LayerNorm(), S.Linear(2))
case("signal_dropout", SIGNAL, S.Conv1d(4, 2), S.Dropout(0.4), S.Flatten(), S.Linear(2))
case(
    "signal_joins",
    {"a": SIGNAL, "b": SIGNAL},
    S.Conv1d(4, 3, padding=1, name="conv", inputs=("a",)),
    S.Linear(11, name="row", inputs=("b",)),
    S.Add(name="sum", inputs=("row", "conv")),
    S.Concat(1, inputs=("sum", "b", "row")),
    S.Concat(2, inputs=("concat", "concat"), name="long"),
    S.Conv1d(2, 1),
    outputs=("conv1d", "row"),
)
case("signal_shared", SIGNAL, S.Conv1d(4, 3, padding=1, name="a"), S.ReLU(), S.Shared("a"))
case("volume_shared", VOLUME, S.ConvTranspose3d(4, 2, padding="same", name="a"), S.ReLU(), S.Shared("a"))
case("signal_shared_orders", (4, 4), S.BatchNorm1d(name="n"), S.Linear(4), S.Shared("n"), S.Conv1d(3, 1, inputs=("n",)),
     outputs=("shared", "conv1d"))  # fmt: skip
case("transposed_shared", IMAGE, S.ConvTranspose2d(4, 3, padding=1, name="a"), S.Tanh(), S.Shared("a"))
case(
    "instance_shared",
    IMAGE,
    S.InstanceNorm2d(track_running_stats=True, name="a"),
    S.PixelUnshuffle(1),
    S.Conv2d(4, 1),
    S.Shared("a"),
)
case("channel_dropout_shared", IMAGE, S.Dropout2d(0.4, name="a"), S.MaxPool2d(2), S.Shared("a"))
case(
    "signal_block",
    SIGNAL,
    S.Block((S.Linear(11), S.Conv1d(4, 3, padding=1), S.ReLU(name="r")), outputs=("r",), name="b"),
    S.Shared("b"),
    S.Conv1d(2, 1),
)
