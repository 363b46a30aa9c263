"""Pool: pooling, padding, resizing and what else moves pixels, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write_layers import channels_last, images, spatial, unbatched
from dualnet.backends.source.code import Default, Lit, Many, Var, code, invoke
from dualnet.backends.source.form import Storage, Value, axes_of
from dualnet.backends.source.rules import Rule, fresh, given, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op
from dualnet.specs.shapes import pool_size


def _pairs(value: Any, rank: int) -> tuple[int, ...]:
    listed = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(listed) * rank if len(listed) == 1 else tuple(listed)


def _short(value: tuple[Any, ...]) -> Any:
    return value[0] if len(set(value)) == 1 else tuple(value)


def _sizes(frame: Frame, bare: bool, index: int = 0) -> tuple[Any, ...]:
    return frame.out(index)[1 if bare else 2 :]


def pooling(kind: str, rank: int) -> Rule:
    """Return the rule of ``max_pool1d`` … ``avg_pool3d``."""

    def rule(frame: Frame, op: Op) -> Any:
        value, bare = images(frame, given(frame), rank)
        kernel = _pairs(op.arguments["kernel_size"], rank)
        stride = _pairs(op.arguments.get("stride") or kernel, rank)
        padding, dilation = (_pairs(op.arguments.get(name, d), rank) for name, d in (("padding", 0), ("dilation", 1)))
        ceil = bool(op.arguments.get("ceil_mode", False))
        x, out = channels_last(frame, value), _sizes(frame, bare)
        sizes = [int(size) for size in value.shape[2:]]
        pads = _window(sizes, kernel, stride, padding, dilation, ceil)
        plain = not any(sum(pad) for pad in pads) and set(dilation) == {1} and rank < 3
        if plain and (kind == "max" or op.arguments.get("divisor_override") is None):
            name = "MaxPooling" if kind == "max" else "AveragePooling"
            made = invoke(f"layers.{name}{rank}D", Lit(_short(kernel), "pool_size"), strides=Default(_short(stride), _short(kernel)))
            layer = frame.layer(made, name="pool")
            return unbatched(spatial(frame, value, invoke(layer, x), None, out), bare)
        part = f"{kind}_pool"
        options: dict[str, Any] = {"strides": stride, "padding": pads}
        if kind == "max" and (rank == 3 or set(dilation) != {1}):
            part, options["dilation"] = "max_pool_by_axis", Lit(dilation, "dilation")
        frame.writer.parts.add(part)
        if kind == "avg":
            divisor = op.arguments.get("divisor_override")
            counted = bool(op.arguments.get("count_include_pad", True))
            options["divisors"] = Lit(_divisors(sizes, kernel, stride, padding, out, counted, divisor), "divisors")
            if options["divisors"].value is None:
                del options["divisors"]
        made = invoke(part, x, Lit(kernel, "size"), **options)
        return unbatched(spatial(frame, value, made, None, out), bare)

    return rule


def placed_pooling(rank: int) -> Rule:
    """Return the rule of ``max_pool1d_with_indices`` …: the places too, if anything reads them."""
    plain = pooling("max", rank)

    def rule(frame: Frame, op: Op) -> Any:
        if not used(frame, op.results[1]):
            return plain(frame, op)
        value, bare = images(frame, given(frame), rank)
        kernel = _pairs(op.arguments["kernel_size"], rank)
        stride = _pairs(op.arguments.get("stride") or kernel, rank)
        padding, dilation = (_pairs(op.arguments.get(name, d), rank) for name, d in (("padding", 0), ("dilation", 1)))
        rows = zip(value.shape[2:], kernel, stride, padding, dilation, _sizes(frame, bare), strict=True)
        windows = [code(f"strided_windows{tuple(int(number) for number in row)}") for row in rows]
        frame.writer.parts.add("strided_windows")
        return placed(frame, value, bare, code("[{}]", Many(tuple(_joined(windows)))))

    return rule


def adaptive_rows(size: int, count: int) -> Many:
    """Return the code of the windows of adaptive pooling along an axis."""
    return code(f"adaptive_windows({size}, {count})")


def _joined(codes: list[Any]) -> list[Any]:
    return [part for index, each in enumerate(codes) for part in ((", ", each) if index else (each,))]


def used(frame: Frame, name: str) -> bool:
    """Return whether anything reads a wire."""
    return name in frame.program.outputs or any(name in op.refs() for op in frame.program.root.ops())


def placed(frame: Frame, value: Value, bare: bool, windows: Any) -> tuple[Value, ...]:
    """Enter the maxima of windows and their places."""
    frame.writer.parts |= {"max_with_places", "adaptive_windows"}
    variables = (Var("pooled"), Var("places"))
    frame.line(variables, code("max_with_places({}, {})", channels_last(frame, value), windows))
    sizes = {axis + 2: size for axis, size in enumerate(_sizes(frame, bare))}
    logical, physical = resized(value, [0, *range(2, value.rank), 1], sizes)
    made = [Value(logical, Storage(var, physical, frame.dtype(index))) for index, var in enumerate(variables)]
    return tuple(unbatched(each, bare) for each in made)


def unpool(frame: Frame, op: Op) -> Value:
    """``max_unpool2d``, ``max_unpool3d``: values back at the places of the maxima."""
    rank = 3 if op.op.endswith("3d") else 2
    (value, bare), (places, _) = (images(frame, given(frame, name), rank) for name in ("input", "indices"))
    frame.writer.parts.add("max_unpool")
    size = tuple(int(n) for n in _sizes(frame, bare))
    made = code("max_unpool({}, {}, {})", channels_last(frame, value), channels_last(frame, places), Lit(size, "size"))
    return unbatched(spatial(frame, value, made, None, size), bare)


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
    return fresh(frame, invoke("affine_grid", frame.logical(given(frame, "theta")), Lit(size, "size"), align_corners=corners))


def _window(sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> tuple[tuple[int, int], ...]:
    """Return the padding in front and behind that makes "valid" windows exactly PyTorch's, ceil mode included."""
    pads = []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        covered = (pool_size(size, reach, s, p, ceil) - 1) * s + reach
        pads.append((p, max(covered - size - p, 0)))
    return tuple(pads)


