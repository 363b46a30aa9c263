"""The public functions: load a spec, build a live model, check a pair."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dualnet.backends import backend as backend_of
from dualnet.compare.ladder import Climb, climb
from dualnet.compare.ladder import stages as chosen
from dualnet.compare.pair import Pair, Side
from dualnet.compare.report import Report
from dualnet.errors import SpecError
from dualnet.run.hosts import Here, Host
from dualnet.specs import zoo
from dualnet.specs.spec import Spec


def load(name: str | Path) -> Spec:
    """Return a spec of the zoo by name, or of a .toml or .json file by path. Raises ``SpecError``."""
    if not isinstance(name, (str, Path)):
        msg = f"Expected a Spec, the name of one, or a path. Received: {type(name).__name__}. Layers become a Spec by "
        raise SpecError(msg + "Spec(name, layers, inputs).")
    return zoo.load(name)


def build(
    spec: Spec | str | Path, backend: str, *, dtype: str = "float32", device: str = "cpu", seed: int | None = 0
) -> Any:
    """Return a live model: an ``nn.Module`` for "torch" (N, C, H, W), a ``keras.Model`` for "keras" (N, H, W, C).

    The module is in training mode, as torch makes them: call ``.eval()`` before you compare outputs.
    ``seed`` keys shared draws, which start both backends bit-identical; None leaves the start to the framework's own
    initializers and generator. Raises ``SpecError``, ``UnsupportedError`` or ``DeviceError``.
    """
    spec = spec if isinstance(spec, Spec) else load(spec)
    return backend_of(backend).build(spec, dtype=dtype, device=device, seed=seed)


def check(
    spec: Spec | str | Path,
    against: Spec | str | Path | None = None,
    *,
    stages: str | Iterable[str] | None = None,
    backends: tuple[str, str] = ("torch", "keras"),
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    host: Host | None = None,
    climb_options: dict[str, Any] | None = None,
) -> Report:
    """Return the report of the parity ladder on a spec.

    ``against`` is the right side's spec, if it is another one with parameters of the same names and shapes.
    ``stages``: "quick" (the default, no data set needed), "all", or names. Numerical stages run in float32 and float64;
    ``dtype`` is that of the stages that train on data. Both frameworks run in this process unless
    ``host`` is given. Raises ``SpecError``, ``UnsupportedError`` or ``DeviceError``.
    """
    left = spec if isinstance(spec, Spec) else load(spec)
    right = left if against is None else against if isinstance(against, Spec) else load(against)
    labels = backends if backends[0] != backends[1] else (f"{backends[0]} (left)", f"{backends[1]} (right)")
    sides = (Side(labels[0], backends[0], left), Side(labels[1], backends[1], right))
    pair = Pair(*sides, host=host or Here(), seed=seed, device=device, dtype=dtype)
    return climb(pair, Climb(stages=chosen(stages), dtype=dtype, **(climb_options or {})))
