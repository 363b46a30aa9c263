"""Stock layers and losses as specs: what a torch.nn module or a keras.layers layer is, by its arguments.

A converter raises ``Unsaid`` with the reason for what no field says; ``SpecError`` is such a reason, too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from dualnet import specs as S
from dualnet.backends.protocol import Array


class Unsaid(Exception):
    """No field of a spec says this; the message says what."""


def _dim(module: Any) -> int:
    """Return a module's ``dim`` for an example with a batch axis put in front of it."""
    if module.dim is None:
        msg = "an implicit dim"
        raise Unsaid(msg)
    return module.dim + 1 if module.dim >= 0 else module.dim


# Activations act on single examples: a batch axis is put in front of whatever the sample holds.
ACTIVATIONS: dict[type, Callable[[Any], S.Layer]] = {
    nn.CELU: lambda m: S.CELU(m.alpha),
    nn.ELU: lambda m: S.ELU(m.alpha),
    nn.GELU: lambda m: S.GELU(m.approximate),
    nn.GLU: lambda m: S.GLU(_dim(m)),
    nn.Hardshrink: lambda m: S.Hardshrink(m.lambd),
    nn.Hardswish: lambda m: S.Hardswish(),
    nn.Hardtanh: lambda m: S.Hardtanh(m.min_val, m.max_val),
    nn.LeakyReLU: lambda m: S.LeakyReLU(m.negative_slope),
    nn.LogSigmoid: lambda m: S.LogSigmoid(),
    nn.LogSoftmax: lambda m: S.LogSoftmax(_dim(m)),
    nn.Mish: lambda m: S.Mish(),
    nn.PReLU: lambda m: S.PReLU("all" if m.num_parameters == 1 else "channels"),
    nn.ReLU: lambda m: S.ReLU(),
    nn.ReLU6: lambda m: S.Hardtanh(0.0, 6.0),
    nn.SELU: lambda m: S.SELU(),
    nn.Sigmoid: lambda m: S.Sigmoid(),
    nn.SiLU: lambda m: S.SiLU(),
    nn.Softmax: lambda m: S.Softmax(_dim(m)),
    nn.Softmax2d: lambda m: S.Softmax(-3),
    nn.Softmin: lambda m: S.Softmin(_dim(m)),
    nn.Softplus: lambda m: S.Softplus(m.beta, m.threshold),
    nn.Softshrink: lambda m: S.Softshrink(m.lambd),
    nn.Softsign: lambda m: S.Softsign(),
    nn.Tanh: lambda m: S.Tanh(),
    nn.Tanhshrink: lambda m: S.Tanhshrink(),
    nn.Threshold: lambda m: S.Threshold(m.threshold, m.value),
}


def _reduced(module: Any, names: dict[str, str] | None = None) -> Any:
    if module.reduction == "none":
        msg = "a loss here is one number: reduction='none'"
        raise Unsaid(msg)
    if getattr(module, "weight", None) is not None:
        msg = "a weight for each entry of the batch"
        raise Unsaid(msg)
    return (names or {}).get(module.reduction, module.reduction)


def _classes(kind: type[S.Loss], module: Any, **fields: Any) -> S.Loss:
    if module.reduction == "none":
        msg = "a loss here is one number: reduction='none'"
        raise Unsaid(msg)
    weights = None if module.weight is None else tuple(module.weight.tolist())
    return kind(class_weights=weights, reduction=module.reduction, **fields)


def _smooth(module: Any) -> S.Loss:
    entry = {"reduction": _reduced(module), "target": "given"}
    return S.SmoothL1(beta=module.beta, **entry) if module.beta else S.MeanAbsoluteError(**entry)


def _logits(module: Any) -> S.Loss:
    weights = None if module.pos_weight is None else tuple(module.pos_weight.reshape(-1).tolist())
    return S.BinaryCrossEntropy(_reduced(module), "given", weights)


