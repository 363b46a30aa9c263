"""Building: the graph of a spec becomes a functional model of nested models that keep its names."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from dualnet.backends import own
from dualnet.backends.call import Call
from dualnet.backends.keras import activations, attention, bridges, embedding, noise, recurrent, scales
from dualnet.backends.keras.dropout import SharedDropout
from dualnet.backends.keras.initializers import initializer
from dualnet.backends.keras.layers import Place, lower
from dualnet.backends.keras.layout import Layouts, layouts, plain
from dualnet.backends.keras.own import checked, freeze, named
from dualnet.backends.keras.sequences import HELD
from dualnet.backends.keras.weights import carrier
from dualnet.backends.masks import key
from dualnet.backends.precision import PRECISIONS
from dualnet.errors import UnsupportedError
from dualnet.specs.graph import Scope, Step
from dualnet.specs.layers import Dropout
from dualnet.specs.spec import Spec
from dualnet.specs.weights import parameters_of

HOMES = {"layers": keras.layers, "activations": activations, "bridges": bridges, "own": own.home("keras")}
HOMES |= {"embedding": embedding, "recurrent": recurrent, "attention": attention, "noise": noise, "scales": scales}


@dataclass(frozen=True)
class Built:
    """A live model, its layers by path (the last of a chain makes the step's output), and its layouts."""

    model: Any
    layers: dict[str, list[Any]]
    layouts: Layouts
    places: dict[str, Place]

    def weighted(self, path: str) -> Any:
        """Return the layer of a chain that holds its weights: the one that bears the step's name."""
        name = path.rpartition(".")[2]
        return next(layer for layer in self.layers[path] if layer.name == name)

    def run(self, step: Step, inputs: Sequence[Any], training: bool) -> Any:
        """Return the output of a step's chain on tensors."""
        return run(self.layers[step.path], inputs, training)


class Builder:
    """Makes the layers of a spec; ``mask_step`` and ``mask_seed`` replace dropout's masks by shared ones."""

    def __init__(self, spec: Spec, dtype: str, mask_step: Any = None, mask_seed: int | None = None) -> None:
        self.spec, self.dtype, self.mask_step, self.mask_seed = spec, dtype, mask_step, mask_seed
        self.layouts = layouts(spec.graph, [len(shape) for shape in spec.inputs.values()])
        self.layers: dict[str, list[Any]] = {}
        self.places: dict[str, Place] = {}
        self.blocks: dict[str, Any] = {}

    def build(self) -> Built:
        """Return the live model."""
        shapes = [tuple(shape[axis] for axis in plain(len(shape)).axes) for shape in self.spec.inputs.values()]
        stores = PRECISIONS[self.dtype].stores
        dtypes = ["int64" if name in self.spec.integers else stores for name in self.spec.inputs]
        model = self._model(self.spec.graph, shapes, dtypes, self.spec.name)
        return Built(model, self.layers, self.layouts, self.places)

    def _model(self, scope: Scope, shapes: Sequence[tuple[int | None, ...]], dtypes: Sequence[str], name: str) -> Any:
        inputs = [
            keras.Input(shape, dtype=dtype, name=port)
            for shape, dtype, port in zip(shapes, dtypes, scope.ports, strict=True)
        ]
        wires = dict(zip(scope.ports, inputs, strict=True))
        for step in scope.steps:
            made = self._apply(step, [wires[wire] for wire in step.inputs])
            wires.update(zip(step.made, made, strict=True))
        outputs = [wires[wire] for wire in scope.outputs]
        return keras.Model(_one(inputs), _one(outputs), name=name)

    def _apply(self, step: Step, inputs: list[Any]) -> tuple[Any, ...]:
        if step.body is None:
            self._make(step)
            return (self._run(step, inputs),)
        if step.shared and self._alike(step):
            self._adopt(step)
            block = self.blocks[step.owner]
        else:
            shapes, dtypes = [tensor.shape[1:] for tensor in inputs], [tensor.dtype for tensor in inputs]
            block = self._model(step.body, shapes, dtypes, step.name)
        self.blocks[step.path] = block
        made = block(_one(inputs))
        return tuple(made) if len(step.made) > 1 else (made,)

    def _run(self, step: Step, inputs: list[Any]) -> Any:
        output, last = run(self.layers[step.path], inputs, None), self.layers[step.path][-1]
        if own.yours("keras", step) and not step.shared:
            freeze(step, last)
            checked(step, last, output)
        return output

    def _alike(self, step: Step) -> bool:
        """Return whether a second use sees the shapes and layouts of the first, so that its live object serves."""
        pairs = [(self._place(leaf), self.places.get(first)) for leaf, first in _pairs(step)]
        return all(first is not None and _sees(first) == _sees(here) for here, first in pairs)

    def _adopt(self, step: Step) -> None:
        """Enter the layers of a first use under the path of the second one too."""
        for leaf, first in _pairs(step):
            self.layers[leaf.path], self.places[leaf.path] = self.layers[first], self._place(leaf)

    def _make(self, step: Step) -> None:
        self.places[step.path] = place = self._place(step)
        if step.shared and self._alike(step):
            self._adopt(step)
        elif isinstance(step.layer, Dropout) and self.mask_seed is not None:
            self.layers[step.path] = [self._masked(step, place)]
        else:
            self.layers[step.path] = self._chain(step, place)

    def _place(self, step: Step) -> Place:
        return Place(step, self.layouts.reads[step.path], self.layouts.gives[step.path])

    def _chain(self, step: Step, place: Place) -> list[Any]:
        calls = lower(place)
        main = max(range(len(calls)), key=lambda index: _holds(calls[index].target))
        tied = self._tied(step, calls[main])
        made: list[Any] = []
        for index, each in enumerate(calls):
            if index == main:
                more = {**self._starts(place, calls), **self._masks(step, each)}
                made.append(tied or each.make(HOMES, name=step.name, dtype=self.dtype, **more))
            else:
                made.append(each.make(HOMES, name=_name(step, each, made), dtype=self.dtype))
        if own.yours("keras", step) and not step.shared:
            named(step, made[main], self.dtype)
        return made

    def _starts(self, place: Place, calls: list[Call]) -> dict[str, Any]:
        """Return the initializers of a layer by the keywords that take them."""
        step, found = place.step, {}
        if _home(calls[0]) in HELD:
            owned = [parameter.name for parameter in parameters_of(step.layer, step.in_shapes)]
            starts = {name: self.spec.parameters[f"{step.owner}.{name}"] for name in owned}
            return {"initializers": {name: initializer(start, lambda array: array) for name, start in starts.items()}}
        for parameter in parameters_of(step.layer, step.in_shapes):
            if argument := _argument(calls, parameter.name):
                lay = carrier(place, parameter.name).to_keras
                found[argument] = initializer(self.spec.parameters[f"{step.owner}.{parameter.name}"], lay)
        return found

    def _masks(self, step: Step, call: Call) -> dict[str, Any]:
        """Return what makes a layer of ours share its random draws."""
        if self.mask_seed is None or _home(call) not in ("recurrent", "attention", "noise"):
            return {}
        shared = key(self.mask_seed, step.owner), self.mask_step
        at = (self.layouts.reads[step.path][0], step.in_shapes[0]) if _home(call) == "noise" else ()
        return {"masks": (*shared, *at)}

    def _tied(self, step: Step, call: Call) -> Any:
        """Return the layer that a second use shares with the first; None if it has no weights, or this is the first."""
        if not step.shared or not parameters_of(step.layer, step.in_shapes):
            return None
        first = self.places[step.owner]
        if call not in lower(first):
            shapes = f"{list(first.shape)} and {list(step.in_shapes[0])}"
            why = f"{step.path!r} shares {step.owner!r}, and one {call.target} cannot read {shapes}."
            msg = f"keras: {why} Use one shape for both, or two layers."
            raise UnsupportedError(msg)
        return next(layer for layer in self.layers[step.owner] if layer.weights)

    def _masked(self, step: Step, place: Place) -> Any:
        layer = step.layer
        assert isinstance(layer, Dropout) and self.mask_seed is not None  # asked by the caller
        shared = key(self.mask_seed, step.owner)
        return SharedDropout(
            layer.rate, shared, self.mask_step, place.reads[0], step.in_shapes[0], name=step.name, dtype=self.dtype
        )


def _pairs(step: Step) -> list[tuple[Step, str]]:
    """Return the leaves of a second use, each with the path of its counterpart in the first."""
    leaves = [step] if step.body is None else list(step.body.leaves())
    return [(leaf, step.owner + leaf.path[len(step.path) :]) for leaf in leaves]


def _sees(place: Place) -> Any:
    return place.reads, place.gives, place.step.in_shapes


def _name(step: Step, call: Call, before: Sequence[Any]) -> str:
    """Return the name of a layer that prepares or finishes a step's work."""
    name = f"{step.name}_{call.target.rpartition('.')[2].lower()}"
    return f"{name}_2" if name in {layer.name for layer in before} else name


def run(layers: Sequence[Any], inputs: Sequence[Any], training: bool | None) -> Any:
    """Return the output of a chain of layers on the tensors that its step reads."""
    value: Any = _one(inputs)
    for layer in layers:
        value = layer(value) if training is None or not _moody(layer) else layer(value, training=training)
    return value


def _one(tensors: Sequence[Any]) -> Any:
    """Return a lone tensor as itself, as Keras expects it; more stay a list."""
    return list(tensors) if len(tensors) > 1 else tensors[0]


def _moody(layer: Any) -> bool:
    """Return whether a layer acts differently in training."""
    return "training" in inspect.signature(layer.call).parameters


def _home(call: Call) -> str:
    return call.target.partition(".")[0]


def _holds(target: str) -> bool:
    """Return whether a call makes the layer that does the step's work, rather than prepare or finish it."""
    return target.rpartition(".")[2] not in ("ZeroPadding2D", "Pad2D", "Slice2D", "Scale2D", "Permute")


def _argument(calls: list[Call], parameter: str) -> str | None:
    """Return the keyword by which a layer takes a parameter's initializer; None for norms, whose own are the spec's."""
    targets = {each.target.rpartition(".")[2] for each in calls}
    if targets & {"Embedding", "PaddedEmbedding", "EmbeddingBag"}:
        return "embeddings_initializer"
    if "DepthwiseConv2D" in targets:
        return {"weight": "depthwise_initializer", "bias": "bias_initializer"}[parameter]
    if targets & {"Dense", "Conv2D", "GroupedConv2D"}:
        return {"weight": "kernel_initializer", "bias": "bias_initializer"}[parameter]
    return None
