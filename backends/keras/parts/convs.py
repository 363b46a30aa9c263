"""Parts of convolutions: groups, and all options of transposed ones."""

import numpy as np
from keras import layers, ops


def grouped_conv(x, kernel, groups, strides=1, padding="valid", dilation_rate=1):
    """A convolution whose channels fall into groups, one after the other."""
    pairs = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    made = [ops.conv(a, b, strides=strides, padding=padding, dilation_rate=dilation_rate) for a, b in pairs]
    return ops.concatenate(made, axis=-1)


class GroupedConv1D(layers.Conv1D):
    """Conv1D with a convolution per group. (Keras compiles a grouped one at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


class GroupedConv2D(layers.Conv2D):
    """Conv2D with a convolution per group. (Keras compiles a grouped one at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


class GroupedConv3D(layers.Conv3D):
    """Conv3D with a convolution per group. (Keras compiles a grouped one at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


def conv_of_each(x, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """Convolve each sample with its own kernel: x (N, *spatial, C), kernel (N, *window, C, filters)."""
    x = ops.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))
    window = kernel.shape[1:-2]
    reach = [n - d * (k - 1) for n, k, d in zip(x.shape[1:-1], window, dilation)]
    y = 0.0
    for place in np.ndindex(*window):
        spans = [slice(d * i, d * i + n, s) for i, n, s, d in zip(place, reach, stride, dilation)]
        seen = x[(slice(None), *spans)]
        weight = kernel[(slice(None), *place)]
        y = y + ops.einsum("n...c,ncf->n...f", seen, weight)
    return y


def conv_transpose(x, kernel, strides, padding, output_padding, dilation=None, groups=1):
    """PyTorch's transposed convolution: any padding, output padding, dilation and groups."""
    rank = len(strides)
    for axis in range(rank if dilation else 0):
        if dilation[axis] > 1:
            size = kernel.shape[axis]
            spread = np.zeros(((size - 1) * dilation[axis] + 1, size))
            spread[np.arange(size) * dilation[axis], np.arange(size)] = 1.0
            spread = ops.convert_to_tensor(spread, dtype=kernel.dtype)
            kernel = ops.moveaxis(ops.tensordot(spread, kernel, axes=(1, axis)), 0, axis)
    pairs = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    y = ops.concatenate(
        [ops.conv_transpose(a, b, strides=strides, padding="valid", output_padding=0) for a, b in pairs],
        axis=-1,
    )
    more = [max(e - p, 0) for e, p in zip(output_padding, padding)]
    y = ops.pad(y, ((0, 0), *((0, m) for m in more), (0, 0)))
    spans = [slice(p, n - (p - e + m)) for p, e, m, n in zip(padding, output_padding, more, y.shape[1:-1])]
    return y[(slice(None), *spans)]
