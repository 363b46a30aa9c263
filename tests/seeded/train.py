"""Train: a few updates of both sides in float64 without dualnet's ``check``: proof that a sound pair trains alike."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from dualnet.backends.keras.live import precision
from dualnet.backends.keras.wide import wide
from tests.seeded.pair import Pair

Losses = list[float]


def torch_losses(pair: Pair, steps: int) -> Losses:
    """Return the losses of the left side before each update, and after the last."""
    loss, optimizer, clip, scheduler = (pair.settings[key][0] for key in ("loss", "optimizer", "clip", "scheduler"))
    module = pair.left.double().train()
    x, y = (_double(torch.from_numpy(np.asarray(each))) for each in (pair.inputs, pair.targets))
    parameters = [each for each in module.parameters() if each.requires_grad]
    moves = optimizer(parameters)
    times = scheduler(moves) if scheduler else None
    made = []
    for step in range(steps + 1):
        value = loss(module(x), y)
        made.append(value.item())
        moves.zero_grad()
        value.backward()
        if clip:
            clip(parameters)
        if step < steps:
            moves.step()
            if times:
                times.step()
    return made


def _double(tensor: Any) -> Any:
    return tensor.double() if tensor.is_floating_point() else tensor


def keras_losses(pair: Pair, steps: int) -> Losses:
    """Return the losses of the right side; it was built in float64."""
    loss, optimizer = pair.settings["loss"][1], pair.settings["optimizer"][1]
    x = pair.inputs.transpose(0, 2, 3, 1) if pair.inputs.ndim == 4 else pair.inputs
    x, y = (tf.constant(each, "float64" if each.dtype.kind == "f" else "int64") for each in (x, pair.targets))
    made = []
    with precision("float64"), wide("float32"):
        moves = optimizer()
        if isinstance(loss, keras.losses.Loss):
            loss = type(loss).from_config(
                loss.get_config() | {"dtype": "float64"}
            )  # it keeps the precision of its making
        moves.build(pair.right.trainable_variables)
        for step in range(steps + 1):
            with tf.GradientTape() as tape:
                value = loss(y, pair.right(x, training=True))
            made.append(float(value))
            slopes = tape.gradient(value, [each.value for each in pair.right.trainable_variables])
            if step < steps:
                moves.apply_gradients(zip(slopes, pair.right.trainable_variables, strict=True))
    return made


def still(pair: Pair) -> Pair:
    """Return a pair that drops nothing."""
    for layer in [*pair.left.modules(), *pair.right._flatten_layers()]:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return pair


def apart(pair: Pair, steps: int = 4) -> float:
    """Return the largest relative difference between the two sides' losses."""
    ours, theirs = torch_losses(still(pair), steps), keras_losses(pair, steps)
    return max(abs(a - b) / abs(a) for a, b in zip(ours, theirs, strict=True))
