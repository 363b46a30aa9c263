"""Flavours: what each framework means by an optimizer's name when nothing else is said."""

from typing import Any

from dualnet.specs.optimizers import adam, momentum, scaled
from dualnet.specs.optimizers.base import Optimizer

BEFORE: Any = {"epsilon_placement": "before_correction", "decay": "decoupled"}

FLAVOURS: dict[str, dict[str, Optimizer]] = {
    "torch": {
        "SGD": momentum.SGD(),
        "ASGD": momentum.ASGD(),
        "Rprop": momentum.Rprop(),
        "Muon": momentum.Muon(),
        "Adam": adam.Adam(),
        "AdamW": adam.AdamW(),
        "Adamax": adam.Adamax(),
        "NAdam": adam.NAdam(),
        "RAdam": adam.RAdam(),
        "RMSprop": scaled.RMSprop(),
        "Adagrad": scaled.Adagrad(),
        "Adadelta": scaled.Adadelta(),
        "Adafactor": scaled.Adafactor(),
    },
    "keras": {
        "SGD": momentum.SGD(1e-2, velocity="update", decay="decoupled"),
        "Lion": momentum.Lion(),
        "Muon": momentum.Muon(
            velocity="sum",
            epsilon_placement="added",
            scale="largest",
            others=adam.AdamW(1e-3, epsilon=1e-7, weight_decay=0.004, epsilon_placement="before_correction"),
            weight_decay=0.004,
        ),
        "Adam": adam.Adam(epsilon=1e-7, **BEFORE),
        "AdamW": adam.AdamW(epsilon=1e-7, weight_decay=0.004, **BEFORE),
        "Adamax": adam.Adamax(1e-3, epsilon=1e-7, epsilon_placement="outside", decay="decoupled"),
        "NAdam": adam.NAdam(1e-3, epsilon=1e-7, momentum_decay=1.0, decay="decoupled"),
        "Lamb": adam.Lamb(),
        "ScheduleFreeAdamW": adam.ScheduleFreeAdamW(recover="after"),
        "RMSprop": scaled.RMSprop(1e-3, 0.9, 1e-7, "inside_root", velocity="update", decay="decoupled"),
        "Adagrad": scaled.Adagrad(1e-3, initial=0.1, epsilon=1e-7, epsilon_placement="inside_root", decay="decoupled"),
        "Adadelta": scaled.Adadelta(1e-3, 0.95, 1e-7, decay="decoupled"),
        "Adafactor": scaled.Adafactor(
            1e-3, epsilon1=1e-30, epsilon_placement="added", factored="first_two", rms_of="after_decay"
        ),
        "Ftrl": scaled.Ftrl(),
    },
}
