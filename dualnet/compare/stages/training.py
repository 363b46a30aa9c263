"""Training: the same batches for some epochs, judged by how far a one-ulp change leads one side astray."""

from dataclasses import replace

import numpy as np

from dualnet.backends.protocol import Session
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import NOISE_FACTOR, ROUNDOFF
from dualnet.compare.verdict import Finding, Verdict
from dualnet.run.feed import Feed
from dualnet.run.train import Progress, Settings, Trained, silent, summary, train_session
from dualnet.specs.draw import draw


def training(pair: Pair, feed: Feed, epochs: int | None = None, progress: Progress = silent) -> Stage:
    """Train both sides, and the left one once more from weights that are one ulp off."""
    runs = [(pair.left, False), (pair.right, False), (pair.left, True)]
    lanes: dict[str, list[tuple[Side, bool]]] = {}
    for side, perturbed in runs:
        lanes.setdefault(side.label, []).append((side, perturbed))

    def run(label: str) -> list[Trained]:
        return [_train(pair, side, perturbed, feed, epochs, progress) for side, perturbed in lanes[label]]

    made = pair.host.each(lanes, run)
    left, shifted = made[pair.left.label][0], made[pair.left.label][-1]
    right = made[pair.right.label][0]
    stage = Stage("training", [_losses(left, right, shifted), *_epochs(left, right, shifted)])
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.figures = {"history": summary({pair.left.label: left, pair.right.label: right}), "source": feed.source}
    accuracies = [f"{label} {_last(result)}" for label, result in ((pair.left.label, left), (pair.right.label, right))]
    stage.note = f"{len(left.history)} epochs, {len(left.losses)} steps; last training accuracy " + ", ".join(
        accuracies
    )
    return stage


def _last(result: Trained) -> str:
    found = result.history[-1].train_accuracy
    return "unknown" if found is None else f"{100 * found:.2f} %"


def _train(pair: Pair, side: Side, perturbed: bool, feed: Feed, epochs: int | None, progress: Progress) -> Trained:
    spec = side.spec if epochs is None else replace(side.spec, training=replace(side.spec.training, epochs=epochs))
    session = pair.host.open(side.backend, spec, device=pair.device, dtype=pair.dtype, seed=pair.seed)
    if perturbed:
        _nudge(session, pair)
    what = " once more, one ulp off" if perturbed else ""
    return train_session(
        side.label,
        session,
        spec,
        feed,
        Settings(pair.seed, pair.dtype),
        lambda label, done, total, text: progress(label, done, total, text + what),
    )


def _nudge(session: Session, pair: Pair) -> None:
    """Move every weight of a session up or down by one float32 ulp."""
    start = {
        name: draw(parameter, pair.seed, name).astype(np.float32) for name, parameter in pair.spec.parameters.items()
    }
    moved = pair.perturbed("float32")
    up = {
        name: np.where(moved[name] > pair.weights[name].astype(np.float32), np.inf, -np.inf).astype(np.float32)
        for name in start
    }
    session.load({name: np.nextafter(array, up[name]) for name, array in start.items()})


def _losses(left: Trained, right: Trained, shifted: Trained) -> Finding:
    """Judge the loss of every step: the gap between the sides against the gap within one."""
    curves = [np.array(result.losses) for result in (left, right, shifted)]
    if not all(np.isfinite(curve).all() for curve in curves):
        same = np.array_equal(np.isfinite(curves[0]), np.isfinite(curves[1]))
        return Finding(
            "loss of every step", "unstable" if same else "divergent", np.inf, np.inf, note="NaN or infinity"
        )
    scale = float(np.sqrt((curves[0] ** 2).mean()))
    gap, own = (float(np.sqrt(((curves[0] - other) ** 2).mean())) / scale for other in curves[1:])
    note = f"rms gap {gap:.1e} of the loss; a one-ulp change makes {own:.1e}"
    return Finding("loss of every step", _verdict(gap, own), gap, 0.0, own, note)


def _epochs(left: Trained, right: Trained, shifted: Trained) -> list[Finding]:
    """Judge each epoch's training accuracy against the same noise, and the resolution of one example."""
    found = []
    for ours, theirs, nudged in zip(left.history, right.history, shifted.history, strict=True):
        if ours.train_accuracy is None or theirs.train_accuracy is None or nudged.train_accuracy is None:
            continue
        gap, own = abs(ours.train_accuracy - theirs.train_accuracy), abs(ours.train_accuracy - nudged.train_accuracy)
        note = f"{100 * ours.train_accuracy:.2f} % and {100 * theirs.train_accuracy:.2f} %"
        # Ten examples of ten thousand may sit on a class border and fall either way.
        verdict = _verdict(gap, max(own, 1e-4))
        found.append(Finding(f"training accuracy, epoch {ours.epoch}", verdict, gap, 0.0, own, note))
    return found


def _verdict(gap: float, own: float) -> Verdict:
    """Return equal up to the side's own noise, rounding up to ten times it, divergent beyond."""
    floor = max(own, ROUNDOFF["float32"])
    return "equal" if gap <= floor else "rounding" if gap <= NOISE_FACTOR * floor else "divergent"
