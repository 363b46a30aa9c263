"""Recorded: the JSON of a recording, read: every value is looked at before anything is made of it."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends.draws import Arrays, Draw
from dualnet.backends.fact import Fact
from dualnet.backends.live import CHANNELS
from dualnet.errors import DataError
from dualnet.run import calls
from dualnet.run.recording import FORMAT, PAGE, Named, Pass, Recording

PLAIN = {"name": str, "framework": str, "given": bool, "steps": int, "origin": str}
PLAIN |= {"of": str, "note": str}
NESTED: dict[str, type[Any]] = dict.fromkeys(("inputs", "facts", "trainable", "rest", "complex", "order"), list)
NESTED |= dict.fromkeys(("matching", "passes", "calls", "versions"), dict)
AXES = 64  # NumPy's own limit


class _Wrong(ValueError):
    """What is wrong with a page, in words."""


def read(page: str, arrays: Arrays, path: Path) -> Recording:
    """Return the recording that a page describes. Raises ``DataError`` opened by the path."""
    try:
        made = _recording(json.loads(page), arrays)
    except _Wrong as error:
        msg = f"{path}: this recording is damaged: {error}. Record it again."
        raise DataError(msg) from None
    except (ValueError, RecursionError) as error:
        msg = f"{path}: this recording is damaged: what stands beside its arrays is no JSON ({error}). Record it again."
        raise DataError(msg) from None
    return made


def _recording(data: Any, arrays: Arrays) -> Recording:
    told = _kind(data, dict, "the page")
    if told.get(PAGE) != FORMAT:
        _refuse(f"it is of format {str(told.get(PAGE))[:20]!r}, and this dualnet reads {FORMAT}")
    own: dict[str, Any] = {name: _kind(told.get(name), kind, name) for name, kind in (PLAIN | NESTED).items()}
    rate = told.get("rate")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not math.isfinite(rate):
        _refuse("its rate is no number")
    if not 1 <= own["steps"] <= 1000:
        _refuse(f"it says {own['steps']} steps")
    _words([*own["complex"], *own["order"]], "arrays")
    wide, order = {*own.pop("complex")}, own.pop("order")
    if len(order) != len(arrays) or {*order} != {*arrays}:
        _refuse("its arrays are not those that it lists")
    whole = {name: _joined(name, arrays[name]) if name in wide else arrays[name] for name in order}
    own["inputs"] = {_key(row[0]): _input(row[1], whole) for row in (_pair(row, "inputs") for row in own["inputs"])}
    own["facts"] = [_fact(row) for row in own["facts"]]
    own["passes"] = {name: _pass(row) for name, row in own["passes"].items()}
    if own["framework"] not in CHANNELS:
        _refuse(f"it is of {own['framework'][:20]!r}, and this dualnet knows {', '.join(CHANNELS)}")
    for mode, rows in own["calls"].items():
        why = calls.wrong(rows, whole, f"calls/{mode}")
        if why:
            _refuse(why)
    for name in ("matching", "versions"):
        _words(own[name].values(), name)
    for name in ("trainable", "rest"):
        _words(own[name], name)
    made = Recording(**own, rate=float(rate), arrays=whole)
    _fits(made)
    return made


def _fits(made: Recording) -> None:
    """Look at whether the arrays are those that the page speaks of."""
    own = made.part("own")
    start = made.part("start/weights")
    if own.keys() != start.keys() or any(own[name].shape != start[name].shape for name in own):
        _refuse("the weights that it starts from are not its own")
    if not {*made.trainable} <= own.keys():
        _refuse("it trains weights that it does not hold")
    if not {f"start/float64/{mode}" for mode in ("eval", "train")} <= made.passes.keys():
        _refuse("it holds no pass")
    if made.first:
        for fact in made.facts:
            if fact.name not in own or own[fact.name].shape != fact.own:
                _refuse(f"the weight {fact.name[:80]!r} is not the one described")
    if made.first and made.origin != made.digest():
        _refuse("its inputs and weights are not those that were recorded")


def _refuse(why: str) -> None:
    raise _Wrong(why)


def _kind(value: Any, kind: type[Any], name: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        _refuse(f"{name} must be {kind.__name__}, and is {type(value).__name__}")
    return value


def _words(values: Any, name: str) -> None:
    for value in values:
        _kind(value, str, f"a name in {name}")


def _pair(row: Any, name: str) -> list[Any]:
    if not isinstance(row, list) or len(row) != 2:
        _refuse(f"{name} must be pairs")
    return list(row)


def _key(name: Any) -> int | str:
    if isinstance(name, bool) or not isinstance(name, (int, str)):
        _refuse("an input is named by its place or its keyword")
    key: int | str = name
    return key


def _input(value: Any, arrays: Mapping[str, Any]) -> Any:
    kind, held = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
    if kind == "array" and isinstance(held, str) and held in arrays:
        return Named(held)
    if kind == "dict" and isinstance(held, list):
        return {_key(name): _input(item, arrays) for name, item in (_pair(row, "inputs") for row in held)}
    if kind == "list" and isinstance(held, list):
        return tuple(_input(item, arrays) for item in held)
    if kind == "plain" and (held is None or isinstance(held, (bool, int, float, str))):
        return held
    _refuse("an input is neither array nor plain value")
    return None


def _sizes(value: Any) -> tuple[int, ...]:
    held = _kind(value, list, "a shape")
    if len(held) > AXES or not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in held):
        _refuse("a shape must be whole numbers")
    return tuple(held)


def _fact(row: Any) -> Fact:
    told = _kind(row, dict, "a weight")
    if told.keys() != {each.name for each in fields(Fact)}:
        _refuse("a weight is not described as weights are")
    own, order, shape = (_sizes(told[name]) for name in ("own", "order", "shape"))
    if sorted(order) != list(range(len(own))) or math.prod(own) != math.prod(shape):
        _refuse("a weight's shape and axes do not fit")
    _words([told[name] for name in ("name", "kind", "role", "framed")], "weights")
    trainable = _kind(told["trainable"], bool, "trainable")
    gates, at = _sizes(told["gates"]), None if told["at"] is None else _sizes(told["at"])
    if sorted(gates) != list(range(len(gates))) or (gates and (not shape or shape[0] % len(gates))):
        _refuse("a weight's gates do not fit")
    if at is not None and (len(at) != 2 or at[0] >= at[1]):
        _refuse("a weight's rows do not fit")
    words = (told["name"], told["kind"], told["role"])
    return Fact(*words, own, order, shape, trainable, told["framed"], gates, at)  # type: ignore[arg-type]


def _pass(row: Any) -> Pass:
    told = _kind(row, dict, "a pass")
    draws = []
    for each in _kind(told.get("draws"), list, "draws"):
        rate = _kind(each, dict, "a draw").get("rate")
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float))):
            _refuse("the rate of a draw is no number")
        draws.append(Draw(_sizes(each.get("shape")), rate))
    lost = _kind(told.get("lost"), list, "lost")
    _words(lost, "lost")
    return Pass(tuple(draws), tuple(lost), _kind(told.get("failed"), str, "failed"))


def _joined(name: str, array: Any) -> Any:
    if array.dtype.kind != "f" or not array.ndim or array.shape[-1] != 2:
        _refuse(f"{name[:80]!r} holds no complex numbers")
    return np.asarray(array[..., 0] + 1j * array[..., 1])
