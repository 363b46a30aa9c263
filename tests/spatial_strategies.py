"""Random spatial layers, by the number of axes of the wire that they read."""

from typing import Any

from hypothesis import strategies as st

from dualnet import specs as S

Drawn = st.SearchStrategy[Any]
small, few, rate = st.integers(1, 4), st.integers(1, 3), st.floats(0, 1, exclude_max=True)


def some(cls: Any, needed: dict[str, Drawn], optional: dict[str, Drawn]) -> Drawn:
    """Return layers of a class, the optional fields drawn or left at their defaults."""
    return st.fixed_dictionaries(needed, optional=optional).map(lambda chosen: cls(**chosen))


def per_axis(one: Drawn, axes: int) -> Drawn:
    """Return one value for all axes, or one for each."""
    return one | st.tuples(*[one] * axes)


def named(stem: str, axes: int) -> Any:
    """Return the layer that bears so many axes in its name."""
    return getattr(S, f"{stem}{axes}d")


def convolutions(axes: int, weight: Drawn, start: dict[str, Drawn]) -> Drawn:
    """Return convolutions, straight and transposed, with given initializers."""
    sizes = per_axis(few, axes)
    words = ["same", "causal"] if axes == 1 else ["same"]
    needed = {"channels": small, "kernel": sizes, "weight_init": weight}
    shared = {**start, "stride": sizes, "dilation": sizes, "groups": small}
    modes = st.sampled_from(["zeros", "reflect", "replicate", "circular"])
    padding = per_axis(st.integers(0, 2), axes)
    straight = {**shared, "padding": padding | st.sampled_from(words), "padding_mode": modes}
    turned = {**shared, "padding": padding | st.just("same"), "output_padding": st.none() | st.just(0)}
    deep = {**start, "padding": padding, "groups": small, "fans": st.just("depthwise")}
    conv = named("Conv", axes)
    return st.one_of(
        some(conv, needed, straight), some(conv, needed, deep), some(named("ConvTranspose", axes), needed, turned)
    )


def pools(axes: int) -> Drawn:
    """Return pools of every kind."""
    sizes, counted = per_axis(few, axes), {"count_include_pad": st.booleans()}
    explicit = {"stride": sizes, "padding": st.integers(0, 1), "ceil_mode": st.booleans()}
    same = {"stride": sizes, "padding": st.just("same")}
    kernel, dilated = {"kernel": sizes}, {"dilation": sizes}
    divided = {"divisor_override": st.none() | small} if axes > 1 else {}
    power = {"power": st.sampled_from([1.0, 2.0, 4.0])}
    return st.one_of(
        *(some(named("MaxPool", axes), kernel, how | dilated) for how in (explicit, same)),
        *(some(named("AvgPool", axes), kernel, how | counted | divided) for how in (explicit, same)),
        *(some(named(stem, axes), {"size": sizes}, {}) for stem in ("AdaptiveAvgPool", "AdaptiveMaxPool")),
        some(named("LPPool", axes), power | kernel, {"stride": sizes, "ceil_mode": st.booleans()}),
    )


def moves(axes: int) -> Drawn:
    """Return layers that move places about."""
    ends = per_axis(st.integers(0, 2) | st.tuples(st.integers(0, 2), st.integers(0, 2)).map(list), axes)
    smooth = {"mode": st.sampled_from(["linear", "cubic"])}
    nearest = {"mode": st.sampled_from(["nearest", "nearest-exact"])}
    scale, size = {"scale": per_axis(st.floats(0.5, 2), axes)}, {"size": per_axis(small, axes)}
    return st.one_of(
        some(S.Pad, {"padding": ends}, {"mode": st.sampled_from(["reflect", "replicate", "circular"])}),
        some(S.Pad, {"padding": ends}, {"value": st.floats(-2, 2)}),
        some(S.Cropping, {"amounts": ends}, {}),
        *(some(S.Upsample, how | smooth, {"align_corners": st.booleans()}) for how in (scale, size)),
        *(some(S.Upsample, how, nearest) for how in (scale, size)),
        some(S.ChannelShuffle, {"groups": small}, {}),
    )


def channels(axes: int, running: dict[str, Drawn]) -> Drawn:
    """Return layers that treat each channel as a whole."""
    instance = {name: running[name] for name in ("epsilon", "momentum", "affine")}
    real = {name: st.floats(0.1, 2) for name in ("alpha", "beta", "k")}
    return st.one_of(
        some(named("BatchNorm", axes), {}, running),
        some(named("InstanceNorm", axes), {}, instance | {"track_running_stats": st.booleans()}),
        some(named("Dropout", axes), {}, {"rate": rate}),
        some(S.LocalResponseNorm, {"size": small}, real),
    )


WINDOWS = {"stride": few, "padding": st.integers(0, 2), "dilation": few}
images = st.one_of(
    st.builds(S.PixelShuffle, small), st.builds(S.PixelUnshuffle, small), some(S.Unfold, {"kernel": few}, WINDOWS)
)
columns = some(S.Fold, {"size": st.tuples(small, small), "kernel": st.tuples(few, few)}, WINDOWS)


def spatial(axes: int, running: dict[str, Drawn]) -> Drawn:
    """Return the spatial layers without weights of their own that fit a wire of so many axes."""
    return st.one_of(pools(axes), moves(axes), channels(axes, running), *[images] * (axes == 2))
