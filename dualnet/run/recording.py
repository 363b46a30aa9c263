"""Recording: what a live model did, as one file: weights, inputs, outputs, gradients and updates, by name.

The file is safetensors, with JSON beside the arrays. Whoever compares two of them needs neither framework. The first
one is the origin: a second is recorded from it, on its inputs, its weights and its random draws, and in its names and
order of axes. Arrays are named by paths, and more of them may be added: ``start/float64/train/outputs/0``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends.draws import Arrays, Draw
from dualnet.backends.fact import Fact
from dualnet.errors import DataError, WeightsError

FORMAT = 1
PAGE, SEAL = "dualnet.trace", "dualnet.trace.sha256"
SUFFIX = ".trace"
LARGEST = 1 << 26  # bytes of JSON: some hundred thousand weights


@dataclass(frozen=True)
class Pass:
    """What a pass says beside its arrays: its draws, those that were not shared, and why it failed if it did."""

    draws: tuple[Draw, ...] = ()
    lost: tuple[str, ...] = ()
    failed: str = ""


@dataclass
class Recording:
    """One side, recorded. ``inputs`` and ``facts`` are the origin's and its own; ``arrays`` are named by paths.

    ``given``: both sides start from the origin's weights; else each from its own. ``matching`` pairs names of the
    origin with own ones. ``calls`` are those of layers, by mode (``dualnet.run.calls``), in float64. ``origin`` is the
    digest that two recordings must share, ``of`` the origin's name; the origin itself has neither matching nor ``of``.
    """

    name: str
    framework: str
    given: bool
    steps: int
    rate: float = 0.0
    origin: str = ""
    of: str = ""
    note: str = ""
    inputs: dict[int | str, Any] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    matching: dict[str, str] = field(default_factory=dict)
    trainable: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    passes: dict[str, Pass] = field(default_factory=dict)
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether this is the origin, of which others are recorded."""
        return not self.of

    def part(self, path: str) -> Arrays:
        """Return the arrays below a path, by the rest of their names."""
        head = f"{path}/"
        return {name.removeprefix(head): array for name, array in self.arrays.items() if name.startswith(head)}

    def digest(self) -> str:
        """Return what identifies an origin: its inputs, its start, and how it is trained."""
        made = hashlib.sha256(json.dumps([self.given, self.steps, self.rate]).encode())
        for name, array in sorted({**self.part("input"), **self.part("start/weights")}.items()):
            made.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
            made.update(array.tobytes())
        return made.hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all. Raises ``DataError`` for a name without .trace or a bad place."""
        path = Path(path)
        if path.suffix != SUFFIX:
            msg = f"{path}: a recording is named *{SUFFIX}, such as left{SUFFIX}."
            raise DataError(msg)
        wide = [name for name, array in self.arrays.items() if array.dtype.kind == "c"]
        page = json.dumps(_told(self, wide))
        arrays = {name: _parted(array) if name in wide else array for name, array in self.arrays.items()}
        try:
            store.save(path, arrays, {PAGE: page, SEAL: _seal(page)})
        except OSError as error:
            msg = f"{path}: the recording cannot be written: {error.strerror}."
            raise DataError(msg) from None
        return path


def _seal(page: str) -> str:
    return hashlib.sha256(page.encode()).hexdigest()


def _parted(array: Any) -> Any:
    """Return complex numbers as pairs: safetensors has them in one precision alone."""
    return np.stack([array.real, array.imag], -1)


def _told(recording: Recording, wide: list[str]) -> dict[str, Any]:
    own = {each.name: getattr(recording, each.name) for each in fields(recording) if each.name != "arrays"}
    inputs = [[name, _skeleton(value)] for name, value in recording.inputs.items()]
    facts = [asdict(fact) for fact in recording.facts]
    passes = {name: asdict(each) for name, each in recording.passes.items()}
    return {
        PAGE: FORMAT,
        **own,
        "inputs": inputs,
        "facts": facts,
        "passes": passes,
        "complex": wide,
        "order": [*recording.arrays],
    }


def _skeleton(value: Any) -> Any:
    """Return nested inputs as JSON holds them, names in place of arrays."""
    if isinstance(value, Named):
        return {"array": value.name}
    if isinstance(value, Mapping):
        return {"dict": [[name, _skeleton(item)] for name, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_skeleton(item) for item in value]}
    return {"plain": value}


@dataclass(frozen=True)
class Named:
    """An array among the inputs, by its name in the file."""

    name: str


def named_inputs(inputs: Mapping[int | str, Any]) -> tuple[dict[int | str, Any], Arrays]:
    """Return inputs with names in place of their arrays, and the arrays. Raises ``DataError`` for other objects."""
    found: Arrays = {}

    def change(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: change(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return tuple(change(item) for item in value)
        if isinstance(value, np.ndarray):
            name = f"input/{len(found)}"
            found[name] = value
            return Named(name)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        msg = f"A recording holds inputs of arrays and plain values. Received: {type(value).__name__}"
        raise DataError(msg)

    return {name: change(value) for name, value in inputs.items()}, found


def arrays_of(recording: Recording) -> dict[int | str, Any]:
    """Return the inputs of a recording as a model takes them."""

    def change(value: Any) -> Any:
        if isinstance(value, Named):
            return recording.arrays[value.name]
        if isinstance(value, dict):
            return {name: change(item) for name, item in value.items()}
        return tuple(change(item) for item in value) if isinstance(value, tuple) else value

    return {name: change(value) for name, value in recording.inputs.items()}


def load(path: str | Path) -> Recording:
    """Return the recording in a file. Raises ``DataError`` naming what is wrong with it; runs nothing."""
    from dualnet.run.recorded import read

    path = Path(path)
    try:
        arrays, beside = store.load(path)
    except WeightsError as error:
        raise DataError(str(error)) from None
    page = beside.get(PAGE)
    if page is None:
        msg = f"{path}: this is no recording of dualnet, though its arrays are whole. Make one by `dualnet record`."
        raise DataError(msg)
    if len(page) > LARGEST or beside.get(SEAL) != _seal(page):
        msg = f"{path}: expected a recording as it was saved. Received: another: the file was changed. Record it again."
        raise DataError(msg)
    return read(page, arrays, path)
