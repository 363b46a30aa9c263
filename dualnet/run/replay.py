"""Replay: a recording as a live model: it answers what a comparison asks of one, and runs nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from dualnet.backends.draws import Array, Arrays, Draw
from dualnet.backends.live import Inputs, Run
from dualnet.backends.recipe import Learned, Recipe
from dualnet.backends.watch import Seen
from dualnet.errors import UnsupportedError, WeightsError
from dualnet.run import calls
from dualnet.run.recording import Recording
from dualnet.run.train import nudged

BASES = ("start", "nudged")


class Replay:
    """See ``backends.live.Live``. It knows the weights that it was recorded from, and those one ulp off.

    Where both sides were given one start, that is what it comes with.
    """

    def __init__(self, recording: Recording, dtype: str) -> None:
        self.recording, self.dtype = recording, dtype
        self.start = recording.part("start/weights")
        self.off = nudged(wide(self.start), 0, 1)
        self.base, self.count = ("start" if recording.given else "own"), 0

    def weights(self) -> Arrays:
        """Return parameters and buffers by the origin's names, as they were at this point of the recording."""
        if self.base == "own":
            return self.recording.part("own")
        found = self.recording.part(f"{self.base}/{self.dtype}/after {self.count}")
        if self.count == 0:
            return (self.start if self.base == "start" else self.start | self.off) | found
        if self.count not in (1, self.recording.steps):
            msg = f"the recording of {self.recording.name} holds no weights after {self.count} updates"
            raise UnsupportedError(msg)
        return found

    def restore(self) -> None:
        """Nothing to do: a recording does not move."""

    def load(self, weights: Mapping[str, Array]) -> None:
        """Go to where these weights were loaded. Raises ``WeightsError`` if they never were."""
        for base, known in zip(BASES, (self.start, self.off), strict=True):
            if all(name in known and np.array_equal(known[name], array, equal_nan=_floats(array))
                   for name, array in weights.items()):  # fmt: skip
                self.base, self.count = base, 0
                return
        other = next((name for name in weights if name not in self.start), "")
        what = f"no weight {other!r}" if other else "no run on these weights"
        msg = f"The recording of {self.recording.name} holds {what}. Record both sides anew, one from the other."
        raise WeightsError(msg)

    def trainable(self) -> list[str]:
        """Return the names of the weights that train."""
        return list(self.recording.trainable)

    def rest(self) -> list[str]:
        """Return what trains and has no name of the origin."""
        return list(self.recording.rest)

    def run(
        self,
        inputs: Inputs,
        *,
        training: bool,
        gradients: bool = True,
        tell: bool = True,
        step: int = 0,
        like: Sequence[Draw] = (),
        **more: Any,
    ) -> Run:
        """Return the pass as it was recorded; of those between two updates nothing is kept."""
        if step:
            return {"outputs": [], "inputs": {}, "parameters": {}, "draws": [], "lost": []}
        path = f"{self.base}/{self.dtype}/{'train' if training else 'eval'}"
        said = self.recording.passes.get(path)
        if said is None:
            msg = f"the recording of {self.recording.name} holds no pass {path!r}"
            raise UnsupportedError(msg)
        if said.failed:
            raise UnsupportedError(said.failed)
        parts: dict[str, Any] = {"inputs": {}, "parameters": {}, "outputs": {}}
        for name, array in self.recording.part(path).items():
            kind, _, rest = name.partition("/")
            parts.setdefault(kind, {})[rest] = array
        outputs = parts["outputs"]
        parts["outputs"] = [outputs[key] for key in sorted(outputs, key=lambda key: (len(key), key))]
        return cast(Run, {**parts, "draws": list(said.draws), "lost": list(said.lost)})

    def descend(self, rate: float, momentum: float) -> None:
        """Go on to the next update: it was made at the recording's own rate, which both sides share."""
        self.count += 1

    def forget(self) -> None:
        """Nothing to do: a recording holds what it holds."""

    def watch(self, inputs: Inputs, *, training: bool, like: Sequence[Draw] = ()) -> list[Seen]:
        """Return every call of a layer, as it was recorded. Raises ``UnsupportedError`` if none was."""
        mode = "train" if training else "eval"
        if mode not in self.recording.calls or (self.base, self.dtype) != ("start", "float64"):
            msg = f"the recording of {self.recording.name} holds no layers of that pass"
            raise UnsupportedError(msg)
        return calls.seen(self.recording.calls[mode], self.recording.arrays, f"calls/{mode}")

    def other(self, name: str) -> Array:
        """Return a weight by the model's own name: one without counterpart. Raises ``WeightsError``."""
        for part in ("rest", "start/weights"):
            if f"{part}/{name}" in self.recording.arrays:
                return self.recording.arrays[f"{part}/{name}"]
        msg = f"The recording of {self.recording.name} holds no weight {name!r}."
        raise WeightsError(msg)

    def begin(self, recipe: Recipe) -> None:
        """Raise ``UnsupportedError``: a recording holds no training of its own."""
        msg = f"the recording of {self.recording.name} holds no training of its own"
        raise UnsupportedError(msg)

    def learn(self, inputs: Inputs, targets: Any, *, step: int, like: Sequence[Draw] = ()) -> Learned:
        """Raise ``UnsupportedError``: a recording holds no training of its own."""
        msg = f"the recording of {self.recording.name} holds no training of its own"
        raise UnsupportedError(msg)

    def replay(self, path: str, inputs: list[Array], *, training: bool) -> list[Array]:
        """Raise ``UnsupportedError``: a recording runs nothing."""
        msg = f"the recording of {self.recording.name} cannot run {path!r} by itself"
        raise UnsupportedError(msg)


def wide(weights: Mapping[str, Array]) -> Arrays:
    """Return the floats among some weights in float64."""
    return {name: a.astype(np.float64) for name, a in weights.items() if np.issubdtype(a.dtype, np.floating)}


def _floats(array: Any) -> bool:
    return bool(np.issubdtype(np.asarray(array).dtype, np.inexact))
