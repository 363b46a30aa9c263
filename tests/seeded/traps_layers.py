"""Traps of layers with settings: norms, convolutions, poolings, upsampling, activations, dropout."""

from typing import Any

import keras
import numpy as np
from keras import layers as K
from keras import ops
from torch import nn
from torch.nn import functional as F

from tests.seeded.edit import altered, become, kind, setting
from tests.seeded.trap import Rule, Trap

T_NORM, K_NORM = (nn.BatchNorm2d, nn.LayerNorm), (K.BatchNormalization, K.LayerNormalization)
T_CONV, K_CONV = (nn.Conv2d,), (K.Conv2D, K.DepthwiseConv2D)


def other_epsilon(present: float) -> float:
    """Return the other framework's default."""
    return 1e-3 if present < 1e-4 else 1e-5


def torch_outside(norm: Any, pair: Any) -> None:
    """Put epsilon beside the root."""
    own = type(norm).forward

    def forward(self: Any, x: Any) -> Any:
        y = own(self, x)  # moves the statistics
        if isinstance(self, nn.LayerNorm):
            mean, var = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
            return (x - mean) / (var.sqrt() + self.eps) * self.weight + self.bias
        shape = (1, -1, 1, 1)
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        y = (x - mean.view(shape)) / (var.view(shape).sqrt() + self.eps)
        return y * self.weight.view(shape) + self.bias.view(shape)

    become(norm, {"forward": forward})


