"""Dense: the gradients of a chain of dense layers written out in autograd's own kernels: the same bits, less to do.

A step of 784-128-10 at batches of 100 takes 0.80 to 0.85 ms for 0.94 ms on one core, 0.42 ms of them in four products.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dualnet.backends.torch.losses import NONE, loss_function
from dualnet.specs.layers import Flatten, Layer, Linear, ReLU, Sigmoid, Tanh
from dualnet.specs.losses import CrossEntropy, Loss
from dualnet.specs.spec import Spec

aten: Any = torch.ops.aten

# What a layer gives, and the slope of what it read from that of what it gave (PyTorch's derivatives.yaml).
SQUASHES: dict[type[Layer], tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    ReLU: (torch.relu, lambda slope, made: aten.threshold_backward(slope, made, 0)),
    Sigmoid: (torch.sigmoid, aten.sigmoid_backward),
    Tanh: (torch.tanh, aten.tanh_backward),
}


def chain(spec: Spec) -> list[tuple[str, Layer]]:
    """Return the layers by path of a net that is one chain of dense ones and activations; nothing for another net."""
    wire = next(iter(spec.inputs))
    found: list[tuple[str, Layer]] = []
    for step in spec.graph.steps:
        flat = len(step.in_shapes[0]) == 1 or (isinstance(step.layer, Flatten) and not found)
        known = type(step.layer) in (Flatten, Linear, *SQUASHES) and getattr(step.layer, "shift", 0.0) == 0.0
        alone = not step.shared and getattr(step.layer, "trainable", True)
        if step.body or step.inputs != (wire,) or not (flat and known and alone):
            return []
        wire = step.name
        found += [] if isinstance(step.layer, Flatten) else [(step.path, step.layer)]
    ends = spec.graph.outputs == (wire,) and any(isinstance(layer, Linear) for _, layer in found)
    return found if ends and len(spec.inputs) == 1 else []


@dataclass(frozen=True)
class Stage:
    """One layer of a chain: its squash, or else its weight and bias, each with the memory of its gradient."""

    squash: type[Layer] | None = None
    weight: Any = None
    bias: Any = None
    slopes: tuple[Any, Any] = (None, None)


def _stage(layer: Layer, module: Any) -> Stage:
    if not isinstance(layer, Linear):
        return Stage(type(layer))
    held = (module.weight, module.bias)
    slopes = [None if each is None else torch.empty_like(each) for each in held]
    return Stage(None, *held, (slopes[0], slopes[1]))


class Dense:
    """The loss of a chain of layers on a batch, and the gradients of its weights, which are left where they belong."""

    def __init__(self, layers: Sequence[tuple[Layer, nn.Module]], loss: Loss) -> None:
        self.stages = [_stage(layer, module) for layer, module in layers]
        self.first = next(index for index, stage in enumerate(self.stages) if stage.squash is None)
        self.loss, self.function = loss, loss_function(loss)
        self.usual = isinstance(loss, CrossEntropy) and loss == CrossEntropy(ignore_index=loss.ignore_index)
        self.one = torch.ones((), dtype=self.stages[self.first].weight.dtype)

    @classmethod
    def of(cls, spec: Spec, modules: Mapping[str, nn.Module], loss: Loss) -> "Dense | None":
        """Return that of a net which is a chain, on a CPU, in float32 or float64; None for another."""
        layers = [(layer, modules[path]) for path, layer in chain(spec)]
        parameters = [p for _, module in layers for p in module.parameters()]
        plain = all(p.device.type == "cpu" and p.dtype in (torch.float32, torch.float64) for p in parameters)
        return cls(layers, loss) if layers and plain else None

    @torch.no_grad()
    def __call__(self, x: Tensor, targets: Any, soft: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the loss and the outputs (N, K), and set the ``grad`` of every weight."""
        made = [x.flatten(1)]
        for stage in self.stages:
            made.append(SQUASHES[stage.squash][0](made[-1]) if stage.squash else _linear(stage, made[-1]))
        loss, slope = self._slope(made[-1], targets, soft)
        for index in range(len(self.stages) - 1, self.first - 1, -1):
            stage = self.stages[index]
            if stage.squash:
                slope = SQUASHES[stage.squash][1](slope, made[index + 1])
                continue
            stage.weight.grad = torch.mm(slope.t(), made[index], out=stage.slopes[0])
            if stage.bias is not None:
                stage.bias.grad = torch.sum(slope, 0, out=stage.slopes[1])
            slope = slope.mm(stage.weight) if index > self.first else slope
        return loss, made[-1]

    def _slope(self, outputs: Tensor, targets: Any, soft: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradient by the outputs: of the usual loss written out, of others by autograd."""
        if self.usual:
            ignored, mean = getattr(self.loss, "ignore_index", None), 1
            ignored = NONE if ignored is None else ignored
            logs = torch.log_softmax(outputs, 1)
            loss, total = aten.nll_loss_forward(logs, targets, None, mean, ignored)
            slope = aten.nll_loss_backward(self.one, logs, targets, None, mean, ignored, total)
            return loss, aten._log_softmax_backward_data(slope, logs, 1, logs.dtype)
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            loss = self.function(leaf, targets, soft)
            (slope,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), slope


def _linear(stage: Stage, x: Tensor) -> Tensor:
    """Return x Wᵀ + b."""
    return x.mm(stage.weight.t()) if stage.bias is None else torch.addmm(stage.bias, x, stage.weight.t())
