"""Updates: by which rule a side's optimizer moved its weights, in NumPy: the rules that people mean by its name.

SGD with momentum (Sutskever et al. 2013), Adam and AMSGrad (Kingma and Ba 2015, Reddi et al. 2018), AdamW (Loshchilov
and Hutter 2019), Adagrad (Duchi et al. 2011); as ``torch.optim`` and ``keras.optimizers`` write them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dualnet.backends.draws import Array, Arrays

Label = dict[str, Any]
# Turns gradients so far, and the weights before each of them, into the change at the last.
Rule = Callable[[Sequence[Array], Sequence[Array]], Array]


def sgd(label: Label) -> Rule:
    """Return v ← momentum·v + (1 - dampening)·g, w ← w - rate·v."""

    def change(slopes: Sequence[Array], weights: Sequence[Array]) -> Array:
        velocity = np.zeros_like(slopes[0])
        for at, slope in enumerate(slopes):
            share = 1.0 if at == 0 else 1.0 - label["dampening"]
            velocity = label["momentum"] * velocity + share * slope
        ahead = slopes[-1] + label["momentum"] * velocity if label["nesterov"] else velocity
        return np.asarray(-label["learning rate"] * ahead)

    return change


def adam(label: Label) -> Rule:
    """Return Adam's rule, its epsilon before or after the correction if any, by the largest square or not."""

    def change(slopes: Sequence[Array], weights: Sequence[Array]) -> Array:
        one, two = label["momentum"]
        mean, square = np.zeros_like(slopes[0]), np.zeros_like(slopes[0])
        most = square
        for slope in slopes:
            mean, square = one * mean + (1 - one) * slope, two * square + (1 - two) * slope * slope
            most = np.maximum(most, square)
        count, used = len(slopes), most if label["amsgrad"] else square
        first, second = (1 - one**count, 1 - two**count) if label["bias correction"] else (1.0, 1.0)
        if label["Adam epsilon placement"] == "after the correction":
            step: Array = (mean / first) / (np.sqrt(used / second) + label["Adam epsilon"])
        else:
            step = mean * np.sqrt(second) / first / (np.sqrt(used) + label["Adam epsilon"])
        return np.asarray(-label["learning rate"] * step)

    return change


def adagrad(label: Label) -> Rule:
    """Return w ← w - rate·g / (√(initial + Σ g²) + epsilon), epsilon beside the root or under it."""

    def change(slopes: Sequence[Array], weights: Sequence[Array]) -> Array:
        total = label["initial accumulator"] + sum(slope * slope for slope in slopes)
        under = label["epsilon placement"] == "under the root"
        root = np.sqrt(total + label["epsilon"]) if under else np.sqrt(total) + label["epsilon"]
        return np.asarray(-label["learning rate"] * slopes[-1] / root)

    return change


def _axes(settings: Sequence[dict[str, Any]]) -> tuple[Callable[[Label], Rule], dict[str, list[Any]]] | None:
    """Return the rule of two optimizers' names, and the values that each of its numbers may have."""

    def values(key: str, *usual: Any) -> list[Any]:
        return list(dict.fromkeys([*(s[key] for s in settings if key in s), *usual]))

    names = {str(each.get("optimizer", "")).lower() for each in settings}
    rates = values("learning rate")
    if any("adagrad" in name for name in names):
        return adagrad, {"learning rate": rates, "initial accumulator": values("initial", 0.0, 0.1),
                         "epsilon": values("epsilon"),
                         "epsilon placement": ["beside the root", "under the root"]}  # fmt: skip
    if any("beta1" in each for each in settings):
        betas = [(s["beta1"], s["beta2"]) for s in settings if "beta1" in s]
        return adam, {"learning rate": rates, "momentum": list(dict.fromkeys(betas)),
                      "Adam epsilon": values("epsilon", 1e-8, 1e-7),
                      "Adam epsilon placement": ["after the correction", "before the correction"],
                      "amsgrad": [False, True], "bias correction": [True, False]}  # fmt: skip
    if any("momentum" in each or "sgd" in name for each, name in zip(settings, names, strict=False)):
        return sgd, {"learning rate": rates, "momentum": values("momentum", 0.0), "dampening": values("dampening", 0.0),
                     "nesterov": [False, True]}  # fmt: skip
    return None


def rules(settings: Sequence[dict[str, Any]]) -> Iterator[tuple[Label, Rule]]:
    """Yield every rule that two optimizers may follow, with and without weight decay of either kind."""
    found = _axes(settings)
    if found is None:
        return
    make, axes = found
    decays = [0.0, *(s["weight decay"] for s in settings if s.get("weight decay"))]
    for values in itertools.product(*axes.values()):
        label = dict(zip(axes, values, strict=True))
        for decay, kind in itertools.product(dict.fromkeys(decays), ("coupled", "decoupled")):
            if decay or kind == "coupled":
                told = label | {"weight decay": decay, "decay coupling": kind if decay else "none"}
                yield told, _decayed(make(label), decay, kind, label["learning rate"])


def _decayed(rule: Rule, decay: float, kind: str, rate: float) -> Rule:
    """Return a rule with weight decay: in the gradient, or beside it, w ← w - rate·decay·w before the update."""
    if not decay:
        return rule
    if kind == "decoupled":
        return lambda slopes, weights: rule(slopes, weights) - rate * decay * weights[-1]
    return lambda slopes, weights: rule([g + decay * w for g, w in zip(slopes, weights, strict=True)], weights)


def clippings(raw: Arrays, whole: float, limits: Sequence[float]) -> Iterator[tuple[Label, Arrays]]:
    """Yield gradients clipped by every kind of norm, with and without PyTorch's 1e-6 beside it; ``whole`` is all's."""
    yield {"clip kind": "none"}, raw
    for limit, epsilon in itertools.product(limits, (0.0, 1e-6)):
        said = {"clip epsilon": f"{epsilon:g}", "clip limit": f"{limit:g}"}
        together = min(1.0, limit / (whole + epsilon))
        yield {"clip kind": "the norm of all", **said}, {name: g * together for name, g in raw.items()}
        single = {name: g * min(1.0, limit / (_norm(g) + epsilon)) for name, g in raw.items()}
        yield {"clip kind": "each one's norm", **said}, single
    for limit in limits:
        cut = {name: np.clip(g, -limit, limit) for name, g in raw.items()}
        yield {"clip kind": "each entry", "clip limit": f"{limit:g}"}, cut


def _norm(array: Array) -> float:
    return float(np.sqrt((array * array).sum())) or 1e-300
