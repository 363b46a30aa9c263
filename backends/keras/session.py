"""Session and backend of Keras; see ``dualnet.backends.protocol``."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from dualnet.backends.keras import device as devices  # first: it decides how TensorFlow starts

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from dualnet.backends import check
from dualnet.backends.keras import speed
from dualnet.backends.keras.build import Builder, Built
from dualnet.backends.keras.device import array_of
from dualnet.backends.keras.initializers import initializer
from dualnet.backends.keras.layout import Layout
from dualnet.backends.keras.losses import loss_function
from dualnet.backends.keras.train import Held, Trainer, dense, ordered, wide
from dualnet.backends.keras.weights import Carrier, carrier
from dualnet.backends.own import yours
from dualnet.backends.precision import precision
from dualnet.backends.protocol import Array, Arrays, Forward, Gradients, LayerFacts, Progress
from dualnet.backends.walk import walk
from dualnet.specs.draw import draw
from dualnet.specs.graph import Step
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec

# What ``structure`` reads back: attribute of a live layer → field of the spec.
SETTINGS = {"epsilon": "epsilon", "momentum": "momentum", "slope": "slope", "alpha": "alpha", "rate": "rate"}


class KerasSession:
    """One live ``keras.Model`` of a spec."""

    def __init__(self, spec: Spec, dtype: str, device: str, seed: int, shared_masks: bool) -> None:
        self.spec, self.device = spec, devices.place(device)
        self.precision = precision(dtype)
        self.dtype = self.precision.stores
        with tf.device(self.device):
            self.mask_step = tf.Variable(0, dtype=tf.int64, trainable=False)
            self.built = Builder(spec, dtype, self.mask_step, seed if shared_masks else None).build()
        self.model = self.built.model
        self.load({name: draw(parameter, seed, name) for name, parameter in spec.parameters.items()})
        self.held: dict[str, Held] = {}
        self.trainer: Trainer | None = None
        self.why = ""
        self._forward = {mode: tf.function(lambda *x, mode=mode: self._watch(x, mode)) for mode in (False, True)}
        self._predict: Any = None

    def structure(self) -> list[LayerFacts]:
        """Return the layers in graph order, with the settings that the live objects hold."""
        return [self._facts(step) for step in self.spec.graph.leaves()]

    def _facts(self, step: Step) -> LayerFacts:
        layer = self.built.layers[step.path][-1] if not self._owns(step) else self.built.weighted(step.path)
        found = {
            field: getattr(layer, name)
            for name, field in SETTINGS.items()
            if isinstance(getattr(layer, name, None), float)
        }
        if "momentum" in found:
            found["momentum"] = 1.0 - found["momentum"]  # Keras weights the old statistics, the spec the new
        count = sum(int(np.prod(v.shape)) for v in layer.trainable_weights) if self._owns(step) else 0
        shape = self.built.places[step.path].gives
        return {
            "path": step.path,
            "kind": type(layer).__name__,
            "shape": [step.out_shapes[0][axis] for axis in shape.axes],
            "parameters": count,
            "settings": found,
        }

    def _owns(self, step: Step) -> bool:
        return not step.shared and any(name.startswith(f"{step.path}.") for name in self.spec.parameters)

    def trainable(self) -> list[str]:
        """Return the names of the parameters that Keras would train."""
        return [name for name, (variable, _) in self._carried().items() if variable.trainable]

    def _carried(self) -> dict[str, tuple[Any, Carrier]]:
        return carried(self.spec, self.built)

    def weights(self) -> Arrays:
        """Return every parameter and buffer by name, copied."""
        return {name: np.ascontiguousarray(c.to_spec(array_of(v))) for name, (v, c) in self._carried().items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Put parameters and buffers into the model. Raises ``WeightsError`` unless names and shapes are the spec's."""
        check.weights(self.spec, weights)
        for name, (variable, carries) in self._carried().items():
            variable.assign(carries.to_keras(np.asarray(weights[name]).astype(self.dtype)))

    def draw(self, seed: int) -> None:
        """Start all parameters anew by ``keras.initializers``."""
        keras.utils.set_random_seed(seed)
        restart(self.spec, self.built, self.dtype)

    def forward(self, inputs: Mapping[str, Array], *, training: bool = False, step: int = 0) -> Forward:
        """Run the model; parameters and buffers stay as they were. ``step`` chooses the dropout masks."""
        tensors, before = self._inputs(inputs), self.weights() if training else {}
        self.mask_step.assign(step)
        with tf.device(self.device):
            outputs = self.model(tensors if len(tensors) > 1 else tensors[0], training=training)
            _, seen = self._forward[training](*tensors)
        if training:
            self.load(before)
        made = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return {"outputs": _logical(self.built.layouts.outputs, made), "layers": self._seen(seen)}

    def _watch(self, tensors: Sequence[Any], training: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
        seen = {}

        def visit(at: Step, arguments: list[Any]) -> Any:
            made = self.built.run(at, arguments, training)
            # a layer that hands its input on must not hand on its gradient for other readers of that input
            seen[at.path] = tf.identity(made) if any(made is each for each in arguments) else made
            return seen[at.path]

        return walk(self.spec.graph, tensors, visit), seen

    def _seen(self, seen: Mapping[str, Any]) -> Arrays:
        gives = self.built.layouts.gives
        return dict(zip(seen, _logical([gives[path] for path in seen], list(seen.values())), strict=True))

    def layer(self, path: str, inputs: Sequence[Array], *, training: bool = False, step: int = 0) -> Array:
        """Run one layer on given inputs; parameters and buffers stay as they were."""
        place, before, comes = self.built.places[path], self.weights(), self.built.layouts.comes[path]
        self.mask_step.assign(step)
        tensors = [self._physical(array, layout) for array, layout in zip(inputs, comes, strict=True)]
        with tf.device(self.device):
            made = self.built.run(place.step, tensors, training)
        self.load(before)
        return np.ascontiguousarray(place.gives.logical(array_of(made)))

    def loss(self, loss: Loss, outputs: Array, targets: Array, soft: Array | None = None) -> float:
        """Return the loss of given outputs."""
        return float(loss_function(loss)(*(self._given(array) for array in (outputs, targets, soft))))

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
        tensors, before = self._inputs(inputs), self.weights()
        self.mask_step.assign(step)
        trained = {name: pair for name, pair in self._carried().items() if name in self.trainable()}
        variables = [variable.value for variable, _ in trained.values()]
        floats = {n: x for n, x in zip(self.spec.inputs, tensors, strict=True) if x.dtype.is_floating}

        @tf.function
        def run() -> Any:
            with tf.GradientTape() as tape:
                tape.watch(list(floats.values()))
                outputs, seen = self._watch(tensors, training)
                value = self._value(outputs, loss, targets, soft)
            sources = [variables, list(floats.values()), seen]
            found = tape.gradient(value, sources, unconnected_gradients="zero")
            return value, seen, [[dense(each) for each in found[0]], *found[1:]]

        with tf.device(self.device):
            value, _, (of_variables, of_inputs, of_layers) = run()
        self.load(before)
        parameters = zip(trained.items(), of_variables, strict=True)
        lying = [lie for name, lie in zip(self.spec.inputs, self.built.layouts.inputs, strict=True) if name in floats]
        return {
            "loss": float(value),
            "parameters": {name: np.ascontiguousarray(c.to_spec(array_of(g))) for (name, (_, c)), g in parameters},
            "inputs": dict(zip(floats, _logical(lying, of_inputs), strict=True)),
            "layers": self._seen(of_layers),
        }

    def _value(self, outputs: Sequence[Any], loss: Loss | None, targets: Any, soft: Array | None) -> Any:
        if loss is not None:
            first = ordered(wide(outputs[0]), self.built.layouts.outputs[0])
            return loss_function(loss)(first, self._given(targets), self._given(soft))
        kind = "float64" if self.dtype == "float64" else "float32"
        pairs = zip(outputs, targets, self.built.layouts.outputs, strict=True)
        return sum(tf.reduce_sum(wide(output) * self._physical(target, lie, kind)) for output, target, lie in pairs)

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
        with tf.device(self.device):
            kept = {key: self._given(array) for key, array in rest.items()}
            self.held[name] = {"inputs": self._inputs(inputs), **kept}

    def prepare(self, loss: Loss, optimizer: Optimizer, clip: Clip | None = None, steps: int = 0) -> None:
        """Make a fresh optimizer: step 0, empty slots. ``steps`` is how many are to come, 0 if nobody knows.

        Raises ``SpecError`` if there is nothing to train.
        """
        check.trainable(self.spec)
        check.trains(self.precision.name)
        trained = {name: pair for name, pair in self._carried().items() if name in self.trainable()}
        with tf.device(self.device):
            self.trainer = Trainer(self.built, trained, loss, optimizer, clip, self.mask_step)
        self.trainer.xla, self.why = speed.xla(self.spec, self.device, steps)

    def speed(self) -> str:
        """Return in words by which recipe the prepared training runs, and why."""
        return f"many steps inside one compiled function over resident data; {self.why}"

    def steps(self, data: str, indices: Array, rates: Array) -> Progress:
        """Take one training step on each row of ``indices``."""
        assert self.trainer is not None  # the protocol: prepare comes first
        with tf.device(self.device):
            return self.trainer.steps(self.held[data], indices, rates)

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        return self.trainer.slots() if self.trainer else {}

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        assert self.trainer is not None  # the protocol: prepare comes first
        self.trainer.load_slots(slots)

    def predict(self, data: str, batch_size: int = 1000) -> Array:
        """Return the first output for a whole held data set, in evaluation mode."""
        inputs = self.held[data]["inputs"]
        if self._predict is None:
            call = tf.function(lambda *x: self.model(list(x) if len(x) > 1 else x[0], training=False), autograph=False)
            any_size = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in inputs]
            self._predict = call.get_concrete_function(*any_size)
        made = []
        for start in range(0, int(inputs[0].shape[0]), batch_size):
            outputs = self._predict(*(tensor[start : start + batch_size] for tensor in inputs))
            made.append(outputs[0] if isinstance(outputs, (list, tuple)) else outputs)
        return np.concatenate(_logical(self.built.layouts.outputs[:1] * len(made), made))

    def _inputs(self, inputs: Mapping[str, Array]) -> list[Any]:
        check.inputs(self.spec, inputs)
        lying = zip(self.spec.inputs, self.built.layouts.inputs, strict=True)
        return [self._physical(inputs[name], layout) for name, layout in lying]

    def _given(self, array: Any) -> Any:
        """Return what a loss is given, in the order of the spec: float32 where layers compute in 16 bits."""
        return None if array is None else self._tensor(array, "float64" if self.dtype == "float64" else "float32")

    def _physical(self, array: Any, layout: Layout, dtype: str | None = None) -> Any:
        return self._tensor(layout.physical(np.asarray(array)), dtype)

    def _tensor(self, array: Any, dtype: str | None = None) -> Any:
        array = np.asarray(array)
        return tf.constant(array.astype((dtype or self.dtype) if array.dtype.kind == "f" else np.int64))


