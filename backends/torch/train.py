"""Training: steps over resident data, a gather of indices each, and the optimizer's state as named arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dualnet.backends.protocol import Array, Arrays, Progress
from dualnet.backends.torch import optimizers
from dualnet.backends.torch.dropout import SharedDropout
from dualnet.backends.torch.losses import loss_function
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer

Held = dict[str, Any]


class Trainer:
    """One optimizer at work on one model."""

    def __init__(
        self, model: nn.Module, named: dict[str, nn.Parameter], loss: Loss, optimizer: Optimizer, clip: Clip | None
    ):
        self.model, self.named, self.clip = model, named, clip
        self.loss = loss_function(loss)
        self.optimizer = optimizers.make(optimizer, named.values())
        self.dropouts = [module for module in model.modules() if isinstance(module, SharedDropout)]
        self.count = 0

    def steps(self, data: Held, indices: Tensor, rates: Array) -> Progress:
        """Take one step on each row of indices."""
        losses, correct = [], []
        self.model.train()
        for row, rate in zip(indices, rates, strict=True):
            loss, hits = self._step(data, row, float(rate))
            losses.append(loss)
            correct.append(hits)
        self.model.eval()
        return {
            "loss": torch.stack(losses).double().cpu().numpy(),
            "correct": torch.stack(correct).cpu().numpy().astype(np.int64),
        }

    def _step(self, data: Held, row: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        for module in self.dropouts:
            module.step = self.count
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        outputs = self.model(*(tensor[row] for tensor in data["inputs"]))
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        soft = data["soft"]
        loss = self.loss(first, data["targets"][row], None if soft is None else soft[row])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip:
            optimizers.clip([p.grad for p in self.named.values() if p.grad is not None], self.clip)
        self.optimizer.step()
        self.count += 1
        labels = data["labels"]
        hits = torch.zeros((), dtype=torch.int64) if labels is None else (first.argmax(1) == labels[row]).sum()
        return loss.detach(), hits

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        found: Arrays = {"step": np.array(self.count, dtype=np.int64)}
        for name, parameter in self.named.items():
            for slot, value in self.optimizer.state.get(parameter, {}).items():
                if slot != "step" and isinstance(value, Tensor):
                    found[f"{name}/{optimizers.SLOTS.get(slot, slot)}"] = value.detach().cpu().numpy().copy()
        return found

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        self.count = int(slots["step"])
        native = isinstance(self.optimizer, optimizers.Flavoured)
        names = {} if native else {ours: theirs for theirs, ours in optimizers.SLOTS.items()}
        for full, value in slots.items():
            name, _, slot = full.partition("/")
            if slot:
                parameter = self.named[name]
                state = self.optimizer.state[parameter]
                state[names.get(slot, slot)] = torch.as_tensor(
                    value, dtype=parameter.dtype, device=parameter.device
                ).clone()
                if not native:
                    state["step"] = torch.tensor(float(self.count))
        if isinstance(self.optimizer, optimizers.Flavoured):
            self.optimizer.count = self.count
