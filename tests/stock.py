"""Stock optimizers: the arguments of torch.optim's and keras.optimizers' own classes as specs, and the classes at work.

Stock Keras holds coefficients in float32 beside float64 variables: its learning rate is a variable of ``floatx``, and
``ops.cast`` of a Python number makes a float32 first. ``exact_keras`` lifts both; the formulas stay Keras's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array, Arrays
from dualnet.specs.optimizers import FLAVOURS
from dualnet.specs.rates import factor, learning_rates
from tests.cases import arrays, weights

SPEC = S.Spec("mlp", S.Sequential(S.Linear(6), S.Tanh(), S.Linear(4), S.Tanh(), S.Linear(3)), (5,))
# Muon's matrices come in all three forms: wide, tall and square.
MATRICES = S.Spec(
    "matrices",
    S.Sequential(*(layer for size in (6, 4, 4, 3) for layer in (S.Linear(size, bias=False), S.Tanh()))),
    (5,),
)
TRAIN = arrays(SPEC.inputs, 30, 40)
LABELS = np.random.default_rng(31).integers(0, 3, 40)
ORDER = np.random.default_rng(32).integers(0, 40, (200, 8))
SCHEDULE = S.StepDecay(20, 0.5)  # velocities, ASGD and Rprop mind that the rate changes

# A framework's name of an argument → the spec's field, or fields where it is a pair.
NAMES: dict[str, str | tuple[str, ...]] = {
    "lr": "learning_rate",
    "eps": "epsilon",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "betas": ("beta1", "beta2"),
    "lr_decay": "rate_decay",
    "initial_accumulator_value": "initial",
    "t0": "start",
    "etas": ("shrink", "grow"),
    "step_sizes": ("least", "most"),
    "d": "threshold",
    "clip_threshold": "threshold",
    "beta_2_decay": "beta2_decay",
    "epsilon_1": "epsilon1",
    "epsilon_2": "epsilon2",
    "ns_steps": "steps",
    "ns_coefficients": ("a", "b", "c"),
    "muon_a": "a",
    "muon_b": "b",
    "muon_c": "c",
    "rms_rate": "factor",
    "learning_rate_power": "power",
    "l1_regularization_strength": "l1",
    "l2_regularization_strength": "l2",
    "l2_shrinkage_regularization_strength": "shrinkage",
    "warmup_steps": "warmup",
}
OWN: dict[tuple[str, str], str | tuple[str, ...]] = {
    ("Adafactor", "eps"): ("epsilon1", "epsilon2"),
    ("RMSprop", "rho"): "alpha",
}
# torch's and Keras's name of a class → the spec's.
CLASSES = {"Nadam": "NAdam"}
SCALES = {None: "rows", "original": "rows", "match_rms_adamw": "largest"}


def fields_of(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return a framework's arguments as fields of a spec."""
    found: dict[str, Any] = {}
    for argument, value in given.items():
        field = OWN.get((name, argument), NAMES.get(argument, argument))
        if argument == "decoupled_weight_decay":
            found["decay"] = "decoupled" if value else "coupled"
        elif argument == "adjust_lr_fn":
            found["scale"] = SCALES.get(value, value)
        elif isinstance(field, tuple):
            found |= dict(zip(field, value, strict=True))
        else:
            number = float(value) if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
            found[field] = 0.0 if field == "weight_decay" and value is None else number
    return found


def spec_of(framework: str, name: str, given: dict[str, Any]) -> S.Optimizer:
    """Return the spec that means what a framework's class does with these arguments."""
    own, changed = FLAVOURS[framework][CLASSES.get(name, name)], fields_of(name, given)
    if isinstance(own, S.Muon) and own.others is not None:  # Keras gives AdamW the rate of the matrices
        changed["others"] = replace(own.others, learning_rate=changed.get("learning_rate", own.learning_rate))
    return replace(own, **changed)


def trained(
    backend: Backend, spec: S.Spec, optimizer: S.Optimizer, steps: int, clip: S.Clip | None = None
) -> tuple[Arrays, Arrays, Array]:
    """Return weights, slots and losses after steps of a session in float64."""
    session = backend.session(spec, dtype="float64")
    session.load(weights(spec, 33))
    session.hold("train", TRAIN, targets=LABELS, labels=LABELS)
    session.prepare(S.CrossEntropy(), optimizer, clip)
    losses = session.steps("train", ORDER[:steps], learning_rates(optimizer, SCHEDULE, 0, steps))["loss"]
    return session.weights(), session.slots(), losses


