"""Random valid specs: every layer and initializer, nested blocks, branches, shared layers, several inputs and outputs.

A network grows layer by layer, each drawn for the rank of a wire that stands above it. One that cannot follow
(``resolve`` refuses it) gives way to a Tanh, so that the rules of shapes are not written a second time here.
"""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dualnet import specs as S
from dualnet.errors import SpecError
from dualnet.specs.graph import resolve
from dualnet.specs.losses import Loss
from dualnet.specs.node import Node
from dualnet.specs.optimizers import Optimizer
from dualnet.specs.schedules import Schedule
from tests.spatial_strategies import columns, convolutions, spatial

Shape = tuple[int, ...]
small = st.integers(1, 4)
pair = small | st.tuples(small, small)
epsilon = st.sampled_from([1e-5, 1e-3, 0.1])
signed = st.floats(-2, 2)
positive = st.floats(1e-300, 4)
below_one = st.floats(0, 1, exclude_max=True)


def nodes(cls: type[Node], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return nodes of a class, each of the given fields drawn or left at its default."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda chosen: cls(**chosen))


mode = {
    "mode": st.sampled_from(["fan_in", "fan_out"]),
    "nonlinearity": st.sampled_from(["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]),
    "slope": signed,
}
fill_any = (
    st.just(S.Zeros())
    | st.just(S.Ones())
    | st.just(S.FanInUniform())
    | st.just(S.LecunUniform())
    | st.builds(S.Constant, st.floats(allow_nan=False, allow_infinity=False))
    | nodes(S.Uniform, low=st.floats(-2, -0.1), high=st.floats(1, 2))
    | nodes(S.Normal, mean=signed, std=st.floats(0, 4))
    | nodes(S.TruncatedNormal, mean=signed, std=st.floats(0.5, 4), low=st.floats(-3, -1), high=st.floats(1, 3))
    | nodes(S.XavierUniform, gain=positive)
    | nodes(S.XavierNormal, gain=positive, truncated=st.booleans())
    | nodes(S.KaimingUniform, **mode)
    | nodes(S.KaimingNormal, **mode, truncated=st.booleans())
    | nodes(S.LecunNormal, truncated=st.booleans())
    | st.builds(S.Rows, nodes(S.Normal, std=positive), st.just(0), st.just(1), signed)
    | nodes(
        S.VarianceScaling,
        scale=positive,
        mode=st.sampled_from(["fan_in", "fan_out", "fan_avg"]),
        distribution=st.sampled_from(["truncated_normal", "untruncated_normal", "uniform"]),
    )
)
fill_weight = fill_any | nodes(S.Orthogonal, gain=signed)


def layers_of(cls: type[Node], needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    """Return nodes of a class, the optional fields drawn or left at their defaults."""
    return st.fixed_dictionaries(needed, optional=optional).map(lambda chosen: cls(**chosen))


norm = {"epsilon": epsilon, "affine": st.booleans()}
running = {**norm, "momentum": st.floats(0, 1), "running_variance": st.sampled_from(["unbiased", "biased"])}
start = {"bias": st.booleans(), "trainable": st.booleans(), "bias_init": st.none() | fill_any}
dim = st.integers(-3, 3)
flat_weight = st.just(S.Eye()) | st.builds(S.Sparse, below_one, positive)
linear = layers_of(S.Linear, {"features": small, "weight_init": st.none() | fill_weight | flat_weight}, **start)
filter_init = st.none() | fill_weight | st.just(S.Dirac())
pointwise = st.one_of(
    nodes(S.LayerNorm, **norm, axes=st.integers(1, 3)),
    layers_of(S.GroupNorm, {"groups": small}, **norm),
    nodes(S.Dropout, rate=below_one),
    st.just(S.Flatten()),
    st.builds(S.Reshape, st.permutations([-1, 2, 3]) | st.permutations([-1, 2]) | st.just([-1])),
    nodes(S.ReLU, shift=signed),
    nodes(S.LeakyReLU, slope=st.floats(0, 2)),
    nodes(S.ELU, alpha=positive),
    nodes(S.GELU, approximate=st.sampled_from(["none", "tanh"])),
    st.sampled_from([S.Sigmoid(), S.Hardsigmoid(), S.Tanh(), S.SiLU()]),
    nodes(S.CELU, alpha=positive),
    nodes(S.Softplus, beta=positive, threshold=st.just(0.0) | positive),
    nodes(S.Hardtanh, low=st.floats(-3, -1), high=st.floats(1, 3)),
    nodes(S.Softshrink, limit=below_one),
    nodes(S.Hardshrink, limit=below_one),
    st.builds(S.Threshold, signed, signed),
    st.sampled_from([S.SELU(), S.Softsign(), S.Hardswish(), S.LogSigmoid()]),
    st.sampled_from([S.Tanhshrink(), S.Mish(), S.Exponential(), S.Identity()]),
    nodes(S.Softmax, dim=dim),
    nodes(S.Sum, dim=dim),
    nodes(S.Halve, limit=st.floats(0.1, 4)),
    nodes(S.LogSoftmax, dim=dim),
)
one = st.just(S.Ones()) | nodes(S.Normal, std=positive)
transforms = st.one_of(
    nodes(S.AlphaDropout, rate=below_one),
    nodes(S.FeatureAlphaDropout, rate=below_one),
    nodes(S.GaussianNoise, std=below_one),
    nodes(S.GaussianDropout, rate=below_one),
    st.builds(S.RReLU, below_one, st.floats(1, 2)),
    nodes(S.PReLU, slopes=st.sampled_from(["all", "channels", "entries"]), trainable=st.booleans(), weight_init=one),
    nodes(S.GLU, dim=dim),
    nodes(S.Softmin, dim=dim),
    nodes(S.RMSNorm, axes=st.integers(1, 3), epsilon=st.none() | epsilon, affine=st.booleans()),
    nodes(S.UnitNormalization, dim=dim, epsilon=positive),
    layers_of(S.Normalization, {"mean": st.tuples(signed), "variance": st.tuples(positive)}, invert=st.booleans()),
    st.builds(S.Rescaling, signed, signed),
    st.builds(S.Permute, st.permutations([1, 2]) | st.permutations([1, 2, 3])),
    st.builds(S.RepeatVector, small),
    st.builds(S.Unflatten, dim, st.just([1, -1]) | st.just([-1, 1])),
)
draws = {"trainable": st.booleans(), "weight_init": st.none() | fill_any, "bias_init": st.none() | fill_any}
loops = {
    **draws,
    "layers": small,
    "bias": st.sampled_from(["two", "one", "none"]),
    "returns": st.sampled_from(["sequence", "last"]),
    "dropout": below_one,
    "activation": st.sampled_from(["tanh", "relu", "hard_sigmoid"]),
    "recurrent_init": st.none() | fill_weight,
}
gated = {**loops, "recurrent_activation": st.sampled_from(["sigmoid", "tanh"])}
ways = st.sampled_from([{"backwards": True}, {"bidirectional": True}, {"bidirectional": True, "merge": "mul"}])
sequences = st.one_of(
    layers_of(S.RNN, {"hidden": small}, **loops),
    layers_of(S.LSTM, {"hidden": small}, **gated, projection=small),
    layers_of(S.GRU, {"hidden": small}, **gated, reset=st.sampled_from(["after", "before"])),
    st.builds(lambda size, fields: S.GRU(size, **fields), small, ways),
    layers_of(
        S.MultiheadAttention,
        {"heads": small, "head_features": small},
        **draws,
        bias=st.booleans(),
        dropout=below_one,
        causal=st.booleans(),
        value_features=small,
        features=small,
        key_heads=st.just(1),
    ),
    nodes(S.Attention, score=st.sampled_from(["dot", "concat", "additive"]), scaled=st.booleans()),
)
tables = st.one_of(
    layers_of(S.Embedding, {"num_embeddings": small, "features": small}, padding_idx=st.none() | st.just(-1)),
    st.builds(S.EmbeddingBag, small, small, mode=st.sampled_from(["sum", "mean", "max"]), padding_idx=st.just(0)),
)
pairs = st.one_of(
    nodes(S.Dot, left=dim, right=dim, normalize=st.booleans()),
    nodes(S.PairwiseDistance, norm=st.floats(1, 3)),
    layers_of(S.Bilinear, {"features": small}, **draws, bias=st.booleans()),
)
PAIRS = (S.Subtract, S.Dot, S.PairwiseDistance, S.Bilinear)
joins = [S.Add(), S.Subtract(), S.Multiply(), S.Average(), S.Maximum(), S.Minimum()]
# By the axes of places that a wire has: layers without weights of their own, and convolutions.
windows = {axes: spatial(axes, running) for axes in (1, 2, 3)}
convs = {axes: convolutions(axes, filter_init, start) for axes in (1, 2, 3)}
feature_layers = pointwise | nodes(S.BatchNorm1d, **running) | transforms
losses: st.SearchStrategy[Loss] = st.one_of(
    nodes(S.CrossEntropy, label_smoothing=below_one, class_weights=st.lists(positive, min_size=1, max_size=4)),
    nodes(S.MeanSquaredError, reduction=st.sampled_from(["mean", "sum", "sum_of_means"])),
    nodes(S.BinaryCrossEntropy, target=st.sampled_from(["one_hot", "input"])),
    nodes(S.MultiMargin, power=st.sampled_from([1, 2]), margin=signed),
    nodes(S.NegativeLogLikelihood, ignore_index=st.none() | st.integers(-100, 3)),
    nodes(S.Hinge, power=st.sampled_from([1, 2]), target=st.sampled_from(["one_hot", "given"])),
    nodes(S.KLDivergence, reduction=st.sampled_from(["mean", "batchmean"]), log_target=st.booleans()),
    nodes(S.Distillation, temperature=positive, alpha=st.floats(0, 1)),
)
groups = st.lists(
    st.builds(S.Group, st.sampled_from([["*.bias"], ["*"]]), st.floats(0, 3), st.none() | st.floats(0, 0.5)),
    max_size=2,
)
common = {
    "learning_rate": st.floats(1e-3, 0.1),
    "weight_decay": st.floats(0, 0.5),
    "decay": st.sampled_from(["coupled", "decoupled"]),
    "maximize": st.booleans(),
    "groups": groups,
    "accumulate": st.none() | st.builds(S.Accumulate, small, st.sampled_from(["mean", "sum"])),
    "average": st.none() | nodes(S.WeightAverage, momentum=below_one, overwrite_every=st.none() | small),
    "loss_scale": st.none() | nodes(S.LossScale, initial=st.floats(0.1, 1e6), growth=st.floats(1, 4), interval=small),
}
betas = {"beta1": st.floats(0.01, 0.99), "beta2": st.floats(0.01, 0.99), "epsilon": st.floats(1e-8, 0.1)}
root = {"epsilon": st.floats(1e-8, 0.1), "epsilon_placement": st.sampled_from(["outside_root", "inside_root"])}
follows = {"momentum": st.floats(0, 0.99), "velocity": st.sampled_from(["gradient", "update"])}
corrected = {"epsilon_placement": st.sampled_from(["after_correction", "before_correction"]), "amsgrad": st.booleans()}
initial = {"initial": st.floats(0.01, 1)}
optimizers: st.SearchStrategy[Optimizer] = st.one_of(
    nodes(S.SGD, **common, **follows),
    nodes(S.ASGD, **common, lambd=st.floats(0, 0.1), alpha=st.floats(0, 1), start=st.floats(0, 9)),
    nodes(S.Rprop, **{**common, "weight_decay": st.just(0.0), "groups": st.just([])}, shrink=st.floats(0.1, 0.9)),
    nodes(S.Lion, **common, beta1=below_one, beta2=below_one),
    nodes(S.Adam, **common, **betas, **corrected),
    nodes(S.AdamW, **common, **betas, **corrected),
    nodes(S.Adamax, **common, **betas, epsilon_placement=st.sampled_from(["in_maximum", "outside"])),
    nodes(S.NAdam, **common, **betas, momentum_decay=st.floats(0, 1)),
    nodes(S.RAdam, **common, **betas),
    nodes(S.Lamb, **common, **betas),
    nodes(S.ScheduleFreeAdamW, **common, **betas, warmup=small, recover=st.sampled_from(["before", "after"])),
    nodes(S.RMSprop, **common, **follows, **root, alpha=st.floats(0, 0.99)),
    nodes(S.Adagrad, **common, **root, **initial, rate_decay=st.floats(0, 1)),
    nodes(S.Adadelta, **common, rho=st.floats(0, 1), epsilon=st.floats(1e-8, 0.1)),
    layers_of(
        S.Adafactor,
        {"epsilon1": st.floats(1e-8, 0.1)},
        **common,
        beta2_decay=st.floats(-2, 0),
        threshold=st.floats(1, 3),
        epsilon_placement=st.sampled_from(["clamped", "added"]),
        factored=st.sampled_from(["last_two", "first_two"]),
        rms_of=st.sampled_from(["before_decay", "after_decay"]),
    ),
    nodes(S.Ftrl, **common, **initial, power=st.floats(-1, -0.1), l1=st.floats(0, 0.1), beta=st.floats(0, 1)),
)
muons = st.builds(
    lambda others, fields: S.Muon(others=others, **fields),
    nodes(S.AdamW, learning_rate=st.floats(1e-3, 0.1), **betas) | nodes(S.SGD, learning_rate=st.floats(1e-3, 0.1)),
    st.fixed_dictionaries(
        {},
        optional={
            **common,
            "momentum": st.floats(0, 0.99),
            "nesterov": st.booleans(),
            "velocity": st.sampled_from(["mean", "sum"]),
            "epsilon_placement": st.sampled_from(["clamped", "added"]),
            "scale": st.sampled_from(["rows", "largest", "none"]),
        },
    ),
)
plain_schedules: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(S.StepDecay, small, st.floats(0.1, 1)),
    st.builds(S.MultiStepDecay, st.just([2, 5, 9]), st.floats(0.1, 1)),
    st.builds(S.PiecewiseConstant, st.just([2, 5]), st.lists(st.floats(0, 2), min_size=3, max_size=3)),
    st.builds(S.ConstantFactor, below_one, small),
    st.builds(S.LinearRamp, small, st.floats(0, 2), st.floats(0, 2)),
    st.builds(S.ExponentialDecay, st.floats(0.1, 1), small, st.booleans()),
    st.builds(S.InverseTimeDecay, st.floats(0, 2), small, st.booleans()),
    st.builds(S.PolynomialDecay, small, st.floats(0.1, 3), st.floats(0, 2), st.booleans()),
    st.builds(S.CosineDecay, small, below_one, st.sampled_from(["hold", "rise"])),
    st.builds(S.CosineRestarts, small, st.floats(1, 3), st.floats(0.1, 1), below_one),
    st.builds(S.OneCycle, st.integers(20, 60), st.floats(0.1, 0.4), three_phase=st.booleans()),
    st.builds(
        S.Cyclic,
        below_one,
        small,
        small,
        st.sampled_from(["constant", "halved", "exponential"]),
        st.floats(0, 1, exclude_min=True),
    ),
)
schedules: st.SearchStrategy[Schedule] = st.one_of(
    plain_schedules,
    st.builds(lambda s: replace(s, per="epoch"), plain_schedules),
    st.builds(lambda a, b, at: S.Chain((a, b), (at,)), plain_schedules, plain_schedules, small),
    st.builds(lambda a, b: S.Product((a, b)), plain_schedules, plain_schedules),
    nodes(S.Plateau, factor=below_one, patience=st.integers(0, 4), cooldown=st.integers(0, 4)),
)
clips = st.builds(S.Clip, st.sampled_from(["global_norm", "norm", "value"]), positive, st.floats(0, 1))
trainings = nodes(
    S.Training,
    loss=losses,
    optimizer=optimizers | muons,
    batch_size=small,
    epochs=small,
    clip=clips,
    schedule=schedules,
)
datas = nodes(
    S.Data,
    set=st.sampled_from(["fashion_mnist", "mnist", "digits"]),
    split=st.sampled_from(["official", [0.7, 0.15, 0.15], [0.1, 0.2, 0.7]]),
    normalise=st.sampled_from(["none", "standard"]),
)
inputs_of: st.SearchStrategy[dict[str, Shape]] = st.sampled_from(
    [
        *({"image": (2, 7, 5)}, {"input": (6,)}, {"a": (3, 6, 5), "b": (4,)}, {"a": (5,), "b": (5, 3)}),
        *({"signal": (4, 9)}, {"volume": (2, 5, 4, 3)}),
    ]
)


def wires(layers: list[S.Layer], ports: dict[str, Shape], outputs: tuple[str, ...] = ()) -> dict[str, Shape] | None:
    """Return the wires that a block of the layers has, or None if it cannot be."""
    try:
        steps = resolve(S.Block(tuple(layers), outputs=outputs), ports).steps if layers else ()
    except SpecError:
        return None
    return ports | {step.name: step.out_shapes[0] for step in steps if len(step.out_shapes) == 1}


@st.composite
def grown(draw: st.DrawFn, ports: dict[str, Shape], depth: int = 2) -> list[S.Layer]:
    """Return one to six named layers that can follow the ports."""
    layers: list[S.Layer] = []
    for number in range(draw(st.integers(1, 6))):
        above = wires(layers, ports) or ports
        drawn = draw(following(above, [name for name in above if name not in ports], depth))
        layer = replace(drawn, name=f"l{number}")
        fits = wires([*layers, layer], ports) is not None
        layers.append(layer if fits else S.Tanh(name=f"l{number}", inputs=(next(iter(above)),)))
    return layers


@st.composite
def following(draw: st.DrawFn, above: dict[str, Shape], made: list[str], depth: int) -> S.Layer:
    """Return a layer wired to what stands above: of its rank, joining several, a second use, or a block that grew."""
    kinds = [
        "leaf",
        "leaf",
        "weights",
        "weights",
        "weights",
        "join",
        *["shared"] * bool(made),
        *["block"] * (depth > 0),
    ]
    kind, wire = draw(st.sampled_from(kinds)), draw(st.sampled_from(list(above)))
    if kind == "join":
        alike = st.sampled_from([name for name in above if len(above[name]) == len(above[wire])])
        inputs = draw(st.lists(alike, min_size=2, max_size=3))
        join = draw(st.sampled_from(joins) | nodes(S.Concat, dim=dim) | pairs)
        return replace(join, inputs=tuple(inputs[:2] if isinstance(join, PAIRS) else inputs))
    if kind == "shared":
        return S.Shared(draw(st.sampled_from(made)), inputs=(wire,))
    if kind == "block":
        inner: list[S.Layer] = draw(grown({"x": above[wire]}, depth - 1))
        outputs = draw(st.lists(st.sampled_from([layer.name for layer in inner]), unique=True, max_size=2))
        kept = tuple(outputs) if wires(inner, {"x": above[wire]}, tuple(outputs)) else ()
        return S.Block(tuple(inner), ports=("x",), outputs=kept, inputs=(wire,))
    axes = len(above[wire]) - 1
    plain = pointwise | windows.get(axes, st.nothing()) | transforms if axes else feature_layers
    weighted = linear | convs[1] | sequences if axes == 1 else convs.get(axes, linear) if axes else linear
    leaf: S.Layer = draw(weighted if kind == "weights" else plain | columns if axes == 1 else plain)
    return replace(leaf, inputs=(wire,) if draw(st.booleans()) else ())


@st.composite
def specs(draw: st.DrawFn) -> S.Spec:
    """Return a valid spec."""
    inputs: dict[str, Shape] = draw(inputs_of)
    layers: list[S.Layer] = draw(grown(inputs))
    if draw(st.booleans()):  # integers, which a table alone reads
        table = replace(draw(tables), name="rows", inputs=("words",))
        ports, inputs = wires([table], {"words": (5,)}) or {}, {"words": (5,)}
        layers = [table, *draw(grown({"rows": ports["rows"]}))]
    names = st.sampled_from([layer.name for layer in layers])
    outputs = tuple(draw(st.lists(names, unique=True, max_size=3)))
    model = S.Block(tuple(layers), outputs=outputs if wires(layers, inputs, outputs) else ())
    student = draw(st.none() | st.builds(S.Student, st.just("fashion_student"), losses, small))
    about = draw(st.text(st.characters(exclude_categories=["Cs"])))
    init: Any = draw(st.sampled_from(["torch_default", "keras_default"]))
    spec = S.Spec("random", model, inputs, about, init, draw(datas), student=student)
    return replace(spec, training=fitting(draw(trainings), spec))


def fitting(training: S.Training, spec: S.Spec) -> S.Training:
    """Return training settings whose class weights, if any, are one for each class, and whose groups fit something."""
    loss, classes = training.loss, spec.output_shapes[0][-1]
    trained = [name for name, parameter in spec.parameters.items() if parameter.trainable]
    fits = [g for g in training.optimizer.groups if any(fnmatchcase(name, p) for name in trained for p in g.match)]
    training = replace(training, optimizer=replace(training.optimizer, groups=fits))
    if not isinstance(loss, S.CrossEntropy) or loss.class_weights is None:
        return training
    return replace(training, loss=replace(loss, class_weights=tuple(np.resize(loss.class_weights, classes).tolist())))
