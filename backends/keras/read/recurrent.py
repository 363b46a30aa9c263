"""Recurrent layers: the fused ATen op where a layer is one, else its cell written out for every time step."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from dualnet.backends.keras.read.sheet import Sheet, as_array

STEPS = 512


def recurrent(
    s: Sheet, layer: Any, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None
) -> Any:
    """Write an LSTM, GRU or SimpleRNN; dropout inside the cell is written out step by step, for training alone."""
    if layer.stateful:
        msg = "stateful=True. Pass initial_state and take return_state instead."
        raise NotImplementedError(msg)
    drops = bool(layer.cell.dropout or layer.cell.recurrent_dropout)
    if not drops or training is not True:
        usual = _plain(s, layer, sequences, initial_state)
    if not drops or training is False:
        return usual
    dropped = layer.call(sequences, initial_state=initial_state, mask=None, training=True)
    if training is True:
        return dropped
    return keras.tree.map_structure(lambda a, b: s("by_mode", training=a, inference=b), dropped, usual)


def _plain(s: Sheet, layer: Any, sequences: Any, initial_state: Any) -> Any:
    """Write a recurrent layer without dropout."""
    cell, op = layer.cell, _fused(layer)
    if op is None or (op == "gru" and (cell.dropout or cell.recurrent_dropout)):
        return layer.call(sequences, initial_state=initial_state, mask=None, training=False)
    x = s.tensor(sequences)
    x = s("flip", x, dims=(1,)) if layer.go_backwards else x
    batch, steps, units = x.shape[0], x.shape[1], cell.units
    states = _states(s, initial_state, op, (1, batch, units), x.dtype)
    weights = _gates(s, cell) if op == "gru" else _weights(s, cell)
    given: dict[str, Any] = {"input": x, "hx": states if op == "lstm" else states[0], "params": weights}
    given |= {"has_biases": bool(cell.use_bias), "num_layers": 1, "dropout": 0.0, "train": False}
    given |= {"bidirectional": False, "batch_first": True}
    made = s.several(op, [((batch, steps, units), x.dtype), *[((1, batch, units), x.dtype)] * len(states)], given)
    last = [s("squeeze", state, dim=(0,)) for state in (made[1:] if layer.return_state else made[1:2])]
    output = made[0] if layer.return_sequences else last[0]
    return (output, *last) if layer.return_state else output


def ported(s: Sheet, layer: Any, x: Any, *states: Any, training: Any = None) -> Any:
    """Write the layer that a port from PyTorch has for its LSTM, GRU or RNN as what it was."""
    x = s.tensor(x)
    batch, steps, _ = x.shape
    count, wide = layer.depth * layer.ways, layer.out
    sizes = [(count, batch, wide), *([(count, batch, layer.hidden)] if layer.kind == "lstm" else [])]
    given = tuple(s.tensor(each) for each in states) or tuple(s("zeros", size=n, dtype=x.dtype) for n in sizes)
    ends = [f"l{i}{'_reverse' * way}" for i in range(layer.depth) for way in range(layer.ways)]
    labels = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if layer.bias else [])]
    labels += ["weight_hr"] if layer.projection else []
    names = [f"{label}_{end}" for end in ends for label in labels]
    rate = layer.dropouts[0].rate if layer.dropouts else 0.0
    options: dict[str, Any] = {"input": x, "hx": given if layer.kind == "lstm" else given[0]}
    options |= {"params": tuple(s.weight(getattr(layer, name), name) for name in names), "has_biases": layer.bias}
    options |= {"num_layers": layer.depth, "dropout": rate, "train": training if rate else False}
    options |= {"bidirectional": layer.ways == 2, "batch_first": True}
    shapes: list[tuple[tuple[int, ...], str]] = [((batch, steps, wide * layer.ways), x.dtype)]
    shapes += [(size, x.dtype) for size in sizes]
    return s.several(layer.kind, shapes, options)


def _fused(layer: Any) -> str | None:
    """Return the ATen op that a layer is, if any."""
    cell, names = layer.cell, [keras.activations.serialize(layer.cell.activation)]
    names += [keras.activations.serialize(cell.recurrent_activation)] if hasattr(cell, "recurrent_activation") else []
    if isinstance(layer, keras.layers.LSTM):
        return "lstm" if names == ["tanh", "sigmoid"] else None
    if isinstance(layer, keras.layers.GRU):
        return "gru" if names == ["tanh", "sigmoid"] and cell.reset_after else None
    return {"tanh": "rnn_tanh", "relu": "rnn_relu"}.get(names[0])


def _states(s: Sheet, given: Any, op: str, shape: tuple[int, ...], dtype: str) -> tuple[Any, ...]:
    if given is None:
        return tuple(s("zeros", size=shape, dtype=dtype) for _ in range(2 if op == "lstm" else 1))
    given = given if isinstance(given, (list, tuple)) else [given]
    return tuple(s("unsqueeze", state, dim=0) for state in given)


def _weights(s: Sheet, cell: Any) -> tuple[Any, ...]:
    """Return the weights of an LSTM or a plain cell; Keras has one bias, so the second stays zero."""
    made = (
        s.weight(cell.kernel, "weight_ih_l0", (1, 0)),
        s.weight(cell.recurrent_kernel, "weight_hh_l0", (1, 0)),
    )
    if not cell.use_bias:
        return made
    bias = s.weight(cell.bias, "bias_ih_l0")
    return (*made, bias, s.constant(np.zeros(bias.shape, bias.dtype), "bias_hh_l0"))


def _gates(s: Sheet, cell: Any) -> tuple[Any, ...]:
    """Return the weights of a GRU: Keras orders its gates z, r, n, and torch r, z, n."""

    def ordered(array: Any) -> Any:
        update, reset, new = np.split(as_array(array), 3, axis=-1)
        return np.concatenate([reset, update, new], axis=-1)

    made = [
        s.derived(cell.kernel, "weight_ih_l0", ordered(cell.kernel.value).T),
        s.derived(cell.recurrent_kernel, "weight_hh_l0", ordered(cell.recurrent_kernel.value).T),
    ]
    if cell.use_bias:
        both = ordered(cell.bias.value)
        made += [s.derived(cell.bias, f"bias_{part}_l0", both[i]) for i, part in enumerate(("ih", "hh"))]
    return tuple(made)


def unrolled(
    s: Sheet, step: Callable[..., Any], inputs: Any, states: Sequence[Any], go_backwards: bool = False,
    mask: Any = None, return_all_outputs: bool = True, time_major: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """Write a cell once for every time step; return last output, outputs and states as ``backend.rnn`` does."""
    if mask is not None:
        msg = "a recurrent layer with a mask. Drop the mask, or pad nothing."
        raise NotImplementedError(msg)
    axis = 0 if time_major else 1
    flat = [s.tensor(x) for x in keras.tree.flatten(inputs)]
    length = flat[0].shape[axis]
    if length > STEPS:
        msg = f"a cell written out for each of {length} steps. Take at most {STEPS}, or a plain LSTM, GRU or SimpleRNN."
        raise NotImplementedError(msg)
    outputs, now = [], states
    for time in reversed(range(length)) if go_backwards else range(length):
        slices = [s("select", x, dim=axis, index=time) for x in flat]
        output, now = step(keras.tree.pack_sequence_as(inputs, slices), now)
        outputs.append(output)
    last = outputs[-1]
    whole = s("stack", tensors=tuple(outputs), dim=axis) if return_all_outputs else s("unsqueeze", last, dim=axis)
    return last, whole, now


def scanned(s: Sheet, op: Any, f: Callable[..., Any], init: Any, xs: Any = None) -> Any:
    """Write ``keras.ops.scan`` once for every time step; return the last carry and all outputs."""
    flat = [s.tensor(x) for x in keras.tree.flatten(xs)]
    length = op.length or flat[0].shape[0]
    if length > STEPS:
        msg = f"a scan written out for each of {length} steps. Take at most {STEPS}."
        raise NotImplementedError(msg)
    carry, outputs = init, []
    for time in reversed(range(length)) if op.reverse else range(length):
        step = [s("select", x, dim=0, index=time) for x in flat]
        carry, output = f(carry, keras.tree.pack_sequence_as(xs, step) if flat else None)
        outputs.append(output)
    outputs = outputs[::-1] if op.reverse else outputs
    return carry, keras.tree.map_structure(lambda *each: s("stack", tensors=each, dim=0), *outputs)


def distributed(s: Sheet, layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    """Write a layer applied at every time step, as one call on all steps of all examples."""
    inner = [layer.layer, *layer.layer._flatten_layers(include_self=False)]
    if any(isinstance(each, keras.layers.BatchNormalization) for each in inner):
        msg = "TimeDistributed around BatchNormalization takes its statistics at every step. Put it outside."
        raise NotImplementedError(msg)
    x = s.tensor(inputs)
    batch, steps = x.shape[:2]
    made = layer.layer(s("reshape", x, shape=(batch * steps, *x.shape[2:])))
    return s("reshape", made, shape=(batch, steps, *made.shape[1:]))
