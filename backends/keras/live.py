"""A live ``keras.Model`` in one precision: it runs on variables of its own, and leaves the model as it found it."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend as inner

from dualnet.backends.draws import Array, Arrays, Draw, Draws, Order, at, returned, turned
from dualnet.backends.keras.alone import written
from dualnet.backends.keras.device import exact
from dualnet.backends.keras.draws import shared, swapped
from dualnet.backends.keras.kinds import settings_of_optimizer
from dualnet.backends.keras.watch import array, layer_at, watching
from dualnet.backends.keras.wide import wide
from dualnet.backends.live import Held, Inputs, Run, cotangent, flattened
from dualnet.backends.recipe import Learned, Recipe
from dualnet.specs.carry import Carry
from dualnet.specs.program import leaves, replaced


class KerasLive(Held):
    """See ``backends.live.Live``. Without ``carries`` the weights bear the paths of the model's variables.

    The model is built. ``flat`` hands it its inputs one by one, in order, whatever they are nested in.
    """

    def __init__(
        self,
        model: Any,
        dtype: str = "float32",
        carries: Sequence[Carry] | None = None,
        in_orders: Sequence[Order] = (),
        out_orders: Sequence[Order] = (),
        draw_orders: Sequence[Order] = (),
        flat: bool = False,
        training_orders: Sequence[Order] = (),
    ) -> None:
        exact()
        self.model, self.dtype, self.flat = model, dtype, flat
        self.orders = (in_orders, out_orders, draw_orders)
        self.by_mode = {False: out_orders, True: training_orders or out_orders}
        self.variables = named(model)
        self.values = {id(each): _copied(each, dtype) for each in model.variables if _counts(each)}
        self.hold(
            self.variables,
            carries,
            lambda path: self.variables[path] if path in self.variables else variable(model, path),
        )

    def array(self, tensor: Any) -> Array:
        """Return a tensor as an array."""
        return np.asarray(tensor.numpy())

    def read(self, variable: Any) -> Array:
        """Return a variable as an array."""
        return self.array(self.values[id(variable)])

    def write(self, variable: Any, array: Array) -> None:
        """Set a variable."""
        self.values[id(variable)].assign(tf.cast(tf.constant(array), self.values[id(variable)].dtype))

    def lower(self, variable: Any, by: Any) -> None:
        """Subtract from a variable."""
        self.values[id(variable)].assign_sub(by)

    def trainable(self) -> list[str]:
        """Return the names of the weights that train."""
        trained = {id(each) for each in self.model.trainable_variables}
        return [name for name, (each, _) in self.held.items() if id(each) in trained]

    def rest(self) -> list[str]:
        """Return what trains and has no name of the source."""
        known = {id(each) for each, _ in self.held.values()}
        return [each.path for each in self.model.trainable_variables if id(each) not in known]

    def run(
        self,
        inputs: Inputs,
        *,
        training: bool,
        gradients: bool = True,
        tell: bool = True,
        step: int = 0,
        like: Sequence[Draw] = (),
    ) -> Run:
        """Make one pass; see ``Live.run``."""
        self.orders = (self.orders[0], self.by_mode[training], self.orders[2])
        draws = Draws(step, like, self.orders[2], self.orders[0])
        watched = watching(self.model, self.names()) if self.watched is not None else nullcontext()
        with precision(self.dtype), self._wide(), self._lent(), shared(draws), tf.GradientTape() as tape:
            given, floats = self._given(inputs)
            tape.watch(list(floats.values()))
            with watched as calls:
                outputs = [each for each in flattened(self._call(given, training)) if tf.is_tensor(each)]
        inside = calls.tensors if calls else []
        found = self._gradients(tape, outputs, [*inside, *floats.values()]) if gradients else []
        if calls:
            self.watched = calls.told(found)
            found = found[len(inside) :]
        arrays = [returned(each.numpy(), at(self.orders[1], index)) for index, each in enumerate(outputs)]
        of_inputs, of_weights = self._named(floats, found, tell)
        made: Run = {
            "outputs": arrays,
            "inputs": of_inputs,
            "parameters": of_weights,
            "draws": draws.log,
            "lost": draws.lost,
        }
        return made

    def replay(self, path: str, inputs: list[Array], *, training: bool) -> list[Array]:
        """Return what the layer at a path gives by itself for arrays as it holds them."""
        layer = layer_at(self.model, path.removesuffix(" (activation)"))
        if path.endswith(" (activation)"):
            layer = layer.activation
        with precision(self.dtype), self._wide(), self._lent(), shared(Draws()):
            given = [tf.constant(each, self.dtype if each.dtype.kind == "f" else each.dtype) for each in inputs]
            mode = {"training": training} if getattr(layer, "_call_has_training_arg", False) else {}
            return [array(each) for each in flattened(layer(*given, **mode)) if tf.is_tensor(each)]

    def alone(self, path: str) -> tuple[str, Arrays, bool]:
        """Return the Python that makes the layer at a path, its weights, and whether its call is told the mode.

        Raises ``UnsupportedError`` for a class that is not the framework's own.
        """
        layer = layer_at(self.model, path.removesuffix(" (activation)"))
        if path.endswith(" (activation)"):
            return written(layer.activation), {}, False
        weights = {str(i): np.array(self.read(each)) for i, each in enumerate(filter(_counts, layer.weights))}
        return written(layer), weights, bool(layer._call_has_training_arg)

    def begin(self, recipe: Recipe) -> None:
        """Make the recipe's optimizer, its slots in this precision."""
        self.recipe, self.optimizer = recipe, None
        if recipe.optimizer is not None:
            with precision(self.dtype), self._lent():
                self.optimizer = recipe.optimizer()
                self.optimizer.build(self.model.trainable_variables)

    def learn(self, inputs: Inputs, targets: Any, *, step: int, like: Sequence[Draw] = ()) -> Learned:
        """Make one step of the recipe on targets as the user gave them, in training mode."""
        draws = Draws(step, like, self.orders[2], self.orders[0])
        variables = self.model.trainable_variables
        with precision(self.dtype), self._wide(), self._lent(), shared(draws):
            with tf.GradientTape() as tape:
                given, _ = self._given(inputs)
                target = replaced(targets, lambda v: tf.constant(v, self.dtype if v.dtype.kind == "f" else v.dtype))
                loss = self.recipe.loss
                with swapped(loss, _dtype=self.dtype) if isinstance(loss, keras.losses.Loss) else nullcontext():
                    value = loss(target, self._call(given, True))
            found = tape.gradient(value, [self.values[id(each)] for each in variables])
            found = [tf.zeros_like(v.value) if g is None else g for g, v in zip(found, variables, strict=True)]
            whole = [tf.convert_to_tensor(each) for each in found]
            norm = float(tf.linalg.global_norm(whole)) if whole else 0.0
            made = Learned(float(tf.reduce_sum(value)), norm, self._told(variables, whole))
            if self.optimizer is not None:  # which is given rows of embeddings as Keras gives them, in pieces
                made.settings = settings_of_optimizer(self.optimizer)
                made.clipped = self._told(variables, _applied(self.optimizer, found, variables))
        made.weights = self.weights()
        return made

    def _told(self, variables: list[Any], slopes: list[Any]) -> Arrays:
        known = {id(v): self.array(slope) for v, slope in zip(variables, slopes, strict=True)}
        held = ((name, known[id(v)]) for name, (v, _) in self.held.items() if id(v) in known)
        return {name: np.array(self._back(name, slope)) for name, slope in held}

    def _wide(self) -> Any:
        return wide(self.model.variable_dtype) if self.dtype == "float64" else nullcontext()

    def _call(self, given: dict[int | str, Any], training: bool) -> Any:
        if self.flat:
            tensors = [each for each in leaves(given) if tf.is_tensor(each)]
            return self.model(*handed(self.model, tensors), training=training)
        return called(self.model, given, training)

    def _given(self, inputs: Inputs) -> tuple[dict[int | str, Any], dict[int, Any]]:
        """Return the inputs as tensors, and those that have gradients by their number."""
        found: dict[int, Any] = {}
        count = iter(range(len(list(leaves(dict(inputs))))))

        def tensor(value: Any) -> Any:
            index = next(count)
            if not isinstance(value, np.ndarray):
                return value
            value = turned(value, at(self.orders[0], index))
            if not np.issubdtype(value.dtype, np.floating):
                return tf.constant(value)
            found[index] = tf.constant(value, self.dtype)
            return found[index]

        return {name: replaced(value, tensor) for name, value in inputs.items()}, found

    def _gradients(self, tape: Any, outputs: list[Any], sources: list[Any]) -> list[Any]:
        sources = sources + [self.values[id(self.held[name][0])] for name in self.trainable()]
        pairs = [(index, each) for index, each in enumerate(outputs) if each.dtype.is_floating or each.dtype.is_complex]
        if not pairs or not sources:
            return []
        weights = [tf.cast(tf.constant(self._cotangent(index, each)), each.dtype) for index, each in pairs]
        found = tape.gradient([each for _, each in pairs], sources, output_gradients=weights)
        return [tf.zeros_like(o) if g is None else tf.convert_to_tensor(g) for g, o in zip(found, sources, strict=True)]

    def _cotangent(self, index: int, output: Any) -> Any:
        order = at(self.orders[1], index)
        return turned(cotangent(index, returned(np.empty(output.shape, bool), order).shape), order)

    def _named(self, floats: dict[int, Any], found: list[Any], tell: bool) -> tuple[Arrays, Arrays]:
        """Return the gradients as arrays of the source, and keep those of the weights."""
        self.slopes = dict(zip(self.trainable(), found[len(floats) :], strict=False))
        inputs = {f"{i}": returned(g.numpy(), at(self.orders[0], i)) for i, g in zip(floats, found, strict=False)}
        return self.told(inputs, tell)

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """Let the model run on this object's variables, in its precision, and give it its own back."""
        with ExitStack() as stack:
            for each in self.model.variables:
                if id(each) in self.values:
                    own = self.values[id(each)]
                    stack.enter_context(swapped(each, _value=own, _dtype=keras.backend.standardize_dtype(own.dtype)))
            for layer in _layers(self.model):
                stack.enter_context(swapped(layer, _dtype_policy=keras.DTypePolicy(self.dtype)))
                for tensor in _symbols(layer):
                    stack.enter_context(swapped(tensor, _dtype=self.dtype))
            yield


