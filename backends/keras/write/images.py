"""Images: padding, resizing, folding, and reading between pixels."""

from typing import Any

from dualnet.backends.keras.write.spatial import channels_last, images, pairs, short, spatial, unbatched
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value, axes_of
from dualnet.backends.source.rules import Rule, fresh, given, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op

MODES = ("bilinear", "nearest", "bicubic")


BORDERS = ("zeros", "border", "reflection")


def grid_sample(frame: Frame, op: Op) -> Value:
    """``grid_sampler``: images read between their pixels."""
    value, grid = given(frame), given(frame, "grid")
    mode = MODES[op.arguments["interpolation_mode"]]
    if mode == "bicubic":
        msg = "grid_sample(mode='bicubic'); 'bilinear' and 'nearest' can be written"
        raise UnsupportedError(msg)
    frame.writer.parts.add("grid_sample")
    made = invoke(
        "grid_sample", channels_last(frame, value), frame.logical(grid), mode=Default(mode, "bilinear"),
        padding=Default(BORDERS[op.arguments["padding_mode"]], "zeros"),
        align_corners=Default(bool(op.arguments["align_corners"]), False),
    )  # fmt: skip
    return spatial(frame, value, made, None, frame.out()[2:])


def affine_grid(frame: Frame, op: Op) -> Value:
    """``affine_grid_generator``: where an affine map takes each pixel."""
    frame.writer.parts.add("affine_grid")
    size = tuple(int(n) for n in frame.out()[1:-1])
    corners = Default(bool(op.arguments.get("align_corners", False)), False)
    return fresh(
        frame, invoke("affine_grid", frame.logical(given(frame, "theta")), Lit(size, "size"), align_corners=corners)
    )