def keras_outside(norm: Any, pair: Any) -> None:
    """Put epsilon beside the root."""
    own = type(norm).call

    def call(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if isinstance(self, K.LayerNormalization):
            mean, var = ops.moments(inputs, axes=[-1], keepdims=True)
        else:
            own(self, inputs, training=training)  # moves the statistics
            mean, var = self.moving_mean, self.moving_variance
            if training:
                mean, var = ops.moments(inputs, axes=[0, 1, 2])
        return (inputs - mean) / (ops.sqrt(var) + self.epsilon) * self.gamma + self.beta

    if isinstance(norm, K.LayerNormalization):
        become(norm, {"call": lambda self, inputs: call(self, inputs)})
    else:
        become(norm, {"call": call})


def torch_biased(norm: Any, pair: Any) -> None:
    """Let the moving variance follow the biased one, as in Keras."""
    own = type(norm).forward

    def forward(self: Any, x: Any) -> Any:
        before = self.running_var.clone()
        y = own(self, x)
        if self.training:
            count = x.numel() / x.shape[1]
            kept = (1 - self.momentum) * before
            self.running_var.copy_(kept + (self.running_var - kept) * (count - 1) / count)
        return y

    become(norm, {"forward": forward})


def keras_biased(norm: Any, pair: Any) -> None:
    """Leave Keras's own."""
    become(norm, {"call": K.BatchNormalization.call})


def torch_mode(training: bool) -> Any:
    """Return the change that fixes a layer's mode."""

    def change(layer: Any, pair: Any) -> None:
        own = type(layer).forward

        def forward(self: Any, x: Any) -> Any:
            self.training = training
            return own(self, x)

        become(layer, {"forward": forward})

    return change


def keras_mode(training: bool) -> Any:
    """Return the change that fixes a layer's mode."""

    def change(layer: Any, pair: Any) -> None:
        own = type(layer).call
        fixed = training
        become(layer, {"call": lambda self, inputs, training=None: own(self, inputs, training=fixed)})

    return change


def torch_axes(norm: Any, pair: Any) -> None:
    """Normalise over the other axes too; of a table over the batch."""

    def forward(self: Any, x: Any) -> Any:
        axes = 0 if x.ndim == 2 else (1, 2)
        mean, var = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
        return (x - mean) / (var + self.eps).sqrt() * self.weight + self.bias

    become(norm, {"forward": forward})


def keras_axes(norm: Any, pair: Any) -> None:
    """Normalise over the other axes too; of a table over the batch."""

    def call(self: Any, inputs: Any) -> Any:
        mean, var = ops.moments(inputs, axes=[0] if len(inputs.shape) == 2 else [1, 2], keepdims=True)
        return (inputs - mean) / ops.sqrt(var + self.epsilon) * self.gamma + self.beta

    become(norm, {"call": call})


def swapped_pad(padding: Any) -> Any:
    """Return a padding with its sides swapped."""
    if isinstance(padding[0], tuple):
        return tuple(pair[::-1] for pair in padding)
    return padding[1], padding[0], padding[3], padding[2]


def uneven(padding: Any) -> bool:
    """Return whether a padding differs between its sides."""
    if isinstance(padding, tuple) and isinstance(padding[0], tuple):
        return any(a != b for a, b in padding)
    return len(padding) == 4 and padding[0:2] != padding[2:0:-1]


def torch_pad_far(conv: Any, pair: Any) -> None:
    """Pad on the far side alone, as "same" of a stride does."""
    high, wide = conv.padding
    conv.padding = (0, 0)
    altered(conv, before=lambda x: F.pad(x, (0, 2 * wide, 0, 2 * high)))


def keras_pad_far(conv: Any, pair: Any) -> None:
    """Pad on the far side alone."""
    high, wide = ((k - 1) // 2 * d for k, d in zip(conv.kernel_size, conv.dilation_rate, strict=True))
    conv.padding = "valid"
    altered(conv, before=lambda x: ops.pad(x, ((0, 0), (0, 2 * high), (0, 2 * wide), (0, 0))))


def keras_reflect(conv: Any, pair: Any) -> None:
    """Pad by the mirrored picture."""
    high, wide = ((k - 1) // 2 * d for k, d in zip(conv.kernel_size, conv.dilation_rate, strict=True))
    conv.padding = "valid"
    altered(conv, before=lambda x: ops.pad(x, ((0, 0), (high, high), (wide, wide), (0, 0)), mode="reflect"))


def keras_pad_reflect(pad: Any, pair: Any) -> None:
    """Pad by the mirrored picture."""
    become(pad, {"call": lambda self, inputs: ops.pad(inputs, ((0, 0), *self.padding, (0, 0)), mode="reflect")})


def more_padding(padding: Any) -> Any:
    """Return one more row and column of padding on every side, or each second one."""
    if isinstance(padding[0], tuple):
        return tuple((a + 1, b + 1) for a, b in padding)
    return tuple(each + 1 for each in padding)


def keras_counted(pool: Any, pair: Any) -> None:
    """Count the zeros of the padding in the mean."""
    pool.padding = "valid"
    altered(pool, before=lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))


def keras_align(up: Any, pair: Any) -> None:
    """Sample between the corners' centres."""

    def call(self: Any, inputs: Any) -> Any:
        sizes = inputs.shape[1:3]
        high, wide = (ops.cast(lines(n, s * n), inputs.dtype) for n, s in zip(sizes, self.size, strict=True))
        return ops.einsum("oh,nhwc,pw->nopc", high, inputs, wide)

    become(up, {"call": call})


def lines(size: int, wanted: int) -> Any:
    """Return the matrix that samples a line from its first to its last place."""
    place = np.arange(wanted) * (size - 1) / (wanted - 1)
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(size)))


T_ACT = (nn.ReLU, nn.GELU, nn.LeakyReLU, nn.Tanh, nn.ELU, nn.SiLU, nn.Sigmoid, nn.ReLU6)


def torch_activation(layer: Any, pair: Any) -> Any:
    """Return another activation."""
    return nn.ReLU() if isinstance(layer, nn.ReLU6 | nn.SiLU | nn.GELU | nn.LeakyReLU | nn.ELU) else nn.Softplus()


def keras_activation(layer: Any, pair: Any) -> None:
    """Compute another activation."""
    softer = isinstance(layer, K.ReLU) and layer.max_value is None or layer.name in ("tanh", "sigmoid")
    become(layer, {"call": lambda self, inputs: ops.softplus(inputs) if softer else ops.relu(inputs)})


def keras_activations(layer: Any, pair: Any) -> bool:
    """Return whether a layer is an activation."""
    return isinstance(layer, K.ReLU | K.LeakyReLU | K.ELU | K.Activation)


