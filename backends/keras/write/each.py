"""Convolutions with a kernel for each sample, which PyTorch writes as one with as many groups as samples."""

from dualnet.backends.keras.write.spatial import channels_last, pairs
from dualnet.backends.source.code import Default, code, invoke
from dualnet.backends.source.form import Value, axes_of
from dualnet.backends.source.rules import given
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op, quotient

HELP = "a convolution with as many groups as samples in which they lie otherwise than (1, N·C, …) and (N·F, C, …)"


def conv_of_each(frame: Frame, op: Op, rank: int) -> Value:
    """``conv(x.view(1, N·C, …), kernel.view(N·F, C, …), groups=N)``: of each sample with its own kernel."""
    groups, weight, bias = op.arguments["groups"], given(frame, "weight"), frame.tensor("bias")
    x = _each(frame, given(frame), groups, lead=1)
    kernel = _each(frame, weight, groups, lead=0)
    padding = op.arguments.get("padding", 0)
    if isinstance(padding, str) or kernel.shape[2] != x.shape[1]:
        raise UnsupportedError(HELP)
    frame.writer.parts.add("conv_of_each")
    made = invoke(
        "conv_of_each", channels_last(frame, x), frame.ordered(kernel, (0, *range(3, rank + 3), 2, 1)),
        **{key: Default(pairs(op.arguments.get(key, plain), rank), (plain,) * 2)
           for key, plain in (("stride", 1), ("padding", 0), ("dilation", 1))},
    )  # fmt: skip
    if bias is not None:
        parts = frame.view(bias, (groups, kernel.shape[1]))
        shape = (groups, *(1,) * rank, kernel.shape[1])
        made = code("{} + ops.reshape({}, {})", made, frame.logical(parts), frame.sizes(shape))
    axes = axes_of((groups, kernel.shape[1], *frame.out()[2:]))
    return frame.made(made, ((), (*axes[0], *axes[1]), *axes[2:]), (axes[0], *axes[2:], axes[1]))


def _each(frame: Frame, value: Value, groups: object, lead: int) -> Value:
    """Return a value whose axis of N·C (after ``lead`` axes of one) is taken apart."""
    shape = value.shape
    inner = quotient(shape[lead], groups)  # type: ignore[arg-type]  # a size
    if inner is None or any(size != 1 for size in shape[:lead]):
        raise UnsupportedError(HELP)
    return frame.view(value, (groups, inner, *shape[lead + 1 :]))
