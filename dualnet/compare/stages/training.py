"""Training: the same batches for some epochs, judged by how far a few ulps at the start lead one side astray."""

import math
from dataclasses import replace

from dualnet.compare import curves
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Finding
from dualnet.run.feed import Feed
from dualnet.run.plan import Progress, Settings, saying, silent
from dualnet.run.train import Trained, summary, train_session


def training(pair: Pair, feed: Feed, epochs: int | None = None, progress: Progress = silent) -> Stage:
    """Train both sides, and the left one once more from weights that are a few ulps off."""
    made = pair.both(lambda side: _runs(pair, side, feed, epochs, progress))
    (left, shifted), (right,) = made[pair.left.label], made[pair.right.label]
    loss = curves.losses("loss of every step", left.losses, right.losses, shifted.losses, pair.dtype)
    stage = Stage("training", [loss, *_epochs(left, right, shifted, loss.noise)])
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    sides = {pair.left.label: left, pair.right.label: right}
    losses = {label: [_nine(loss) for loss in side.losses] for label, side in sides.items()}
    stage.figures = {"history": summary(sides), "losses": losses, "source": feed.source}
    last = " and ".join(_last(result) for result in (left, right))
    stage.note = f"{len(left.history)} epochs, {len(left.losses)} steps; {loss.note}; last training accuracy {last}"
    return stage


def _runs(pair: Pair, side: Side, feed: Feed, epochs: int | None, progress: Progress) -> list[Trained]:
    """Return a side's run, and for the left one another, a few ulps off."""
    spec = side.spec if epochs is None else replace(side.spec, training=replace(side.spec.training, epochs=epochs))
    found = []
    steps = feed.steps(spec.training)
    for ulps in (0, curves.ulps(steps)) if side is pair.left else (0,):
        session = pair.host.open(side.backend, spec, device=pair.device, dtype=pair.dtype, seed=pair.seed)
        show = saying(progress, f"{{}}, {ulps} ulps off" if ulps else "{}")
        settings = Settings(pair.seed, pair.dtype, pair.device, ulps=ulps)
        found.append(train_session(side.label, session, spec, feed, settings, show))
    return found


def _nine(loss: float) -> float | None:
    """Return a loss in the nine digits that float32 holds, None if it is no number."""
    return float(f"{loss:.9g}") if math.isfinite(loss) else None


def _last(result: Trained) -> str:
    found = result.history[-1].train_accuracy
    return "unknown" if found is None else f"{100 * found:.2f} %"


def _epochs(left: Trained, right: Trained, shifted: Trained, chaos: float) -> list[Finding]:
    """Judge each epoch's training accuracy, where the loss knows one."""
    found = []
    for epoch in zip(left.history, right.history, shifted.history, strict=True):
        ours, theirs, nudged = (each.train_accuracy for each in epoch)
        if ours is not None and theirs is not None and nudged is not None:
            name = f"training accuracy, epoch {epoch[0].epoch}"
            found.append(curves.accuracies(name, ours, theirs, nudged, chaos))
    return found
