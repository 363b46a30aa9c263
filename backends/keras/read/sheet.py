"""Sheet: a program while it is written: ops in their scopes, the wires between them, and the weights they hold."""

import keyword
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from dualnet.backends.keras.read.shapes import result
from dualnet.errors import TraceError
from dualnet.specs.carry import Carry
from dualnet.specs.program import ByMode, Held, Op, Ref, Scope, Tensor, Weight

BUFFERS = {"running_mean", "running_var"}


class Value(keras.KerasTensor):
    """A wire of the program, as what Keras computes with; a mask of Keras may go with it."""

    wire: str = ""
    masked: bool = False


@dataclass(frozen=True)
class Kept:
    """A weight of the program, as an argument."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass
class Sheet:
    """What has been written so far; call it with an op and its arguments to write another line."""

    owners: dict[int, tuple[str, str]]
    root: Scope
    sizes: tuple[int, ...] = ()
    open: list[Scope] = field(default_factory=list)
    wires: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    carries: dict[str, Carry] = field(default_factory=dict)
    kept: dict[tuple[int, str], Kept] = field(default_factory=dict)
    natives: dict[int, Kept] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    alive: list[Any] = field(default_factory=list)

    def __call__(self, op: str, /, *inputs: Any, **arguments: Any) -> Value:
        """Write an op; what is given by place is its ``input``. Return the wire that it makes."""
        given = ({"input": self.tensor(inputs[0])} if inputs else {}) | {
            k: self.tensor(v) for k, v in arguments.items()
        }
        shape, dtype = result(op, given)
        return self.several(op, [(shape, dtype)], given)[0]

    def several(self, op: str, made: list[tuple[tuple[int, ...], str]], arguments: dict[str, Any]) -> list[Value]:
        """Write an op that makes wires of the given shapes and data types."""
        stem = self._fresh(op)
        values = [self._value(stem if len(made) == 1 else f"{stem}_{i}", *each) for i, each in enumerate(made)]
        plain = {name: self._argument(value) for name, value in arguments.items()}
        self.open[-1].body.append(Op(op, plain, tuple(v.wire for v in values), self.open[-1].path))
        return values

    def input(self, name: str, shape: tuple[int, ...], dtype: str) -> Value:
        """Return a wire that comes from outside."""
        return self._value(self._fresh(identifier(name)), shape, dtype)

    def permute(self, x: Any, dims: tuple[int, ...]) -> Any:
        """Write a permutation, unless it changes nothing."""
        return x if tuple(dims) == tuple(range(len(dims))) else self("permute", x, dims=tuple(dims))

    @contextmanager
    def scope(self, path: str, kind: str) -> Iterator[Scope]:
        """Write what follows inside a scope; one that stays empty is dropped."""
        scope = Scope(path, kind, call=self.calls.get(path, 0))
        self.calls[path] = scope.call + 1
        self.open.append(scope)
        try:
            yield scope
        finally:
            self.open.pop()
        if scope.body:
            self.open[-1].body.append(scope)

    @contextmanager
    def aside(self) -> Iterator[list[Op | Scope]]:
        """Write what follows on a page of its own, inside the scope that is open."""
        scope, before = self.open[-1], self.open[-1].body
        scope.body = []
        try:
            yield scope.body
        finally:
            scope.body = before

    def weight(
        self, variable: Any, name: str, order: tuple[int, ...] | None = None, into: tuple[int, ...] | None = None,
        split: tuple[int, ...] | None = None,
    ) -> Any:  # fmt: skip
        """Return a Keras variable as a weight: seen as ``split``, its axes in ``order``, of shape ``into``."""
        array = variable.value.numpy()
        split = split or array.shape
        order = order or tuple(range(len(split)))
        into = into or tuple(split[axis] for axis in order)
        if id(variable) in self.natives:
            return self._again(variable, split, order, into)
        kept = self.derived(variable, name, array.reshape(split).transpose(order).reshape(into))
        trainable = self.weights[kept.name].trainable
        self.carries[kept.name] = Carry(variable.path, kept.name, array.shape, split, order, into, trainable)
        self.natives[id(variable)] = kept
        return kept

    def _again(self, variable: Any, split: tuple[int, ...], order: tuple[int, ...], into: tuple[int, ...]) -> Any:
        """Return a weight that is kept already, laid out anew if it is wanted otherwise."""
        kept = self.natives[id(variable)]
        carry = self.carries[kept.name]
        if (carry.split, carry.order, carry.into) == (split, order, into):
            return kept
        x = self._raw(variable)
        x = x if tuple(x.shape) == split else self("reshape", x, shape=split)
        x = self.permute(x, order)
        return x if tuple(x.shape) == into else self("reshape", x, shape=into)

    def derived(self, variable: Any, name: str, array: NDArray[Any]) -> Kept:
        """Return a weight whose values are ``array``, computed from a Keras variable."""
        if (id(variable), name) not in self.kept:
            if id(variable) in self.natives:
                msg = f"{variable.path} is used in two ways that need two layouts. Use one layer for both."
                raise NotImplementedError(msg)
            owner, kind = self.owners.get(id(variable), (self.open[-1].path, "parameter"))
            trainable = kind == "parameter" and bool(variable.trainable)
            self.kept[id(variable), name] = self._keep(owner, name, array, kind, trainable)
        return self.kept[id(variable), name]

    def constant(self, array: Any, name: str = "constant") -> Kept:
        """Return an array that belongs to the code, as a weight that never trains."""
        return self._keep(self.open[-1].path, name, np.asarray(array), "constant", False)

    def tensor(self, value: Any) -> Any:
        """Return an argument with variables and arrays in it as weights, and arrays of one number as that number."""
        if isinstance(value, (list, tuple)):
            return tuple(self.tensor(item) for item in value)
        if isinstance(value, ByMode):
            return ByMode(self.tensor(value.training), self.tensor(value.inference))
        if isinstance(value, keras.Variable):
            return self._raw(value)
        if isinstance(value, (np.generic, np.ndarray)) or (keras.ops.is_tensor(value) and not isinstance(value, Value)):
            array = as_array(value)
            if hasattr(value, "number"):
                return value.number
            return array.item() if array.ndim == 0 else self._spread(array)
        return value

    def _raw(self, variable: Any) -> Any:
        """Return a variable as it lies in Keras, undoing the layout in which it is already kept."""
        kept = self.natives.get(id(variable))
        if kept is None:
            return self.weight(variable, identifier(variable.name))
        carry = self.carries[kept.name]
        lying = tuple(carry.split[axis] for axis in carry.order)
        x: Any = kept if lying == carry.into else self("reshape", kept, shape=lying)
        x = self.permute(x, tuple(int(i) for i in np.argsort(carry.order)))
        return x if carry.split == carry.shape else self("reshape", x, shape=carry.shape)

    def _spread(self, array: NDArray[Any]) -> Any:
        """Return an array as a constant; one that is as long as the batch must be the same all along it."""
        long = [axis for axis, n in enumerate(array.shape) if any(n and n % size == 0 for size in self.sizes)]
        if not long:
            return self.constant(array)
        row = array[tuple(slice(0, 1) if axis in long else slice(None) for axis in range(array.ndim))]
        if not np.array_equal(np.broadcast_to(row, array.shape), array):
            msg = "an array with one row for each example, which differ. Give it to the model as an input."
            raise NotImplementedError(msg)
        if row.size and row.min() == row.max() and array.dtype.kind in "fi":
            return self("full", size=array.shape, fill_value=row.flat[0].item(), dtype=str(array.dtype))
        return self("expand", self.constant(row), size=array.shape)

    def _keep(self, owner: str, name: str, array: NDArray[Any], kind: str, trainable: bool) -> Kept:
        full = self._fresh(f"{owner}.{name}" if owner else name, "weight ")
        kind = "buffer" if name in BUFFERS else kind
        self.weights[full] = Weight(full, Tensor(tuple(array.shape), str(array.dtype)), kind, trainable)
        self.arrays[full] = np.ascontiguousarray(array).copy()
        return Kept(full, tuple(array.shape), str(array.dtype))

    def _value(self, name: str, shape: tuple[int, ...], dtype: str) -> Value:
        value = Value(tuple(int(size) for size in shape), dtype, name=name)
        value.wire = name
        self.wires[name] = Tensor(value.shape, dtype)
        self.alive.append(value)
        return value

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Value):
            return Ref(value.wire)
        if isinstance(value, keras.KerasTensor):
            msg = f"{self.open[-1].path}: a tensor was made outside of the model's call. Make it inside."
            raise TraceError(msg)
        if isinstance(value, Kept):
            return Held(value.name)
        if isinstance(value, (list, tuple)):
            return tuple(self._argument(item) for item in value)
        return value

    def _fresh(self, stem: str, space: str = "") -> str:
        count = self.names.get(space + stem, 0)
        self.names[space + stem] = count + 1
        return self._fresh(f"{stem}_{count}", space) if count else stem


def identifier(name: str) -> str:
    """Return a layer's name as a Python name."""
    plain = re.sub(r"\W", "_", name)
    return f"_{plain}" if not plain or plain[0].isdigit() or keyword.iskeyword(plain) else plain


def as_array(value: Any) -> NDArray[Any]:
    """Return a variable or a tensor as an array. (NumPy warns of TensorFlow's own way there.)"""
    value = value.value if isinstance(value, keras.Variable) else value
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def as_held(value: Any, dtype: str) -> Any:
    """Return a number or an array as TensorFlow holds it: by way of float32, where it computes in float64."""
    if isinstance(value, np.float64) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return float(value)
    if isinstance(value, (int, float)):
        return float(np.float32(value)) if dtype == "float64" else value
    return np.asarray(value if hasattr(value, "dtype") else np.asarray(value, "float32"), dtype)


def listed(value: Any) -> list[int]:
    """Return one axis, or several, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
