"""Traps of weights that crossed wrongly: planted when everything is in common."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from keras import layers as K
from keras import ops
from torch import nn

from tests.seeded.carry import numbers
from tests.seeded.edit import become, kind
from tests.seeded.trap import Rule, Trap

# Dense layers that read or write a flattened picture: its sizes (C, H, W), and whether it is written.
FLAT = {
    ("cnn", "fc1"): ((8, 4, 3), False),
    ("autoencoder", "encode"): ((8, 4, 3), False),
    ("autoencoder", "decode"): ((8, 4, 3), True),
    ("gan", "generator.0"): ((8, 4, 3), True),
    ("gan", "discriminator.7"): ((6, 8, 6), False),
}


def written(name: str, change: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    """Return the change of one weight, by its attribute in either framework, as a function of its numbers."""

    def plant(layer: Any, pair: Any) -> None:
        variable = getattr(layer, name)
        if isinstance(variable, torch.Tensor):
            with torch.no_grad():
                variable.copy_(torch.from_numpy(np.ascontiguousarray(change(numbers(variable)))))
        else:
            variable.assign(change(np.array(variable)))

    return plant


def square(layer: Any, pair: Any) -> bool:
    """Return whether a layer's kernel fits when its two channels change places."""
    if isinstance(layer, nn.Linear):
        return layer.in_features == layer.out_features
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return layer.in_channels == layer.out_channels and layer.groups == 1
    if isinstance(layer, K.DepthwiseConv2D) or not isinstance(layer, K.Dense | K.Conv2D | K.Conv2DTranspose):
        return False
    return bool(layer.kernel.shape[-1] == layer.kernel.shape[-2])


def channels(array: Any) -> Any:
    """Return a kernel with its two channels in each other's places: PyTorch's first two axes."""
    return array.swapaxes(0, 1)


def last(array: Any) -> Any:
    """Return a kernel with its two channels in each other's places: Keras's last two axes."""
    return array.swapaxes(-1, -2)


def pictures(layer: Any, pair: Any) -> bool:
    """Return whether a layer has a window higher than one."""
    return isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | K.Conv2D | K.Conv2DTranspose) and layer.kernel_size[0] > 1


def first_two(axis: int) -> Callable[[Any], Any]:
    """Return the function that swaps the first two places of an axis."""

    def swap(array: Any) -> Any:
        order = [1, 0, *range(2, array.shape[axis])]
        return np.take(array, order, axis)

    return swap


def flat(layer: Any, pair: Any) -> bool:
    """Return whether a dense layer reads or writes a flattened picture."""
    return _flat(layer, pair) is not None


def _flat(layer: Any, pair: Any) -> Any:
    if isinstance(layer, nn.Linear):
        name = next((name for name, each in pair.left.named_modules() if each is layer), "")
    elif isinstance(layer, K.Dense):
        name = next((ours for ours, theirs in pair.layers.items() if theirs == layer.name), "")
    else:
        return None
    return FLAT.get((pair.name, name))


def unturned(layer: Any, pair: Any) -> None:
    """Read, or write, the picture in the order of the other framework."""
    (c, h, w), writes = _flat(layer, pair)
    back = isinstance(layer, K.Dense)  # held (H, W, C), given (C, H, W); else the other way round
    order = np.arange(c * h * w).reshape(h, w, c).transpose(2, 0, 1).ravel()
    order = order if back else np.arange(c * h * w).reshape(c, h, w).transpose(1, 2, 0).ravel()
    axis = (1 if back else 0) if writes else (0 if back else 1)
    written("kernel" if back else "weight", lambda array: np.take(array, order, axis))(layer, pair)