class TorchRun:
    """A stock ``nn.Module``, its parameters by name, and batches to learn from."""

    def __init__(self, backend: Backend, spec: S.Spec) -> None:
        import torch

        self.model = backend.build(spec, dtype="float64")
        self.model.load_state_dict({name: torch.tensor(array) for name, array in weights(spec, 33).items()})
        self.inputs, self.labels = torch.tensor(TRAIN["input"]), torch.tensor(LABELS)
        self.named = dict(self.model.named_parameters())

    def backward(self, row: Array) -> None:
        """Add the gradient of a batch."""
        import torch

        torch.nn.functional.cross_entropy(self.model(self.inputs[row]), self.labels[row]).backward()

    def weights(self) -> Arrays:
        """Return the weights."""
        return {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}


def by_torch(backend: Backend, spec: S.Spec, name: str, given: dict[str, Any], steps: int) -> Arrays:
    """Return the weights after steps of ``torch.optim``'s own class, its scalars in float64 too."""
    import torch

    run, before = TorchRun(backend, spec), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # which is that of NAdam's product, ASGD's rate and every count
    try:
        optimizer = getattr(torch.optim, name)(list(run.named.values()), **given)
        first = optimizer.param_groups[0]["lr"]
        for step, row in enumerate(ORDER[:steps]):
            optimizer.param_groups[0]["lr"] = first * factor(SCHEDULE, step)
            optimizer.zero_grad()
            run.backward(row)
            optimizer.step()
    finally:
        torch.set_default_dtype(before)
    return run.weights()


@contextmanager
def unrounded() -> Iterator[None]:
    """Let torch's Muon iterate in float64: its own is in bfloat16, which the spec refuses."""
    import torch

    rounded = torch.Tensor.bfloat16
    torch.Tensor.bfloat16 = torch.Tensor.clone  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.Tensor.bfloat16 = rounded  # type: ignore[method-assign]


@contextmanager
def exact_keras() -> Iterator[None]:
    """Let stock Keras hold Python numbers in float64."""
    import keras
    import tensorflow as tf
    from keras.src import ops

    inexact, floatx = ops.cast, keras.config.floatx()
    ops.cast = lambda x, dtype: tf.constant(x, dtype) if isinstance(x, (int, float)) else inexact(x, dtype)
    keras.config.set_floatx("float64")
    try:
        yield
    finally:
        ops.cast = inexact
        keras.config.set_floatx(floatx)


def by_keras(backend: Backend, spec: S.Spec, name: str, given: dict[str, Any], steps: int, **after: Any) -> Arrays:
    """Return the weights after steps of ``keras.optimizers``' own class; ``after`` holds calls of its methods."""
    import keras
    import tensorflow as tf

    model = backend.build(spec, dtype="float64")
    model.set_weights([array.T for array in weights(spec, 33).values()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    with exact_keras():
        optimizer = getattr(keras.optimizers, name)(**given)
        if optimizer.weight_decay:
            optimizer.weight_decay = tf.constant(optimizer.weight_decay, tf.float64)  # tf.cast makes a float32 first
        for method, argument in after.items():
            getattr(optimizer, method)(**argument)
        optimizer.build(model.trainable_variables)

        @tf.function
        def step(row: Any) -> None:
            with tf.GradientTape() as tape:
                value = loss(tf.gather(LABELS, row), model(tf.gather(TRAIN["input"], row)))
            found = tape.gradient(value, [v.value for v in model.trainable_variables])
            optimizer.apply(found, model.trainable_variables)

        first = float(optimizer.learning_rate.numpy())
        for number, row in enumerate(ORDER[:steps]):
            optimizer.learning_rate.assign(first * factor(SCHEDULE, number))
            step(tf.constant(row))
        if optimizer.use_ema:
            optimizer.finalize_variable_values(model.trainable_variables)
    return {name: array.T for name, array in zip(spec.parameters, model.get_weights(), strict=True)}
