"""Building: the graph of a spec becomes a functional model of nested models that keep its names."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from dualnet.backends import own
from dualnet.backends.call import Call
from dualnet.backends.keras import activations, attention, bridges, embedding, noise, recurrent, scales, windows
from dualnet.backends.keras.dropout import SharedDropout
from dualnet.backends.keras.initializers import initializer
from dualnet.backends.keras.layers import lower
from dualnet.backends.keras.layout import Layouts, layouts
from dualnet.backends.keras.own import checked, freeze, named
from dualnet.backends.keras.place import Place
from dualnet.backends.keras.sequences import HELD
from dualnet.backends.keras.weights import carrier
from dualnet.backends.masks import key
from dualnet.backends.precision import PRECISIONS
from dualnet.errors import UnsupportedError
from dualnet.specs.channels import _ChannelDropout
from dualnet.specs.graph import Scope, Step
from dualnet.specs.layers import Dropout
from dualnet.specs.spec import Spec
from dualnet.specs.weights import parameters_of

HOMES = {"layers": keras.layers, "activations": activations, "bridges": bridges, "own": own.home("keras")}
HOMES |= {"embedding": embedding, "recurrent": recurrent, "attention": attention, "noise": noise, "scales": scales}
HOMES |= {"windows": windows}


@dataclass(frozen=True)
class Built:
    """A live model, its layers by path (the last of a chain makes the step's output), and its layouts."""

    model: Any
    layers: dict[str, list[Any]]
    layouts: Layouts
    places: dict[str, Place]
    turns: dict[str, list[Any]]

    def weighted(self, path: str) -> Any:
        """Return the layer of a chain that holds its weights: the one that bears the step's name."""
        name = path.rpartition(".")[2]
        return next(layer for layer in self.layers[path] if layer.name == name)

    def run(self, step: Step, inputs: Sequence[Any], training: bool) -> Any:
        """Return the output of a step's chain on tensors, which lie as its wires do."""
        return run(self.layers[step.path], turned(self.turns[step.path], inputs), training)


class Builder:
    """Makes the layers of a spec; ``mask_step`` and ``mask_seed`` replace dropout's masks by shared ones."""

    def __init__(self, spec: Spec, dtype: str, mask_step: Any = None, mask_seed: int | None = None) -> None:
        self.spec, self.dtype, self.mask_step, self.mask_seed = spec, dtype, mask_step, mask_seed
        self.layouts = layouts(spec.graph, [len(shape) for shape in spec.inputs.values()])
        self.layers: dict[str, list[Any]] = {}
        self.places: dict[str, Place] = {}
        self.turns: dict[str, list[Any]] = {}
        self.blocks: dict[str, Any] = {}

    def build(self) -> Built:
        """Return the live model."""
        lying = zip(self.spec.inputs.values(), self.layouts.inputs, strict=True)
        shapes = [tuple(shape[axis] for axis in layout.axes) for shape, layout in lying]
        stores = PRECISIONS[self.dtype].stores
        dtypes = ["int64" if name in self.spec.integers else stores for name in self.spec.inputs]
        model = self._model(self.spec.graph, shapes, dtypes, self.spec.name)
        return Built(model, self.layers, self.layouts, self.places, self.turns)

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
        read, last = turned(self.turns[step.path], inputs), self.layers[step.path][-1]
        output = run(self.layers[step.path], read, None)
        if own.yours("keras", step) and not step.shared:
            freeze(step, last)
            checked(step, last, output)
        return output

    def _alike(self, step: Step) -> bool:
        """Return whether a second use sees the shapes and layouts of the first, so that its live object serves."""
        pairs = [(leaf, self.places.get(first)) for leaf, first in _pairs(step)]
        return all(first is not None and self._sees(first.step) == self._sees(leaf) for leaf, first in pairs)

    def _sees(self, step: Step) -> Any:
        here = self.layouts
        return here.comes[step.path], here.reads[step.path], here.gives[step.path], step.in_shapes

    def _adopt(self, step: Step) -> None:
        """Enter the layers of a first use under the path of the second one too."""
        for leaf, first in _pairs(step):
            self.layers[leaf.path], self.turns[leaf.path] = self.layers[first], self.turns[first]
            self.places[leaf.path] = self._place(leaf)

    def _make(self, step: Step) -> None:
        self.places[step.path] = place = self._place(step)
        if step.shared and self._alike(step):
            self._adopt(step)
            return
        self.turns[step.path] = self._turns(step)
        if isinstance(step.layer, (Dropout, _ChannelDropout)) and self.mask_seed is not None:
            self.layers[step.path] = [self._masked(step, place)]
        else:
            self.layers[step.path] = self._chain(step, place)

    def _place(self, step: Step) -> Place:
        return Place(step, self.layouts.reads[step.path], self.layouts.gives[step.path])

    def _turns(self, step: Step) -> list[Any]:
        """Return what brings each wire into the order that a step reads, None where it lies so."""
        pairs = list(zip(self.layouts.comes[step.path], self.layouts.reads[step.path], strict=True))
        names = [f"{step.name}_turn{index + 1 if len(pairs) > 1 else ''}" for index in range(len(pairs))]
        return [
            None if wire == read else keras.layers.Permute(wire.turn(read), name=name, dtype=self.dtype)
            for (wire, read), name in zip(pairs, names, strict=True)
        ]

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
        found = next(layer for layer in self.layers[step.owner] if layer.weights)
        # a norm asks for as many axes as it was built on
        fixed = getattr(found.input_spec, "ndim", None) and len(first.shape) != len(step.in_shapes[0])
        if fixed or call not in lower(first):
            shapes = f"{list(first.shape)} and {list(step.in_shapes[0])}"
            why = f"{step.path!r} shares {step.owner!r}, and one {call.target} cannot read {shapes}."
            msg = f"keras: {why} Use one shape for both, or two layers."
            raise UnsupportedError(msg)
        return found

    def _masked(self, step: Step, place: Place) -> Any:
        layer = step.layer
        assert isinstance(layer, (Dropout, _ChannelDropout)) and self.mask_seed is not None  # asked by the caller
        shared, shape = key(self.mask_seed, step.owner), step.in_shapes[0]
        if isinstance(layer, _ChannelDropout):
            shape = (shape[0], *(1 for _ in shape[1:]))
        return SharedDropout(
            layer.rate, shared, self.mask_step, place.reads[0], shape, name=step.name, dtype=self.dtype
        )


def _pairs(step: Step) -> list[tuple[Step, str]]:
    """Return the leaves of a second use, each with the path of its counterpart in the first."""
    leaves = [step] if step.body is None else list(step.body.leaves())
    return [(leaf, step.owner + leaf.path[len(step.path) :]) for leaf in leaves]


def _name(step: Step, call: Call, before: Sequence[Any]) -> str:
    """Return the name of a layer that prepares or finishes a step's work."""
    name = f"{step.name}_{call.target.rpartition('.')[2].lower()}"
    return f"{name}_2" if name in {layer.name for layer in before} else name


def turned(turns: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Return the tensors that a step reads, each in the order that it reads."""
    return [tensor if turn is None else turn(tensor) for turn, tensor in zip(turns, inputs, strict=True)]


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
    return target.rpartition(".")[2].rstrip("123D") not in ("ZeroPadding", "Pad", "Slice", "Scale", "Permute", "Power")


def _argument(calls: list[Call], parameter: str) -> str | None:
    """Return the keyword by which a layer takes a parameter's initializer; None for norms, whose own are the spec's."""
    targets = " ".join(each.target for each in calls if not each.target.startswith("own."))
    if "Embedding" in targets:
        return "embeddings_initializer"
    if "DepthwiseConv" in targets:
        return {"weight": "depthwise_initializer", "bias": "bias_initializer"}[parameter]
    if "Conv" in targets or "Dense" in targets:
        return {"weight": "kernel_initializer", "bias": "bias_initializer"}[parameter]
    return None
