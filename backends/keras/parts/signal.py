"""Parts of signals: complex numbers, Fourier transforms and sampling of images between their pixels."""

import numpy as np
from keras import ops


def complex_kind(real):
    """The complex data type of two numbers of a real one."""
    return "complex128" if real == "float64" else "complex64"


def complex_of(real, imaginary):
    """Complex numbers of their two parts, as precise as these."""
    kind = complex_kind(real.dtype)
    return ops.cast(real, kind) + 1j * ops.cast(imaginary, kind)


def parts_of(x):
    """The real and the imaginary part; a real tensor has an imaginary part of zeros."""
    return (ops.real(x), ops.imag(x)) if "complex" in str(x.dtype) else (x, ops.zeros_like(x))


def share(size, norm, inverse):
    """What a Fourier transform over ``size`` places is divided by."""
    if norm == "ortho":
        return size**0.5
    return float(size) if inverse == (norm in (None, "backward")) else 1.0


def fft(x, axes=(-1,), sizes=None, norm=None, inverse=False):
    """The Fourier transform along axes, or back; ``sizes`` cut x or fill it up with zeros."""
    real, imaginary = parts_of(x)
    for at, axis in enumerate(axes):
        size = sizes[at] if sizes else real.shape[axis]
        real, imaginary = (fitted(ops.moveaxis(part, axis, -1), size) for part in (real, imaginary))
        real, imaginary = ops.fft((real, -imaginary if inverse else imaginary))
        scale = share(size, norm, inverse)
        real, imaginary = real / scale, (-imaginary if inverse else imaginary) / scale
        real, imaginary = (ops.moveaxis(part, -1, axis) for part in (real, imaginary))
    return complex_of(real, imaginary)


def fitted(x, size):
    """x with ``size`` places along its last axis, cut or filled up with zeros."""
    more = size - x.shape[-1]
    return ops.pad(x, [*[(0, 0)] * (len(x.shape) - 1), (0, more)]) if more > 0 else x[..., :size]


def rfft(x, axes=(-1,), sizes=None, norm=None):
    """The Fourier transform of real numbers: of the last axis the half that tells all."""
    size = sizes[-1] if sizes else x.shape[axes[-1]]
    y = fft(x, axes[-1:], (size,), norm)
    y = ops.take(y, np.arange(size // 2 + 1), axis=axes[-1])
    return fft(y, axes[:-1], sizes[:-1] if sizes else None, norm) if len(axes) > 1 else y


def irfft(x, axes=(-1,), sizes=None, norm=None):
    """Real numbers of which x is the half of the Fourier transform."""
    size = sizes[-1] if sizes else 2 * (x.shape[axes[-1]] - 1)
    x = fft(x, axes[:-1], sizes[:-1] if sizes else None, norm, inverse=True) if len(axes) > 1 else x
    real, imaginary = (fitted(ops.moveaxis(part, axes[-1], -1), size // 2 + 1) for part in parts_of(x))
    mirror = np.arange((size - 1) // 2, 0, -1)
    real = ops.concatenate([real, ops.take(real, mirror, axis=-1)], axis=-1)
    imaginary = ops.concatenate([imaginary, -ops.take(imaginary, mirror, axis=-1)], axis=-1)
    y = ops.fft((real, -imaginary))[0] / share(size, norm, True)
    return ops.moveaxis(y, -1, axes[-1])


def modulus(x):
    """The absolute values of complex numbers; the gradient at 0 is 0."""
    real, imaginary = parts_of(x)
    square = ops.square(real) + ops.square(imaginary)
    zero = ops.equal(square, 0)
    return ops.where(zero, ops.zeros_like(square), ops.sqrt(ops.where(zero, ops.ones_like(square), square)))


def affine_grid(theta, size, align_corners=False):
    """The places in [-1, 1] that an affine map takes the pixels of an image to."""
    lines = [np.linspace(-1.0, 1.0, n) * (1.0 if align_corners else (n - 1) / n) for n in size]
    lines = [line if n > 1 else np.zeros(1) for line, n in zip(lines, size)]
    grid = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(size)], axis=-1)
    return ops.einsum("...i,noi->n...o", ops.convert_to_tensor(grid, dtype=theta.dtype), theta)


def reflected(place, low, high):
    """Places reflected at two ends until they are between them."""
    if low == high:
        return ops.zeros_like(place)
    away = ops.abs(place - low)
    turns = ops.floor(away / (high - low))
    rest = away - turns * (high - low)
    even = ops.equal(ops.floor(turns / 2.0) * 2.0, turns)
    return ops.where(even, rest + low, (high - low) - rest + low)


def pixel_place(place, size, padding, align_corners):
    """Where in an axis of pixels a place in [-1, 1] is."""
    place = (place + 1.0) / 2.0 * (size - 1) if align_corners else ((place + 1.0) * size - 1.0) / 2.0
    if padding == "reflection":
        place = reflected(place, 0.0, size - 1.0) if align_corners else reflected(place, -0.5, size - 0.5)
    return place if padding == "zeros" else ops.clip(place, 0.0, size - 1.0)


def grid_sample(x, grid, mode="bilinear", padding="zeros", align_corners=False):
    """Images (N, *sizes, C) read at the places of a grid in [-1, 1] (torch's grid_sample)."""
    sizes, shape = x.shape[1:-1], grid.shape[1:-1]
    rank = len(sizes)
    flat = ops.reshape(x, (-1, int(np.prod(sizes)), x.shape[-1]))
    grid = ops.reshape(grid, (-1, int(np.prod(shape)), rank))
    places = [pixel_place(grid[..., rank - 1 - i], sizes[i], padding, align_corners) for i in range(rank)]
    total = 0.0
    for corner in np.ndindex(*(1 if mode == "nearest" else 2,) * rank):
        index, weight = 0, 1.0
        for place, size, step in zip(places, sizes, corner):
            at = ops.round(place) if mode == "nearest" else ops.floor(place) + step
            weight = weight if mode == "nearest" else weight * (1.0 - ops.abs(place - ops.stop_gradient(at)))
            weight = weight * ops.cast(ops.logical_and(at >= 0, at <= size - 1), x.dtype)
            index = index * size + ops.cast(ops.clip(at, 0, size - 1), "int32")
        found = ops.take_along_axis(flat, ops.expand_dims(index, -1), axis=1)
        total = total + found * ops.expand_dims(weight, -1)
    return ops.reshape(total, (-1, *shape, x.shape[-1]))
