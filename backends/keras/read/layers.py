"""Layers: for each class that says more than its operations do, its rule; all others are read from their ``call``."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from dualnet.backends.keras.read.convs import convolve, deconvolve, inward, is_last, outward
from dualnet.backends.keras.read.products import spelled
from dualnet.backends.keras.read.recurrent import distributed, recurrent
from dualnet.backends.keras.read.sheet import Sheet, as_array, as_held


def activated(s: Sheet, layer: Any, x: Any) -> Any:
    """Write a layer's activation, which it has by itself or is."""
    if layer.activation is keras.activations.mish:
        return s("mish", x)
    return x if layer.activation is None else layer.activation(x)


def _bias(layer: Any) -> Any:
    return layer.bias if getattr(layer, "use_bias", False) else None


def dense(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write a dense layer."""
    weight = s.weight(layer._kernel, "weight", (1, 0))
    given = {} if _bias(layer) is None else {"bias": s.weight(layer.bias, "bias")}
    return activated(s, layer, s("linear", inputs, weight=weight, **given))


def einsum_dense(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write an einsum with a kernel: a linear layer where the summed axes are the last ones of the input."""
    x = s.tensor(inputs)
    equation = spelled(layer.equation, [len(x.shape), len(layer._kernel.shape)])
    made = _linear(s, layer, x, equation)
    if made is None:
        kernel = s.weight(layer._kernel, "weight")
        made = s("einsum", equation=equation, tensors=(x, kernel))
        made = made if layer.bias is None else s("add", made, other=s.weight(layer.bias, "bias"))
    return activated(s, layer, made)


def _linear(s: Sheet, layer: Any, x: Any, equation: str) -> Any:
    """Write ``...i,io->...o`` as a linear layer, whatever number of axes i and o are; else return None."""
    given, _, out = equation.partition("->")
    left, right = given.split(",")
    shared = [c for c in right if c in left]
    summed = "".join(c for c in right if c not in out)
    made = "".join(c for c in right if c in out)
    kept = left[: len(left) - len(summed)]
    plain = right == summed + made and left == kept + summed and out == kept + made and len(shared) == len(summed)
    if not plain or not summed or not made:
        return None
    shape = layer._kernel.shape
    wide, high = (int(np.prod(part)) for part in (shape[: len(summed)], shape[len(summed) :]))
    weight = s.weight(layer._kernel, "weight", (1, 0), split=(wide, high))
    around = tuple(x.shape[: len(kept)])
    flat = x if len(summed) == 1 else s("reshape", x, shape=(*around, wide))
    bias, given_bias = layer.bias, {}
    if bias is not None and tuple(n for n in bias.shape if n != 1) == tuple(n for n in shape[len(summed) :] if n != 1):
        given_bias = {"bias": s.weight(bias, "bias", split=(high,))}
    x = s("linear", flat, weight=weight, **given_bias)
    x = x if len(made) == 1 else s("reshape", x, shape=(*around, *shape[len(summed) :]))
    return x if bias is None or given_bias else s("add", x, other=s.weight(bias, "bias"))


def conv(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a convolution."""
    x = convolve(
        s, inputs, layer._kernel, _bias(layer), layer.strides, layer.padding, layer.data_format, layer.dilation_rate
    )
    return activated(s, layer, x)


def depthwise(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a depthwise convolution."""
    given = (layer.strides, layer.padding, layer.data_format, layer.dilation_rate)
    return activated(s, layer, convolve(s, inputs, layer.kernel, _bias(layer), *given, depthwise=True))


def separable(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a depthwise convolution and one of size 1."""
    given = (layer.strides, layer.padding, layer.data_format, layer.dilation_rate)
    names = ("depthwise.weight", "depthwise.bias")
    x = convolve(s, inputs, layer.depthwise_kernel, None, *given, depthwise=True, names=names)
    names = ("pointwise.weight", "pointwise.bias")
    x = convolve(s, x, layer.pointwise_kernel, _bias(layer), 1, "valid", layer.data_format, 1, names=names)
    return activated(s, layer, x)


def transposed(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a transposed convolution."""
    shape = layer.compute_output_shape(inputs.shape)
    out = shape[1:-1] if is_last(layer.data_format) else shape[2:]
    given = (layer.strides, layer.padding, layer.output_padding, layer.data_format, layer.dilation_rate)
    return activated(s, layer, deconvolve(s, inputs, layer.kernel, _bias(layer), *given, out))


def batch_norm(s: Sheet, layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    """Write a batch norm; a frozen one never looks at its batch."""
    if getattr(layer, "renorm", False):
        msg = "its renorm=True corrects the batch's statistics by the running ones. Train without renorm."
        raise NotImplementedError(msg)
    x, axis = s.tensor(inputs), layer.axis % len(inputs.shape)
    order = (0, axis, *(i for i in range(1, len(x.shape)) if i != axis))
    x = s.permute(x, order)
    made = s(
        "batch_norm", x, weight=s.weight(layer.gamma, "weight") if layer.scale else None,
        bias=s.weight(layer.beta, "bias") if layer.center else None,
        running_mean=s.weight(layer.moving_mean, "running_mean"),
        running_var=s.weight(layer.moving_variance, "running_var"),
        training=training if layer.trainable else False, momentum=round(1 - layer.momentum, 12), eps=layer.epsilon,
        cudnn_enabled=True,
        **({} if getattr(layer, "running_variance", "") == "unbiased" else {"running_variance": "biased"}),
    )  # fmt: skip
    return s.permute(made, tuple(int(i) for i in np.argsort(order)))


def group_norm(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a group norm."""
    x, axis = s.tensor(inputs), layer.axis % len(inputs.shape)
    order = (0, axis, *(i for i in range(1, len(x.shape)) if i != axis))
    given = {"weight": s.weight(layer.gamma, "weight")} if layer.scale else {}
    given |= {"bias": s.weight(layer.beta, "bias")} if layer.center else {}
    made = s("group_norm", s.permute(x, order), num_groups=layer.groups, **given, eps=layer.epsilon)
    return s.permute(made, tuple(int(i) for i in np.argsort(order)))


def embedding(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write an embedding."""
    x = s.tensor(inputs)
    x = x if x.dtype in ("int32", "int64") else s("to", x, dtype="int32")
    padding = {"padding_idx": layer.padding} if hasattr(layer, "padding") else {}
    return s("embedding", weight=s.weight(layer._embeddings, "weight"), indices=x, **padding)


def dropout(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write a dropout."""
    if not layer.rate:
        return inputs
    if layer.noise_shape is None:
        return s("dropout", inputs, p=float(layer.rate), train=training)
    if training is False:
        return inputs
    noise = tuple(n if k is None else k for k, n in zip(layer.noise_shape, inputs.shape, strict=True))
    kept = s("dropout", s("ones", size=noise, dtype=inputs.dtype), p=float(layer.rate), train=training)
    return s("mul", inputs, other=kept)


def spatial_dropout(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write a dropout of whole channels."""
    last = is_last(getattr(layer, "data_format", "channels_last"))
    if not layer.rate:
        return inputs
    return outward(s, s("feature_dropout", inward(s, inputs, last), p=float(layer.rate), train=training), last)


def spectral(s: Sheet, layer: Any, inputs: Any, training: Any = None) -> Any:
    """Write the step that training takes on the inner layer's kernel, then that layer."""
    inner, rank = layer.layer, len(layer.kernel.shape)
    if isinstance(inner, DEPTHWISE):
        msg = "spectral normalisation of a depthwise kernel, by its multiplier. Take a Conv with groups."
        raise NotImplementedError(msg)
    rows = isinstance(inner, layers.Embedding)  # whose weight lies alike in both frameworks
    order = (0, 1) if rows else (rank - 1, rank - 2, *range(rank - 2))
    weight, vector = s.weight(layer.kernel, "weight", order), s.weight(layer.vector_u, "vector_u")
    steps = {"power_iterations": layer.power_iterations, "dim": 1 if rows else 0, "training": training}
    return inner(s("spectral_step", inputs, weight=weight, vector=vector, **steps))


def prelu(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a PReLU: ATen's op where there is one slope, or one per channel; else a choice."""
    x, alpha = s.tensor(inputs), layer.alpha
    if int(np.prod(alpha.shape)) == alpha.shape[-1] and len(x.shape) > 1:
        weight, last = s.weight(alpha, "weight", split=(alpha.shape[-1],)), len(x.shape) > 2
        return outward(s, s("prelu", inward(s, x, last), weight=weight), last)
    below = s("mul", x, other=s.weight(alpha, "weight"))
    return s("where", condition=s("gt", x, other=0), input=x, other=below)


def normalization(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write a normalization by fixed statistics."""
    mean, root = (as_array(v) for v in (layer.mean, layer.variance))
    root = np.maximum(np.sqrt(root), keras.config.epsilon())
    x = s.tensor(inputs)
    x = x if x.dtype == layer.compute_dtype else s("to", x, dtype=layer.compute_dtype)
    centre, scale = s.constant(mean, "mean"), s.constant(root.astype(mean.dtype), "deviation")
    if layer.invert:
        return s("add", s("mul", x, other=scale), other=centre)
    return s("div", s("sub", x, other=centre), other=scale)


def rescaling(s: Sheet, layer: Any, inputs: Any) -> Any:
    """Write inputs · scale + offset."""
    x = s.tensor(inputs)
    x = x if x.dtype == layer.compute_dtype else s("to", x, dtype=layer.compute_dtype)
    scale, offset = (as_held(v, x.dtype) for v in (layer.scale, layer.offset))
    made = s("mul", x, other=scale)
    return made if np.isscalar(offset) and not offset else s("add", made, other=offset)


CONVS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DECONVS = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DROPOUTS = (layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
LAYERS: dict[type, Callable[..., Any]] = {
    **dict.fromkeys(CONVS, conv),
    **dict.fromkeys(DECONVS, transposed),
    **dict.fromkeys(DEPTHWISE, depthwise),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), separable),
    **dict.fromkeys(DROPOUTS, spatial_dropout),
    **dict.fromkeys((layers.LSTM, layers.GRU, layers.SimpleRNN), recurrent),
    layers.Dense: dense,
    layers.EinsumDense: einsum_dense,
    layers.BatchNormalization: batch_norm,
    layers.GroupNormalization: group_norm,
    layers.Embedding: embedding,
    layers.Dropout: dropout,
    layers.SpectralNormalization: spectral,
    layers.PReLU: prelu,
    layers.Activation: activated,
    layers.Normalization: normalization,
    layers.Rescaling: rescaling,
    layers.TimeDistributed: distributed,
    layers.Identity: lambda s, layer, inputs: inputs,
    layers.ActivityRegularization: lambda s, layer, inputs: inputs,
}
RANDOM = "it changes images at random while training. Apply it to the data, before the model."
STRINGS = "it looks words or numbers up in a table. Apply it to the data, before the model."
REFUSED: dict[type, str] = {
    **{cls: RANDOM for name, cls in vars(layers).items() if isinstance(cls, type) and name.startswith("Random")},
    **{
        getattr(layers, name): RANDOM
        for name in ("AugMix", "CutMix", "MixUp", "RandAugment", "MaxNumBoundingBoxes")
        if hasattr(layers, name)
    },
    **{
        getattr(layers, name): STRINGS
        for name in (
            "Hashing",
            "HashedCrossing",
            "StringLookup",
            "IntegerLookup",
            "TextVectorization",
            "Discretization",
            "CategoryEncoding",
        )
        if hasattr(layers, name)
    },
}
