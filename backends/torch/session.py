"""Session and backend of PyTorch; see ``dualnet.backends.protocol``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dualnet.backends import check
from dualnet.backends.precision import precision
from dualnet.backends.protocol import Array, Arrays, Forward, Gradients, LayerFacts, Progress
from dualnet.backends.torch import device as devices
from dualnet.backends.torch.build import FAST, build
from dualnet.backends.torch.dense import Dense
from dualnet.backends.torch.device import array_of
from dualnet.backends.torch.dropout import SharedDropout
from dualnet.backends.torch.initializers import drawn, fill
from dualnet.backends.torch.losses import loss_function
from dualnet.backends.torch.resident import Resident
from dualnet.backends.torch.train import Held, Trainer, wide
from dualnet.backends.walk import walk
from dualnet.specs.draw import draw
from dualnet.specs.graph import Step
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec

# What ``structure`` reads back: attribute of a live module → field of the spec.
SETTINGS = {
    "eps": "epsilon",
    "momentum": "momentum",
    "negative_slope": "slope",
    "alpha": "alpha",
    "p": "rate",
    "rate": "rate",
}


class TorchSession:
    """One live ``nn.Module`` of a spec."""

    def __init__(self, spec: Spec, dtype: str, device: str, seed: int, shared_masks: bool) -> None:
        self.spec = spec
        self.precision, self.device = precision(dtype), devices.place(device)
        self.dtype = devices.stored(self.precision)
        self.model, self.layers = build(spec, self.dtype, self.device, mask_seed=seed if shared_masks else None)
        self.model.eval()
        self.load({name: draw(parameter, seed, name) for name, parameter in spec.parameters.items()})
        self.held: dict[str, Held] = {}
        self.trainer: Trainer | None = None

    def structure(self) -> list[LayerFacts]:
        """Return the layers in graph order, with the settings that the live objects hold."""
        return [self._facts(step) for step in self.spec.graph.leaves()]

    def _facts(self, step: Step) -> LayerFacts:
        module = self.layers[step.path]
        found = {
            field: getattr(module, name)
            for name, field in SETTINGS.items()
            if isinstance(getattr(module, name, None), float)
        }
        count = 0 if step.shared else sum(p.numel() for p in module.parameters() if p.requires_grad)
        return {
            "path": step.path,
            "kind": type(module).__name__,
            "shape": list(step.out_shapes[0]),
            "parameters": count,
            "settings": found,
        }

    def trainable(self) -> list[str]:
        """Return the names of the parameters that torch would train."""
        return [
            name
            for name, tensor in self._tensors().items()
            if isinstance(tensor, nn.Parameter) and tensor.requires_grad
        ]

    def _tensors(self) -> dict[str, Tensor]:
        places = ((name, name.rpartition(".")) for name in self.spec.parameters)
        return {name: getattr(self.layers[path], own) for name, (path, _, own) in places}

    def weights(self) -> Arrays:
        """Return every parameter and buffer by name, copied."""
        return {name: array_of(tensor) for name, tensor in self._tensors().items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Put parameters and buffers into the model. Raises ``WeightsError`` unless names and shapes are the spec's."""
        check.weights(self.spec, weights)
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(self._tensor(weights[name]))

    def draw(self, seed: int) -> None:
        """Start all parameters anew by ``torch.nn.init``."""
        torch.manual_seed(seed)
        for name, tensor in self._tensors().items():
            fill(tensor, self.spec.parameters[name])

    def forward(self, inputs: Mapping[str, Array], *, training: bool = False, step: int = 0) -> Forward:
        """Run the model; parameters and buffers stay as they were. ``step`` chooses the dropout masks."""
        tensors, seen, before = self._inputs(inputs), {}, self.weights()

        def visit(at: Step, arguments: list[Tensor]) -> Tensor:
            seen[at.path] = self.layers[at.path](*arguments)
            return seen[at.path]

        with torch.no_grad(), _mode(self.model, training, step), self._casting():
            outputs = self.model(*tensors)
            walk(self.spec.graph, tensors, visit)
        if training:
            self.load(before)
        made = outputs if isinstance(outputs, tuple) else (outputs,)
        return {"outputs": [array_of(t) for t in made], "layers": {path: array_of(t) for path, t in seen.items()}}

    def layer(self, path: str, inputs: Sequence[Array], *, training: bool = False, step: int = 0) -> Array:
        """Run one layer on given inputs; parameters and buffers stay as they were."""
        before = self.weights()
        with torch.no_grad(), _mode(self.model, training, step), self._casting():
            made: Array = array_of(self.layers[path](*(self._tensor(array) for array in inputs)))
        self.load(before)
        return made

    def loss(self, loss: Loss, outputs: Array, targets: Array, soft: Array | None = None) -> float:
        """Return the loss of given outputs."""
        with torch.no_grad():
            given = (None if array is None else self._kept(array) for array in (outputs, targets, soft))
            return float(loss_function(loss)(*given))

    def gradients(
        self,
        inputs: Mapping[str, Array],
        loss: Loss | None,
        targets: Array | Sequence[Array],
        soft: Array | None = None,
        *,
        training: bool = False,
        step: int = 0,
    ) -> Gradients:
        """Return gradients of a loss, or, for ``loss`` None, of Σ outputs·targets."""
        given, seen, before = self._inputs(inputs), {}, self.weights()
        floats = {n: t.requires_grad_() for n, t in zip(self.spec.inputs, given, strict=True) if t.is_floating_point()}

        def visit(at: Step, arguments: list[Tensor]) -> Tensor:
            made = self.layers[at.path](*arguments)
            made = made if made.requires_grad else made.requires_grad_()  # fixed rows of an embedding
            # a layer that hands its input on must not hand on its gradient for other readers of that input
            seen[at.path] = made.view_as(made) if any(made is each for each in arguments) else made
            return seen[at.path]

        with _mode(self.model, training, step), self._casting():
            outputs = [wide(output) for output in walk(self.spec.graph, given, visit)]
        if loss is None:
            value = sum((o * self._kept(t)).sum() for o, t in zip(outputs, targets, strict=True))
        else:
            value = loss_function(loss)(outputs[0], self._kept(targets), None if soft is None else self._kept(soft))
        trained = {name: t for name, t in self._tensors().items() if t.requires_grad}
        wanted = [*trained.values(), *floats.values(), *seen.values()]
        found = torch.autograd.grad(value, wanted, allow_unused=True)
        arrays = [array_of(torch.zeros_like(t) if g is None else g) for t, g in zip(wanted, found, strict=True)]
        self.load(before)
        first, second = len(trained), len(trained) + len(floats)
        return {
            "loss": float(value.detach()),
            "parameters": dict(zip(trained, arrays[:first], strict=True)),
            "inputs": dict(zip(floats, arrays[first:second], strict=True)),
            "layers": dict(zip(seen, arrays[second:], strict=True)),
        }

    def hold(
        self,
        name: str,
        inputs: Mapping[str, Array],
        targets: Array | None = None,
        labels: Array | None = None,
        soft: Array | None = None,
    ) -> None:
        """Keep a data set on the device under a name."""
        rest = {"targets": targets, "labels": labels, "soft": soft}
        kept = {key: None if array is None else self._kept(array) for key, array in rest.items()}
        if targets is not None and labels is not None and np.array_equal(targets, labels):
            kept["labels"] = kept["targets"]  # gathered once
        spatial = self._spatial()
        self.held[name] = {"inputs": [Resident(tensor, spatial) for tensor in self._inputs(inputs)], **kept}

    def prepare(self, loss: Loss, optimizer: Optimizer, clip: Clip | None = None, steps: int = 0) -> None:
        """Make a fresh optimizer: step 0, empty slots. ``steps`` is how many are to come, 0 if nobody knows.

        Raises ``SpecError`` if there is nothing to train.
        """
        check.trainable(self.spec)
        check.trains(self.precision.name)
        tensors = self._tensors()
        named = {name: tensors[name] for name in self.trainable()}
        dense = None if self.precision.mixed else Dense.of(self.spec, self.layers, loss)
        self.trainer = Trainer(self.model, named, loss, optimizer, clip, self._casting, dense)

    def speed(self) -> str:
        """Return in words by which recipe the prepared training runs, and why."""
        assert self.trainer is not None  # the protocol: prepare comes first
        fused = all(optimizer.defaults.get("fused") for optimizer in self.trainer.optimizers)
        said = [
            "resident data, rows by index_select",
            "a fused optimizer" if fused else "no fused optimizer: torch has none",
            *(["the gradients of a dense chain written out"] if self.trainer.dense else []),
        ]
        return "; ".join([*said, *(["channels_last for convolutions"] if self._spatial() else [])])

    def _spatial(self) -> bool:
        return any(kernel.dim() in FAST for kernel in self.model.parameters())

    def steps(self, data: str, indices: Array, rates: Array) -> Progress:
        """Take one training step on each row of ``indices``."""
        assert self.trainer is not None  # the protocol: prepare comes first
        return self.trainer.steps(self.held[data], torch.as_tensor(indices, device=self.device), rates)

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        return self.trainer.slots() if self.trainer else {}

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        assert self.trainer is not None  # the protocol: prepare comes first
        self.trainer.load_slots(slots)

    def predict(self, data: str, batch_size: int = 1000) -> Array:
        """Return the first output for a whole held data set, in evaluation mode."""
        inputs: list[Resident] = self.held[data]["inputs"]
        self.model.eval()
        with torch.inference_mode(), self._casting():
            made = [self.model(*batch) for batch in zip(*(held.batches(batch_size) for held in inputs), strict=True)]
        return np.concatenate([array_of(out[0] if isinstance(out, tuple) else out) for out in made])

    def _inputs(self, inputs: Mapping[str, Array]) -> list[Tensor]:
        check.inputs(self.spec, inputs)
        return [self._tensor(inputs[name]) for name in self.spec.inputs]

    def _tensor(self, array: Any, dtype: torch.dtype | None = None) -> Tensor:
        array = np.asarray(array)
        floats = array.dtype.kind == "f"
        array = self.precision.held(array) if floats and dtype is None else array
        kind = (dtype or self.dtype) if floats else torch.int64
        return torch.tensor(np.ascontiguousarray(array), dtype=kind, device=self.device)

    def _kept(self, array: Any) -> Tensor:
        """Return what a loss reads: float32 where layers compute in 16 bits."""
        return self._tensor(array, torch.float64 if self.dtype == torch.float64 else torch.float32)

    def _casting(self) -> Any:
        return devices.casting(self.precision, self.device)