def _applied(optimizer: Any, found: list[Any], variables: list[Any]) -> list[Any]:
    """Let an optimizer update; return the gradients as it clipped them."""
    clipped, own = list(found), optimizer._clip_gradients

    def clip(slopes: list[Any]) -> list[Any]:
        clipped[:] = own(slopes)
        return list(clipped)

    with swapped(optimizer, _clip_gradients=clip):
        optimizer.apply(found, variables)
    return [tf.convert_to_tensor(each) for each in clipped]


def called(model: Any, given: dict[int | str, Any], training: bool = False) -> Any:
    """Return what a model gives for inputs by place and by keyword, handed over as its call takes them."""
    args = [given[name] for name in sorted(name for name in given if isinstance(name, int))]
    named = {name: given[name] for name in given if isinstance(name, str)}
    if isinstance(model, (keras.Sequential, keras.models.Model)) and hasattr(model, "inputs"):
        return model(named or (args[0] if len(args) == 1 else args), training=training)
    return model(*handed(model, args), **named, training=training)


def handed(model: Any, inputs: list[Any]) -> list[Any]:
    """Return inputs as a model's call takes them: one by one, or as one list."""
    taken = [p for p in inspect.signature(model.call).parameters.values() if p.name not in ("training", "mask")]
    single = len(taken) == 1 and taken[0].kind is not inspect.Parameter.VAR_POSITIONAL
    return [inputs] if single and len(inputs) > 1 else inputs