def _logical(layouts: Sequence[Layout], tensors: Sequence[Any]) -> list[Array]:
    """Return tensors in the order of the spec."""
    pairs = zip(layouts, tensors, strict=True)
    return [np.ascontiguousarray(layout.logical(array_of(tensor))) for layout, tensor in pairs]


def carried(spec: Spec, built: Built) -> dict[str, tuple[Any, Carrier]]:
    """Return the variable and the carrier of every parameter and buffer by name."""
    found = {}
    for name in spec.parameters:
        path, _, own = name.rpartition(".")
        carries = carrier(built.places[path], own)
        found[name] = (getattr(built.weighted(path), carries.variable), carries)
    return found


def restart(spec: Spec, built: Built, dtype: str, only: Collection[str] | None = None) -> None:
    """Start all parameters, or those of some layers by path, anew by ``keras.initializers``."""
    for name, (variable, carries) in carried(spec, built).items():
        if only is not None and name.rpartition(".")[0] not in only:
            continue
        variable.assign(initializer(spec.parameters[name], carries.to_keras)(variable.shape, dtype=dtype))


class KerasBackend:
    """Keras 3 on TensorFlow."""

    name = "keras"

    def build(self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int | None = 0) -> Any:
        """Return a live functional ``keras.Model``; channels lie last where layers of places read them."""
        with tf.device(devices.place(device)):
            built = Builder(spec, precision(dtype).name).build()
        if seed is not None:
            for name, (variable, carries) in carried(spec, built).items():
                variable.assign(carries.to_keras(draw(spec.parameters[name], seed, name).astype(variable.dtype)))
        else:  # the layers of dualnet's table were handed their initializers; others are built by somebody's function
            restart(
                spec,
                built,
                precision(dtype).stores,
                [step.path for step in spec.graph.leaves() if yours("keras", step)],
            )
        return built.model

    def session(
        self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int = 0, shared_masks: bool = True
    ) -> KerasSession:
        """Return a session; ``seed`` keys the weights' start and, if shared, the dropout masks."""
        return KerasSession(spec, dtype, device, seed, shared_masks)

    def processes(self, workers: int) -> int:
        """Return in how many processes so many workers train: in one, as replicas on devices of their own."""
        return 1

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
    ) -> KerasSession:
        """Return the session of all replicas; ``number`` and ``meet`` are for backends of several processes."""
        from dualnet.backends.keras.replicas import Replicated, strategy

        return Replicated(spec, dtype, device, seed, strategy(device, workers))

    def facts(self) -> dict[str, Any]:
        """Return versions, devices and threads."""
        return devices.facts()
