"""Parts of recurrent layers."""

import keras
from keras import layers, ops


def cell(kind, x, state, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """One step of an LSTM (state h, c), GRU or RNN (state h): the new state (torch.nn.LSTM …)."""
    x = ops.matmul(x, ops.transpose(weight_ih))
    return recurrent_step(kind, x if bias_ih is None else x + bias_ih, state, weight_hh, bias_hh)


def recurrent_step(kind, x, state, weight_hh, bias_hh=None, weight_hr=None):
    """One step, given x·weight_ihᵀ + bias_ih."""
    h = ops.matmul(state[0], ops.transpose(weight_hh))
    h = h if bias_hh is None else h + bias_hh
    if kind == "lstm":
        i, f, g, o = ops.split(x + h, 4, axis=-1)
        c = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h if weight_hr is None else ops.matmul(h, ops.transpose(weight_hr)), c
    if kind == "gru":
        (xr, xz, xn), (hr, hz, hn) = ops.split(x, 3, axis=-1), ops.split(h, 3, axis=-1)
        z = ops.sigmoid(xz + hz)
        n = ops.tanh(xn + ops.sigmoid(xr + hr) * hn)
        return (n + z * (state[0] - n),)
    return (ops.tanh(x + h) if kind == "rnn_tanh" else ops.relu(x + h),)


class Recurrent(layers.Layer):
    """PyTorch's LSTM, GRU or RNN: layers, both directions, two biases. Takes (N, T, features)."""

    def __init__(
        self,
        kind,
        features,
        hidden,
        layers=1,
        bidirectional=False,
        bias=True,
        dropout=0.0,
        projection=0,
        **options,
    ):
        super().__init__(**options)
        self.kind, self.hidden, self.depth, self.ways = (
            kind,
            hidden,
            layers,
            2 if bidirectional else 1,
        )
        self.bias, self.projection, self.out = bias, projection, projection or hidden
        self.dropouts = [keras.layers.Dropout(dropout) for _ in range(layers - 1)] if dropout else []
        gates = {"lstm": 4, "gru": 3}.get(kind, 1) * hidden
        start = keras.initializers.RandomUniform(-(hidden**-0.5), hidden**-0.5)
        for layer in range(layers):
            inputs = features if layer == 0 else self.out * self.ways
            for way in range(self.ways):
                end = f"l{layer}" + ("_reverse" if way else "")
                shapes = {"weight_ih": (gates, inputs), "weight_hh": (gates, self.out)}
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)} if bias else {}
                shapes |= {"weight_hr": (projection, hidden)} if projection else {}
                for name, shape in shapes.items():
                    weight = self.add_weight(shape=shape, initializer=start, name=f"{name}_{end}")
                    setattr(self, f"{name}_{end}", weight)

    def call(self, x, *states):
        bare = len(x.shape) == 2
        x = ops.expand_dims(x, 0) if bare else x
        states = [ops.expand_dims(state, 1) if bare else state for state in states]
        count = 2 if self.kind == "lstm" else 1
        zeros = [ops.zeros((ops.shape(x)[0], n), dtype=x.dtype) for n in (self.out, self.hidden)]
        last = []
        for layer in range(self.depth):
            made = []
            for way in range(self.ways):
                place = layer * self.ways + way
                start = tuple(states[i][place] if states else zeros[i] for i in range(count))
                y, end = self.run(x, start, f"l{layer}" + ("_reverse" if way else ""), way == 1)
                made.append(y)
                last.append(end)
            x = ops.concatenate(made, axis=-1) if self.ways > 1 else made[0]
            if self.dropouts and layer < self.depth - 1:
                x = self.dropouts[layer](x)
        final = [ops.stack([each[i] for each in last]) for i in range(count)]
        if bare:
            x, final = ops.squeeze(x, 0), [ops.squeeze(each, 1) for each in final]
        return (x, *final)

    def run(self, x, state, end, backwards):
        """One layer in one direction: all outputs, and the last state."""
        x = ops.matmul(x, ops.transpose(getattr(self, f"weight_ih_{end}")))
        x = x + getattr(self, f"bias_ih_{end}") if self.bias else x
        weight, bias = (
            getattr(self, f"weight_hh_{end}"),
            getattr(self, f"bias_hh_{end}") if self.bias else None,
        )
        projection = getattr(self, f"weight_hr_{end}") if self.projection else None
        edges = [self.out] if len(state) > 1 else []

        def step(joined, x):
            states = ops.split(joined, edges, axis=-1) if edges else [joined]
            made = recurrent_step(self.kind, x, states, weight, bias, projection)
            joined = ops.concatenate(made, axis=-1)
            return joined, joined

        last, y = ops.scan(step, ops.concatenate(state, axis=-1), ops.swapaxes(x, 0, 1), reverse=backwards)
        return ops.swapaxes(y, 0, 1)[:, :, : self.out], ops.split(last, edges, axis=-1) if edges else [last]