def edited(array: Any) -> Any:
    """Return an array with one number off by a thousandth of the largest."""
    made = np.array(array)
    made.flat[made.size // 2] += 1e-3 * np.abs(made).max()
    return made


def gates(axis: int) -> Callable[[Any], Any]:
    """Return the function that swaps the second and third of four gates, or the first two of three."""

    def swap(array: Any) -> Any:
        count = array.shape[axis] // 9
        parts = np.split(array, count, axis)
        order = (0, 2, 1, 3) if count == 4 else (1, 0, 2)
        return np.concatenate([parts[at] for at in order], axis)

    return swap


def torch_gates(layer: Any, pair: Any) -> None:
    """Hold the gates in another order."""
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
        written(name, gates(0))(layer, pair)


def keras_gates(layer: Any, pair: Any) -> None:
    """Hold the gates in another order."""
    for name in ("kernel", "recurrent_kernel", "bias"):
        written(name, gates(-1))(layer.cell, pair)


def recurrent(axis: int) -> Callable[[Any], Any]:
    """Return the function that transposes the matrix of each gate."""
    return lambda array: np.concatenate([part.T for part in np.split(array, array.shape[axis] // 9, axis)], axis)


def torch_double(lstm: Any, pair: Any) -> None:
    """Let the second bias train, too: their sum learns twice as fast."""
    lstm.bias_hh_l0.requires_grad_(True)


def torch_reset(gru: Any, pair: Any) -> None:
    """Let the reset gate act before the product, as in the first paper."""

    def forward(self: Any, x: Any) -> Any:
        state, made = x.new_zeros(x.shape[0], 9), []
        for at in range(x.shape[1]):
            own = (x[:, at] @ self.weight_ih_l0.T + self.bias_ih_l0).chunk(3, -1)
            weights, bias = self.weight_hh_l0.chunk(3), self.bias_hh_l0.chunk(3)
            reset, update = (torch.sigmoid(own[k] + state @ weights[k].T + bias[k]) for k in (0, 1))
            new = torch.tanh(own[2] + (reset * state) @ weights[2].T + bias[2])
            state = (1 - update) * new + update * state
            made.append(state)
        return torch.stack(made, 1), state[None]

    become(gru, {"forward": forward})


def keras_reset(gru: Any, pair: Any) -> None:
    """Let the reset gate act before the product, as in the first paper."""

    def call(self: Any, inputs: Any, states: Any, training: bool = False) -> Any:
        state = states[0] if isinstance(states, list | tuple) else states
        x = ops.split(ops.matmul(inputs, self.kernel) + self.bias[0], 3, -1)
        weights, bias = ops.split(self.recurrent_kernel, 3, -1), ops.split(self.bias[1], 3, -1)
        update, reset = (ops.sigmoid(x[k] + ops.matmul(state, weights[k]) + bias[k]) for k in (0, 1))
        new = ops.tanh(x[2] + ops.matmul(reset * state, weights[2]) + bias[2])
        state = update * state + (1 - update) * new
        return state, [state]

    become(gru.cell, {"call": call})


T_KERNEL, K_KERNEL = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d), (K.Dense, K.Conv2D, K.Conv2DTranspose)
CARRIED = ("weights", "forward")


def both(change: Callable[[Any], Any], other: Callable[[Any], Any], accepts: Any) -> tuple[Any, Any]:
    """Return the rules of both sides that change kernels."""
    return (Rule(lambda each, pair: isinstance(each, T_KERNEL) and accepts(each, pair), written("weight", change),
                 True),), (Rule(lambda each, pair: isinstance(each, K_KERNEL) and not
                                isinstance(each, K.DepthwiseConv2D) and accepts(each, pair),
                                written("kernel", other), True),)  # fmt: skip


LSTM, GRU = (nn.LSTM, K.LSTM), (nn.GRU, K.GRU)
TRAPS = (
    Trap("kernel transposed", CARRIED,
         (*both(channels, last, square)[0], Rule(kind(nn.LSTM, nn.GRU), written("weight_hh_l0", recurrent(0)), True)),
         (*both(channels, last, square)[1],
          Rule(kind(K.LSTM, K.GRU), lambda r, p: written("recurrent_kernel", recurrent(-1))(r.cell, p), True))),
    Trap("spatial kernel transposed", CARRIED,
         *both(lambda a: a.swapaxes(2, 3), lambda a: a.swapaxes(0, 1), pictures)),
    Trap("channels swapped", CARRIED, *both(first_two(1), first_two(-2), lambda each, pair: True)),
    Trap("flatten order", ("structure", "weights", "forward"), (Rule(flat, unturned, True),),
         (Rule(flat, unturned, True),)),
    Trap("weight edited", CARRIED, *both(edited, edited, lambda each, pair: True)),
    Trap("gate order", CARRIED, (Rule(kind(nn.LSTM, nn.GRU), torch_gates, True),),
         (Rule(kind(K.LSTM, K.GRU), keras_gates, True),)),
    Trap("double bias", ("structure", "weights", "forward", "step"), (Rule(kind(nn.LSTM), torch_double),),
         (Rule(kind(K.LSTM), lambda each, pair: written("bias", lambda a: 2 * a)(each.cell, pair), True),)),
    Trap("reset placement", ("forward",), (Rule(kind(nn.GRU), torch_reset),), (Rule(kind(K.GRU), keras_reset),)),
)  # fmt: skip
