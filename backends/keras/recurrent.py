"""Recurrent layers with every field of the spec's, and PyTorch's weights, read step by step."""

from collections.abc import Callable
from typing import Any

from keras import ops

from dualnet.backends.keras.bridges import register
from dualnet.backends.keras.held import Held, parallel

State = tuple[Any, ...]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
    "hard_sigmoid": lambda x: ops.relu6(x + 3) / 6,
    "linear": lambda x: x,
}
MERGES: dict[str, Callable[[list[Any]], Any]] = {
    "concat": lambda ways: ops.concatenate(ways, axis=-1),
    "sum": lambda ways: ways[0] + ways[1],
    "mul": lambda ways: ways[0] * ways[1],
    "ave": lambda ways: (ways[0] + ways[1]) / 2,
}


@register
class Recurrent(Held):
    """An RNN, LSTM or GRU; ``sizes`` are those of the states that a step hands on, the output's first."""

    def __init__(self, kind: str, sizes: tuple[int, ...], *, layers: int = 1, bidirectional: bool = False,
                 merge: str = "concat", backwards: bool = False, last: bool = False, dropout: float = 0.0,
                 activation: str = "tanh", recurrent_activation: str = "sigmoid", reset: str = "after",
                 length: int = 0, width: int = 0, **rest: Any) -> None:  # fmt: skip
        super().__init__(
            kind=kind, sizes=sizes, layers=layers, bidirectional=bidirectional, merge=merge, backwards=backwards,
            last=last, dropout=dropout, activation=activation, recurrent_activation=recurrent_activation,
            reset=reset, length=length, width=width, **rest,
        )  # fmt: skip
        self.kind, self.sizes, self.layers, self.merge, self.last = kind, tuple(sizes), layers, merge, last
        self.ways, self.backwards, self.before = ("", "_reverse")[: 1 + bidirectional], backwards, reset == "before"
        self.squash, self.gate = ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation]
        drops = range(layers - 1 if dropout else 0)
        self.drops = [self.dropout(dropout, (length, width), each) for each in drops]

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return (N, L, out), or (N, out)."""
        for layer in range(self.layers):
            made = [self._read(x, f"_l{layer}{way}", self.backwards or bool(way)) for way in self.ways]
            top = layer == self.layers - 1
            if self.last and top:
                ends = [0 if self.backwards or way else -1 for way in self.ways]
                return self._merged([each[:, end] for each, end in zip(made, ends, strict=True)])
            x = self._merged(made)
            x = ops.flip(x, axis=1) if self.backwards else x
            x = x if top or not self.drops else self.drops[layer](x, training=training)
        return x

    def _merged(self, ways: list[Any]) -> Any:
        return MERGES[self.merge](ways) if len(ways) > 1 else ways[0]

    def _read(self, x: Any, end: str, backwards: bool) -> Any:
        """Return one way's outputs, in the order of the steps whichever way it read them."""
        steps = ops.swapaxes(parallel(x, self.held(f"weight_ih{end}"), self.held(f"bias_ih{end}")), 0, 1)
        state: State = tuple(ops.zeros((ops.shape(x)[0], size), dtype=x.dtype) for size in self.sizes)
        cell = getattr(self, f"_{self.kind.lower()}")

        def step(state: State, x: Any) -> tuple[State, Any]:
            state = cell(x, state, end)
            return state, state  # TensorFlow's scan wants one structure for both

        _, made = ops.scan(step, state, steps, reverse=backwards)
        return ops.swapaxes(made[0], 0, 1)

    def _hidden(self, h: Any, end: str) -> Any:
        return parallel(h, self.held(f"weight_hh{end}"), self.held(f"bias_hh{end}"))

    def _rnn(self, x: Any, state: State, end: str) -> State:
        return (self.squash(x + self._hidden(state[0], end)),)

    def _lstm(self, x: Any, state: State, end: str) -> State:
        i, f, g, o = ops.split(x + self._hidden(state[0], end), 4, axis=-1)
        c = self.gate(f) * state[1] + self.gate(i) * self.squash(g)
        h, project = self.gate(o) * self.squash(c), self.held(f"weight_hr{end}")
        return h if project is None else parallel(h, project), c

    def _gru(self, x: Any, state: State, end: str) -> State:
        size, h = self.sizes[0], state[0]
        if self.before:
            weight, bias = self.held(f"weight_hh{end}"), self.held(f"bias_hh{end}")
            first, second = (None, None) if bias is None else (bias[: 2 * size], bias[2 * size :])
            gates = self.gate(x[:, : 2 * size] + parallel(h, weight[: 2 * size], first))
            r, z = ops.split(gates, 2, axis=-1)
            n = self.squash(x[:, 2 * size :] + parallel(r * h, weight[2 * size :], second))
        else:
            xr, xz, xn = ops.split(x, 3, axis=-1)
            hr, hz, hn = ops.split(self._hidden(h, end), 3, axis=-1)
            r, z = self.gate(xr + hr), self.gate(xz + hz)
            n = self.squash(xn + r * hn)
        return (z * h + (1 - z) * n,)
