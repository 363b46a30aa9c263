"""Optimizers: how weights move.

Every difference between ``torch.optim`` and ``keras.optimizers`` is a field, and ``FLAVOURS`` holds the values that
each framework has by default.
"""

from dualnet.specs.optimizers.adam import Adam, Adamax, AdamW, Lamb, NAdam, RAdam, ScheduleFreeAdamW
from dualnet.specs.optimizers.base import Accumulate, Clip, Group, LossScale, Optimizer, WeightAverage
from dualnet.specs.optimizers.flavours import FLAVOURS
from dualnet.specs.optimizers.momentum import ASGD, SGD, Lion, Muon, Rprop
from dualnet.specs.optimizers.scaled import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from dualnet.specs.schedules import CosineDecay

__all__ = [
    "ASGD",
    "FLAVOURS",
    "SGD",
    "Accumulate",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Clip",
    "CosineDecay",
    "Ftrl",
    "Group",
    "Lamb",
    "Lion",
    "LossScale",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFreeAdamW",
    "WeightAverage",
]
