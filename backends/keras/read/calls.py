"""Calls: what a reader does when a layer, an operation or a random draw is called while a model is read."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from dualnet.backends.keras.read.layers import LAYERS, REFUSED, embedding
from dualnet.backends.keras.read.ops import OPS
from dualnet.backends.keras.read.random import draw
from dualnet.backends.keras.read.recurrent import ported, unrolled
from dualnet.backends.keras.read.sheet import Kept, Sheet, Value, identifier
from dualnet.errors import TraceError
from dualnet.specs.program import ByMode, Op, Scope, leaves

GRAPHS = {keras.Sequential.call, type(keras.Model(*[keras.Input((1,))] * 2)).call}
INHERITED = object()  # a graph remembers the mode it was drawn in; this says that the caller decides
QUANTIZED = "its weights are quantized. Read the model before it is quantized."
HINT = "Write it with keras.ops and built-in layers."


def _rule(layer: keras.Layer) -> Any:
    """Return the rule of a layer's class; a port's norms, embeddings and recurrent layers are known by their fields."""
    if {"kind", "depth", "ways", "projection"} <= vars(layer).keys():
        return ported
    named = isinstance(layer, keras.layers.BatchNormalization) and hasattr(layer, "running_variance")
    if isinstance(layer, keras.layers.Embedding) and hasattr(layer, "padding") and not hasattr(layer, "mode"):
        return embedding
    return LAYERS.get(keras.layers.BatchNormalization if named else type(layer))


def _attributes(layer: keras.Layer) -> dict[int, str]:
    """Return what a user's class calls its layers: ``conv1``, or ``blocks.0`` for an element of a list."""
    found: dict[int, str] = {}
    for name, value in vars(layer).items():
        if name.startswith("_") or type(layer).__module__.startswith("keras."):
            continue
        listed = [(name, value)] if isinstance(value, keras.Layer) else []
        if isinstance(value, (list, tuple)):
            listed = [(f"{name}.{index}", each) for index, each in enumerate(value) if isinstance(each, keras.Layer)]
        for path, each in listed:
            found.setdefault(id(each), path)
    return found


