"""Seeded faults: one wrong value planted in the right side's spec, and where a checker must find it.

Both backends implement every value of the spec language, so a fault that people make in one framework (an epsilon, a
momentum not inverted, another padding rule) is written as a spec that differs in one field.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dualnet import specs as S


@dataclass(frozen=True)
class Fault:
    """A change of one layer or setting, the stage that must see it first, and the place it must name."""

    name: str
    plant: Callable[[S.Spec], S.Spec]
    stage: str
    where: str


def network() -> S.Spec:
    """Return a network in which every trap of the table has a layer to sit in; asymmetric in every size."""
    layers = (
        S.Conv2d(6, (3, 5), stride=2, padding=(1, 2), name="conv"),
        S.BatchNorm2d(name="norm"),
        S.LeakyReLU(0.1, name="leaky"),
        S.MaxPool2d(3, stride=2, padding=1, name="maximum"),
        S.Conv2d(6, 3, padding=1, groups=2, bias=False, name="grouped"),
        S.GroupNorm(3, name="group"),
        S.GELU(name="gelu"),
        S.AvgPool2d(3, stride=1, padding=1, name="average"),
        S.Flatten(name="flatten"),
        S.Dropout(0.3, name="dropout"),
        S.Linear(8, name="square"),
        S.ELU(1.3, name="elu"),
        S.Linear(8, name="square2"),
        S.LayerNorm(name="layer"),
        S.Linear(5, name="head"),
    )
    training = S.Training(optimizer=S.Adam(1e-2, epsilon=1e-3), clip=S.Clip("global_norm", 0.5))
    return S.Spec("victim", S.Sequential(*layers), (2, 18, 24), training=training)


def layer(name: str, **changes: Any) -> Callable[[S.Spec], S.Spec]:
    """Return the fault that changes fields of one layer."""

    def plant(spec: S.Spec) -> S.Spec:
        changed = tuple(replace(each, **changes) if each.name == name else each for each in spec.model.layers)
        assert changed != spec.model.layers, name
        return replace(spec, model=replace(spec.model, layers=changed))

    return plant


def swapped(name: str, new: S.Layer) -> Callable[[S.Spec], S.Spec]:
    """Return the fault that puts another layer in the place of one."""

    def plant(spec: S.Spec) -> S.Spec:
        changed = tuple(replace(new, name=name) if each.name == name else each for each in spec.model.layers)
        return replace(spec, model=replace(spec.model, layers=changed))

    return plant


def optimizer(**changes: Any) -> Callable[[S.Spec], S.Spec]:
    """Return the fault that changes fields of the optimizer."""
    return lambda spec: _training(spec, optimizer=replace(spec.training.optimizer, **changes))


def training(**changes: Any) -> Callable[[S.Spec], S.Spec]:
    """Return the fault that changes a training setting."""
    return lambda spec: _training(spec, **changes)


def _training(spec: S.Spec, **changes: Any) -> S.Spec:
    return replace(spec, training=replace(spec.training, **changes))


FAULTS = (
    Fault("BatchNorm epsilon of Keras", layer("norm", epsilon=1e-3), "forward", "norm"),
    Fault("BatchNorm epsilon barely off", layer("norm", epsilon=1.01e-5), "forward", "norm"),
    Fault("BatchNorm momentum not inverted", layer("norm", momentum=0.9), "state", "norm.running_mean"),
    Fault("BatchNorm running variance biased", layer("norm", running_variance="biased"), "state", "norm.running_var"),
    Fault("GroupNorm epsilon of Keras", layer("group", epsilon=1e-3), "forward", "group"),
    Fault("GroupNorm with other groups", layer("group", groups=2), "forward", "group"),
    Fault("LayerNorm epsilon of Keras", layer("layer", epsilon=1e-3), "forward", "layer"),
    Fault("padding 'same' with stride 2", layer("conv", padding="same"), "forward", "conv"),
    Fault("LeakyReLU slope of Keras", layer("leaky", slope=0.3), "forward", "leaky"),
    Fault("ELU alpha 1", layer("elu", alpha=1.0), "forward", "elu"),
    Fault("GELU by tanh", layer("gelu", approximate="tanh"), "forward", "gelu"),
    Fault("ReLU for GELU", swapped("gelu", S.ReLU()), "forward", "gelu"),
    Fault("average counts no padding", layer("average", count_include_pad=False), "forward", "average"),
    Fault("average for maximum", swapped("maximum", S.AvgPool2d(3, stride=2, padding=1)), "forward", "maximum"),
    Fault("dropout keeps what it should drop", layer("dropout", rate=0.7), "forward", "dropout"),
    Fault("dropout rate barely off", layer("dropout", rate=0.31), "forward", "dropout"),
    Fault("Adam epsilon of Keras", optimizer(epsilon=1e-7), "step", ""),
    Fault("Adam epsilon before the correction", optimizer(epsilon_placement="before_correction"), "step", ""),
    Fault("Adam beta2 of 0.99", optimizer(beta2=0.99), "step", ""),
    Fault("learning rate off by a thousandth", optimizer(learning_rate=1.001e-2), "step", ""),
    Fault("weight decay forgotten", optimizer(weight_decay=1e-4), "step", ""),
    Fault("amsgrad on one side", optimizer(amsgrad=True), "step", ""),
    Fault("clipping forgotten", training(clip=None), "step", ""),
    Fault("clipping by each parameter's norm", training(clip=S.Clip("norm", 0.5)), "step", ""),
    Fault("label smoothing on one side", training(loss=S.CrossEntropy(0.1)), "loss", ""),
    Fault("sum for mean", training(loss=S.CrossEntropy(reduction="sum")), "loss", ""),
)