LABELS: dict[type, Callable[[Any], S.Loss]] = {
    nn.CrossEntropyLoss: lambda m: _classes(
        S.CrossEntropy, m, label_smoothing=m.label_smoothing, ignore_index=m.ignore_index
    ),
    nn.NLLLoss: lambda m: _classes(S.NegativeLogLikelihood, m, ignore_index=m.ignore_index),
    nn.MultiMarginLoss: lambda m: _classes(S.MultiMargin, m, power=m.p, margin=m.margin),
}
DENSE: dict[type, Callable[[Any], S.Loss]] = {
    nn.L1Loss: lambda m: S.MeanAbsoluteError(_reduced(m), "given"),
    nn.MSELoss: lambda m: S.MeanSquaredError(_reduced(m), "given"),
    nn.HuberLoss: lambda m: S.Huber(_reduced(m), "given", m.delta),
    nn.SmoothL1Loss: _smooth,
    nn.BCELoss: lambda m: S.ProbabilityCrossEntropy(_reduced(m), "given"),
    nn.BCEWithLogitsLoss: _logits,
    nn.KLDivLoss: lambda m: S.KLDivergence(_reduced(m), "given", m.log_target),
    nn.PoissonNLLLoss: lambda m: S.Poisson(_reduced(m), "given", m.log_input, m.full, m.eps),
    nn.HingeEmbeddingLoss: lambda m: S.HingeEmbedding(_reduced(m), "given", m.margin),
    nn.SoftMarginLoss: lambda m: S.SoftMargin(_reduced(m), "given"),
    nn.MultiLabelSoftMarginLoss: lambda m: S.BinaryCrossEntropy(_reduced(m, {"sum": "sum_of_means"}), "given"),
}
LOSSES = LABELS | DENSE


def activation(module: nn.Module, x: Array) -> tuple[S.Spec, Array]:
    """Return the spec of an activation, and its input with a batch axis."""
    layer = ACTIVATIONS[type(module)](module)
    by_place = isinstance(layer, S.PReLU) and layer.slopes == "channels"
    given = x if by_place else x.reshape(1, *(x.shape or (1,)))
    return S.Spec("stock", S.Block((layer,)), given.shape[1:]), given


def loss(module: nn.Module, x: Array, target: Array) -> tuple[S.Loss, Array, Array]:
    """Return a loss, and outputs and targets as a spec has them: classes on axis 1 of two, or one shape of both."""
    made = LOSSES[type(module)](module)
    if not np.isfinite(x).all() or not np.isfinite(target).all():
        msg = "its input is NaN: a logarithm of what is negative"
        raise Unsaid(msg)
    if type(module) in DENSE:
        if getattr(made, "positive_weights", None) and len(made.positive_weights) != x.shape[-1]:  # type: ignore[attr-defined,arg-type]
            msg = "positive weights that do not lie along the last axis alone"
            raise Unsaid(msg)
        wide = x.reshape(*(x.shape or (1,)), *([1] * max(0, 2 - max(x.ndim, 1))))
        return made, wide, target.reshape(wide.shape).astype(x.dtype)
    if target.dtype.kind == "f":
        msg = "the targets are shares of classes, and those of a spec are labels"
        raise Unsaid(msg)
    axis = 1 if x.ndim > 1 else 0
    return made, np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]), target.reshape(-1)


def stock(module: nn.Module, tensors: list[torch.Tensor]) -> tuple[Array, Array, list[Array], Array]:
    """Return a module's output, the gradients of a random combination of it, and the combination."""
    first = tensors[0].detach().clone().requires_grad_()
    made = module(first, *tensors[1:])
    vector = torch.randn(made.shape, dtype=made.dtype, generator=torch.Generator().manual_seed(0))
    vector = torch.ones_like(made) if not made.ndim and len(tensors) > 1 else vector
    found = torch.autograd.grad(made, [first, *module.parameters()], vector)
    arrays = [gradient.numpy() for gradient in found]
    return made.detach().numpy(), arrays[0], arrays[1:], vector.numpy()