def _divisors(sizes: Any, kernel: Any, stride: Any, padding: Any, out: Any, counted: bool, override: Any) -> Any:
    """Return how many values each window's sum is divided by along each axis; None where that is its full size."""
    if override is not None:
        return float(override)
    rows = []
    for size, k, s, p, count in zip(sizes, kernel, stride, padding, out, strict=True):
        low, high = (-p, size + p) if counted else (0, size)
        rows.append([min(i * s - p + k, high) - max(i * s - p, low) for i in range(int(count))])
    full = all(set(row) == {k} for row, k in zip(rows, kernel, strict=True))
    return None if full else rows


def adaptive(kind: str, rank: int) -> Rule:
    """Return the rule of ``adaptive_avg_pool1d`` … ``adaptive_max_pool3d``."""

    def rule(frame: Frame, op: Op) -> Any:
        value, bare = images(frame, given(frame), rank)
        if len(op.results) > 1 and used(frame, op.results[1]):
            windows = [adaptive_rows(int(size), int(o)) for size, o in zip(value.shape[2:], _sizes(frame, bare), strict=True)]
            return placed(frame, value, bare, code("[{}]", Many(tuple(_joined(windows)))))
        x, out = channels_last(frame, value), _sizes(frame, bare)
        sizes = [int(size) for size in value.shape[2:]]
        if set(out) == {1}:
            name = "Average" if kind == "avg" else "Max"
            layer = invoke(f"layers.Global{name}Pooling{rank}D", keepdims=Lit(True, "keepdims"))
            target = "ops.mean" if kind == "avg" else "ops.max"
            axes = tuple(range(1, rank + 1)) if rank > 1 else 1
            made = code(f"{target}({{}}, axis={{}}, keepdims=True)", x, Lit(axes, "axis"))
            if kind == "max":  # of equal values PyTorch's takes the first, Keras's shares the gradient
                frame.writer.parts.add("max_pool_by_axis")
                sizes_ = Lit(tuple(sizes), "size")
                made = invoke("max_pool_by_axis", x, sizes_, strides=sizes_, padding=((0, 0),) * rank, dilation=(1,) * rank)
            return unbatched(spatial(frame, value, made, None, out, layer if kind == "avg" else None), bare)
        if all(size % int(o) == 0 for size, o in zip(sizes, out, strict=True)) and rank < 3:
            window = tuple(size // int(o) for size, o in zip(sizes, out, strict=True))
            name = "AveragePooling" if kind == "avg" else "MaxPooling"
            layer = frame.layer(invoke(f"layers.{name}{rank}D", Lit(_short(window), "pool_size")), name="pool")
            return unbatched(spatial(frame, value, invoke(layer, x), None, out), bare)
        frame.writer.parts.add(f"adaptive_{kind}_pool")
        made = invoke(f"adaptive_{kind}_pool", x, Lit(tuple(int(o) for o in out), "size"))
        return unbatched(spatial(frame, value, made, None, out), bare)

    return rule


def pad(frame: Frame, op: Op) -> Value:
    """``pad`` and its kinds: constant, reflect, replicate, circular; amounts from the last axis on."""
    value = frame.settled_weight(given(frame))
    amounts = op.arguments.get("pad", op.arguments.get("padding"))
    mode = op.arguments.get("mode", "constant")
    for name in ("reflect", "replicat", "circular"):
        mode = {"reflect": "reflect", "replicat": "replicate", "circular": "circular"}[name] if op.op.startswith(name) else mode
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
        made = invoke("ops.pad", x, Lit(lying, "pads"), constant_values=Default(float(fill) if value.dtype.startswith("float") else int(fill), 0.0))
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
            op.arguments.get(name) for name in (["scales"] if rank == 1 else ["scales_d", "scales_h", "scales_w"][3 - rank :])
        ]
        factors = [int(o) // s if int(o) % s == 0 else None for s, o in zip(sizes, out, strict=True)]
        if mode in ("nearest", "nearest-exact") and all(factors) and rank == 2:
            layer = frame.layer(invoke("layers.UpSampling2D", Lit(_short(tuple(factors)), "size")), name="upsample")
            return spatial(frame, value, invoke(layer, x), None, out)
        frame.writer.parts.add("resize")
        given_scales = tuple(None if s is None else float(s) for s in scales) if any(scales) else None
        made = invoke(
            "resize", x, Lit(tuple(int(o) for o in out), "size"), Lit(mode, "mode"),
            align_corners=Default(bool(op.arguments.get("align_corners", False)), False), scales=Default(given_scales, None),
        )  # fmt: skip
        return spatial(frame, value, made, None, out)

    return rule


def unfold(frame: Frame, op: Op) -> Value:
    """``im2col``, ``unfold`` of a tensor along an axis."""
    value = given(frame)
    if "kernel_size" not in op.arguments:
        dim, size, step = (op.arguments[name] for name in ("dimension", "size", "step"))
        frame.writer.parts.add("windows")
        return fresh(frame, code("windows({}, {}, {}, {})", frame.logical(value), Lit(dim % value.rank, "axis"), Lit(size, "size"), Lit(step, "step")))
    value, bare = images(frame, value, 2)
    frame.writer.parts.add("unfold")
    options = [Lit(_pairs(op.arguments[name], 2), name) for name in ("kernel_size", "dilation", "padding", "stride")]
    shape = frame.out()
    made = code("unfold({}, {}, {}, {}, {})", channels_last(frame, value), *options)
    return fresh(frame, code("ops.squeeze({}, axis=0)", made) if bare else made, shape)


def fold(frame: Frame, op: Op) -> Value:
    """``col2im``: the adjoint of ``im2col``."""
    value = given(frame)
    bare = value.rank == 2
    value = Value(((), *value.axes), value.storage) if bare else value
    frame.writer.parts.add("fold")
    options = [Lit(_pairs(op.arguments[name], 2), name) for name in ("output_size", "kernel_size", "dilation", "padding", "stride")]
    made = code("fold({}, {}, {}, {}, {}, {})", frame.logical(value), *options)
    out = frame.out()
    logical = axes_of((value.shape[0], *out[-3:]))
    lying = (logical[0], logical[2], logical[3], logical[1])
    found = frame.made(made, logical, lying)
    return unbatched(found, bare)


POOL: dict[str, Rule] = {
    **{f"{kind}_pool{rank}d": pooling(kind, rank) for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{rank}d": adaptive(kind, rank) for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"max_pool{rank}d_with_indices": placed_pooling(rank) for rank in (1, 2, 3)},
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), unpool),
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
