"""A live ``keras.Model`` in one precision: it runs on variables of its own, and leaves the model as it found it."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend as inner

from dualnet.backends.keras.device import exact
from dualnet.backends.keras.weights import VARIABLES
from dualnet.backends.live import (
    Array,
    Arrays,
    Draw,
    Draws,
    Fact,
    Held,
    Inputs,
    Order,
    Run,
    at,
    cotangent,
    flattened,
    returned,
    turned,
)
from dualnet.specs.carry import Carry
from dualnet.specs.program import leaves, replaced

CHANNELS = "last"


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
    ) -> None:
        exact()
        self.model, self.dtype, self.flat = model, dtype, flat
        self.orders = (in_orders, out_orders, draw_orders)
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
        draws = Draws(step, like, self.orders[2], self.orders[0])
        with precision(self.dtype), self._lent(), shared(draws), tf.GradientTape() as tape:
            given, floats = self._given(inputs)
            tape.watch(list(floats.values()))
            outputs = [each for each in flattened(self._call(given, training)) if tf.is_tensor(each)]
        found = self._gradients(tape, outputs, list(floats.values())) if gradients else []
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

    def _call(self, given: dict[int | str, Any], training: bool) -> Any:
        if self.flat:
            return self.model(*leaves(given), training=training)
        args = [given[name] for name in sorted(name for name in given if isinstance(name, int))]
        named = {name: given[name] for name in given if isinstance(name, str)}
        if isinstance(self.model, (keras.Sequential, keras.models.Model)) and hasattr(self.model, "inputs"):
            return self.model(named or (args[0] if len(args) == 1 else args), training=training)
        return self.model(*args, **named, training=training)

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
        pairs = [(index, each) for index, each in enumerate(outputs) if each.dtype.is_floating]
        if not pairs or not sources:
            return []
        weights = [tf.constant(self._cotangent(index, each), each.dtype) for index, each in pairs]
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


def live(model: Any, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> KerasLive:
    """Return a live model."""
    return KerasLive(model, dtype, carries, **orders)


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


@contextmanager
def swapped(owner: Any, **values: Any) -> Iterator[None]:
    """Let attributes of an object be others for a while, past the object's own rules for setting them."""
    before = {name: getattr(owner, name) for name in values}
    assign = setattr if isinstance(owner, ModuleType) else object.__setattr__
    for name, value in values.items():
        assign(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            assign(owner, name, value)


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
    return tf.Variable(tf.cast(tf.convert_to_tensor(variable.value), kind), trainable=variable.trainable)


def _layers(model: Any) -> list[Any]:
    """Return a model and all layers in it, and the graphs that a Sequential hides."""
    found = list(model._flatten_layers())
    return found + [layer._functional for layer in found if getattr(layer, "_functional", None) is not None]


def _symbols(layer: Any) -> list[Any]:
    """Return the input layers and symbolic inputs whose precision a model casts to what it is given."""
    found = [layer] if isinstance(layer, keras.layers.InputLayer) else getattr(layer, "_inputs", None) or []
    return [each for each in found if "float" in str(getattr(each, "_dtype", ""))]


@contextmanager
def shared(draws: Draws) -> Iterator[None]:
    """While it is on, Keras draws from ``Draws``."""
    known = {name: _draw(draws, FILLS[name]) for name in FILLS}
    lost = {name: _noted(draws, name) for name in ("categorical", "gamma", "beta", "truncated_normal", "binomial")}
    with swapped(inner.random, **known, **lost):
        yield


def _wide(cast: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, dtype: cast(x, "float64" if dtype == "float32" else dtype)


def _noted(draws: Draws, name: str) -> Callable[..., Any]:
    own = getattr(inner.random, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        draws.lost.append(f"keras.random.{name}")
        return own(*args, **kwargs)

    return call


def _draw(draws: Draws, fill: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, seed: Any = None, **kwargs: Any) -> Any:
        return fill(draws, *args, **kwargs)

    return call


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def _dropout(draws: Draws, inputs: Any, rate: float, noise_shape: Any = None) -> Any:
    if rate in (0.0, 1.0):
        return inputs if rate == 0.0 else tf.zeros_like(inputs)
    whole = _sizes(inputs.shape)
    shape = [own if size is None else size for own, size in zip(whole, noise_shape or whole, strict=True)]
    kept = tf.cast(tf.constant(draws.kept(_sizes(shape), rate)), inputs.dtype)
    return inputs * (kept / (1.0 - rate))


def _uniform(draws: Draws, shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None) -> Any:
    return tf.constant(minval + (maxval - minval) * draws.uniform(_sizes(shape)), dtype or keras.config.floatx())


def _normal(draws: Draws, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None) -> Any:
    return tf.constant(mean + stddev * draws.normal(_sizes(shape)), dtype or keras.config.floatx())


def _randint(draws: Draws, shape: Any, minval: Any, maxval: Any, dtype: Any = "int32") -> Any:
    return tf.constant(np.floor(minval + (maxval - minval) * draws.uniform(_sizes(shape))).astype(dtype))


def _shuffle(draws: Draws, x: Any, axis: int = 0) -> Any:
    return tf.gather(x, np.argsort(draws.uniform((int(x.shape[axis]),)), kind="stable"), axis=axis)


FILLS: dict[str, Callable[..., Any]] = {
    "dropout": _dropout,
    "uniform": _uniform,
    "normal": _normal,
    "randint": _randint,
    "shuffle": _shuffle,
}

KINDS: tuple[tuple[Any, str], ...] = (
    (keras.layers.Dense, "dense"),
    ((keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose),
     "transposed convolution"),
    ((keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D), "depthwise"),
    ((keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D), "convolution"),
    (keras.layers.BatchNormalization, "batch norm"),
    (keras.layers.LayerNormalization, "layer norm"),
    (keras.layers.GroupNormalization, "group norm"),
    (keras.layers.RMSNormalization, "rms norm"),
    (keras.layers.Embedding, "embedding"),
    (keras.layers.PReLU, "prelu"),
)  # fmt: skip
ROLES = {theirs: ours for ours, theirs in VARIABLES.items()}
ROLES |= {"kernel": "weight", "embeddings": "weight", "scale": "weight", "alpha": "weight"}


def facts(model: Any) -> list[Fact]:
    """Return what is known of each weight."""
    owners = {id(each): layer for layer in model._flatten_layers() for each in _own(layer)}
    trained = {id(each) for each in model.trainable_variables}
    return [_fact(name, each, owners.get(id(each)), id(each) in trained) for name, each in named(model).items()]


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _fact(name: str, variable: Any, owner: Any, trained: bool) -> Fact:
    kind = next((kind for base, kind in KINDS if isinstance(owner, base)), type(owner).__name__)
    shape, role = tuple(variable.shape), ROLES.get(variable.name, variable.name)
    order, joined = tuple(range(len(shape))), shape
    if role == "weight" and kind == "dense":
        order, joined = (1, 0), (shape[1], shape[0])
    elif role == "weight" and "convolution" in kind:
        order = (len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
        joined = tuple(shape[axis] for axis in order)
    elif role == "weight" and kind == "depthwise":
        order = (len(shape) - 2, len(shape) - 1, *range(len(shape) - 2))
        joined = (shape[-2] * shape[-1], 1, *shape[:-2])
    kind = "convolution" if kind == "depthwise" else kind
    return Fact(name, kind, role, shape, order, joined, trained)


def values(model: Any) -> Arrays:
    """Return the weights as they are, by path."""
    return {name: np.array(each.value.numpy()) for name, each in named(model).items()}


def expects(model: Any) -> list[tuple[int | None, ...]]:
    """Return the shapes of the inputs that a model declares, if it does."""
    declared = getattr(model, "inputs", None)
    return [tuple(each.shape) for each in declared or []]


def build(model: Any, inputs: Inputs, orders: Sequence[Order]) -> None:
    """Run a model once, if it has no weights yet."""
    if not model.built:
        KerasLive(model, in_orders=orders).run(inputs, training=False, gradients=False)


def name_of(model: Any, path: str) -> str:
    """Return a variable's own path, of that or of the attributes that lead to it."""
    found = variable(model, path)
    return next((name for name, each in named(model).items() if each is found), path)