def walk(layer: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield every layer inside a layer with its path, the first one by which it is reached."""
    taken: set[str] = set()
    called = _attributes(layer)
    for child in layer._flatten_layers(include_self=False, recursive=False):
        name = called.get(id(child)) or identifier(child.name)
        while name in taken:
            name += "_"
        taken.add(name)
        own = f"{path}.{name}" if path else name
        yield own, child
        yield from walk(child, own)


def owners(model: keras.Model) -> dict[int, tuple[str, str]]:
    """Return, by the identity of each variable, the path of the layer that made it and the kind of weight it is."""
    found: dict[int, tuple[str, str]] = {}
    for path, layer in [*walk(model), ("", model)]:
        for kind, variables in (("parameter", layer._trainable_variables), ("buffer", layer._non_trainable_variables)):
            for variable in variables:
                found.setdefault(id(variable), (path, kind))
    return found


@contextmanager
def precise(model: keras.Model, notes: list[str]) -> Iterator[None]:
    """Let layers of mixed precision compute in that of their weights, until the end of the block."""
    mixed = [layer for _, layer in [*walk(model), ("", model)] if layer.compute_dtype != layer.variable_dtype]
    mixed = [layer for layer in mixed if layer.dtype_policy.quantization_mode is None]
    before = [layer.dtype_policy for layer in mixed]
    notes += [f"{mixed[0].dtype_policy.name} is read in the precision of the weights"] if mixed else []
    try:
        for layer in mixed:
            layer.dtype_policy = layer.variable_dtype
        yield
    finally:
        for layer, policy in zip(mixed, before, strict=True):
            layer.dtype_policy = policy


class Reader:
    """Writes what a model does on a sheet."""

    def __init__(self, model: keras.Model, sheet: Sheet) -> None:
        self.model, self.sheet = model, sheet
        self.paths: dict[int, str] = {id(model): ""}
        for path, layer in walk(model):
            self.paths.setdefault(id(layer), path)
        self.mode: bool | None = None
        self.refusals: dict[str, str] = {}
        self.sheet.open.append(sheet.root)

    def whole(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Read the model itself."""
        return self._body(self.model, args, kwargs)

    def refuse(self) -> None:
        """Raise for everything that could not be read, in one message."""
        if self.refusals:
            lines = "\n".join(f"  {place}: {why}" for place, why in self.refusals.items())
            msg = f"{self.model.name} cannot be read as a program:\n{lines}"
            raise TraceError(msg)

    def layer(self, layer: keras.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A layer is called."""
        kwargs = {k: v for k, v in kwargs.items() if v is not None}
        args, kwargs = (keras.tree.map_structure(lambda v: self._cast(layer, v), each) for each in (args, kwargs))
        path = self._path(layer)
        if not layer.built:
            self._build(layer, path, args, kwargs)
        own = type(layer).__module__.startswith("keras.src.layers.") or _rule(layer) is not None
        with self.sheet.scope(path, f"keras.layers.{type(layer).__name__}" if own else type(layer).__name__):
            masked = self._masked(layer, path, args, kwargs)
            outputs = self._body(layer, args, kwargs)
        for output in keras.tree.flatten(outputs) if masked else ():
            if isinstance(output, Value):
                output.masked = True
        return outputs

    def operation(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation that is no layer is called."""
        name = type(operation).__name__
        if name not in OPS:
            what = f"keras.ops.{name} has no counterpart among the ops of a program"
            return self._unread(f"{self._here()}.{name}", what, operation, args, kwargs)
        try:
            made = OPS[name](self.sheet, operation, *args, **kwargs)
            return args[0] if isinstance(made, Kept) else made  # a variable that went through unchanged
        except NotImplementedError as error:
            return self._unread(f"{self._here()}.{name}", str(error), operation, args, kwargs)

    def random(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Random numbers are drawn."""
        return draw(self.sheet, name, *args, **kwargs)

    def loop(self, step: Callable[..., Any], inputs: Any, states: Any, **kwargs: Any) -> Any:
        """A cell is called at every time step: write all of them."""
        return unrolled(self.sheet, step, inputs, states, **kwargs)

    def entered(self, value: Any) -> Any:
        """Return an array as a wire, anything else as it is."""
        if isinstance(value, (Value, keras.Variable)) or not getattr(value, "shape", ()):
            return value
        made = self.sheet.tensor(value)
        return made if isinstance(made, Value) else self.sheet("alias", made)

    def assigned(self, variable: Any) -> None:
        """A variable is written in the middle of a call."""
        self.sheet.notes.append(f"{variable.path}: written in call; its value stays as it is in the program")

    def _body(self, layer: keras.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rule = None if getattr(layer, "lora_enabled", False) else _rule(layer)
        takes = "training" in inspect.signature(layer.call).parameters
        asked = kwargs.get("training")
        mode = self.mode if asked is None or asked is INHERITED else bool(asked)
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        try:
            if getattr(layer, "quantization_mode", None) is not None:
                raise NotImplementedError(QUANTIZED)
            if why := next((REFUSED[kind] for kind in type(layer).__mro__ if kind in REFUSED), None):
                raise NotImplementedError(why)
            with self._in(mode):
                if rule is not None:
                    modes = {"training": ByMode(True, False) if mode is None else mode} if takes else {}
                    return rule(self.sheet, layer, *args, **kwargs, **modes)
                if type(layer).call in GRAPHS:
                    return layer.call(*args, **kwargs, training=INHERITED)
                if not takes:
                    return layer.call(*args, **kwargs)
                return self._modes(layer, args, kwargs)
        except NotImplementedError as error:
            why = str(error) or f"{type(layer).__name__} does not say what it does in call()"
            return self._unread(self._here(), why, layer, args, kwargs)
        except TraceError:
            raise
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines()]
            first = next((line for line in lines if line and not line.startswith("Exception encountered")), "")
            why = f"{type(layer).__name__}.call stopped with {type(error).__name__} ({first[:200]}). {HINT}"
            return self._unread(self._here(), why, layer, args, kwargs)

    def _modes(self, layer: keras.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a layer in the mode at hand, or in both, choosing between the results where what it does differs."""
        if self.mode is not None:
            return layer.call(*args, **kwargs, training=self.mode)
        with self.sheet.aside() as usual:
            inference = layer.call(*args, **kwargs, training=None)
        if not _draws(layer):
            self.sheet.open[-1].body += usual
            return inference
        calls, names = dict(self.sheet.calls), dict(self.sheet.names)
        with self.sheet.aside() as other, self._in(True):
            training = layer.call(*args, **kwargs, training=True)
        self.sheet.open[-1].body += usual
        if _outline(usual) == _outline(other):
            self.sheet.calls, self.sheet.names = calls, names
            return inference
        self.sheet.open[-1].body += _of_training(other)
        return keras.tree.map_structure(self._either, training, inference)

    def _either(self, training: Any, inference: Any) -> Any:
        return inference if training is inference else self.sheet("by_mode", training=training, inference=inference)

    @contextmanager
    def _in(self, mode: bool | None) -> Iterator[None]:
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    def _build(self, layer: keras.Layer, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Let a layer without weights, made on the way, get ready."""
        shapes = [v.shape for v in keras.tree.flatten((args, kwargs)) if isinstance(v, Value)]
        layer.build(shapes[0] if len(shapes) == 1 else shapes)
        if layer.variables:
            msg = f"{path}: {type(layer).__name__} has no weights yet. Call the model once before it is read."
            raise TraceError(msg)

    def _cast(self, layer: keras.Layer, value: Any) -> Any:
        """Let a layer compute in its own precision, as Keras does."""
        if not isinstance(value, Value) or not layer.autocast or not layer._convert_input_args:
            return value
        if not keras.backend.is_float_dtype(value.dtype) or value.dtype == layer.input_dtype:
            return value
        return self.sheet("to", value, dtype=layer.input_dtype)

    def _masked(self, layer: keras.Layer, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Return whether the outputs carry a mask; refuse a layer that would use one."""
        masking = isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False)
        given = [v for v in keras.tree.flatten((args, kwargs)) if getattr(v, "masked", False)]
        if given and type(layer).call not in GRAPHS:
            uses = [name for name in inspect.signature(layer.call).parameters if "mask" in name]
            if uses:
                why = (
                    f"{type(layer).__name__} reads the mask that an earlier layer made. Drop the mask, or mask by hand."
                )
                self.refusals[path] = why
        return bool(masking or (given and layer.supports_masking))

    def _path(self, layer: keras.Layer) -> str:
        here = self.sheet.open[-1].path
        own = identifier(layer.name)
        return self.paths.setdefault(id(layer), f"{here}.{own}" if here else own)

    def _here(self) -> str:
        return self.sheet.open[-1].path or self.model.name

    def _unread(self, place: str, why: str, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note what cannot be read, and go on with its shape, so that one message can say everything."""
        self.refusals[place] = why
        known = dict(self.refusals)
        try:
            made = _spec(operation, args, kwargs)
        except Exception:
            self.refusals = known
            self.refuse()
        return keras.tree.map_structure(lambda v: self.sheet.input("unread", v.shape, v.dtype), made)


def _spec(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what an operation would give back, from what it says of shapes alone."""
    if not isinstance(operation, keras.Layer):
        return operation.compute_output_spec(*args, **kwargs)
    if type(operation).compute_output_shape is keras.Layer.compute_output_shape:
        raise NotImplementedError
    shape = operation.compute_output_shape(keras.tree.map_structure(lambda v: v.shape, args[0]))
    return keras.tree.map_shape_structure(lambda s: keras.KerasTensor(s, operation.compute_dtype), shape)


def _draws(layer: keras.Layer) -> bool:
    """Return whether a layer may do something else in training: any but those known to pass the mode on."""
    return not isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.TimeDistributed))


def _of_training(body: list[Op | Scope]) -> list[Op | Scope]:
    """Return a body that runs in training alone: evaluation draws no numbers in vain."""
    for index, item in enumerate(body):
        if isinstance(item, Scope):
            _of_training(item.body)
        else:
            body[index] = replace(item, mode="training")
    return body


def _outline(body: list[Op | Scope]) -> list[Any]:
    """Return what a body does, without the names of its wires."""

    def line(item: Op | Scope) -> Any:
        if isinstance(item, Scope):
            return item.path, item.kind
        return item.op, [value for value in leaves(item.arguments) if not hasattr(value, "name")]

    return [line(item) for item in body]
