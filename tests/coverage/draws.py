"""Draws: initializers of both frameworks against the spec's, and metrics of Keras against dualnet's."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from dualnet import specs as S
from dualnet.backends import backend
from dualnet.backends.protocol import Array
from dualnet.diagnose.metrics import auc, by_class, top_k
from tests.coverage.found import Found, gap

OUT, IN = 60, 50  # of the weight that is drawn
SAME = 1e-7  # draws of one distribution fail the test of Kolmogorov and Smirnov once in so many seeds, which are fixed
DIRAC = (6, 4, 3, 3)
Start = tuple[S.Initializer, tuple[Any, ...]]
# The spec that means a stock function or class, and its arguments.
TORCH: dict[str, Start] = {
    "zeros_": (S.Zeros(), ()),
    "ones_": (S.Ones(), ()),
    "constant_": (S.Constant(0.3), (0.3,)),
    "eye_": (S.Eye(), ()),
    "dirac_": (S.Dirac(), ()),
    "uniform_": (S.Uniform(), ()),
    "normal_": (S.Normal(), ()),
    "trunc_normal_": (S.TruncatedNormal(), ()),
    "xavier_uniform_": (S.XavierUniform(), ()),
    "xavier_normal_": (S.XavierNormal(), ()),
    "kaiming_uniform_": (S.KaimingUniform(nonlinearity="leaky_relu", slope=0.0), ()),
    "kaiming_normal_": (S.KaimingNormal(nonlinearity="leaky_relu", slope=0.0), ()),
    "orthogonal_": (S.Orthogonal(), ()),
    "sparse_": (S.Sparse(0.3), (0.3,)),
}
KERAS: dict[str, Start] = {
    "Zeros": (S.Zeros(), ()),
    "Ones": (S.Ones(), ()),
    "Constant": (S.Constant(0.3), (0.3,)),
    "Identity": (S.Eye(), ()),
    "RandomUniform": (S.Uniform(-0.05, 0.05), ()),
    "RandomNormal": (S.Normal(0.0, 0.05), ()),
    "TruncatedNormal": (S.TruncatedNormal(0.0, 0.05, -0.1, 0.1), ()),
    "GlorotUniform": (S.XavierUniform(), ()),
    "GlorotNormal": (S.XavierNormal(truncated=True), ()),
    "HeUniform": (S.KaimingUniform(), ()),
    "HeNormal": (S.KaimingNormal(truncated=True), ()),
    "LecunUniform": (S.LecunUniform(), ()),
    "LecunNormal": (S.LecunNormal(truncated=True), ()),
    "VarianceScaling": (S.VarianceScaling(), ()),
    "Orthogonal": (S.Orthogonal(), ()),
}
NARROW = {"Constant": "Keras casts its value through float32"}
FIXED = (S.Zeros, S.Ones, S.Constant, S.Eye, S.Dirac)


def initializer(side: str, name: str) -> Found:
    """Return the gap between both backends' starts; and "differs" where the stock class draws otherwise."""
    start, given = {"torch": TORCH, "keras": KERAS}[side][name]
    ours, theirs = (_started(each, start) for each in ("torch", "keras"))
    stock = {"torch": _torch, "keras": _keras}[side](name, given)
    if isinstance(start, FIXED):
        apart = max(gap({"": each}, {"": stock}) for each in (ours, theirs))
        return Found("yes", NARROW.get(name, ""), forward=apart)
    alike = stats.ks_2samp(ours.ravel(), stock.ravel()).pvalue > SAME
    return Found("yes" if alike else "no", "its distribution", forward=gap({"": ours}, {"": theirs}))


def _started(side: str, start: S.Initializer) -> Array:
    """Return the weight that a backend's session begins with, of seeded draws."""
    dirac = isinstance(start, S.Dirac)
    layer = S.Conv2d(DIRAC[0], DIRAC[2], weight_init=start) if dirac else S.Linear(OUT, weight_init=start)
    spec = S.Spec("drawn", S.Sequential(layer), (DIRAC[1], 5, 5) if dirac else (IN,))
    weights = backend(side).session(spec, dtype="float64", seed=7).weights()
    return next(array for name, array in weights.items() if name.endswith("weight"))


def _torch(name: str, given: tuple[Any, ...]) -> Array:
    import torch

    torch.manual_seed(0)
    tensor = torch.empty(*(DIRAC if name == "dirac_" else (OUT, IN)), dtype=torch.float64)
    return np.asarray(getattr(torch.nn.init, name)(tensor, *given).numpy())


def _keras(name: str, given: tuple[Any, ...]) -> Array:
    import keras

    own = getattr(keras.initializers, name)
    seeded = {"seed": 0} if "seed" in inspect.signature(own).parameters else {}
    return np.asarray(own(*given, **seeded)((IN, OUT), dtype="float64")).T


RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 5, 400)
SCORES = RNG.normal(size=(400, 5)).astype(np.float32) + 1.2 * np.eye(5)[LABELS]
SAID, TRUE = np.eye(5)[SCORES.argmax(1)], np.eye(5)[LABELS]
Made = Callable[[], Any]
# Keras's class, its arguments, what it is shown, and dualnet's value.
METRICS: dict[str, tuple[dict[str, Any], Array, Array, Made]] = {
    "SparseCategoricalAccuracy": ({}, LABELS, SCORES, lambda: top_k(SCORES, LABELS)),
    "CategoricalAccuracy": ({}, TRUE, SCORES, lambda: top_k(SCORES, LABELS)),
    "SparseTopKCategoricalAccuracy": ({"k": 2}, LABELS, SCORES, lambda: top_k(SCORES, LABELS, 2)),
    "TopKCategoricalAccuracy": ({"k": 2}, TRUE, SCORES, lambda: top_k(SCORES, LABELS, 2)),
    "Precision": ({"class_id": 1}, TRUE, SAID, lambda: by_class(SCORES, LABELS).precision[1]),
    "Recall": ({"class_id": 1}, TRUE, SAID, lambda: by_class(SCORES, LABELS).recall[1]),
    "F1Score": ({"threshold": 0.5}, TRUE, SAID, lambda: by_class(SCORES, LABELS).f1),
    "AUC": ({"from_logits": True}, LABELS == 1, SCORES[:, 1], lambda: auc(SCORES[:, 1], LABELS == 1)),
}
WHY = {"AUC": "Keras's is a sum over 200 thresholds; dualnet's is exact"}


def metric(name: str) -> Found:
    """Return how far Keras's class is from dualnet's function."""
    import keras

    given, true, said, ours = METRICS[name]
    own = getattr(keras.metrics, name)(**given)
    own.update_state(true, said.astype(np.float32))
    why = WHY.get(name, "Keras counts in float32")
    return Found(
        "yes", why, forward=gap({"": np.asarray(ours(), np.float64)}, {"": np.asarray(own.result(), np.float64)})
    )
