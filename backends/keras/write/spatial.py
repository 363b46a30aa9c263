"""Spatial: how (N, C, *spatial) is handed to what wants it channels-last, and taken back."""

from typing import Any

from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import resized
from dualnet.backends.source.writer import Frame


def pairs(value: Any, rank: int) -> tuple[int, ...]:
    """Return one number for each spatial axis."""
    listed = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(listed) * rank if len(listed) == 1 else tuple(listed)


def short(value: tuple[Any, ...]) -> Any:
    """Return one number where all are the same."""
    return value[0] if len(set(value)) == 1 else tuple(value)


def images(frame: Frame, value: Value, rank: int) -> tuple[Value, bool]:
    """Return (N, C, *spatial), an axis of one put in front where there was none, and whether it was."""
    bare = value.rank == rank + 1
    return (Value(((), *value.axes), value.storage) if bare else value), bare


def unbatched(value: Value, bare: bool) -> Value:
    """Return a value without the axis that ``images`` put in front."""
    return Value(value.axes[1:], value.storage) if bare else value


def channels_last(frame: Frame, value: Value) -> Any:
    """Return the code of (N, C, *spatial) that lies as (N, *spatial, C)."""
    return frame.ordered(value, last_order(value))


def last_order(value: Value) -> list[int]:
    """Return the order in which the channels of (N, C, *spatial) lie last."""
    return [0, *range(2, value.rank), 1]


def spatial(
    frame: Frame, value: Value, made: Any, channels: Any = None, out: tuple[Any, ...] = (), layer: Any = None
) -> Value:
    """Enter a channels-last result with new channels and spatial sizes."""
    sizes = {axis + 2: size for axis, size in enumerate(out) if size != value.shape[axis + 2]}
    if channels is not None:
        sizes[1] = channels
    return frame.made(made, *resized(value, last_order(value), sizes), layer=layer)