def pad(frame: Frame, op: Op) -> Value:
    """``pad`` and its kinds: constant, reflect, replicate, circular; amounts from the last axis on."""
    value = frame.settled_weight(given(frame))
    amounts: Any = op.arguments.get("pad", op.arguments.get("padding"))
    mode = op.arguments.get("mode", "constant")
    for name in ("reflect", "replicat", "circular"):
        mode = (
            {"reflect": "reflect", "replicat": "replicate", "circular": "circular"}[name]
            if op.op.startswith(name)
            else mode
        )
    fill = op.arguments.get("value", 0.0) or 0.0
    rank = value.rank
    sides = [(0, 0)] * rank
    for index in range(len(amounts) // 2):
        sides[rank - 1 - index] = (amounts[2 * index], amounts[2 * index + 1])
    x, order = frame.whole(value)
    lying = tuple(sides[axis] for axis in order)
    changed = {axis: frame.out()[axis] for axis in range(rank) if sides[axis] != (0, 0)}
    logical, physical = resized(value, order, changed)
    layer = None
    if mode == "constant" and min(min(side) for side in sides) >= 0:
        if fill == 0 and rank == 4 and lying[0] == (0, 0) == lying[3]:
            both = lying[1:3]
            short: Any = both[0][0] if len({*both[0], *both[1]}) == 1 else both
            layer = invoke("layers.ZeroPadding2D", Lit(short, "padding"))
        made = invoke(
            "ops.pad",
            x,
            Lit(lying, "pads"),
            constant_values=Default(float(fill) if value.dtype.startswith("float") else int(fill), 0.0),
        )
    else:
        frame.writer.parts.add("padded")
        made = invoke("padded", x, Lit(lying, "pads"), Lit(mode, "mode"), value=Default(float(fill), 0.0))
    return frame.made(made, logical, physical, layer=layer)


def shuffle(frame: Frame, op: Op) -> Value:
    """``pixel_shuffle``, ``pixel_unshuffle``: axes taken apart and put together in another order."""
    value = given(frame)
    bare = value.rank == 3
    value = Value(((), *value.axes), value.storage) if bare else value
    n, c, h, w = value.shape
    if op.op == "pixel_shuffle":
        r = op.arguments["upscale_factor"]
        apart = frame.view(value, (n, c // r // r, r, r, h, w))
        order = (0, 1, 4, 2, 5, 3)
    else:
        r = op.arguments["downscale_factor"]
        apart = frame.view(value, (n, c, h // r, r, w // r, r))
        order = (0, 1, 3, 5, 2, 4)
    turned = Value(tuple(apart.axes[axis] for axis in order), apart.storage)
    out = frame.out()
    return frame.view(turned, out)


def channel_shuffle(frame: Frame, op: Op) -> Value:
    """``channel_shuffle(groups)``."""
    value, groups = given(frame), op.arguments["groups"]
    n, c, *rest = value.shape
    apart = frame.view(value, (n, groups, c // groups, *rest))
    turned = Value((apart.axes[0], apart.axes[2], apart.axes[1], *apart.axes[3:]), apart.storage)
    return frame.view(turned, (n, c, *rest))


def resize(mode: str, rank: int) -> Rule:
    """Return the rule of ``upsample_…`` and ``interpolate``: a matrix for each axis, or repeats."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        x, out = channels_last(frame, value), frame.out()[2:]
        sizes = [int(size) for size in value.shape[2:]]
        scales = op.arguments.get("scale_factors") or [
            op.arguments.get(name)
            for name in (["scales"] if rank == 1 else ["scales_d", "scales_h", "scales_w"][3 - rank :])
        ]
        factors = [int(o) // s if int(o) % s == 0 else None for s, o in zip(sizes, out, strict=True)]
        if mode in ("nearest", "nearest-exact") and all(factors) and rank == 2:
            layer = frame.layer(invoke("layers.UpSampling2D", Lit(short(tuple(factors)), "size")), name="upsample")
            return spatial(frame, value, invoke(layer, x), None, out)
        frame.writer.parts.add("resize")
        given_scales = tuple(None if s is None else float(s) for s in scales) if any(scales) else None
        made = invoke(
            "resize", x, Lit(tuple(int(o) for o in out), "size"), Lit(mode, "mode"),
            align_corners=Default(bool(op.arguments.get("align_corners", False)), False),
            scales=Default(given_scales, None),
        )  # fmt: skip
        return spatial(frame, value, made, None, out)

    return rule


def unfold(frame: Frame, op: Op) -> Value:
    """``im2col``, ``unfold`` of a tensor along an axis."""
    value = given(frame)
    if "kernel_size" not in op.arguments:
        dim, size, step = (op.arguments[name] for name in ("dimension", "size", "step"))
        frame.writer.parts.add("windows")
        return fresh(
            frame,
            code(
                "windows({}, {}, {}, {})",
                frame.logical(value),
                Lit(dim % value.rank, "axis"),
                Lit(size, "size"),
                Lit(step, "step"),
            ),
        )
    value, bare = images(frame, value, 2)
    frame.writer.parts.add("unfold")
    options = [Lit(pairs(op.arguments[name], 2), name) for name in ("kernel_size", "dilation", "padding", "stride")]
    shape = frame.out()
    made = code("unfold({}, {}, {}, {}, {})", channels_last(frame, value), *options)
    return fresh(frame, code("ops.squeeze({}, axis=0)", made) if bare else made, shape)


def fold(frame: Frame, op: Op) -> Value:
    """``col2im``: the adjoint of ``im2col``."""
    value = given(frame)
    bare = value.rank == 2
    value = Value(((), *value.axes), value.storage) if bare else value
    frame.writer.parts.add("fold")
    options = [
        Lit(pairs(op.arguments[name], 2), name)
        for name in ("output_size", "kernel_size", "dilation", "padding", "stride")
    ]
    made = code("fold({}, {}, {}, {}, {}, {})", frame.logical(value), *options)
    out = frame.out()
    logical = axes_of((value.shape[0], *out[-3:]))
    lying = (logical[0], logical[2], logical[3], logical[1])
    found = frame.made(made, logical, lying)
    return unbatched(found, bare)


IMAGES: dict[str, Rule] = {
    "grid_sampler": grid_sample,
    "affine_grid_generator": affine_grid,
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    **{f"{kind}_pad{rank}d": pad for kind in ("reflection", "replication") for rank in (1, 2, 3)},
    "pixel_shuffle": shuffle,
    "pixel_unshuffle": shuffle,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    **{f"upsample_nearest{rank}d": resize("nearest", rank) for rank in (1, 2, 3)},
    **{f"_upsample_nearest_exact{rank}d": resize("nearest-exact", rank) for rank in (1, 2, 3)},
    "upsample_linear1d": resize("linear", 1),
    "upsample_bilinear2d": resize("linear", 2),
    "upsample_trilinear3d": resize("linear", 3),
    "upsample_bicubic2d": resize("cubic", 2),
    "im2col": unfold,
    "unfold": unfold,
    "col2im": fold,
}
