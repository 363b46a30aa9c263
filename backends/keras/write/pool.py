"""Pool: pooling, padding, resizing and what else moves pixels, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write.spatial import channels_last, images, pairs, short, spatial, unbatched
from dualnet.backends.source.code import Default, Lit, Many, Var, code, invoke
from dualnet.backends.source.form import Storage, Value
from dualnet.backends.source.rules import Rule, given, resized
from dualnet.backends.source.writer import Frame
from dualnet.specs.extents import pool_size
from dualnet.specs.program import Op


def _sizes(frame: Frame, bare: bool, index: int = 0) -> tuple[Any, ...]:
    return frame.out(index)[1 if bare else 2 :]


def pooling(kind: str, rank: int) -> Rule:
    """Return the rule of ``max_pool1d`` … ``avg_pool3d``."""

    def rule(frame: Frame, op: Op) -> Any:
        value, bare = images(frame, given(frame), rank)
        kernel = pairs(op.arguments["kernel_size"], rank)
        stride = pairs(op.arguments.get("stride") or kernel, rank)
        padding, dilation = (pairs(op.arguments.get(name, d), rank) for name, d in (("padding", 0), ("dilation", 1)))
        ceil = bool(op.arguments.get("ceil_mode", False))
        x, out = channels_last(frame, value), _sizes(frame, bare)
        sizes = [int(size) for size in value.shape[2:]]
        pads = _window(sizes, kernel, stride, padding, dilation, ceil)
        plain = not any(sum(pad) for pad in pads) and set(dilation) == {1} and rank < 3
        if plain and (kind == "max" or op.arguments.get("divisor_override") is None):
            name = "MaxPooling" if kind == "max" else "AveragePooling"
            made = invoke(
                f"layers.{name}{rank}D", Lit(short(kernel), "pool_size"), strides=Default(short(stride), short(kernel))
            )
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
        kernel = pairs(op.arguments["kernel_size"], rank)
        stride = pairs(op.arguments.get("stride") or kernel, rank)
        padding, dilation = (pairs(op.arguments.get(name, d), rank) for name, d in (("padding", 0), ("dilation", 1)))
        rows = zip(value.shape[2:], kernel, stride, padding, dilation, _sizes(frame, bare), strict=True)
        windows = [code(f"strided_windows{tuple(int(number) for number in row)}") for row in rows]
        frame.writer.parts.add("strided_windows")
        return placed(frame, value, bare, code("[{}]", Many(tuple(_joined(windows)))))

    return rule


def adaptive_rows(size: int, count: int) -> Any:
    """Return the code of the windows of adaptive pooling along an axis."""
    return code(f"adaptive_windows({size}, {count})")


def _joined(codes: list[Any]) -> list[Any]:
    return [part for index, each in enumerate(codes) for part in ((", ", each) if index else (each,))]


def used(frame: Frame, name: str) -> bool:
    """Return whether anything reads a wire."""
    return name in frame.program.outputs or name in frame.program.readers


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


def _window(
    sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> tuple[tuple[int, int], ...]:
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


def globally(frame: Frame, op: Op, value: Value, x: Any, kind: str) -> Value:
    """Write pooling over whole images; their axes go at once where all that follows flattens them."""
    rank = value.rank - 2
    sizes, axes = (
        tuple(int(size) for size in value.shape[2:]),
        Lit(tuple(range(1, rank + 1)) if rank > 1 else 1, "axis"),
    )
    if kind == "max":  # of equal values PyTorch's takes the first, Keras's shares the gradient
        frame.writer.parts.add("max_pool_by_axis")
        size, ones = Lit(sizes, "size"), (1,) * rank
        made = invoke("max_pool_by_axis", x, size, strides=size, padding=((0, 0),) * rank, dilation=ones)
        return spatial(frame, value, made, None, ones)
    readers = {each.op for each in frame.program.readers.get(op.results[0], ())}
    flat = bool(readers) and readers <= FLATTENS and op.results[0] not in frame.program.outputs
    layer = invoke(f"layers.GlobalAveragePooling{rank}D", keepdims=Default(not flat, False))
    made = invoke("ops.mean", x, axis=axes, keepdims=Default(not flat, False))
    if not flat:
        return spatial(frame, value, made, None, (1,) * rank, layer)
    batch, channels = value.logical[:2]
    return frame.made(made, (batch, channels, *((),) * rank), (batch, channels), layer=layer)


FLATTENS = {"flatten", "reshape", "view", "squeeze"}


def adaptive(kind: str, rank: int) -> Rule:
    """Return the rule of ``adaptive_avg_pool1d`` … ``adaptive_max_pool3d``."""

    def rule(frame: Frame, op: Op) -> Any:
        value, bare = images(frame, given(frame), rank)
        if len(op.results) > 1 and used(frame, op.results[1]):
            windows = [
                adaptive_rows(int(size), int(o)) for size, o in zip(value.shape[2:], _sizes(frame, bare), strict=True)
            ]
            return placed(frame, value, bare, code("[{}]", Many(tuple(_joined(windows)))))
        x, out = channels_last(frame, value), _sizes(frame, bare)
        sizes = [int(size) for size in value.shape[2:]]
        if set(out) == {1}:
            return unbatched(globally(frame, op, value, x, kind), bare)
        if all(size % int(o) == 0 for size, o in zip(sizes, out, strict=True)) and rank < 3:
            window = tuple(size // int(o) for size, o in zip(sizes, out, strict=True))
            name = "AveragePooling" if kind == "avg" else "MaxPooling"
            layer = frame.layer(invoke(f"layers.{name}{rank}D", Lit(short(window), "pool_size")), name="pool")
            return unbatched(spatial(frame, value, invoke(layer, x), None, out), bare)
        frame.writer.parts.add(f"adaptive_{kind}_pool")
        made = invoke(f"adaptive_{kind}_pool", x, Lit(tuple(int(o) for o in out), "size"))
        return unbatched(spatial(frame, value, made, None, out), bare)

    return rule


POOL: dict[str, Rule] = {
    **{f"{kind}_pool{rank}d": pooling(kind, rank) for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{rank}d": adaptive(kind, rank) for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"max_pool{rank}d_with_indices": placed_pooling(rank) for rank in (1, 2, 3)},
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), unpool),
}
