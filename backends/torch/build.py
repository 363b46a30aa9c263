"""Building: the graph of a spec becomes nested modules that keep its names."""

from typing import Any

import torch
from torch import Tensor, nn

from dualnet.backends import own
from dualnet.backends.call import Call
from dualnet.backends.masks import key
from dualnet.backends.torch import attention, bridges, dropout, noise, recurrent, scales, windows
from dualnet.backends.torch.layers import lower
from dualnet.backends.torch.own import checked
from dualnet.specs.channels import _ChannelDropout
from dualnet.specs.graph import Scope, Step
from dualnet.specs.layers import Dropout
from dualnet.specs.spec import Spec
from dualnet.specs.weights import parameters_of

HOMES = {"nn": nn, "bridges": bridges, "dropout": dropout, "windows": windows, "own": own.home("torch")}
HOMES |= {"recurrent": recurrent, "noise": noise, "scales": scales, "attention": attention}

# channels_last kernels are the fast ones of convolution and pooling on a CPU; shapes and values stay as they are.
FAST = {4: torch.channels_last, 5: torch.channels_last_3d}


class Block(nn.Module):
    """The modules of one block and their wiring."""

    def __init__(self, scope: Scope, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.scope = scope
        # Written past add_module, which refuses names such as "type" or "train" that a spec may use.
        self._modules.update(modules)
        self.chain = _chained(scope)

    def forward(self, *inputs: Tensor) -> Any:
        """Return the block's outputs: a tensor, or a tuple of them."""
        if self.chain:
            made = inputs[0]
            for step in self.scope.steps:
                made = self._modules[step.name](made)
            return made
        wires = dict(zip(self.scope.ports, inputs, strict=True))
        for step in self.scope.steps:
            made = self._modules[step.name](*(wires[name] for name in step.inputs))
            wires.update(zip(step.made, made if len(step.made) > 1 else (made,), strict=True))
        outputs = tuple(wires[name] for name in self.scope.outputs)
        return outputs if len(outputs) > 1 else outputs[0]


def _chained(scope: Scope) -> bool:
    """Return whether every layer reads what the one before it gives, and that alone: there are no wires to keep."""
    read, gives = [step.inputs for step in scope.steps], [step.made for step in scope.steps]
    return (scope.ports, *gives) == (*read, scope.outputs) and all(len(each) == 1 for each in (scope.ports, *gives))


def build(
    spec: Spec, dtype: torch.dtype, device: torch.device, mask_seed: int | None = None
) -> tuple[Block, dict[str, Any]]:
    """Return the live model and its layers by path; ``mask_seed`` replaces dropout's masks by shared ones."""
    modules: dict[str, nn.Module] = {}
    model = _block(spec.graph, modules, mask_seed)
    model.to(device=device, dtype=dtype)
    for kernel in model.parameters():
        if kernel.dim() in FAST:
            kernel.data = kernel.data.contiguous(memory_format=FAST[kernel.dim()])
    return model, modules


def _block(scope: Scope, modules: dict[str, nn.Module], mask_seed: int | None) -> Block:
    made = {}
    for step in scope.steps:
        if step.body is None:
            made[step.name] = modules[step.owner] if step.shared else _module(step, mask_seed)
        else:
            made[step.name] = _block(step.body, modules, mask_seed)
        modules[step.path] = made[step.name]
    return Block(scope, made)


def _module(step: Step, mask_seed: int | None) -> nn.Module:
    module: nn.Module = _call(step, mask_seed).make(HOMES)
    if own.yours("torch", step):
        checked(step, module)
    for parameter in parameters_of(step.layer, step.in_shapes):
        if not parameter.trainable:
            getattr(module, parameter.name).requires_grad_(False)
    return module


def _call(step: Step, mask_seed: int | None) -> Call:
    if isinstance(step.layer, (Dropout, _ChannelDropout)) and mask_seed is not None:
        alike = 0 if isinstance(step.layer, Dropout) else len(step.in_shapes[0]) - 1
        return Call("dropout.SharedDropout", (step.layer.rate, key(mask_seed, step.path), alike), {})
    return lower(step, None if mask_seed is None else key(mask_seed, step.path))