def gelu(layer: Any, pair: Any) -> bool:
    """Return whether a Keras layer is a GELU."""
    return isinstance(layer, K.Activation) and "gelu" in layer.name


def keras_gelu(layer: Any, pair: Any) -> None:
    """Compute the other form."""
    other = pair.name == "mlp"
    layer.activation = lambda x: keras.activations.gelu(x, approximate=other)


def max_of(layer: Any, pair: Any) -> Any:
    """Return the other pooling."""
    if isinstance(layer, nn.MaxPool2d):
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, nn.AvgPool2d):
        return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
    return nn.AdaptiveMaxPool2d(1)


def keras_pool(layer: Any, pair: Any) -> None:
    """Pool otherwise."""
    if isinstance(layer, K.GlobalAveragePooling2D):
        become(layer, {"call": lambda self, inputs: ops.max(inputs, axis=(1, 2))})
        return
    pool = K.AveragePooling2D if isinstance(layer, K.MaxPooling2D) else K.MaxPooling2D
    made = pool(layer.pool_size, strides=layer.strides, padding=layer.padding)
    become(layer, {"call": lambda self, inputs: made.call(inputs)})


def torch_groups(conv: Any, pair: Any) -> Any:
    """Return a convolution in two groups; of a depthwise one, in one."""
    groups = 2 if conv.groups == 1 else 1
    rest = {"padding": conv.padding, "dilation": conv.dilation, "bias": conv.bias is not None}
    return nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, groups=groups, **rest)


def keras_groups(conv: Any, pair: Any) -> Any:
    """Return a convolution in two groups."""
    return K.Conv2D.from_config(conv.get_config() | {"groups": 2})


def even(conv: Any, pair: Any) -> bool:
    """Return whether a convolution's channels can fall into two groups."""
    if isinstance(conv, nn.Conv2d):
        return conv.in_channels % 2 == 0 and conv.out_channels % 2 == 0 and conv.kernel_size[0] > 1
    own = isinstance(conv, K.Conv2D) and not isinstance(conv, K.DepthwiseConv2D | K.Conv2DTranspose)
    return own and conv.kernel.shape[2] % 2 == 0 and conv.filters % 2 == 0 and conv.kernel_size[0] > 1


def transposed(stride: Any) -> Any:
    """Return another stride."""
    return (2, 2) if stride[0] == 1 else (1, 1)


BATCH_T, BATCH_K = (nn.BatchNorm2d,), (K.BatchNormalization,)
PADDED = {"padding": lambda p: p != (0, 0) and not isinstance(p, str)}
SAME = {"padding": "same", "kernel_size": lambda k: k[0] > 1}

