"""Trained networks for experiments that look at one: from a run's folder, from a weight file, or trained now."""

from pathlib import Path

from dualnet import store
from dualnet.backends.protocol import Arrays
from dualnet.errors import SpecError, WeightsError
from dualnet.experiments import forecast
from dualnet.experiments.bench import Bench
from dualnet.run.feed import Feed
from dualnet.run.train import train
from dualnet.specs.spec import Spec

EACH = "each"


def seconds(spec: Spec, weights: Path | None, limit: int | None) -> float:
    """Return how long it will take to have the trained network."""
    return 0.0 if weights is not None else forecast.training(spec, limit)


def weights_of(spec: Spec, fed: Feed, bench: Bench, by: str = EACH, source: Path | None = None) -> dict[str, Arrays]:
    """Return trained weights by backend.

    ``source`` is a folder that ``train(out=…)`` filled, or one safetensors file for all; without it the spec is trained
    now. ``by`` is the backend whose weights all get, or "each" for its own. Raises ``SpecError`` or ``WeightsError``.
    """
    if by != EACH and by not in bench.backends:
        msg = f"Weights can be those of {', '.join(bench.backends)}, or of each. Received: {by!r}"
        raise SpecError(msg)
    names = bench.backends if by == EACH else (by,)
    if source is not None:
        held = {name: _loaded(source, name) for name in names}
    else:
        trained = train(bench.host, names, spec, fed, bench.settings(evaluate=False), bench.progress)
        held = {name: each.session.weights() for name, each in trained.items()}
    return {name: held[name if by == EACH else by] for name in bench.backends}


def _loaded(source: Path, name: str) -> Arrays:
    """Return the weights in a file, or in the checkpoint of a backend in a folder."""
    path = source / f"{name}.safetensors" if source.is_dir() else source
    if source.is_dir() and not path.exists():
        msg = f"{source}: it holds no checkpoint {path.name} of a run. `dualnet train --out` writes one."
        raise WeightsError(msg)
    arrays, _ = store.load(path)
    own = {key.removeprefix("weights/"): array for key, array in arrays.items() if key.startswith("weights/")}
    return own or arrays
