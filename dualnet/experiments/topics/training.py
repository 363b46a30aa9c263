"""What the topics that train share: variants of a net, trained on both backends."""

from collections.abc import Mapping
from dataclasses import dataclass

from dualnet.experiments import forecast
from dualnet.experiments.bench import Bench
from dualnet.run.feed import feed
from dualnet.run.plan import Epoch
from dualnet.run.train import train_session
from dualnet.specs.spec import Spec


@dataclass(frozen=True)
class Trained:
    """What variants came to: by backend and variant, the last epoch; and where the data are from."""

    last: dict[str, dict[str, Epoch]]
    source: str


def trained(what: str, specs: Mapping[str, Spec], limit: int | None, bench: Bench) -> Trained:
    """Train every variant on every backend, on the same images in the same order."""
    bench.say(forecast.announcement(what, sum(forecast.training(spec, limit) for spec in specs.values())))
    fed = feed(next(iter(specs.values())), dtype=bench.dtype, seed=bench.seed, limit=limit)

    def side(backend: str) -> dict[str, Epoch]:
        made = {}
        for name, spec in specs.items():

            def progress(_: str, done: int, total: int, words: str, name: str = name) -> None:
                bench.progress(backend, done, total, f"{name}, {words}")

            session = bench.open(backend, spec)
            made[name] = train_session(backend, session, spec, fed, bench.settings(), progress).history[-1]
        return made

    return Trained(bench.each(side), fed.source)
