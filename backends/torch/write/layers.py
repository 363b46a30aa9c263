"""Layers: ops that hold weights, as torch's modules; as functions where a weight is shared, computed or handed in."""

from typing import Any

from dualnet.backends.source.code import Default, Lit, Var, code, invoke
from dualnet.backends.source.features import last
from dualnet.backends.source.form import Axes, Value, appearing, axes_of
from dualnet.backends.source.rules import Rule, entered, fresh, given, matched, zeros
from dualnet.backends.source.writer import Frame
from dualnet.backends.torch.write.ops import argument, plain
from dualnet.specs.program import ByMode, Held, Op

Weights = dict[str, tuple[Value, Axes]]


def _held(**values: Value | None) -> Weights:
    return {name: (value, value.logical) for name, value in values.items() if value is not None}


def _pairs(value: Any, rank: int) -> tuple[int, ...]:
    listed = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(listed) * rank if len(listed) == 1 else tuple(listed)


def _short(value: tuple[Any, ...]) -> Any:
    return value[0] if len(set(value)) == 1 else tuple(value)


def linear(frame: Frame, op: Op) -> Value:
    """``linear``: nn.Linear over the last axis, its columns in the order in which memory has the features."""
    value, weight, bias = frame.settled_weight(given(frame)), given(frame, "weight"), frame.tensor("bias")
    if weight.rank != 2 or not frame.free(weight, bias):
        return plain(frame, op)  # type: ignore[no-any-return]
    lead, features = last(frame, value)
    pieces = matched(frame, weight, 1, value.logical[-1])
    if pieces is None:
        return plain(frame, op)  # type: ignore[no-any-return]
    place = {id(atom): index for index, atom in enumerate(value.logical[-1])}
    columns = tuple(pieces[place[id(atom)]] for atom in features)
    made = invoke(
        "nn.Linear",
        Lit(weight.shape[1], "inputs"),
        Lit(weight.shape[0], "outputs"),
        bias=Default(bias is not None, True),
    )
    held: Weights = {"weight": (weight, (weight.logical[0], columns))} | _held(bias=bias)
    layer = frame.layer(made, held)
    if layer is None:
        return plain(frame, op)  # type: ignore[no-any-return]
    new = axes_of((weight.shape[0],))[0]
    x = frame.code(frame.form(value, (*lead, features)))
    return frame.made(invoke(layer, x), (*value.logical[:-1], new), (*lead, new))


def convolution(rank: int, transposed: bool) -> Rule:
    """Return the rule of ``conv2d``, ``conv_transpose2d`` and their like."""

    def rule(frame: Frame, op: Op) -> Value:
        value, weight, bias = given(frame), given(frame, "weight"), frame.tensor("bias")
        if not frame.free(weight, bias):
            return plain(frame, op)  # type: ignore[no-any-return]
        groups = op.arguments.get("groups", 1)
        kernel = tuple(int(size) for size in weight.shape[2:])
        stride, dilation = (_pairs(op.arguments.get(name, 1), rank) for name in ("stride", "dilation"))
        padding = op.arguments.get("padding", 0)
        padding = padding if isinstance(padding, str) else _short(_pairs(padding, rank))
        options = {"stride": Default(_short(stride), 1), "padding": Default(padding, 0)}
        if transposed:
            options["output_padding"] = Default(_short(_pairs(op.arguments.get("output_padding", 0), rank)), 0)
            channels = (int(weight.shape[0]), int(weight.shape[1]) * groups)
        else:
            channels = (int(weight.shape[1]) * groups, int(weight.shape[0]))
        name = f"nn.Conv{'Transpose' if transposed else ''}{rank}d"
        made = invoke(
            name, Lit(channels[0], "in_channels"), Lit(channels[1], "out_channels"),
            Lit(_short(kernel), "kernel"), **options,
            dilation=Default(_short(dilation), 1), groups=Default(groups, 1), bias=Default(bias is not None, True),
        )  # fmt: skip
        layer = frame.layer(made, _held(weight=weight, bias=bias))
        return plain(frame, op) if layer is None else fresh(frame, invoke(layer, frame.logical(value)))

    return rule


