"""Recurrent: LSTM, GRU and RNN of several layers and both directions, with both of PyTorch's biases, as one layer."""

from typing import Any

from dualnet.backends.source.code import Default, Lit, Var, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, entered, given, zeros
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Held, Op

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def recurrent(kind: str) -> Rule:
    """Return the rule of ``lstm``, ``gru``, ``rnn_tanh`` or ``rnn_relu``."""

    def rule(frame: Frame, op: Op) -> Any:
        if "batch_sizes" in op.arguments:
            msg = "packed sequences; pad them"
            raise UnsupportedError(msg)
        value, params = frame.settled_weight(given(frame)), op.arguments["params"]
        states = op.arguments["hx"]
        states = states if isinstance(states, tuple) else (states,)
        layers, first = op.arguments["num_layers"], bool(op.arguments["batch_first"])
        if not all(isinstance(param, Held) for param in params):
            msg = "weights of a recurrent layer that are computed"
            raise UnsupportedError(msg)
        weights = [frame.value(param) for param in params]
        made, held = _layer(frame, op, kind, weights, layers)
        layer = frame.layer(made, held, name=kind)
        if layer is None:
            msg = "weights that two recurrent layers share"
            raise UnsupportedError(msg)
        rank = value.rank
        order = list(range(rank)) if first else [1, 0, *range(2, rank)]
        x = frame.ordered(value, order)
        zero = all(zeros(frame, state) for state in states)
        arguments = [x] if zero else [x, *(frame.logical(frame.value(state)) for state in states)]
        variables = tuple(Var(name) for name in ("y", "h", "c")[: len(op.results)])
        frame.line(variables, invoke(layer, *arguments))
        output, *last = entered(frame, variables)
        if not first:
            output.storage.axes = (output.axes[1], output.axes[0], *output.axes[2:])
        return (output, *last)

    return rule


def _layer(frame: Frame, op: Op, kind: str, weights: list[Value], layers: int) -> tuple[Any, dict[str, Any]]:
    both, biases = bool(op.arguments["bidirectional"]), bool(op.arguments["has_biases"])
    directions = 2 if both else 1
    per = len(weights) // (layers * directions)
    projected = per in (3, 5)
    rate = op.arguments.get("dropout", 0.0)
    train = frame.by_mode(op.arguments.get("train", False))
    hidden = int(weights[0].shape[0]) // GATES[kind]
    out = int(weights[1].shape[1])
    frame.writer.parts.add("Recurrent")
    labels = [
        "weight_ih",
        "weight_hh",
        *(["bias_ih", "bias_hh"] if biases else []),
        *(["weight_hr"] if projected else []),
    ]
    names = [
        f"{label}_l{layer}{'_reverse' if direction else ''}"
        for layer in range(layers)
        for direction in range(directions)
        for label in labels
    ]
    size = int(weights[0].shape[1])
    rate = rate.training if isinstance(rate, ByMode) else rate
    made = invoke(
        "Recurrent", Lit(kind, "kind"), Lit(size, "features"), Lit(hidden, "hidden"), layers=Default(layers, 1),
        bidirectional=Default(both, False), bias=Default(biases, True), projection=Default(out if projected else 0, 0),
        dropout=Default(float(rate) if train.training and layers > 1 else 0.0, 0.0),
    )  # fmt: skip
    return made, {name: (weight, weight.logical) for name, weight in zip(names, weights, strict=True)}


def cell(kind: str) -> Rule:
    """Return the rule of ``lstm_cell``, ``gru_cell`` or an RNN cell."""
    names = ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")

    def rule(frame: Frame, op: Op) -> Any:
        frame.writer.parts.add("cell")
        states = op.arguments["hx"]
        states = states if isinstance(states, tuple) else (states,)
        codes = [
            frame.logical(frame.value(op.arguments[name]))
            for name in names
            if name != "hx" and op.arguments.get(name) is not None
        ]
        state = [frame.logical(frame.value(each)) for each in states]
        listed = code(f"({', '.join(['{}'] * len(state))}{',' if len(state) == 1 else ''})", *state)
        made = invoke("cell", Lit(kind, "kind"), codes[0], listed, *codes[1:])
        variables = tuple(Var(name) for name in ("h", "c")[: len(op.results)])
        frame.line(variables, made if len(op.results) > 1 else code("{}[0]", made))
        return entered(frame, variables)

    return rule


RECURRENT: dict[str, Rule] = {
    **{kind: recurrent(kind) for kind in GATES},
    "lstm_cell": cell("lstm"),
    "gru_cell": cell("gru"),
    "rnn_tanh_cell": cell("rnn_tanh"),
    "rnn_relu_cell": cell("rnn_relu"),
}
