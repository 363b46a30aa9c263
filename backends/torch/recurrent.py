"""Recurrent layers whose meaning ``torch.nn``'s have not, step by step; and those, giving one array as a spec's do."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dualnet.backends.torch.dropout import SharedDropout

Squash = Callable[[Tensor], Tensor]
State = tuple[Tensor, ...]

ACTIVATIONS: dict[str, Squash] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,
    "linear": lambda x: x,
}
MERGES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "concat": lambda ways: torch.cat(ways, -1),
    "sum": lambda ways: ways[0] + ways[1],
    "mul": lambda ways: ways[0] * ways[1],
    "ave": lambda ways: (ways[0] + ways[1]) / 2,
}


def _last(made: tuple[Tensor, Any], ways: int) -> Tensor:
    """Return the last output of the top layer, both ways joined, of what a layer of ``torch.nn`` gives."""
    states = made[1][0] if isinstance(made[1], tuple) else made[1]
    return torch.cat(list(states[-ways:]), -1)


class _Stock(nn.RNNBase):
    """A recurrent layer of ``torch.nn`` that gives its outputs alone, or the last one."""

    last = False

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, out), or (N, out)."""
        made = super().forward(x)
        return _last(made, 1 + self.bidirectional) if self.last else made[0]


def _stock(base: Any, last: bool) -> Any:
    name = f"Last{base.__name__}" if last else base.__name__
    return type(name, (_Stock, base), {"last": last, "__doc__": base.__doc__})


RNN, LSTM, GRU = (_stock(base, False) for base in (nn.RNN, nn.LSTM, nn.GRU))
LastRNN, LastLSTM, LastGRU = (_stock(base, True) for base in (nn.RNN, nn.LSTM, nn.GRU))


class Recurrent(nn.Module):
    """An RNN, LSTM or GRU with every field of the spec's; ``key`` shares the masks of its dropout.

    ``sizes`` are those of the states that a step hands on, the output's first; ``weights`` names and shapes.
    """

    def __init__(self, kind: str, sizes: tuple[int, ...], weights: dict[str, tuple[int, ...]], *, layers: int = 1,
                 bidirectional: bool = False, merge: str = "concat", backwards: bool = False, last: bool = False,
                 dropout: float = 0.0, activation: str = "tanh", recurrent_activation: str = "sigmoid",
                 reset: str = "after", key: int | None = None) -> None:  # fmt: skip
        super().__init__()
        self.kind, self.sizes, self.layers, self.merge, self.last = kind, sizes, layers, merge, last
        self.ways, self.backwards, self.before = ("", "_reverse")[: 1 + bidirectional], backwards, reset == "before"
        self.squash, self.gate = ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation]
        for name, shape in weights.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        drops = range(layers - 1 if dropout else 0)
        shared = (nn.Dropout(dropout) if key is None else SharedDropout(dropout, key + each) for each in drops)
        self.drops = nn.ModuleList(shared)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, out), or (N, out)."""
        for layer in range(self.layers):
            made = [self._read(x, f"_l{layer}{way}", self.backwards or bool(way)) for way in self.ways]
            top = layer == self.layers - 1
            if self.last and top:
                return self._merged([each[-1] for each in made])
            # of a bidirectional layer, the way back gives its outputs in the order of the steps
            turned = [each[::-1] if way else each for each, way in zip(made, self.ways, strict=True)]
            x = self._merged([torch.stack(each, 1) for each in turned])
            x = x if top or not self.drops else self.drops[layer](x)
        return x

    def _merged(self, ways: list[Tensor]) -> Tensor:
        return MERGES[self.merge](ways) if len(ways) > 1 else ways[0]

    def _weight(self, name: str, end: str) -> Tensor | None:
        return getattr(self, f"{name}{end}", None)

    def _read(self, x: Tensor, end: str, backwards: bool) -> list[Tensor]:
        """Return one way's outputs, in the order of reading."""
        steps = F.linear(x, getattr(self, f"weight_ih{end}"), self._weight("bias_ih", end)).unbind(1)
        state: State = tuple(x.new_zeros(x.shape[0], size) for size in self.sizes)
        made = []
        for step in reversed(steps) if backwards else steps:
            state = getattr(self, f"_{self.kind.lower()}")(step, state, end)
            made.append(state[0])
        return made

    def _hidden(self, h: Tensor, end: str) -> Tensor:
        return F.linear(h, getattr(self, f"weight_hh{end}"), self._weight("bias_hh", end))

    def _rnn(self, x: Tensor, state: State, end: str) -> State:
        return (self.squash(x + self._hidden(state[0], end)),)

    def _lstm(self, x: Tensor, state: State, end: str) -> State:
        i, f, g, o = (x + self._hidden(state[0], end)).chunk(4, -1)
        c = self.gate(f) * state[1] + self.gate(i) * self.squash(g)
        h, project = self.gate(o) * self.squash(c), self._weight("weight_hr", end)
        return h if project is None else F.linear(h, project), c

    def _gru(self, x: Tensor, state: State, end: str) -> State:
        size, h = state[0].shape[1], state[0]
        if self.before:
            weight, bias = getattr(self, f"weight_hh{end}"), self._weight("bias_hh", end)
            first, second = (None, None) if bias is None else (bias[: 2 * size], bias[2 * size :])
            r, z = self.gate(x[:, : 2 * size] + F.linear(h, weight[: 2 * size], first)).chunk(2, -1)
            n = self.squash(x[:, 2 * size :] + F.linear(r * h, weight[2 * size :], second))
        else:
            xr, xz, xn = x.chunk(3, -1)
            hr, hz, hn = self._hidden(h, end).chunk(3, -1)
            r, z = self.gate(xr + hr), self.gate(xz + hz)
            n = self.squash(xn + r * hn)
        return (z * h + (1 - z) * n,)
