"""Keras's own layer tests as samples: what each ``run_layer_test(...)`` in its wheel asks of a layer, recorded."""

import importlib
import importlib.util
import inspect
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends import backend

backend("keras")  # which decides how TensorFlow starts

import keras  # noqa: E402
from keras.src import testing  # noqa: E402

HOME = Path(keras.__file__).parent / "src"
# What the tests import and a user's machine need not have; no layer calls it.
STAND_INS: dict[str, dict[str, Any]] = {"grain": {}, "conftest": {"skip_if_backend": lambda *_: lambda test: test}}


@dataclass
class Sample:
    """One call of ``run_layer_test``: a layer's class and arguments, and what it is called with."""

    label: str
    folder: str
    cls: type[keras.Layer]
    arguments: dict[str, Any]
    shape: Any = None
    kinds: Any = None
    data: Any = None
    called: dict[str, Any] = field(default_factory=dict)

    def layer(self) -> Any:
        """Return the layer."""
        return self.cls(**self.arguments)

    def inputs(self) -> Any:
        """Return arrays, nested as the layer takes them."""
        if self.data is not None:
            given = keras.tree.map_structure(np.asarray, self.data)
        else:
            given = _arrays(self.shape, self.kinds, np.random.default_rng(0))
        return {name.removesuffix("_data"): x for name, x in given.items()} if isinstance(given, dict) else given

    def call(self, layer: Any, inputs: Any) -> Any:
        """Call a layer as the test does: by keyword where the inputs' names are those of its call."""
        named = isinstance(inputs, dict) and set(inputs) <= set(inspect.signature(layer.call).parameters)
        return layer(**inputs, **self.called) if named else layer(inputs, **self.called)

    def model(self, dtype: str | None = None) -> tuple[Any, list[Any]]:
        """Return a model of the layer, its weights none round, and the inputs in order."""
        given = self.inputs()
        made = keras.tree.map_structure(lambda x: keras.Input(batch_shape=x.shape, dtype=str(x.dtype)), given)
        outputs = self.call(self.layer(), made)
        model, rng = keras.Model(keras.tree.flatten(made), outputs), np.random.default_rng(1)
        for variable in model.weights:
            if variable.dtype.startswith("float"):
                low = 0.5 if "variance" in variable.path else -0.5
                variable.assign(rng.uniform(low, low + 1.0, variable.shape))
        return model, keras.tree.flatten(given)


def _arrays(shape: Any, kinds: Any, rng: np.random.Generator) -> Any:
    if isinstance(shape, dict):
        of = kinds.get if isinstance(kinds, dict) else lambda *_: kinds
        names = {name: name.removesuffix("_shape") for name in shape}
        return {own: _arrays(shape[n], of(n, of(f"{own}_dtype", of(own))), rng) for n, own in names.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        many = kinds if isinstance(kinds, (tuple, list)) else [kinds] * len(shape)
        return [_arrays(each, kind, rng) for each, kind in zip(shape, many, strict=True)]
    sizes, kind = [2 if size is None else size for size in shape], str(kinds or "float32")
    whole = "int" in kind or kind == "bool"
    return np.asarray(rng.integers(0, 2, sizes) if whole else rng.random(sizes), kind)


class _Recorder:
    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.where = ("", "")

    def stand_in(self) -> Callable[..., None]:
        """Return what is called in place of ``run_layer_test``."""
        return lambda test, *args, **kwargs: self.record(*args, **kwargs)

    def record(
        self, layer_cls: Any, init_kwargs: Any, input_shape: Any = None, input_dtype: Any = None,
        input_sparse: bool = False, input_ragged: bool = False, input_data: Any = None, call_kwargs: Any = None,
        **_: Any,
    ) -> None:  # fmt: skip
        """Keep what a test asks for."""
        if input_sparse or input_ragged:
            return
        folder, method = self.where
        label = f"{layer_cls.__name__}.{method.removeprefix('test_')}-{len(self.samples)}"
        given = (dict(init_kwargs), input_shape, input_dtype, input_data, dict(call_kwargs or {}))
        self.samples.append(Sample(label, folder, layer_cls, *given))


@cache
def samples() -> tuple[Sample, ...]:
    """Return every sample, in the order of Keras's files."""
    recorder, before = _Recorder(), testing.TestCase.run_layer_test
    for name, held in STAND_INS.items():
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(held)
    testing.TestCase.run_layer_test = recorder.stand_in()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for path in sorted((HOME / "layers").rglob("*_test.py")):
                for case, method in _asking(path):
                    recorder.where = (path.parent.relative_to(HOME / "layers").parts[0], method)
                    case(method).run(unittest.TestResult())
    finally:
        testing.TestCase.run_layer_test = before
    assert recorder.samples  # else Keras calls it otherwise now
    return tuple(recorder.samples)


def _asking(path: Path) -> Iterator[tuple[type[unittest.TestCase], str]]:
    """Yield the tests of a file that call ``run_layer_test``."""
    if "run_layer_test" not in path.read_text():
        return
    name = ".".join(("keras", *path.relative_to(HOME.parent).with_suffix("").parts))
    for case in vars(importlib.import_module(name)).values():
        if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == name:
            for method in unittest.TestLoader().getTestCaseNames(case):
                if any("run_layer_test" in _text(each) for each in _inner(getattr(case, method))):
                    yield case, method


def _inner(test: Callable[..., Any]) -> Iterator[Any]:
    """Yield a test and the functions that it wraps: one that is parametrised is a shell around its own code."""
    yield test
    for cell in getattr(test, "__closure__", None) or ():
        if inspect.isfunction(cell.cell_contents):
            yield from _inner(cell.cell_contents)


def _text(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
