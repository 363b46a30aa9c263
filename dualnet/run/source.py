"""Source: a model out of somebody's Python file, and the inputs that its shapes ask for."""

import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends import backend
from dualnet.backends.live import framework
from dualnet.errors import SpecError, TraceError, UnsupportedError, WeightsError, did_you_mean
from dualnet.run.port import porter
from dualnet.store import load

BATCH = 4  # several samples, so that the batch axis is told from an axis of one


def model_of(place: str, kwargs: str = "", option: str = "--kwargs") -> Any:
    """Return the model named ``file.py:name``: an instance, or what a class or function gives when called.

    The file is the user's own and is run as Python runs it. Raises ``TraceError`` naming what is wrong with it;
    ``option`` is the word of the command line that ``kwargs``, its arguments as JSON, were given by.
    """
    path, _, name = place.rpartition(":")
    if not path.endswith(".py") or not name:
        msg = f"A model is given as file.py:name, such as mynet.py:Net. Received: {place!r}"
        raise TraceError(msg)
    found = module(Path(path))
    if not hasattr(found, name):
        own = [key for key, value in vars(found).items() if getattr(value, "__module__", "") == found.__name__]
        listed = ", ".join(own) or "nothing"
        msg = f"{path}: there is no {name!r} in it.{did_you_mean(name, own) or f' It has: {listed}.'}"
        raise TraceError(msg)
    return _made(getattr(found, name), place, _options(kwargs, option), option)


def module(path: Path) -> Any:
    """Return a user's Python file as a module, after running it. Raises ``TraceError`` where that fails."""
    if not path.is_file():
        msg = f"{path}: there is no such file."
        raise TraceError(msg)
    if re.search(rb"^\s*(import|from) (keras|tensorflow)", path.read_bytes(), re.MULTILINE):
        backend("keras")  # which decides how TensorFlow starts
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    made = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = made
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(made)
    except Exception as error:
        msg = f"{path}: running it failed: {type(error).__name__}: {_first(error)}"
        raise TraceError(msg) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return made


def _options(text: str, option: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        msg = f"{option} must be a JSON object, such as '{{\"width\": 64}}'. Received: {text[:80]!r} ({error})"
        raise SpecError(msg) from None
    if not isinstance(found, dict):
        msg = f"{option} must be a JSON object, such as '{{\"width\": 64}}'. Received: {text[:80]!r}"
        raise SpecError(msg)
    return found


def _made(found: Any, place: str, options: dict[str, Any], option: str) -> Any:
    if inspect.isclass(found) or inspect.isroutine(found):
        try:
            found = found(**options)
        except Exception as error:
            shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
            msg = f"{place}({shown}) failed: {type(error).__name__}: {_first(error)}. Give its arguments by {option}."
            raise TraceError(msg) from error
    try:
        framework(found)
    except UnsupportedError as error:
        msg = f"{place}: {error}"
        raise TraceError(msg) from None
    return found


def _first(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def inputs_of(texts: list[str], model: Any, place: str, again: Callable[[], Any] | None = None) -> Any:
    """Return seeded example inputs of ``[name=]1x28x28[:dtype[:below]]``, a batch of them; None if none is asked for.

    Shapes leave the batch axis out; where the model refuses it and takes the shape as it stands, that is used.
    ``again`` makes the model anew: one that is not built yet is tried out on another, which a wrong shape may spoil.
    """
    if not texts:
        if framework(model) == "torch":
            msg = f"{place}: say what it takes by --input, the shape of one sample, such as 1x28x28."
            raise SpecError(msg)
        return None
    parsed = [_parse(text) for text in texts]
    attempts = [_drawn(parsed, model, (BATCH,)), _drawn(parsed, model, ())]
    failure: Exception | None = None
    for inputs in attempts:
        try:
            porter(framework(model)).run(again() if again and not getattr(model, "built", True) else model, inputs)
        except Exception as error:  # whatever the user's code raises
            failure = failure or error
        else:
            return inputs
    assert failure is not None  # both attempts failed
    shapes = ", ".join(str(list(np.shape(array))) for array in _listed(attempts[0]))
    msg = f"{place} cannot be called with inputs of shape {shapes}: {type(failure).__name__}: {_first(failure)}"
    raise TraceError(msg) from failure


def _listed(inputs: Any) -> list[Any]:
    return list(inputs.values()) if isinstance(inputs, dict) else list(inputs)


def _parse(text: str) -> tuple[str, tuple[int, ...], str, int | None]:
    found = re.fullmatch(r"(?:([A-Za-z_]\w*)=)?(\d+(?:x\d+)*|scalar)(?::([a-z]+\d*))?(?::(\d+))?", text)
    if not found or (found.group(3) or "float32") not in ("float32", "float64", "int32", "int64", "bool"):
        msg = (
            f"--input must be a shape without the batch axis, such as 1x28x28, ids=16:int64:1000 or mask=16:bool. "
            f"Received: {text!r}"
        )
        raise SpecError(msg)
    name, shape, dtype, below = found.groups()
    sizes = () if shape == "scalar" else tuple(int(size) for size in shape.split("x"))
    return name or "", sizes, dtype or "float32", int(below) if below else None


def _drawn(parsed: list[Any], model: Any, batch: tuple[int, ...]) -> Any:
    generator = np.random.default_rng(0)
    rows = porter(framework(model)).vocabulary(model)
    arrays = []
    for _, sizes, dtype, below in parsed:
        if dtype.startswith("float"):
            arrays.append(generator.standard_normal((*batch, *sizes)).astype(dtype))
        elif dtype == "bool":
            arrays.append(generator.random((*batch, *sizes)) < 0.5)
        else:
            arrays.append(generator.integers(0, below or rows or 10, (*batch, *sizes)).astype(dtype))
    names = [name for name, *_ in parsed]
    if any(names) and not all(names):
        msg = "--input: name all inputs or none of them."
        raise SpecError(msg)
    return dict(zip(names, arrays, strict=True)) if any(names) else tuple(arrays)


def fill(model: Any, path: Path) -> None:
    """Load a model's weights from .safetensors, or .weights.h5 for Keras. Raises ``WeightsError``; never unpickles."""
    if path.suffix in (".pt", ".pth", ".bin", ".pkl", ".ckpt"):
        msg = (
            f"{path}: a pickle can run code and is not opened. Save the weights as safetensors: "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
        )
        raise WeightsError(msg)
    if not path.is_file():
        msg = f"{path}: there is no such weight file."
        raise WeightsError(msg)
    if path.name.endswith(".weights.h5") and framework(model) == "keras":
        try:
            model.load_weights(path)
        except Exception as error:
            msg = f"{path}: Keras cannot load it: {_first(error)}"
            raise WeightsError(msg) from error
        return
    if path.suffix != ".safetensors":
        msg = f"{path}: weights are read from .safetensors, or from .weights.h5 for Keras."
        raise WeightsError(msg)
    arrays, _ = load(path)
    wrong, missing = porter(framework(model)).load(model, arrays)
    if wrong or missing:
        parts = [f"{what}: {', '.join(names[:8])}{' …' * (len(names) > 8)}" for what, names in (
            ("in the file, and not in the model with that shape", wrong), ("in the model, and not in the file", missing)
        ) if names]  # fmt: skip
        msg = f"{path} does not fit the model. {'; '.join(parts)}."
        raise WeightsError(msg)
