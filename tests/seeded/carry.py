"""Carry: a PyTorch layer's weights into the Keras layer that is its counterpart."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from torch import nn


def found(model: keras.Model, name: str) -> Any:
    """Return the layer of a name, however deep it lies in a Keras model."""
    return next(each for each in model._flatten_layers() if each.name == name)


def carry(module: nn.Module, model: keras.Model, names: Mapping[str, str], leave: Sequence[str] = ()) -> None:
    """Give Keras layers the weights of the PyTorch layers whose counterparts they are."""
    for ours, theirs in names.items():
        if ours and ours not in leave:
            carry_layer(module.get_submodule(ours), found(model, theirs))


def carry_layer(ours: Any, theirs: Any) -> None:
    """Give a Keras layer the weights of a PyTorch layer; one that has none is left alone."""
    if isinstance(ours, nn.LSTM | nn.GRU) and isinstance(theirs, layers.LSTM | layers.GRU):
        carry_recurrent(ours, theirs.cell)
        return
    for name, variable in variables(theirs).items():
        array = numbers(getattr(ours, NAMES[name], None))
        if array is None:
            continue
        if name == "kernel":
            array = turned(array, theirs)
        if array.shape == tuple(variable.shape):
            variable.assign(array)


NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "embeddings": "weight",
}


def variables(layer: Any) -> dict[str, Any]:
    """Return a layer's own variables by name."""
    return {each.name: each for each in layer.weights if each.name in NAMES and not isinstance(layer, layers.RNN)}


def numbers(tensor: Any) -> Any:
    """Return a tensor's numbers, or None."""
    return None if tensor is None else np.array(tensor.detach().numpy())


def turned(weight: Any, layer: Any) -> Any:
    """Return a kernel with Keras's order of axes."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return weight.transpose(2, 3, 0, 1)
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T


def carry_recurrent(ours: Any, cell: Any) -> None:
    """Give a Keras cell the weights of a PyTorch LSTM (gates in the same order) or GRU (reset and update swapped)."""
    sizes = [gates(ours, numbers(getattr(ours, f"{name}_l0"))) for name in ("weight_ih", "weight_hh")]
    biases = [gates(ours, numbers(getattr(ours, f"{name}_l0"))) for name in ("bias_ih", "bias_hh")]
    cell.kernel.assign(sizes[0].T)
    cell.recurrent_kernel.assign(sizes[1].T)
    cell.bias.assign(np.stack(biases) if isinstance(ours, nn.GRU) else biases[0] + biases[1])


def gates(ours: Any, array: Any) -> Any:
    """Return gates in Keras's order."""
    if not isinstance(ours, nn.GRU):
        return array
    reset, update, new = np.split(array, 3)
    return np.concatenate([update, reset, new])


def carry_flattened(ours: nn.Linear, theirs: Any, shape: tuple[int, int, int]) -> None:
    """Give a dense layer that reads a flattened picture its weights; ``shape`` is the picture's, channels first."""
    kernel = numbers(ours.weight).reshape(-1, *shape).transpose(2, 3, 1, 0)
    theirs.kernel.assign(kernel.reshape(-1, kernel.shape[-1]))
    if theirs.use_bias and ours.bias is not None:
        theirs.bias.assign(numbers(ours.bias))


def carry_unflattened(ours: nn.Linear, theirs: Any, shape: tuple[int, int, int]) -> None:
    """Give a dense layer that writes a flattened picture its weights; ``shape`` is the picture's, channels first."""
    kernel = numbers(ours.weight).reshape(*shape, -1).transpose(1, 2, 0, 3)
    theirs.kernel.assign(kernel.reshape(-1, kernel.shape[-1]).T)
    if theirs.use_bias and ours.bias is not None:
        theirs.bias.assign(numbers(ours.bias).reshape(shape).transpose(1, 2, 0).ravel())
