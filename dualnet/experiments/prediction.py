"""Prediction: soft decisions by class and the hard decision, side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dualnet.errors import SpecError
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.given import samples_of, spec_of, within
from dualnet.experiments.trained import seconds, weights_of
from dualnet.report.exhibits import Bars, Exhibit, Group, Pictures, Table, numbers, picture
from dualnet.report.result import Result
from dualnet.run.distil import soft_decisions
from dualnet.run.feed import Feed, feed
from dualnet.specs.losses import classifies
from dualnet.specs.spec import Spec


def predict(
    spec: Spec | str | Path,
    samples: str | Sequence[int] = (0,),
    *,
    temperature: float = 1.0,
    weights: Path | None = None,
    by: str = "each",
    limit: int | None = None,
    bench: Bench = HERE,
) -> Result:
    """Return softmax(logits / temperature) of some test images by class, and which class each side decides for.

    ``weights`` and ``by`` are those of ``dualnet.experiments.trained.weights_of``: by default each backend trains the
    network itself, from the same start. Raises ``SpecError``.
    """
    net, wanted = spec_of(spec), samples_of(samples)
    if not classifies(net.training.loss):
        msg = f"{net.name}: its loss knows no classes, so it makes no decisions."
        raise SpecError(msg)
    if not temperature > 0:
        msg = f"The temperature must be above 0. Received: {temperature}"
        raise SpecError(msg)
    bench.say(announcement(f"{net.name}: decisions on {len(wanted)} test images", seconds(net, weights, limit)))
    fed = feed(net, dtype=bench.dtype, seed=bench.seed, limit=limit)
    within(wanted, len(fed.test.labels))
    held = weights_of(net, fed, bench, by, weights)

    def side(name: str) -> Any:
        session = bench.open(name, net)
        session.load(held[name])
        logits = session.forward({key: each[list(wanted)] for key, each in fed.test.inputs.items()})["outputs"][0]
        return soft_decisions(logits, (temperature,))[temperature]

    return _result(net, bench.each(side), wanted, temperature, fed, bench)


def _result(
    net: Spec, soft: dict[str, Any], wanted: Sequence[int], temperature: float, fed: Feed, bench: Bench
) -> Result:
    exhibits: list[Exhibit] = []
    says = []
    for at, sample in enumerate(wanted):
        label = int(fed.test.labels[sample])
        hard = {name: int(each[at].argmax()) for name, each in soft.items()}
        exhibits += [_table(soft, at, sample, label, hard, fed), _bars(soft, at, sample, label, fed, bench)]
        verdicts = ", ".join(
            f"{name} {fed.classes[index]} ({soft[name][at][index]:.1%})" for name, index in hard.items()
        )
        says.append(f"test image {sample} ({fed.classes[label]}): {verdicts}")
    images = next(iter(fed.test.inputs.values()))[list(wanted)][:, 0]
    cells = (tuple(picture(image - image.min()) for image in images),)
    shown = Pictures("The images", ("image",), tuple(f"{sample}" for sample in wanted), cells)
    return Result(
        "predict",
        f"{net.name}: soft and hard decisions" + (f" at T={temperature:g}" if temperature != 1 else ""),
        says,
        [*exhibits, shown],
        {name: {str(s): each[at].tolist() for at, s in enumerate(wanted)} for name, each in soft.items()},
        source=fed.source,
        settings={"spec": net.name, "samples": list(wanted), "temperature": temperature, "seed": bench.seed},
    )


def _table(soft: dict[str, Any], at: int, sample: int, label: int, hard: dict[str, int], fed: Feed) -> Table:
    rows = []
    for index, name in enumerate(fed.classes):
        cells = [f"{each[at][index]:.4f}{' *' if hard[side] == index else '  '}" for side, each in soft.items()]
        rows.append((f"{name} <- label" if index == label else name, *cells))
    note = "probabilities; * marks the hard decision, the largest"
    return Table(f"Test image {sample}", ("class", *soft), tuple(rows), note)


def _bars(soft: dict[str, Any], at: int, sample: int, label: int, fed: Feed, bench: Bench) -> Bars:
    groups = tuple(Group(name, numbers(each[at]), dashed=bench.dashed(name)) for name, each in soft.items())
    return Bars(f"Test image {sample}", fed.classes, "probability", groups, label)
