"""What a module of torch is and how it is set, in the terms that both frameworks share."""

from collections.abc import Callable
from typing import Any

from torch import nn

from dualnet.backends.torch.attention import MultiheadAttention

# The first base that fits names the kind.
KINDS: tuple[tuple[Any, str], ...] = (
    (nn.Linear, "dense"),
    (nn.modules.conv._ConvTransposeNd, "transposed convolution"),
    (nn.modules.conv._ConvNd, "convolution"),
    (nn.modules.batchnorm._BatchNorm, "batch norm"),
    (nn.modules.instancenorm._InstanceNorm, "instance norm"),
    (nn.LayerNorm, "layer norm"),
    (nn.GroupNorm, "group norm"),
    (nn.RMSNorm, "rms norm"),
    (nn.Embedding, "embedding"),
    (nn.LSTM, "lstm"),
    (nn.GRU, "gru"),
    (nn.RNN, "rnn"),
    ((nn.MultiheadAttention, MultiheadAttention), "attention"),
    (nn.modules.pooling._MaxPoolNd, "max pool"),
    (nn.modules.pooling._AvgPoolNd, "average pool"),
    (nn.modules.pooling._AdaptiveAvgPoolNd, "adaptive average pool"),
    (nn.modules.pooling._AdaptiveMaxPoolNd, "adaptive max pool"),
    (nn.modules.dropout._DropoutNd, "dropout"),
    (nn.Flatten, "flatten"),
    (nn.Upsample, "upsample"),
    (nn.modules.padding._ConstantPadNd, "pad"),
    (nn.modules.padding._ReflectionPadNd, "pad"),
    (nn.modules.padding._ReplicationPadNd, "pad"),
    (nn.ReLU6, "relu6"),
    (nn.ReLU, "relu"),
    (nn.LeakyReLU, "leaky relu"),
    (nn.PReLU, "prelu"),
    (nn.ELU, "elu"),
    (nn.SELU, "selu"),
    (nn.CELU, "celu"),
    (nn.GELU, "gelu"),
    (nn.SiLU, "silu"),
    (nn.Mish, "mish"),
    (nn.Sigmoid, "sigmoid"),
    (nn.Tanh, "tanh"),
    (nn.Softplus, "softplus"),
    (nn.Softsign, "softsign"),
    (nn.Softmax, "softmax"),
    (nn.LogSoftmax, "log softmax"),
    (nn.Hardswish, "hard silu"),
    (nn.Hardsigmoid, "hard sigmoid"),
    (nn.Identity, "identity"),
)


def kind_of(module: nn.Module) -> str:
    """Return the common name of a module's kind, or its class's own."""
    return next((kind for base, kind in KINDS if isinstance(module, base)), type(module).__name__)


def _each(value: Any, rank: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def _conv(module: Any) -> dict[str, Any]:
    rank = len(module.kernel_size)
    padding = module.padding if isinstance(module.padding, str) else tuple((p, p) for p in _each(module.padding, rank))
    found = {
        "kernel": tuple(module.kernel_size),
        "stride": tuple(module.stride),
        "dilation": tuple(module.dilation),
        "groups": module.groups,
        "padding": padding,
        "bias": module.bias is not None,
    }
    if not isinstance(module, nn.modules.conv._ConvTransposeNd):
        found["padding mode"] = module.padding_mode
    return found


def _pool(module: Any) -> dict[str, Any]:
    rank = int(type(module).__name__[-2])
    stride = module.kernel_size if module.stride is None else module.stride
    found = {
        "kernel": _each(module.kernel_size, rank),
        "stride": _each(stride, rank),
        "padding": tuple((p, p) for p in _each(module.padding, rank)),
        "ceil": module.ceil_mode,
    }
    if hasattr(module, "count_include_pad") and any(_each(module.padding, rank)):
        found["pad counted"] = module.count_include_pad
    return found


def _pad(module: Any) -> dict[str, Any]:
    sizes = tuple(module.padding)
    mode = "reflect" if "Reflection" in type(module).__name__ else "zeros"
    mode = "replicate" if "Replication" in type(module).__name__ else mode
    return {"padding": tuple(zip(sizes[::2], sizes[1::2], strict=True))[::-1], "padding mode": mode}


def _batch_norm(module: Any) -> dict[str, Any]:
    momentum = None if module.momentum is None else 1 - module.momentum
    own = module.track_running_stats
    return {"epsilon": module.eps, "momentum": momentum, "statistics": own, "affine": module.affine}


def _recurrent(module: Any) -> dict[str, Any]:
    both = {"bidirectional": module.bidirectional, "layers": module.num_layers, "units": module.hidden_size}
    return both | {"bias": module.bias} | ({"reset after": True} if isinstance(module, nn.GRU) else {})


READ: dict[str, Callable[[Any], dict[str, Any]]] = {
    "dense": lambda m: {"bias": m.bias is not None},
    "convolution": _conv,
    "transposed convolution": _conv,
    "batch norm": _batch_norm,
    "layer norm": lambda m: {"epsilon": m.eps, "axes": len(m.normalized_shape)},
    "group norm": lambda m: {"epsilon": m.eps, "groups": m.num_groups},
    "rms norm": lambda m: {"epsilon": m.eps},
    "lstm": _recurrent,
    "gru": _recurrent,
    "rnn": _recurrent,
    "attention": lambda m: {"heads": getattr(m, "num_heads", None) or m.heads},
    "max pool": _pool,
    "average pool": _pool,
    "dropout": lambda m: {"rate": m.p},
    "leaky relu": lambda m: {"slope": m.negative_slope},
    "elu": lambda m: {"alpha": m.alpha},
    "celu": lambda m: {"alpha": m.alpha},
    "gelu": lambda m: {"form": m.approximate},
    "softmax": lambda m: {"axis": m.dim},
    "log softmax": lambda m: {"axis": m.dim},
    "softplus": lambda m: {"beta": float(m.beta), "threshold": float(m.threshold)},
    "pad": _pad,
    "upsample": lambda m: {"mode": m.mode, "align corners": bool(m.align_corners)},
}


def settings_of(module: nn.Module) -> dict[str, Any]:
    """Return how a module is set; nothing for a kind that has no common terms."""
    read = READ.get(kind_of(module))
    try:
        found = read(module) if read else {}
    except AttributeError:  # a subclass that says less than its base
        found = {}
    return found | {"training": module.training}


# An argument of torch's optimizers → its common name; what is left out is no number that a rule of updates reads.
OPTIMIZER = {"lr": "learning rate", "eps": "epsilon", "weight_decay": "weight decay", "momentum": "momentum",
             "dampening": "dampening", "nesterov": "nesterov", "amsgrad": "amsgrad", "alpha": "rho", "rho": "rho",
             "initial_accumulator_value": "initial", "lr_decay": "rate decay", "centered": "centered"}  # fmt: skip


def settings_of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return how a torch optimizer's first group is set, in common terms."""
    group = optimizer.param_groups[0]
    found = {ours: group[name] for name, ours in OPTIMIZER.items() if name in group}
    found |= {key: float(value) for key, value in found.items() if hasattr(value, "item")}
    if "betas" in group:
        found |= {"beta1": group["betas"][0], "beta2": group["betas"][1]}
    if found.get("weight decay"):
        decoupled = group.get("decoupled_weight_decay", "AdamW" in type(optimizer).__name__)
        found["decay"] = "decoupled" if decoupled else "coupled"
    return {"optimizer": type(optimizer).__name__} | found