class _mode:
    """Train or evaluation mode and the step of the dropout masks; evaluation mode afterwards."""

    def __init__(self, model: nn.Module, training: bool, step: int) -> None:
        self.model, self.training, self.step = model, training, step

    def __enter__(self) -> None:
        self.model.train(self.training)
        for module in self.model.modules():
            if isinstance(module, SharedDropout):
                module.step = self.step

    def __exit__(self, *error: object) -> None:
        self.model.eval()


class TorchBackend:
    """PyTorch."""

    name = "torch"

    def build(self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int | None = 0) -> Any:
        """Return a live ``nn.Module``, in training mode as torch makes them, taking (N, C, H, W)."""
        kind = precision(dtype)
        stored = devices.stored(kind)
        model, layers = build(spec, stored, devices.place(device))
        with torch.no_grad():
            for name, parameter in spec.parameters.items():
                path, _, own = name.rpartition(".")
                tensor = getattr(layers[path], own)
                if seed is None:
                    if not drawn(layers[path], parameter, stored):
                        fill(tensor, parameter)
                else:
                    tensor.copy_(torch.from_numpy(kind.held(draw(parameter, seed, name))))
        return model

    def session(
        self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int = 0, shared_masks: bool = True
    ) -> TorchSession:
        """Return a session; ``seed`` keys the weights' start and, if shared, the dropout masks."""
        return TorchSession(spec, dtype, device, seed, shared_masks)

    def processes(self, workers: int) -> int:
        """Return in how many processes so many workers train: each has its own."""
        return workers

    def part(
        self,
        spec: Spec,
        *,
        number: int,
        workers: int,
        meet: str,
        dtype: str = "float32",
        device: str = "cpu",
        seed: int = 0,
    ) -> TorchSession:
        """Return the session of one rank; ``meet`` is the address of a file by which the ranks find one another."""
        from dualnet.backends.torch.ranks import RankSession  # torch.distributed is for those who ask for it

        place = device if check.device(device) is None else f"cuda:{(check.device(device) or 0) + number}"
        return RankSession(spec, dtype, place, seed, (number, workers, meet))

    def facts(self) -> dict[str, Any]:
        """Return versions, devices and threads."""
        return devices.facts()