TRAPS = (
    Trap("epsilon", ("forward",), (Rule(kind(*T_NORM), setting(eps=other_epsilon)),),
         (Rule(kind(*K_NORM), setting(epsilon=other_epsilon)),)),
    Trap("epsilon placement", ("forward",), (Rule(kind(*T_NORM), torch_outside),),
         (Rule(kind(*K_NORM), keras_outside),)),
    Trap("batch-norm momentum", ("train mode", "step", "state"), (Rule(kind(*BATCH_T), setting(momentum=0.9)),),
         (Rule(kind(*BATCH_K), setting(momentum=0.99)),)),
    Trap("biased variance", ("train mode", "step", "state"), (Rule(kind(*BATCH_T), torch_biased),),
         (Rule(kind(*BATCH_K), keras_biased),)),
    Trap("mode", ("forward", "train mode"),
         (Rule(kind(*BATCH_T), torch_mode(False)), Rule(kind(nn.Dropout), torch_mode(True))),
         (Rule(kind(*BATCH_K), keras_mode(False)), Rule(kind(K.Dropout), keras_mode(True)))),
    Trap("normalised axes", ("forward",), (Rule(kind(nn.LayerNorm), torch_axes),),
         (Rule(kind(K.LayerNormalization), keras_axes),)),
    Trap("padding side", ("forward",),
         (Rule(kind(nn.ZeroPad2d, padding=lambda p: p[0] != p[1] or p[2] != p[3]), setting(padding=swapped_pad)),
          Rule(kind(nn.Conv2d, **PADDED), torch_pad_far)),
         (Rule(kind(K.ZeroPadding2D, padding=uneven), setting(padding=swapped_pad)),
          Rule(kind(K.ZeroPadding2D, padding=((1, 1), (1, 1))), setting(padding=((0, 2), (0, 2)))),
          Rule(kind(*K_CONV, **SAME), keras_pad_far))),
    Trap("padding amount", ("forward",), (Rule(kind(nn.Conv2d, **PADDED), setting(padding=more_padding)),),
         (Rule(kind(K.ZeroPadding2D), setting(padding=more_padding)),)),
    Trap("padding mode", ("forward",), (Rule(kind(nn.Conv2d, **PADDED), setting(padding_mode="reflect")),),
         (Rule(kind(*K_CONV, **SAME), keras_reflect), Rule(kind(K.ZeroPadding2D), keras_pad_reflect))),
    Trap("ceil mode", ("forward",), (Rule(kind(nn.MaxPool2d), setting(ceil_mode=True)),),
         (Rule(kind(K.MaxPooling2D), setting(padding="same")),)),
    Trap("pad counted", ("forward",), (Rule(kind(nn.AvgPool2d), setting(count_include_pad=True)),),
         (Rule(kind(K.AveragePooling2D, padding="same"), keras_counted),)),
    Trap("align corners", ("forward",), (Rule(kind(nn.Upsample), setting(align_corners=True)),),
         (Rule(kind(K.UpSampling2D), keras_align),)),
    Trap("interpolation", ("forward",), (Rule(kind(nn.Upsample), setting(mode="nearest", align_corners=None)),),
         (Rule(kind(K.UpSampling2D), setting(interpolation="nearest")),)),
    Trap("GELU form", ("forward",),
         (Rule(kind(nn.GELU), setting(approximate=lambda a: "none" if a == "tanh" else "tanh")),),
         (Rule(gelu, keras_gelu),)),
    Trap("negative slope", ("forward",), (Rule(kind(nn.LeakyReLU), setting(negative_slope=0.01)),),
         (Rule(kind(K.LeakyReLU), setting(negative_slope=0.3)),)),
    Trap("activation", ("forward",), (Rule(kind(*T_ACT), torch_activation),),
         (Rule(keras_activations, keras_activation),)),
    Trap("softmax axis", ("forward",), (Rule(kind(nn.Softmax), setting(dim=lambda d: 0)),),
         (Rule(kind(K.Softmax), setting(axis=lambda a: 0)),)),
    Trap("dropout rate", ("train mode",), (Rule(kind(nn.Dropout), setting(p=lambda p: p + 0.1)),),
         (Rule(kind(K.Dropout), setting(rate=lambda p: p + 0.1)),)),
    Trap("groups", ("structure", "weights", "forward"), (Rule(lambda c, p: kind(nn.Conv2d)(c, p) and even(c, p),
         torch_groups),), (Rule(even, keras_groups),)),
    Trap("stride", ("forward",), (Rule(kind(nn.Conv2d), setting(stride=transposed)),),
         (Rule(kind(*K_CONV), setting(strides=transposed)),)),
    Trap("dilation", ("forward",),
         (Rule(kind(nn.Conv2d, dilation=(2, 2)), setting(dilation=(1, 1), padding=(1, 1))),
          Rule(kind(nn.Conv2d, padding=(1, 1)), setting(dilation=(2, 2), padding=(2, 2)))),
         (Rule(kind(*K_CONV, **SAME), setting(dilation_rate=lambda d: (2, 2) if d[0] == 1 else (1, 1))),)),
    Trap("pooling kind", ("forward",), (Rule(kind(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d), max_of),),
         (Rule(kind(K.MaxPooling2D, K.AveragePooling2D, K.GlobalAveragePooling2D), keras_pool),)),
)  # fmt: skip
