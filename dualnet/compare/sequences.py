"""What recurrent layers give, in NumPy, by PyTorch's weights: gates in any order, resets, biases."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import expit

from dualnet.backends.draws import Array

Weights = tuple[Array, Array, Array, Array]


def recurrences(kind: str, x: Array, out: Array, w: dict[str, Array]) -> Iterator[tuple[dict[str, str], Array]]:
    """Yield the outputs (N, T, H), or the last (N, H), of one layer forward, set in the ways that people get wrong."""
    parts = [w.get(role) for role in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]
    if parts[0] is None or parts[1] is None:
        return
    zero = np.zeros(len(parts[0]))
    read, keep, one, two = (zero if part is None else part for part in parts)
    run, count = (_lstm, 4) if kind == "lstm" else (_gru, 3)
    for label, weights in _changed((read, keep, one, two), count):
        for after in (True, False) if kind == "gru" else (True,):
            more = {} if after else {"reset placement": "before the product"}
            states = run(x, weights, after)
            made = states if states.size == out.size else states[:, -1]
            yield label | more, made.reshape(out.shape) if made.size == out.size else made


def _changed(weights: Weights, count: int) -> Iterator[tuple[dict[str, str], Weights]]:
    """Yield weights as they are, their blocks in another order, transposed, a bias twice or not at all."""
    read, keep, one, two = weights
    yield {}, weights
    for order in itertools.permutations(range(count)):
        if order != tuple(range(count)):
            a, b, c, d = (_blocks(each, order) for each in weights)
            yield {"gate order": str(list(order))}, (a, b, c, d)
            yield {"gate order": f"{list(order)}, but of the second bias"}, (a, b, c, two)
            yield {"gate order": f"{list(order)}, of kernels alone"}, (a, b, one, two)
            yield {"gate order": f"{list(order)}, of the input alone"}, (a, keep, one, two)
    width = keep.shape[1]
    turned = np.concatenate([block.T for block in np.split(keep, count)])
    yield {"kernel transposed": "of the state"}, (read, turned, one, two)
    if read.shape[1] == width:
        flipped = np.concatenate([block.T for block in np.split(read, count)])
        yield {"kernel transposed": "of the input"}, (flipped, keep, one, two)
        yield {"kernel transposed": "both"}, (flipped, turned, one, two)
    for name, a, b in (("twice", 2 * one, 2 * two), ("the first alone", one, 0 * two), ("the second", 0 * one, two),
                       ("the first twice", 2 * one, two), ("the second twice", one, 2 * two),
                       ("joined", one + two, 0 * two), ("none", 0 * one, 0 * two)):  # fmt: skip
        yield {"double bias": name}, (read, keep, a, b)
    eased = one.copy()
    eased[width : 2 * width] += 1.0
    yield {"forget bias": "plus 1"}, (read, keep, eased, two)


def _blocks(array: Array, order: Sequence[int]) -> Array:
    parts = np.split(array, len(order))
    return np.concatenate([parts[at] for at in order])


def _lstm(x: Array, weights: Weights, after: bool) -> Array:
    """Return the states of an LSTM (Hochreiter and Schmidhuber 1997), gates i, f, g, o."""
    read, keep, one, two = weights
    h = c = np.zeros((len(x), keep.shape[1]))
    states = []
    for at in range(x.shape[1]):
        i, f, g, o = np.split(x[:, at] @ read.T + one + h @ keep.T + two, 4, 1)
        c = expit(f) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, 1)


def _gru(x: Array, weights: Weights, after: bool) -> Array:
    """Return the states of a GRU (Cho et al. 2014), gates r, z, n; the reset after the product, or before it."""
    read, keep, one, two = weights
    h = np.zeros((len(x), keep.shape[1]))
    states = []
    for at in range(x.shape[1]):
        a, b = x[:, at] @ read.T + one, h @ keep.T + two
        (ar, az, an), (br, bz, bn) = np.split(a, 3, 1), np.split(b, 3, 1)
        r, z = expit(ar + br), expit(az + bz)
        width = keep.shape[1]
        held = r * bn if after else (r * h) @ keep[2 * width :].T + two[2 * width :]
        h = (1 - z) * np.tanh(an + held) + z * h
        states.append(h)
    return np.stack(states, 1)
