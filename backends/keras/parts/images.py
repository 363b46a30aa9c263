"""Parts of images: pooling, padding, resizing, windows."""

import numpy as np
from keras import ops

from dualnet.backends.keras.parts.order import adaptive_windows, first_max


def max_pool(x, size, strides, padding):
    """The maximum over windows, padded by what counts as minus infinity."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=float("-inf"))
    return ops.max_pool(x, size, strides, padding="valid")


def max_pool_by_axis(x, size, strides, padding, dilation):
    """The maximum over windows of any dilation, one axis after the other."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=float("-inf"))
    for axis in range(len(size), 0, -1):
        k, s, d = size[axis - 1], strides[axis - 1], dilation[axis - 1]
        count = (x.shape[axis] - d * (k - 1) - 1) // s + 1
        places = np.arange(count)[:, None] * s + np.arange(k)[None, :] * d
        x = first_max(ops.take(x, places, axis=axis), axis=axis + 1)
    return x


def avg_pool(x, size, strides, padding, divisors=None):
    """The mean over windows; ``divisors``: a number, or how many values count along each axis."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)))
    for axis, (k, s) in enumerate(zip(size, strides), start=1):
        count = (x.shape[axis] - k) // s + 1
        places = np.arange(count)[:, None] * s + np.arange(k)[None, :]
        x = ops.sum(ops.take(x, places, axis=axis), axis=axis + 1)
        counts = divisors[axis - 1] if isinstance(divisors, (tuple, list)) else [1 if divisors else k] * count
        shape = [count if i == axis else 1 for i in range(len(x.shape))]
        x = x / ops.reshape(ops.convert_to_tensor(counts, dtype=x.dtype), shape)
    return x / divisors if isinstance(divisors, float) else x


def adaptive_avg_pool(x, size):
    """The mean over as many windows as are asked for."""
    for axis, out in enumerate(size, start=1):
        matrix = np.zeros((out, x.shape[axis]))
        for i, window in enumerate(adaptive_windows(x.shape[axis], out)):
            matrix[i, window] = 1.0 / len(window)
        matrix = ops.convert_to_tensor(matrix, dtype=x.dtype)
        x = ops.moveaxis(ops.tensordot(x, matrix, axes=(axis, 1)), -1, axis)
    return x


def adaptive_max_pool(x, size):
    """The maximum over as many windows as are asked for."""
    for axis in range(len(size), 0, -1):
        windows = adaptive_windows(x.shape[axis], size[axis - 1])
        x = ops.stack([first_max(ops.take(x, window, axis=axis), axis=axis) for window in windows], axis=axis)
    return x


def padded(x, pads, mode, value=0.0):
    """x padded by a value, its reflection, its edge, or its other end; negative amounts cut."""
    for axis, (before, after) in enumerate(pads):
        if (before, after) == (0, 0):
            continue
        size = x.shape[axis]
        places = np.arange(-before, size + after)
        if mode == "constant":
            x = ops.take(x, np.clip(places, 0, size - 1), axis=axis)
            shape = [len(places) if i == axis else 1 for i in range(len(x.shape))]
            inside = np.reshape((places >= 0) & (places < size), shape)
            x = ops.where(inside, x, ops.full_like(x, value))
        elif mode == "reflect":
            x = ops.take(x, (size - 1) - np.abs((size - 1) - np.abs(places)), axis=axis)
        else:
            x = ops.take(x, np.clip(places, 0, size - 1) if mode == "replicate" else places % size, axis=axis)
    return x


def resize_matrix(size, out, mode, align_corners=False, scale=None):
    """(out, size): which old values make each new one, and by how much (torch's interpolate)."""
    matrix, rows = np.zeros((out, size)), np.arange(out)
    ratio = 1.0 / scale if scale else size / out
    if mode in ("nearest", "nearest-exact"):
        begin = np.arange(out, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0.0)
        place = np.floor(begin * np.float32(ratio)).astype(int)  # in float32, as torch finds it
        matrix[rows, np.minimum(place, size - 1)] = 1.0
        return matrix
    if align_corners:
        place = rows * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        place = (rows + 0.5) * ratio - 0.5
    if mode == "linear":
        if size == out:
            return np.eye(size)  # as torch does, whatever the scale
        place = np.maximum(place, 0.0)
        low = np.minimum(np.floor(place).astype(int), size - 1)
        part = place - low
        np.add.at(matrix, (rows, low), 1.0 - part)
        np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), part)
        return matrix
    low, a = np.floor(place).astype(int), -0.75
    for offset in range(-1, 3):
        t = np.abs(place - (low + offset))
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        np.add.at(matrix, (rows, np.clip(low + offset, 0, size - 1)), np.where(t <= 1, near, far))
    return matrix


def resize(x, size, mode, align_corners=False, scales=None):
    """Images of another size, by a matrix for each axis."""
    for axis, out in enumerate(size, start=1):
        scale = scales[axis - 1] if scales else None
        matrix = resize_matrix(x.shape[axis], out, mode, align_corners, scale)
        matrix = ops.convert_to_tensor(matrix, dtype=x.dtype)
        x = ops.moveaxis(ops.tensordot(x, matrix, axes=(axis, 1)), -1, axis)
    return x


def windows(x, axis, size, step):
    """Windows along an axis, their places as a new last axis."""
    count = (x.shape[axis] - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)[None, :]
    return ops.moveaxis(ops.take(x, places, axis=axis), axis + 1, -1)


def patch_places(size, kernel, dilation, padding, stride):
    """(windows, kernel): which place of a padded axis each place of each window is."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return np.arange(count)[:, None] * stride + np.arange(kernel)[None, :] * dilation


def unfold(x, kernel_size, dilation, padding, stride):
    """(N, H, W, C) → (N, C·kh·kw, windows): every window as a column."""
    x = ops.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
    for axis, at in ((1, 0), (3, 1)):
        places = patch_places(x.shape[axis], kernel_size[at], dilation[at], 0, stride[at])
        x = ops.take(x, places, axis=axis)
    x = ops.transpose(x, (0, 5, 2, 4, 1, 3))
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3], x.shape[4] * x.shape[5]))


def fold(x, output_size, kernel_size, dilation, padding, stride):
    """(N, C·kh·kw, windows) → (N, H, W, C): columns added up where their windows were."""
    spreads = []
    for at in range(2):
        places = patch_places(output_size[at], kernel_size[at], dilation[at], padding[at], stride[at])
        spread = np.zeros((*places.shape, output_size[at] + 2 * padding[at]))
        spread[np.arange(places.shape[0])[:, None], np.arange(places.shape[1])[None, :], places] = 1.0
        spread = spread[:, :, padding[at] : padding[at] + output_size[at]]
        spreads.append(ops.convert_to_tensor(spread, dtype=x.dtype))
    rows, columns = spreads
    channels = x.shape[1] // (kernel_size[0] * kernel_size[1])
    x = ops.reshape(x, (-1, channels, *kernel_size, rows.shape[0], columns.shape[0]))
    return ops.einsum("ncklab,akh,blw->nhwc", x, rows, columns)
