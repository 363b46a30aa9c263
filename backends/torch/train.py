"""Training: steps over resident data, a gather of indices each, and the optimizer's state as named arrays."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dualnet.backends.protocol import Array, Arrays, Progress
from dualnet.backends.torch import optimizers
from dualnet.backends.torch.dense import Dense
from dualnet.backends.torch.device import array_of
from dualnet.backends.torch.dropout import SharedDropout
from dualnet.backends.torch.losses import loss_function
from dualnet.backends.torch.scaling import Scaling
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Accumulate, Clip, Optimizer, WeightAverage

Held = dict[str, Any]


def wide(tensor: Tensor) -> Tensor:
    """Return what a loss reads of an output: 16 bits are too few for sums over a batch."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


class Trainer:
    """One optimizer at work on one model."""

    def __init__(
        self,
        model: nn.Module,
        named: dict[str, nn.Parameter],
        loss: Loss,
        optimizer: Optimizer,
        clip: Clip | None,
        casting: Callable[[], Any] = nullcontext,
        dense: Dense | None = None,
    ):
        self.model, self.named, self.clip, self.casting = model, named, clip, casting
        self.loss = loss_function(loss)
        self.optimizers = optimizers.make(optimizer, named)
        self.accumulate, self.average = optimizer.accumulate or Accumulate(1), optimizer.average
        self.averages: dict[str, Tensor] = {}
        self.scaling = Scaling(optimizer.loss_scale) if optimizer.loss_scale else None
        self.dropouts = [module for module in model.modules() if isinstance(module, SharedDropout)]
        self.dense = dense if self.accumulate.steps == 1 and self.scaling is None else None
        self.count = 0
        for parameter in named.values():
            parameter.grad = None

    def steps(self, data: Held, indices: Tensor, rates: Array) -> Progress:
        """Take one step on each row of indices."""
        losses, correct = [], []
        self.model.train()
        for row, rate in zip(indices, rates.tolist(), strict=True):
            loss, hits = self._step(data, row, rate)
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
        inputs = [held.rows(row) for held in data["inputs"]]
        targets, soft = (None if data[key] is None else data[key].index_select(0, row) for key in ("targets", "soft"))
        if self.dense:
            loss, first = self.dense(*inputs, targets, soft)
        else:
            with self.casting():
                outputs = self.model(*inputs)
            first = wide(outputs[0] if isinstance(outputs, tuple) else outputs)
            loss = self.loss(first, targets, soft)
            (loss * self.scaling.scale if self.scaling else loss).backward()
        self.count += 1
        if self.count % self.accumulate.steps == 0:
            self._update(rate)
        if data["labels"] is None:
            return loss.detach(), torch.zeros((), dtype=torch.int64)
        labels = targets if data["labels"] is data["targets"] else data["labels"].index_select(0, row)
        return loss.detach(), (first.argmax(1) == labels).sum()

    @property
    def updates(self) -> int:
        """How often the weights have moved."""
        return self.count // self.accumulate.steps - (self.scaling.skipped if self.scaling else 0)

    def _update(self, rate: float) -> None:
        """Move the weights by the gradients gathered so far, and begin to gather anew."""
        reached = [p.grad for p in self.named.values() if p.grad is not None]
        if self.scaling and not self.scaling.finite(reached):
            for p in self.named.values():
                p.grad = None
            return
        if self.accumulate.reduction == "mean" and self.accumulate.steps > 1:
            for gradient in reached:
                gradient.div_(self.accumulate.steps)
        if self.clip:
            optimizers.clip(reached, self.clip)
        for optimizer in self.optimizers:
            group = optimizer.param_groups[0]
            group["lr"] = rate * group["rate_factor"]
            optimizer.step()
            if not self.dense:  # which writes over them
                optimizer.zero_grad(set_to_none=True)
        if self.average:
            self._average(self.average)

    @torch.no_grad()
    def _average(self, rule: WeightAverage) -> None:
        for name, p in self.named.items():
            mean = self.averages.setdefault(name, p.detach().clone())
            if self.updates > 1:
                mean.copy_(rule.momentum * mean + (1.0 - rule.momentum) * p)
            if rule.overwrite_every and self.updates % rule.overwrite_every == 0:
                p.copy_(mean)

    def _states(self) -> Iterator[tuple[str, nn.Parameter, torch.optim.Optimizer]]:
        """Yield every parameter with its name and its optimizer."""
        names = {id(p): name for name, p in self.named.items()}
        for optimizer in self.optimizers:
            for p in optimizer.param_groups[0]["params"]:
                yield names[id(p)], p, optimizer

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        found: Arrays = {"step": np.array(self.count, dtype=np.int64)}
        found |= self.scaling.slots() if self.scaling else {}
        for name, p, optimizer in self._states():
            kept = {optimizers.SLOTS.get(slot, slot): value for slot, value in optimizer.state.get(p, {}).items()}
            kept |= {"average": self.averages[name]} if name in self.averages else {}
            kept |= {"gathered": p.grad} if self.accumulate.steps > 1 and p.grad is not None else {}
            for slot, value in kept.items():
                if slot != "step" and isinstance(value, Tensor):
                    found[f"{name}/{slot}"] = array_of(value)
        return found

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        self.count = int(slots["step"])
        if self.scaling:
            self.scaling.load(slots)
        live = {name: (p, optimizer) for name, p, optimizer in self._states()}
        for full, value in slots.items():
            name, _, slot = full.partition("/")
            if slot and full.partition("/")[0] in live:
                self._put(name, slot, *live[name], value)
        for optimizer in self.optimizers:
            if isinstance(optimizer, optimizers.Flavoured):
                optimizer.count = self.updates

    def _put(self, name: str, slot: str, p: nn.Parameter, optimizer: torch.optim.Optimizer, value: Array) -> None:
        tensor = torch.as_tensor(value, device=p.device).clone()
        tensor = (
            tensor.to(p.dtype) if p.dtype in (torch.bfloat16, torch.float16) and tensor.is_floating_point() else tensor
        )
        if tensor.shape == p.shape:  # in the parameter's own strides, as fused kernels go through memory
            tensor = torch.empty_like(p, dtype=tensor.dtype, requires_grad=False).copy_(tensor)
        if slot == "average":
            self.averages[name] = tensor
        elif slot == "gathered":
            p.grad = tensor
        elif isinstance(optimizer, optimizers.Flavoured):
            optimizer.slot(p, slot).copy_(tensor)
        else:
            names = {ours: theirs for theirs, ours in optimizers.SLOTS.items()}
            optimizer.state[p] |= {names.get(slot, slot): tensor, "step": torch.tensor(float(self.updates))}
