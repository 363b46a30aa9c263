"""Orders: how the inputs of a Keras model lie, and which tensors are images."""

from dualnet.specs.program import Program, Tensor

FRAMES = {"select", "reshape", "flatten", "unbind"}


def orders(program: Program) -> list[tuple[int, ...]]:
    """Return the order of axes in which the Keras model takes each input: channels-last for images."""
    return [_order(program, name, tensor) for name, tensor in program.inputs.items()]


SPATIAL = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "batch_norm"}
SPATIAL |= {f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_avg", "adaptive_max", "lp") for n in (1, 2, 3)}
SPATIAL |= {"instance_norm", "group_norm", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"}
TRANSPARENT = {
    "add",
    "sub",
    "mul",
    "div",
    "relu",
    "pad",
    "constant_pad_nd",
    "clone",
    "contiguous",
    "cat",
    "where",
    "clamp",
}
TRANSPARENT |= {
    "dropout",
    "sigmoid",
    "tanh",
    "gelu",
    "silu",
    "leaky_relu",
    "neg",
    "reflection_pad2d",
    "replication_pad2d",
}


def _order(program: Program, name: str, tensor: Tensor) -> tuple[int, ...]:
    rank = len(tensor.shape)
    if program.origin == "keras" or rank < 3 or not tensor.dtype.startswith("float"):
        return tuple(range(rank))
    if rank == 5 and _film(program, name, tensor):
        return (0, 1, 3, 4, 2)
    spatial = rank == 4 or image(program, name, rank)
    return (0, *range(2, rank), 1) if spatial else tuple(range(rank))


def _film(program: Program, name: str, tensor: Tensor) -> bool:
    """Return whether (N, T, C, H, W) is read as images, one by one or all of them."""
    names = {name}
    for op in program.root.ops():
        shapes = {result: program.wires[result].shape for result in op.results}
        if not names.intersection(op.refs()) or any(shape[-3:] != tensor.shape[-3:] for shape in shapes.values()):
            continue
        if op.op == "slice":
            names.update(op.results)
        elif op.op in FRAMES and any(len(shapes[each]) == 4 and image(program, each, 4) for each in shapes):
            return True
    return False


def image(program: Program, name: str, rank: int) -> bool:
    """Return whether a wire reaches an op on images, through ops that leave its axes alone."""
    names = {name}
    for op in program.root.ops():
        if names.intersection(op.refs()):
            if op.op in SPATIAL and len(program.wires[op.results[0]].shape) >= rank - 1:
                return True
            if op.op in TRANSPARENT and len(program.wires[op.results[0]].shape) == rank:
                names.update(op.results)
    return False
