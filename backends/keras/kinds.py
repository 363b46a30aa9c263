"""What a layer of Keras is and how it is set, in the terms that both frameworks share."""

from collections.abc import Callable
from typing import Any

import keras

from dualnet.backends.keras.attention import MultiheadAttention

L = keras.layers
TRANSPOSED = (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)
CONVOLUTIONS = (L.DepthwiseConv1D, L.DepthwiseConv2D, L.Conv1D, L.Conv2D, L.Conv3D)
PADS = (L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D)

# The first base that fits names the kind.
KINDS: tuple[tuple[Any, str], ...] = (
    (L.Dense, "dense"),
    (TRANSPOSED, "transposed convolution"),
    (CONVOLUTIONS, "convolution"),
    (L.BatchNormalization, "batch norm"),
    (L.LayerNormalization, "layer norm"),
    (L.GroupNormalization, "group norm"),
    (L.RMSNormalization, "rms norm"),
    (L.Embedding, "embedding"),
    (L.LSTM, "lstm"),
    (L.GRU, "gru"),
    (L.SimpleRNN, "rnn"),
    (L.Bidirectional, "bidirectional"),
    ((L.MultiHeadAttention, MultiheadAttention), "attention"),
    ((L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D), "max pool"),
    ((L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D), "average pool"),
    ((L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D), "adaptive average pool"),
    ((L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D), "adaptive max pool"),
    ((L.Dropout, L.SpatialDropout1D, L.SpatialDropout2D, L.SpatialDropout3D), "dropout"),
    (L.Flatten, "flatten"),
    ((L.UpSampling1D, L.UpSampling2D, L.UpSampling3D), "upsample"),
    (PADS, "pad"),
    (L.LeakyReLU, "leaky relu"),
    (L.PReLU, "prelu"),
    (L.ELU, "elu"),
    (L.Softmax, "softmax"),
)
# A variable of Keras → its role, by PyTorch's name.
ROLES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
         "kernel": "weight", "embeddings": "weight", "scale": "weight", "alpha": "weight"}  # fmt: skip
NAMES = {"leaky_relu": "leaky relu", "log_softmax": "log softmax", "hard_silu": "hard silu", "hard_swish": "hard silu",
         "hard_sigmoid": "hard sigmoid", "swish": "silu", "linear": "identity"}  # fmt: skip


def kind_of(layer: Any) -> str:
    """Return the common name of a layer's kind, or its class's own."""
    if isinstance(layer, L.Activation):
        return function_of(layer.activation)
    if isinstance(layer, L.ReLU):
        slope, least, most = float(layer.negative_slope), float(layer.threshold), layer.max_value
        plain = "leaky relu" if slope and most is None else "relu"
        return "relu6" if most == 6.0 and not slope and not least else plain
    return next((kind for base, kind in KINDS if isinstance(layer, base)), type(layer).__name__)


def function_of(function: Any) -> str:
    """Return the common name of an activation function."""
    name = getattr(function, "__name__", type(function).__name__)
    return NAMES.get(name, name)


def fused(layer: Any) -> Any:
    """Return the activation function that a layer applies to what it has computed, or nothing."""
    own = isinstance(layer, (L.Dense, *TRANSPOSED, *CONVOLUTIONS))
    function = getattr(layer, "activation", None) if own else None
    return None if function is None or function is keras.activations.linear else function


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _conv(layer: Any) -> dict[str, Any]:
    depth = isinstance(layer, (L.DepthwiseConv1D, L.DepthwiseConv2D))
    channels = layer.kernel.shape[-2] if layer.built else None
    found = {
        "kernel": _tuple(layer.kernel_size),
        "stride": _tuple(layer.strides),
        "dilation": _tuple(layer.dilation_rate),
        "groups": channels if depth else getattr(layer, "groups", 1),
        "padding": layer.padding,
        "bias": layer.use_bias,
    }
    return found if isinstance(layer, TRANSPOSED) else found | {"padding mode": "zeros"}


def _pool(layer: Any) -> dict[str, Any]:
    strides = layer.pool_size if layer.strides is None else layer.strides
    return {"kernel": _tuple(layer.pool_size), "stride": _tuple(strides), "padding": layer.padding, "ceil": False}


def _pad(layer: Any) -> dict[str, Any]:
    sizes = layer.padding
    return {"padding": tuple(sizes) if isinstance(sizes[0], tuple) else (tuple(sizes),), "padding mode": "zeros"}


def _recurrent(layer: Any) -> dict[str, Any]:
    found = {"bidirectional": False, "layers": 1, "units": layer.units, "bias": layer.use_bias}
    return found | ({"reset after": bool(layer.reset_after)} if isinstance(layer, L.GRU) else {})


def _softmax(layer: Any) -> dict[str, Any]:
    return {"axis": getattr(layer, "axis", -1)}


READ: dict[str, Callable[[Any], dict[str, Any]]] = {
    "dense": lambda m: {"bias": m.use_bias},
    "convolution": _conv,
    "transposed convolution": _conv,
    "batch norm": lambda m: {
        "epsilon": m.epsilon, "momentum": m.momentum, "statistics": True, "affine": m.scale or m.center
    },
    "layer norm": lambda m: {"epsilon": m.epsilon, "axes": len(_tuple(m.axis))},
    "group norm": lambda m: {"epsilon": m.epsilon, "groups": m.groups},
    "rms norm": lambda m: {"epsilon": m.epsilon},
    "lstm": _recurrent,
    "gru": _recurrent,
    "rnn": _recurrent,
    "attention": lambda m: {"heads": getattr(m, "num_heads", None) or m.heads},
    "max pool": _pool,
    "average pool": _pool,
    "dropout": lambda m: {"rate": m.rate},
    "leaky relu": lambda m: {"slope": float(m.negative_slope)} if hasattr(m, "negative_slope") else {},
    "elu": lambda m: {"alpha": float(m.alpha)} if hasattr(m, "alpha") else {},
    "softmax": _softmax,
    "log softmax": _softmax,
    "pad": _pad,
    "upsample": lambda m: {"mode": getattr(m, "interpolation", "nearest"), "align corners": False},
}  # fmt: skip


def settings_of(layer: Any, training: Any) -> dict[str, Any]:
    """Return how a layer is set; nothing for a kind that has no common terms."""
    read = READ.get(kind_of(layer))
    try:
        found = read(layer) if read else {}
    except AttributeError:  # a subclass that says less than its base
        found = {}
    return found if training is None else found | {"training": bool(training)}


# An argument of Keras's optimizers → its common name.
OPTIMIZER = {"epsilon": "epsilon", "weight_decay": "weight decay", "momentum": "momentum", "nesterov": "nesterov",
             "amsgrad": "amsgrad", "rho": "rho", "initial_accumulator_value": "initial", "centered": "centered",
             "beta_1": "beta1", "beta_2": "beta2"}  # fmt: skip


def settings_of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return how a Keras optimizer is set at its present step, in common terms."""
    held = {ours: getattr(optimizer, name, None) for name, ours in OPTIMIZER.items()}
    found: dict[str, Any] = {name: value for name, value in held.items() if isinstance(value, (bool, int, float))}
    found = {"learning rate": float(optimizer.learning_rate), **found}
    found["weight decay"] = found.get("weight decay", 0.0)
    if found["weight decay"]:
        found["decay"] = "decoupled"
    for name, ours in (("global_clipnorm", "all"), ("clipnorm", "each"), ("clipvalue", "entries")):
        if getattr(optimizer, name, None):
            found["clip"] = (ours, float(getattr(optimizer, name)))
    return {"optimizer": type(optimizer).__name__} | found
