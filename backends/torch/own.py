"""Layers of your own in torch: what a registered lowering returned, held to what was declared."""

from typing import Any

import torch
from torch import nn

from dualnet.backends import own
from dualnet.specs.graph import Step
from dualnet.specs.weights import parameters_of


def checked(step: Step, made: Any) -> Any:
    """Return a lowering's module if its parameters and its output are the declared ones. Raises ``UnsupportedError``.

    It is run once, on zeros, in evaluation mode.
    """
    own.is_a("torch", step, made, nn.Module, "torch.nn.Module")
    frozen = {p.name for p in parameters_of(step.layer, step.in_shapes) if not p.trainable}
    held = {name: (tuple(p.shape), name not in frozen) for name, p in made.named_parameters()}
    held |= {name: (tuple(b.shape), False) for name, b in made.named_buffers()}
    own.holds("torch", step, held)
    made.eval()
    with torch.no_grad():
        output = made(*(torch.zeros(2, *shape) for shape in step.in_shapes))
    made.train()
    shape = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else type(output).__name__
    own.gives("torch", step, shape, step.out_shapes[0])
    return made