def batch_norm(frame: Frame, op: Op) -> Value:
    """``batch_norm``: by rank; Keras's kind, whose running variance is biased, as a part."""
    value = given(frame)
    weight, bias, mean, variance = (frame.tensor(name) for name in ("weight", "bias", "running_mean", "running_var"))
    mode = op.arguments.get("training", True)
    biased = op.arguments.get("running_variance") == "biased"
    normal = mode == ByMode(True, False) and mean is not None and variance is not None
    if normal and frame.free(weight, bias, mean, variance):
        eps, momentum = op.arguments.get("eps", 1e-5), op.arguments.get("momentum", 0.1)
        channels = Lit(int(value.shape[1]), "channels")
        if biased:
            frame.writer.parts.add("BiasedBatchNorm")
            made = invoke(
                "BiasedBatchNorm", channels, eps=Default(eps, 1e-3), momentum=Default(momentum, 0.01),
                weight=Default(weight is not None, True), bias=Default(bias is not None, True),
            )  # fmt: skip
        elif (weight is None) == (bias is None):
            name = f"nn.BatchNorm{ {2: 1, 3: 1, 4: 2, 5: 3}[value.rank] }d"
            made = invoke(
                name,
                channels,
                eps=Default(eps, 1e-5),
                momentum=Default(momentum, 0.1),
                affine=Default(weight is not None, True),
            )
        else:
            return plain(frame, op)  # type: ignore[no-any-return]
        layer = frame.layer(
            made, _held(weight=weight, bias=bias, running_mean=mean, running_var=variance), name="batch_norm"
        )
        if layer is not None:
            return fresh(frame, invoke(layer, frame.logical(value)))
    arguments = {name: arg for name, arg in op.arguments.items() if name not in ("running_variance", "cudnn_enabled")}
    order = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    return plain(frame, Op(op.op, {name: arguments[name] for name in order if name in arguments}, op.results))  # type: ignore[no-any-return]


def spectral_step(frame: Frame, op: Op) -> Value:
    """``spectral_step``: a part, which writes to the weight and to the vector."""
    frame.writer.parts.add(op.op)
    tensors = [frame.logical(frame.settled_weight(given(frame, name))) for name in ("input", "weight", "vector")]
    rest = [argument(frame, name, op.arguments[name]) for name in ("power_iterations", "dim", "training")]
    return fresh(frame, invoke(op.op, *tensors, *rest))


def instance_norm(frame: Frame, op: Op) -> Value:
    """``instance_norm``: a module where it keeps running statistics or scales, a function else."""
    value = given(frame)
    weight, bias, mean, variance = (frame.tensor(name) for name in ("weight", "bias", "running_mean", "running_var"))
    tracks = mean is not None
    usual = op.arguments.get("use_input_stats", True) == (ByMode(True, False) if tracks else True)
    if usual and value.rank > 2 and (tracks or weight is not None) and frame.free(weight, bias, mean, variance):
        made = invoke(
            f"nn.InstanceNorm{value.rank - 2}d",
            Lit(int(value.shape[1]), "channels"),
            eps=Default(op.arguments.get("eps", 1e-5), 1e-5),
            momentum=Default(op.arguments.get("momentum", 0.1), 0.1),
            affine=Default(weight is not None, False),
            track_running_stats=Default(tracks, False),
        )
        held = _held(weight=weight, bias=bias, running_mean=mean, running_var=variance)
        layer = frame.layer(made, held, name="instance_norm")
        if layer is not None:
            return fresh(frame, invoke(layer, frame.logical(value)))
    return plain(frame, Op(op.op, {n: a for n, a in op.arguments.items() if n != "cudnn_enabled"}, op.results))  # type: ignore[no-any-return]


def layer_norm(frame: Frame, op: Op) -> Value:
    """``layer_norm``."""
    value, weight, bias = given(frame), frame.tensor("weight"), frame.tensor("bias")
    shape, eps = tuple(op.arguments["normalized_shape"]), op.arguments.get("eps", 1e-5)
    if weight is not None and frame.free(weight, bias):
        size = shape[0] if len(shape) == 1 else shape
        made = invoke(
            "nn.LayerNorm", Lit(size, "features"), eps=Default(eps, 1e-5), bias=Default(bias is not None, True)
        )
        layer = frame.layer(made, _held(weight=weight, bias=bias), name="layer_norm")
        if layer is not None:
            order = [
                *(a for a in appearing(value) if a < value.rank - len(shape)),
                *range(value.rank - len(shape), value.rank),
            ]
            logical = value.logical
            x = frame.ordered(value, order)
            return frame.made(invoke(layer, x), logical, tuple(logical[axis] for axis in order))
    return plain(frame, Op(op.op, {n: a for n, a in op.arguments.items() if n != "cudnn_enable"}, op.results))  # type: ignore[no-any-return]


def group_norm(frame: Frame, op: Op) -> Value:
    """``group_norm``."""
    value, weight, bias = given(frame), frame.tensor("weight"), frame.tensor("bias")
    if weight is not None and bias is not None and frame.free(weight, bias):
        eps = op.arguments.get("eps", 1e-5)
        made = invoke(
            "nn.GroupNorm",
            Lit(op.arguments["num_groups"], "groups"),
            Lit(int(value.shape[1]), "channels"),
            eps=Default(eps, 1e-5),
        )
        layer = frame.layer(made, _held(weight=weight, bias=bias), name="group_norm")
        if layer is not None:
            return fresh(frame, invoke(layer, frame.logical(value)))
    return plain(frame, Op(op.op, {n: a for n, a in op.arguments.items() if n != "cudnn_enabled"}, op.results))  # type: ignore[no-any-return]


