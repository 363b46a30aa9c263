"""Pictures: learning curves of both sides in one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no screen is needed

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dualnet.run.plan import Epoch

# Okabe & Ito's colours, which colour-blind readers tell apart; the second side is dashed, so that equal curves show.
LOOKS = (("#0072B2", "-", "o"), ("#D55E00", (0, (4, 3)), "s"), ("#009E73", ":", "^"))


def curves(results: Mapping[str, Sequence[Epoch]], title: str, path: Path) -> None:
    """Write loss and accuracy by epoch of each side as a PNG."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle(title)
    loss, accuracy = figure.subplots(1, 2)
    for (name, epochs), (colour, line, mark) in zip(results.items(), LOOKS, strict=False):
        at = [epoch.epoch for epoch in epochs]
        style = {"color": colour, "linestyle": line, "marker": mark, "markersize": 4}
        loss.plot(at, [epoch.loss for epoch in epochs], label=name, **style)
        for kind, alpha in (("train", 1.0), ("test", 0.45)):
            values = [getattr(epoch, f"{kind}_accuracy") for epoch in epochs]
            if None not in values:
                accuracy.plot(at, [100 * value for value in values], label=f"{name} {kind}", alpha=alpha, **style)
    for axes, label in ((loss, "training loss"), (accuracy, "accuracy, %")):
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    try:
        figure.savefig(beside, format="png", dpi=120)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
