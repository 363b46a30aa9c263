"""Training: both sides on the same batches; curves, a diagnosis of the fit, confusions, the weights' histograms."""

from pathlib import Path
from typing import Any

from dualnet.diagnose.fitting import diagnosis
from dualnet.experiments import exhibits as show
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.given import spec_of
from dualnet.report.exhibits import Exhibit
from dualnet.report.result import Result
from dualnet.run import train as training
from dualnet.run.feed import Feed, feed
from dualnet.run.train import Trained, Watch, final_gap, unwatched
from dualnet.specs.losses import classifies
from dualnet.specs.spec import Spec

# Histograms of more weights than this would fill the page.
MOST = 8


def train(
    spec: Spec | str | Path,
    *,
    limit: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    workers: int = 1,
    explain_speed: bool = False,
    watch: Watch = unwatched,
    bench: Bench = HERE,
) -> Result:
    """Train a spec on every backend, from the same start, on the same batches, and show what it came to.

    ``out`` is a folder for checkpoints, from which ``resume`` goes on; ``watch`` is called after each epoch with
    (backend, what is trained so far). ``workers`` train one model on each backend, equal to one process; the bench
    needs a host of processes, ``Workers()``. ``explain_speed`` says by which recipe each side trained.
    Raises ``SpecError``, ``DataError`` or ``WeightsError``.
    """
    net = spec_of(spec)
    each = f", {workers} workers" if workers > 1 else ""
    what = f"{net.name}: {forecast.steps(net, limit):,} steps on each backend{each}"
    bench.say(forecast.announcement(what, forecast.training(net, limit)))
    fed = feed(net, dtype=bench.dtype, seed=bench.seed, limit=limit)
    settings = bench.settings(out=out, resume=resume, workers=workers)
    trained = training.train(bench.host, bench.backends, net, fed, settings, bench.progress, watch)
    result = _result(net, trained, fed, bench)
    result.settings |= {"workers": workers} if workers > 1 else {}
    if explain_speed:
        result.says += [f"{name} trained by: {each.session.speed()}" for name, each in trained.items()]
    return result


def _result(net: Spec, trained: dict[str, Trained], fed: Feed, bench: Bench) -> Result:
    histories = {name: each.history for name, each in trained.items()}
    says = [f"{name}: {diagnosis(history)}" for name, history in histories.items()]
    gap = final_gap(trained)
    if gap is not None:
        says.append(f"largest gap between the backends' training accuracies: {100 * gap:.3f} points")
    exhibits: list[Exhibit] = [show.epochs(histories), show.by_epoch(histories, "loss")]
    if classifies(net.training.loss):
        exhibits.append(show.by_epoch(histories, "accuracy"))
    exhibits.append(show.by_step({name: each.losses for name, each in trained.items()}))
    if any(each.accuracies for each in trained.values()):
        rates = {name: each.accuracies for name, each in trained.items()}
        exhibits.append(show.by_step(rates, "Accuracy of every batch", "fraction", ""))
    return Result(
        "train",
        f"{net.name}: {net.training.optimizer.brief()}",
        says,
        [*exhibits, *_confusions(net, trained, fed), *_weights(net, trained)],
        {"history": training.summary(trained), "losses": {name: each.losses for name, each in trained.items()}},
        source=fed.source,
        settings={"spec": net.name, "seed": bench.seed, "dtype": bench.dtype},
    )


def _confusions(net: Spec, trained: dict[str, Trained], fed: Feed) -> list[Exhibit]:
    if not classifies(net.training.loss):
        return []
    scores = {name: each.session.predict("test") for name, each in trained.items()}
    matrices = {
        name: show.confusion(each, fed.test.labels, fed.classes, f"Confusion matrix, {name}")
        for name, each in scores.items()
    }
    return [show.by_class(scores, fed.test.labels, fed.classes), show.confused(matrices), *matrices.values()]


def _weights(net: Spec, trained: dict[str, Trained]) -> list[Exhibit]:
    held: dict[str, Any] = {name: each.session.weights() for name, each in trained.items()}
    names = [name for name, parameter in net.parameters.items() if parameter.trainable and len(parameter.shape) > 1]
    return [show.weights(held, name, f"{name} after training") for name in names[:MOST]]
