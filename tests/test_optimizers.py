"""Every optimizer with every field, in mixtures that neither framework has: weights and slots agree on both.

The learning rate changes midway, which is where the two kinds of velocity part. ``test_stock_optimizers.py`` holds the
mixtures that a framework has to its own classes.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays, Session
from dualnet.specs.node import kinds_of
from dualnet.specs.optimizers import FLAVOURS as DEFAULTS
from dualnet.specs.rates import learning_rates
from tests import stock
from tests.cases import arrays, weights

# One step agrees to about 1e-15; fifty of them, each a division by a root that can be small, reach 1e-13 in the worst
# row of the table. A wrong coefficient, even by float32's rounding of it, is 1e-9 and more.
CLOSE = 1e-11

SPEC = S.Spec("mlp", S.Sequential(S.Linear(6), S.Tanh(), S.Linear(4), S.Tanh(), S.Linear(3)), (5,))
STEPS, HALF = 50, 25
TRAIN = arrays(SPEC.inputs, 30, 40)
LABELS = np.random.default_rng(31).integers(0, 3, 40)
ORDER = np.random.default_rng(32).integers(0, 40, (STEPS, 8))
SCHEDULE = S.StepDecay(10, 0.5)

Row = tuple[S.Optimizer, S.Clip | None]
TORCH: dict[str, Row] = {
    "sgd": (S.SGD(0.1), None),
    "sgd_decay": (S.SGD(0.1, weight_decay=0.2), None),
    "sgd_momentum": (S.SGD(0.1, 0.9), None),
    "sgd_dampening": (S.SGD(0.1, 0.9, 0.3, weight_decay=0.1), None),
    "sgd_nesterov": (S.SGD(0.1, 0.9, nesterov=True, weight_decay=0.1), None),
    "adam": (S.Adam(0.01), None),
    "adam_epsilon": (S.Adam(0.1, 0.8, 0.95, 0.1), None),
    "adam_decay": (S.Adam(0.01, weight_decay=0.2), None),
    "adam_amsgrad": (S.Adam(0.05, 0.7, 0.8, amsgrad=True), None),
    "adamw": (S.AdamW(0.05), None),
    "adamw_amsgrad": (S.AdamW(0.05, 0.7, 0.8, 0.01, amsgrad=True, weight_decay=0.3), None),
    "rmsprop": (S.RMSprop(), None),
    "rmsprop_epsilon": (S.RMSprop(0.05, 0.8, 0.1, weight_decay=0.2), None),
    "rmsprop_centered": (S.RMSprop(0.01, 0.8, 0.01, centered=True), None),
    "rmsprop_all": (S.RMSprop(0.01, 0.8, 0.01, centered=True, momentum=0.9, weight_decay=0.1), None),
    "clip_global": (S.SGD(0.1, 0.9), S.Clip("global_norm", 0.3)),
    "clip_global_loose": (S.SGD(0.1, 0.9), S.Clip("global_norm", 100.0)),
    "clip_value": (S.Adam(0.01), S.Clip("value", 0.02)),
    "clip_each": (S.SGD(0.1, weight_decay=0.2), S.Clip("norm", 0.1)),
}

# keras.optimizers holds its coefficients and its learning rate in float32. Sums of few powers of two lose nothing
# there, so that the stock classes can be held to the same tolerance as everything else.
UPDATE: Any = {"velocity": "update", "decay": "decoupled"}
BEFORE: Any = {"epsilon_placement": "before_correction", "decay": "decoupled"}
INSIDE: Any = {"epsilon_placement": "inside_root", **UPDATE}
KERAS: dict[str, Row] = {
    "sgd": (S.SGD(0.125, **UPDATE), None),
    "sgd_decay": (S.SGD(0.125, weight_decay=0.25, **UPDATE), None),
    "sgd_momentum": (S.SGD(0.125, 0.875, **UPDATE), None),
    "sgd_nesterov": (S.SGD(0.125, 0.875, nesterov=True, weight_decay=0.125, **UPDATE), None),
    "adam": (S.Adam(0.0625, 0.875, 0.96875, 2**-23, **BEFORE), None),
    "adam_epsilon": (S.Adam(0.125, 0.75, 0.9375, 0.125, weight_decay=0.25, **BEFORE), None),
    "adam_amsgrad": (S.Adam(0.0625, 0.75, 0.8125, 0.0625, amsgrad=True, **BEFORE), None),
    "adamw": (S.AdamW(0.0625, 0.75, 0.9375, 2**-10, weight_decay=0.25, **BEFORE), None),
    "rmsprop": (S.RMSprop(2**-7, 0.875, 2**-23, **INSIDE), None),
    "rmsprop_epsilon": (S.RMSprop(0.0625, 0.75, 0.125, weight_decay=0.25, **INSIDE), None),
    "rmsprop_centered": (S.RMSprop(2**-6, 0.75, 2**-6, centered=True, **INSIDE), None),
    "rmsprop_all": (S.RMSprop(2**-6, 0.75, 2**-6, centered=True, momentum=0.875, **INSIDE), None),
    "clip_global": (S.SGD(0.125, 0.875, **UPDATE), S.Clip("global_norm", 0.25, 0.0)),
    "clip_value": (S.SGD(0.125, **UPDATE), S.Clip("value", 0.03125, 0.0)),
    "clip_each": (S.SGD(0.125, weight_decay=0.25, **UPDATE), S.Clip("norm", 0.125, 0.0)),
}
NEITHER: dict[str, Row] = {
    "sgd_update_coupled": (S.SGD(0.1, 0.9, nesterov=True, weight_decay=0.2, velocity="update"), None),
    "sgd_gradient_decoupled": (S.SGD(0.1, 0.9, 0.3, weight_decay=0.2, decay="decoupled"), None),
    "sgd_nesterov_decoupled": (S.SGD(0.1, 0.9, nesterov=True, weight_decay=0.2, decay="decoupled"), None),
    "adam_before_coupled": (
        S.Adam(0.1, 0.8, 0.9, 0.1, "before_correction", amsgrad=True, weight_decay=0.2),
        S.Clip("norm", 0.1, 0.3),
    ),
    "adam_after_decoupled": (S.Adam(0.05, epsilon=0.1, weight_decay=0.2, decay="decoupled"), None),
    "rmsprop_inside_gradient": (S.RMSprop(0.01, 0.8, 0.1, "inside_root", True, 0.9, weight_decay=0.2), None),
    "rmsprop_outside_update": (S.RMSprop(0.01, 0.8, 0.1, momentum=0.9, **UPDATE), S.Clip("global_norm", 0.3, 0.2)),
    "rmsprop_outside_decoupled": (S.RMSprop(0.01, 0.8, 0.1, weight_decay=0.2, decay="decoupled"), None),
    "asgd": (S.ASGD(0.1, 0.1, 0.5, 20.0, weight_decay=0.1, decay="decoupled"), None),
    "asgd_all_along": (S.ASGD(0.05, start=0.0), S.Clip("value", 0.1)),
    "rprop": (S.Rprop(0.01, 0.4, 1.3, 1e-4, 0.1), None),
    "rprop_torch": (S.Rprop(0.003), None),
    "lion": (S.Lion(0.01, 0.8, 0.7, weight_decay=0.1, decay="coupled"), None),
    "lion_decoupled": (S.Lion(weight_decay=0.3), None),
    "adamax_in_decoupled": (S.Adamax(0.01, 0.8, 0.9, 0.1, weight_decay=0.2, decay="decoupled"), None),
    "adamax_outside_coupled": (S.Adamax(0.02, epsilon_placement="outside", weight_decay=0.1), None),
    "nadam": (S.NAdam(0.01, 0.8, 0.9, 0.1, 0.5, weight_decay=0.2, decay="decoupled"), None),
    "nadam_coupled": (S.NAdam(0.03, weight_decay=0.1), S.Clip("norm", 0.1)),
    "radam": (S.RAdam(0.01, 0.8, 0.9, 0.1, weight_decay=0.2, decay="decoupled"), None),
    "radam_coupled": (S.RAdam(0.03, weight_decay=0.1), None),
    "lamb": (S.Lamb(0.01, 0.8, 0.9, 0.1, weight_decay=0.2, decay="coupled"), None),
    "lamb_decoupled": (S.Lamb(0.02, weight_decay=0.1), None),
    "schedule_free": (S.ScheduleFreeAdamW(0.01, 0.8, 0.9, 0.1, 10, weight_decay=0.1, decay="coupled"), None),
    "schedule_free_after": (S.ScheduleFreeAdamW(0.05, recover="after", weight_decay=0.2), None),
    "adagrad_inside_coupled": (S.Adagrad(0.1, 0.1, 0.2, 0.1, "inside_root", weight_decay=0.1), None),
    "adagrad_outside_decoupled": (S.Adagrad(0.05, weight_decay=0.2, decay="decoupled"), None),
    "adadelta": (S.Adadelta(0.5, 0.8, 0.01, weight_decay=0.1, decay="decoupled"), None),
    "adadelta_coupled": (S.Adadelta(weight_decay=0.2), None),
    "adafactor": (
        S.Adafactor(0.05, -0.5, 0.01, 0.1, 1.5, factored="first_two", weight_decay=0.1, decay="coupled"),
        None,
    ),
    "adafactor_after_clamped": (S.Adafactor(0.1, rms_of="after_decay", weight_decay=0.2), None),
    "adafactor_added": (S.Adafactor(0.05, epsilon1=0.1, epsilon_placement="added", weight_decay=0.1), None),
    "ftrl": (S.Ftrl(0.1, -0.4, 0.2, 0.01, 0.02, 0.03, 0.1, weight_decay=0.1, decay="coupled"), None),
    "ftrl_decoupled": (S.Ftrl(0.05, weight_decay=0.2), None),
    "muon": (
        S.Muon(0.02, 0.8, False, "sum", 3.4, -4.7, 2.0, 4, 0.1, factor=0.3, scale="largest", others=S.SGD(0.1, 0.9)),
        None,
    ),
    "muon_added": (
        S.Muon(
            0.05,
            epsilon_placement="added",
            scale="none",
            others=S.Adam(0.01),
            weight_decay=0.2,
            decay="coupled",
        ),
        None,
    ),
    "muon_rows": (S.Muon(0.02, others=S.Lion(0.001)), None),
}
FLAVOURS = {"torch": TORCH, "keras": KERAS, "neither": NEITHER}
ROWS = {f"{flavour}-{name}": row for flavour, rows in FLAVOURS.items() for name, row in rows.items()}


def is_slow(case: dict[str, Any]) -> bool:
    """Return whether a test is for `make test-all`: of every second row."""
    return case.get("trained") in list(ROWS)[1::2]


class Trained:
    """One optimizer after 50 steps on both frameworks, and what it was after 25."""

    def __init__(self, both: tuple[Backend, Backend], name: str) -> None:
        self.both, self.name, (self.optimizer, self.clip) = both, name, ROWS[name]
        self.rates = learning_rates(self.optimizer, SCHEDULE, 0, STEPS)
        self.sessions = [self.fresh(backend) for backend in both]
        self.losses = [session.steps("train", ORDER[:HALF], self.rates[:HALF])["loss"] for session in self.sessions]
        self.midway = [(session.weights(), session.slots()) for session in self.sessions]
        for session in self.sessions:
            session.steps("train", ORDER[HALF:], self.rates[HALF:])

    def fresh(self, backend: Backend) -> Session:
        session = backend.session(SPEC, dtype="float64")
        session.load(weights(SPEC, 33))
        session.hold("train", TRAIN, targets=LABELS, labels=LABELS)
        session.prepare(S.CrossEntropy(), self.optimizer, self.clip)
        return session


@pytest.fixture(scope="module", params=list(ROWS))
def trained(request: pytest.FixtureRequest, both: tuple[Backend, Backend]) -> Trained:
    return Trained(both, request.param)


def close(found: Arrays, expected: Arrays) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=CLOSE * np.abs(array).max(), err_msg=name)


def test_weights_slots_and_losses_agree(trained: Trained) -> None:
    torch, keras = trained.sessions
    start = weights(SPEC, 33)
    assert all(np.abs(array - start[name]).max() > 0.01 for name, array in torch.weights().items())
    close(keras.weights(), torch.weights())
    close(keras.slots(), torch.slots())
    np.testing.assert_allclose(trained.losses[1], trained.losses[0], rtol=CLOSE)
    assert torch.slots()["step"] == keras.slots()["step"] == STEPS


def test_the_stock_optimizer_gets_there_too(trained: Trained) -> None:
    flavour = trained.name.partition("-")[0]
    if flavour != "neither":
        expected = {"torch": by_torch, "keras": by_keras}[flavour](trained)
        close(trained.sessions[0].weights(), expected)


def test_a_run_resumed_from_its_slots_goes_on_bit_by_bit(trained: Trained) -> None:
    for backend, interrupted, (kept, slots) in zip(trained.both, trained.sessions, trained.midway, strict=True):
        session = trained.fresh(backend)
        session.load(kept)
        session.load_slots(slots)
        assert_identical(session.slots(), slots)
        session.steps("train", ORDER[HALF:], trained.rates[HALF:])
        assert_identical(session.weights(), interrupted.weights())
        assert_identical(session.slots(), interrupted.slots())


def assert_identical(found: Arrays, expected: Arrays) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)


# What every optimizer has, ``test_optimizer_extras.py`` varies; the last two have one value that is not refused.
COMMON = {"maximize", "groups", "accumulate", "average", "loss_scale"}
ALONE = {("Muon", "precision"), ("Rprop", "weight_decay"), ("Rprop", "decay")}


def test_the_tables_have_every_value_of_every_field() -> None:
    for cls in S.Optimizer.registry.values():
        rows = [optimizer for optimizer, _ in ROWS.values() if type(optimizer) is cls or cls is S.AdamW]
        own = [field.name for field in fields(cls) if field.name not in COMMON]
        still = {name for name in own if len({getattr(row, name, None) for row in rows}) < 2}
        still -= {name for name in still if (cls.__name__, name) in ALONE}
        assert not still, f"{cls.__name__}: {still} never vary"
        for field, kind in kinds_of(cls).items():
            words = set(kind.expected.replace("'", "").split(" or ")) if kind.expected.startswith("'") else set()
            missing = words - {getattr(row, field, None) for row in rows}
            assert not missing or (cls.__name__, field) in ALONE, f"{cls.__name__}: {field} is never {missing}"


@pytest.mark.parametrize(("flavour", "name"), [(flavour, name) for flavour in DEFAULTS for name in DEFAULTS[flavour]])
def test_two_hundred_steps_of_every_default_agree(both: tuple[Backend, Backend], flavour: str, name: str) -> None:
    optimizer = DEFAULTS[flavour][name]
    if isinstance(optimizer, S.Muon) and optimizer.others is None:
        optimizer = replace(optimizer, others=S.AdamW())
    (torch, torchs, losses), (keras, kerass, others) = (stock.trained(each, SPEC, optimizer, 200) for each in both)
    close(keras, torch)
    close(kerass, torchs)
    np.testing.assert_allclose(others, losses, rtol=CLOSE)


def test_unreached_parameters_keep_still(both: tuple[Backend, Backend]) -> None:
    layers = S.Linear(3, name="head"), S.Linear(2, name="unread", inputs=("input",)), S.Linear(2, name="second")
    spec = S.Spec("two_heads", S.Block(layers, outputs=("head", "second")), (5,))
    start, slots = weights(spec, 34), []
    for backend in both:
        session = backend.session(spec, dtype="float64")
        session.load(start)
        session.hold("train", TRAIN, targets=LABELS)
        session.prepare(S.CrossEntropy(), S.SGD(0.1, 0.9, weight_decay=0.2), S.Clip("global_norm", 0.3))
        session.steps("train", ORDER[:3], np.full(3, 0.1))
        moved = {name for name, array in session.weights().items() if not np.array_equal(array, start[name])}
        assert moved == {"head.weight", "head.bias"}
        slots.append(session.slots())
    close(*slots)


def by_torch(trained: Trained) -> Arrays:
    """Train the stock module by ``torch.optim`` and ``torch.nn.utils``."""
    import torch

    model = trained.both[0].build(SPEC, dtype="float64")
    model.load_state_dict({name: torch.tensor(array) for name, array in weights(SPEC, 33).items()})
    optimizer = stock_of_torch(trained.optimizer, list(model.parameters()))
    inputs, labels = torch.tensor(TRAIN["input"]), torch.tensor(LABELS)
    for row, rate in zip(ORDER, trained.rates, strict=True):
        optimizer.param_groups[0]["lr"] = float(rate)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[row]), labels[row]).backward()
        clip_by_torch(list(model.parameters()), trained.clip)
        optimizer.step()
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def stock_of_torch(o: Any, parameters: list[Any]) -> Any:
    import torch

    if isinstance(o, S.SGD):
        return torch.optim.SGD(parameters, 1.0, o.momentum, o.dampening, o.weight_decay, o.nesterov)
    if isinstance(o, S.Adam):
        native = torch.optim.AdamW if isinstance(o, S.AdamW) else torch.optim.Adam
        return native(parameters, 1.0, (o.beta1, o.beta2), o.epsilon, o.weight_decay, o.amsgrad)
    return torch.optim.RMSprop(parameters, 1.0, o.alpha, o.epsilon, o.weight_decay, o.momentum, o.centered)


def clip_by_torch(parameters: list[Any], clip: S.Clip | None) -> None:
    from torch.nn.utils import clip_grad_norm_, clip_grad_value_

    if clip and clip.by == "value":
        clip_grad_value_(parameters, clip.limit)
    elif clip:
        for group in [parameters] if clip.by == "global_norm" else [[each] for each in parameters]:
            clip_grad_norm_(group, clip.limit)


def by_keras(trained: Trained) -> Arrays:
    """Train the stock model by ``keras.optimizers``."""
    import keras
    import tensorflow as tf

    model = trained.both[1].build(SPEC, dtype="float64")
    model.set_weights([array.T for array in weights(SPEC, 33).values()])
    optimizer = stock_of_keras(trained.optimizer, trained.clip)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")

    @tf.function
    def step(row: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            value = loss(tf.gather(LABELS, row), model(tf.gather(TRAIN["input"], row)))
        optimizer.apply(tape.gradient(value, [v.value for v in model.trainable_variables]), model.trainable_variables)

    for row, rate in zip(ORDER, trained.rates, strict=True):
        step(tf.constant(row), tf.constant(rate, tf.float32))
    return {name: array.T for name, array in zip(SPEC.parameters, model.get_weights(), strict=True)}


def stock_of_keras(o: Any, clip: S.Clip | None) -> Any:
    import keras

    names = {"global_norm": "global_clipnorm", "norm": "clipnorm", "value": "clipvalue"}
    options: Any = {"weight_decay": o.weight_decay or None} | ({names[clip.by]: clip.limit} if clip else {})
    if isinstance(o, S.SGD):
        return keras.optimizers.SGD(1.0, o.momentum, o.nesterov, **options)
    if isinstance(o, S.Adam):
        native = keras.optimizers.AdamW if isinstance(o, S.AdamW) else keras.optimizers.Adam
        return native(1.0, beta_1=o.beta1, beta_2=o.beta2, epsilon=o.epsilon, amsgrad=o.amsgrad, **options)
    return keras.optimizers.RMSprop(1.0, o.alpha, o.momentum, o.epsilon, o.centered, **options)