def made(make: Callable[[str], Any], dtype: str) -> Any:
    """Return ``make(dtype)``, called where that is the precision of new layers."""
    with precision(dtype):
        return make(dtype)


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Make a precision that of new layers and tensors, for a while; in float64 also of what asks for float32."""
    floats, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    cast = inner.core.cast
    try:
        with swapped(inner.core, cast=_wide(cast) if dtype == "float64" else cast):
            yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(policy)


def _wide(cast: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def widened(x: Any, dtype: Any) -> Any:
        dtype = "float64" if dtype == "float32" else dtype
        return tf.constant(x, dtype) if isinstance(x, float) else cast(x, dtype)  # tf.cast makes a float32 first

    return widened


def variable(model: Any, path: str) -> Any:
    """Return a variable by its own path, or by attributes and indices from the model: ``layer1.0.conv1.kernel``."""
    known = named(model) if "/" in path else {}
    if path in known:
        return known[path]
    for piece in re.findall(r"[^.\[\]]+", path):
        if not piece.isdigit():
            model = model[piece] if isinstance(model, dict) else getattr(model, piece)
        elif isinstance(model, keras.Model):
            model = model.layers[int(piece)]
        else:
            model = model[int(piece)]
    return model


def named(model: Any) -> dict[str, Any]:
    """Return a model's weights by path; those of layers of one name are told apart by number."""
    found: dict[str, Any] = {}
    count: dict[str, int] = {}
    for each in filter(_counts, model.weights):
        path = each.path
        count[path] = count.get(path, 0) + 1
        found[path if count[path] == 1 else f"{path}#{count[path]}"] = each
    return found


def _counts(variable: Any) -> bool:
    """Return whether a variable is a weight: not the state of a random generator."""
    return "seed_generator" not in variable.path


def _copied(variable: Any, dtype: str) -> Any:
    kind = dtype if tf.as_dtype(variable.dtype).is_floating else variable.dtype
    kind = {"float64": "complex128"}.get(dtype, "complex64") if tf.as_dtype(variable.dtype).is_complex else kind
    return tf.Variable(tf.cast(tf.convert_to_tensor(variable.value), kind), trainable=variable.trainable)


def _layers(model: Any) -> list[Any]:
    """Return a model and all layers in it, and the graphs that a Sequential hides."""
    found = list(model._flatten_layers())
    return found + [layer._functional for layer in found if getattr(layer, "_functional", None) is not None]


def _symbols(layer: Any) -> list[Any]:
    """Return the input layers and symbolic inputs whose precision a model casts to what it is given."""
    found = [layer] if isinstance(layer, keras.layers.InputLayer) else getattr(layer, "_inputs", None) or []
    return [each for each in found if "float" in str(getattr(each, "_dtype", ""))]
