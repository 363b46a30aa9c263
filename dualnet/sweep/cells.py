"""Cells: a sweep's grid as descriptions in plain data. A cell's id is the hash of its description alone."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from dualnet.errors import SpecError
from dualnet.specs import text as texts
from dualnet.specs.spec import Spec

# Of what a description holds: raised when one of these words comes to mean something else.
FORMAT = 1

Cell = dict[str, Any]
NOTHING: Mapping[str, Any] = {}


def cells(
    verb: str,
    specs: Iterable[Spec],
    seeds: Iterable[int],
    dtypes: Iterable[str],
    options: Mapping[str, Any],
    training: Mapping[str, Sequence[Any]],
    more: Mapping[str, Any] = NOTHING,
) -> list[Cell]:
    """Return the cells of a grid: specs × settings of training × precisions × seeds, each once.

    ``options`` are those of the verb, None left out; ``more`` is what else the cells share, such as their device.
    ``training`` holds, by field of a spec's training or its optimizer, the values to set it to. The whole spec is part
    of a description, so that a file which changed makes other cells. Raises ``SpecError`` for a value that no spec
    takes.
    """
    found = {}
    for spec, values in product(specs, product(*training.values())):
        changed = dict(zip(training, values, strict=True))
        data = texts.to_data(_set(spec, changed))
        for dtype, seed in product(dtypes, seeds):
            cell = {"sweep": FORMAT, "verb": verb, "spec": data, "seed": seed, "dtype": dtype, **more}
            cell |= {"settings": changed, "options": {n: value for n, value in options.items() if value is not None}}
            found[identity(cell)] = cell
    return list(found.values())


def _set(spec: Spec, changed: Mapping[str, Any]) -> Spec:
    """Return a spec with fields of its training set, the learning rate in its optimizer."""
    fields = dict(changed)
    if "learning_rate" in fields:
        fields["optimizer"] = replace(spec.training.optimizer, learning_rate=fields.pop("learning_rate"))
    return texts.with_fields(spec, **fields) if fields else spec


def written(cell: Mapping[str, Any]) -> str:
    """Return a cell's description as one line of JSON, the same whatever the order of its words."""
    return json.dumps(cell, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(cell: Mapping[str, Any] | str) -> str:
    """Return the id of a cell, given as data or as it is written: the hash of its description."""
    text = cell if isinstance(cell, str) else written(cell)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shard(cells: Iterable[Cell], which: str) -> list[Cell]:
    """Return the cells of one shard, "2/4" for the second of four: by their ids, in whichever order they come.

    Raises ``SpecError`` for what names no shard.
    """
    number, _, count = which.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"A shard is i/n with i from 1 to n, such as 2/4. Received: {which!r}"
        raise SpecError(msg)
    return sorted(cells, key=identity)[int(number) - 1 :: int(count)]


def numbers(words: str) -> list[int]:
    """Return the seeds of "0-9,20": single ones and ranges, both ends included. Raises ``SpecError``."""
    found: list[int] = []
    for word in words.split(","):
        first, dash, last = word.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or int(last or first) < int(first):
            msg = f"Seeds are numbers and ranges, such as 0-9,20. Received: {words!r}"
            raise SpecError(msg)
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))