def embedding(frame: Frame, op: Op) -> Value:
    """``embedding``."""
    weight = given(frame, "weight")
    padding = op.arguments.get("padding_idx", -1)
    if frame.free(weight):
        made = invoke(
            "nn.Embedding", Lit(weight.shape[0], "rows"), Lit(weight.shape[1], "features"),
            padding_idx=Default(None if padding < 0 else padding, None),
        )  # fmt: skip
        layer = frame.layer(made, _held(weight=weight), name="embedding")
        if layer is not None:
            return fresh(frame, invoke(layer, frame.logical(given(frame, "indices"))))
    codes = (frame.logical(given(frame, "indices")), frame.logical(weight))
    return fresh(frame, invoke("F.embedding", *codes, padding_idx=Default(None if padding < 0 else padding, None)))


def recurrent(kind: str) -> Rule:
    """Return the rule of ``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``."""
    name = {"lstm": "nn.LSTM", "gru": "nn.GRU"}.get(kind, "nn.RNN")

    def rule(frame: Frame, op: Op) -> Any:
        params = op.arguments.get("params", ())
        if "batch_sizes" in op.arguments or not all(isinstance(param, Held) for param in params):
            return plain(frame, op)
        weights = [frame.value(param) for param in params]
        both, biases = bool(op.arguments["bidirectional"]), bool(op.arguments["has_biases"])
        ways, layers = (2 if both else 1), op.arguments["num_layers"]
        per = len(weights) // (layers * ways)
        if per in (3, 5):
            return plain(frame, op)
        labels = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if biases else [])]
        names = [f"{x}_l{i}{'_reverse' if w else ''}" for i in range(layers) for w in range(ways) for x in labels]
        rate = op.arguments.get("dropout", 0.0)
        extra = {"nonlinearity": Default(kind.removeprefix("rnn_"), "tanh")} if kind.startswith("rnn") else {}
        made = invoke(
            name, Lit(int(weights[0].shape[1]), "features"), Lit(int(weights[1].shape[1]), "hidden"),
            num_layers=Default(layers, 1), **extra, bias=Default(biases, True),
            batch_first=Default(bool(op.arguments["batch_first"]), False),
            dropout=Default(rate.training if isinstance(rate, ByMode) else float(rate), 0.0),
            bidirectional=Default(both, False),
        )  # fmt: skip
        layer = frame.layer(made, {n: (w, w.logical) for n, w in zip(names, weights, strict=True)}, name=kind)
        if layer is None:
            return plain(frame, op)
        return _called(frame, op, layer)

    return rule


def _called(frame: Frame, op: Op, layer: Any) -> tuple[Value, ...]:
    states = op.arguments["hx"]
    states = states if isinstance(states, tuple) else (states,)
    arguments = [frame.logical(given(frame))]
    if not all(zeros(frame, state) for state in states):
        codes = [frame.logical(frame.value(state)) for state in states]
        arguments.append(codes[0] if len(codes) == 1 else code("({}, {})", *codes))
    names = ("y", "h", "c")[: len(op.results)]
    variables = tuple(Var(name) for name in names)
    made = invoke(layer, *arguments)
    if len(variables) == 3:
        inner = Var("state")
        frame.line((variables[0], inner), made)
        frame.line(variables[1:], code("{}", inner))
    else:
        frame.line(variables, made)
    return entered(frame, variables)


def pooling(kind: str, rank: int) -> Rule:
    """Return the rule of pooling: a function, a module in a Sequential."""

    def rule(frame: Frame, op: Op) -> Any:
        if len(op.results) > 1:
            return plain(frame, op)
        value = given(frame)
        options: dict[str, Any] = {
            n: Lit(_short(v) if isinstance(v, tuple) else v, n)
            for n, v in op.arguments.items()
            if n not in ("input", "kernel_size")
        }
        kernel = Lit(_short(_pairs(op.arguments["kernel_size"], rank)), "kernel_size")
        if "stride" in options and options["stride"].value in ((), kernel.value):
            del options["stride"]
        made = invoke(f"F.{kind}_pool{rank}d", frame.logical(value), kernel, **options)
        layer = invoke(f"nn.{kind.capitalize()}Pool{rank}d", kernel, **options)
        return fresh(frame, made, layer=layer)

    return rule


LAYERS: dict[str, Rule] = {
    "linear": linear,
    **{f"conv{rank}d": convolution(rank, transposed=False) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": convolution(rank, transposed=True) for rank in (1, 2, 3)},
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "spectral_step": spectral_step,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "embedding": embedding,
    **{kind: recurrent(kind) for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{f"{kind}_pool{rank}d": pooling(kind, rank) for kind in ("max", "avg") for rank in (1, 2, 3)},
}
