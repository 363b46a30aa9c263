"""Weights of live models by the spec's names, and tensors on disk: safetensors files that any framework reads."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends.live import framework
from dualnet.backends.protocol import Array, Arrays
from dualnet.errors import WeightsError
from dualnet.specs import zoo
from dualnet.specs.spec import Spec

KIND = "dualnet.kind"  # of what was saved: an array, a list of them, or a dictionary


def weights(model: Any, spec: Spec | str | Path) -> Arrays:
    """Return the parameters and buffers of a live model by the spec's names and in its layout, copied.

    ``spec`` is the one that the model was built from; of a model that somebody else wrote, names and shapes must be
    the spec's. Raises ``WeightsError`` or ``UnsupportedError``.
    """
    found: Arrays = _adapter(model).weights(model, _spec(spec))
    return found


def load_weights(model: Any, source: str | Path | Mapping[str, Any], spec: Spec | str | Path) -> Any:
    """Return ``model`` after loading all of the spec's parameters and buffers, or none of them if one does not fit.

    ``source`` is a safetensors file (``save``, whichever framework wrote it) or a dictionary of tensors by the spec's
    names. Raises ``WeightsError`` for a name, shape or precision that does not fit, and for a file that is none.
    """
    given = load_arrays(source) if isinstance(source, (str, Path)) else source
    if not isinstance(given, Mapping):
        what = f"{source} with a {type(given).__name__}" if given is not source else type(given).__name__
        msg = f"Expected parameters by name: a file of them, or a dictionary. Received: {what}."
        raise WeightsError(msg)
    _adapter(model).load(model, _spec(spec), {str(name): _array(each) for name, each in given.items()})
    return model


def _spec(spec: Spec | str | Path) -> Spec:
    return spec if isinstance(spec, Spec) else zoo.load(spec)


def _adapter(model: Any) -> Any:
    return importlib.import_module(f"dualnet.backends.{framework(model)}.weights")


def save(what: Any, path: str | Path) -> Path:
    """Return ``path`` after writing a tensor, a list of tensors or a dictionary of them there, as safetensors.

    Tensors are NumPy's, torch's or TensorFlow's. Nothing is pickled. Raises ``WeightsError`` for anything else.
    """
    kind = "dict" if isinstance(what, Mapping) else "list" if isinstance(what, (list, tuple)) else "array"
    named = what if isinstance(what, Mapping) else dict(enumerate(what if kind == "list" else [what]))
    for name in named if kind == "dict" else ():
        if not isinstance(name, str):
            msg = f"{path}: tensors are saved by names, which are texts. Received: {name!r}"
            raise WeightsError(msg)
    try:
        store.save(Path(path), {str(name): _array(each) for name, each in named.items()}, {KIND: kind})
    except OSError as error:
        msg = f"{path}: it cannot be written: {error.strerror}. Name a file in a folder that can be."
        raise WeightsError(msg) from None
    return Path(path)


def load_arrays(path: str | Path) -> Any:
    """Return what ``save`` wrote as NumPy arrays: one, a list, or a dictionary; of other safetensors, a dictionary.

    Raises ``WeightsError`` for a file that is missing, changed or of another kind.
    """
    arrays, text = store.load(Path(path))
    kind = text.get(KIND, "dict")
    if kind == "dict":
        return arrays
    listed = [arrays[str(index)] for index in range(len(arrays))]
    return listed if kind == "list" else listed[0]


def _array(value: Any) -> Array:
    if any(base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__):
        value = value.detach().cpu()
    try:
        made = np.asarray(value)
    except (TypeError, ValueError) as error:
        msg = f"Expected a tensor or an array. Received: {type(value).__name__}, which NumPy cannot hold ({error})."
        raise WeightsError(msg) from None
    if made.dtype.kind not in "biuf":
        msg = f"Expected a tensor or an array of plain numbers. Received: {type(value).__name__} of {made.dtype}."
        raise WeightsError(msg)
    return made
