"""Varying a spec: the same network with other initializers, other activations, other depth, or cut off at a layer."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs.entrywise import MeanSquaredError
from dualnet.specs.graph import named
from dualnet.specs.initializers import PRESETS, Initializer, Zeros
from dualnet.specs.spec import Spec
from dualnet.specs.starts import start

# The activations by the names that people type.
ACTIVATIONS: dict[str, L.Layer] = {
    "sigmoid": L.Sigmoid(),
    "tanh": L.Tanh(),
    "relu": L.ReLU(),
    "leaky_relu": L.LeakyReLU(),
    "elu": L.ELU(),
    "shifted_relu": L.ReLU(0.5),
    "gelu": L.GELU(),
    "silu": L.SiLU(),
}
KINDS = tuple({type(layer) for layer in ACTIVATIONS.values()})


def activation(name: str) -> L.Layer:
    """Return an activation by name. Raises ``SpecError`` for an unknown one."""
    if name not in ACTIVATIONS:
        hint = did_you_mean(name, ACTIVATIONS) or f" Known: {', '.join(ACTIVATIONS)}."
        msg = f"There is no activation {name!r}.{hint}"
        raise SpecError(msg)
    return ACTIVATIONS[name]


def with_activation(spec: Spec, name: str) -> Spec:
    """Return a spec with every activation replaced by one. Raises ``SpecError`` if there is none to replace."""
    wanted = activation(name)

    def changed(layer: L.Layer) -> L.Layer:
        return replace(wanted, name=layer.name, inputs=layer.inputs) if isinstance(layer, KINDS) else layer

    made = replace(spec, model=_mapped(spec.model, changed))
    if not any(isinstance(step.layer, KINDS) for step in made.graph.leaves()):
        msg = f"{spec.name}: it has no activation to replace by {name}."
        raise SpecError(msg)
    return made


def started(spec: Spec, name: str) -> Spec:
    """Return a spec whose Linear layers and convolutions start alike, by a name that ``dualnet.specs.starts`` knows.

    "torch_default" and "keras_default" are each framework's own rule for weights and biases; with any other name,
    biases start at zero. Raises ``SpecError`` for an unknown name.
    """
    if name in PRESETS:
        own: Any = name
        return replace(_with_starts(spec, None, None), init=own)
    return _with_starts(spec, start(name), Zeros())


def _with_starts(spec: Spec, weight: Initializer | None, bias: Initializer | None) -> Spec:
    def changed(layer: L.Layer) -> L.Layer:
        if not isinstance(layer, (L.Linear, L._Conv, V._ConvTranspose)):
            return layer
        return replace(layer, weight_init=weight, bias_init=bias)

    return replace(spec, model=_mapped(spec.model, changed))


def _mapped(block: L.Block, change: Callable[[L.Layer], L.Layer]) -> L.Block:
    made = (_mapped(layer, change) if isinstance(layer, L.Block) else change(layer) for layer in block.layers)
    return replace(block, layers=tuple(made))


def with_depth(spec: Spec, depth: int) -> Spec:
    """Return a spec with ``depth`` hidden layers: its longest run of like pairs (Linear, activation), cut or repeated.

    Raises ``SpecError`` if no two hidden layers are alike.
    """
    pairs = [_pair(spec.model.layers, at) for at in range(len(spec.model.layers) - 1)]
    runs = [
        [at for at, _ in group]
        for key, group in groupby(((at, pair) for at, pair in enumerate(pairs) if pair), key=lambda each: each[1])
        if key
    ]
    run = max(runs, key=len, default=[])
    if len(run) < 2 or any(b - a != 2 for a, b in pairwise(run)):
        msg = f"{spec.name}: --depth repeats like pairs of Linear and activation, and it has no two in a row."
        raise SpecError(msg)
    layers, first, last = spec.model.layers, run[0], run[-1]
    middle = [
        replace(layer, name=f"{stem}{index}", inputs=())
        for index in range(1, depth + 1)
        for layer, stem in zip(layers[first : first + 2], ("hidden", "activation"), strict=True)
    ]
    after = [replace(layer, inputs=()) for layer in layers[last + 2 :]]
    return replace(spec, model=replace(spec.model, layers=(*layers[:first], *middle, *after)))


def _pair(layers: tuple[L.Layer, ...], at: int) -> tuple[L.Layer, L.Layer] | None:
    """Return the Linear at a place and the activation behind it, without their names; None if it is no such pair."""
    linear, active = layers[at : at + 2]
    if not isinstance(linear, L.Linear) or not isinstance(active, KINDS) or linear.inputs or active.inputs:
        return None
    return replace(linear, name=""), replace(active, name="")


def upto(spec: Spec, path: str) -> Spec:
    """Return a spec whose one output is the layer at ``path``; what only comes after it is left out.

    Its loss is the mean squared error with given targets. Raises ``SpecError`` if there is no such layer.
    """
    names = [step.path for step in spec.graph.leaves()]
    if path not in names:
        hint = did_you_mean(path, names) or f" There are: {', '.join(names)}."
        msg = f"{spec.name}: there is no layer {path!r}.{hint}"
        raise SpecError(msg)
    training = replace(spec.training, loss=MeanSquaredError(target="given"))
    return replace(spec, model=_cut(spec.model, path.split(".")), training=training, student=None)


def _cut(block: L.Block, path: list[str]) -> L.Block:
    head, *rest = path
    layers: list[L.Layer] = []
    for layer in named(block):
        if layer.name == head:
            layers.append(_cut(layer, rest) if rest and isinstance(layer, L.Block) else layer)
            break
        layers.append(layer)
    return replace(block, layers=tuple(layers), outputs=())
