"""Random: draws, from a seed generator that the module holds, as Keras writes them."""

from typing import Any

from dualnet.backends.keras.write.elementwise import dtype_code
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, drawn, fresh, given, lies, like
from dualnet.backends.source.writer import Frame
from dualnet.backends.source.written import Member, Reach
from dualnet.specs.program import Op


def _seed(frame: Frame) -> Reach:
    module = frame.module
    found = module.members.get(("seed", None))
    if found is None:
        found = module.members["seed", None] = Member("seed", None, code("keras.random.SeedGenerator()"))
    return Reach(module.self(), module.self().members.get(("seed", None), found))


def draw(template: str, like_input: bool) -> Rule:
    """Return the rule of a draw: ``{shape}``, ``{seed}`` and ``{dtype}`` stand in the template."""

    def rule(frame: Frame, op: Op) -> Value:
        seed, dtype = _seed(frame), dtype_code(frame.dtype())
        if like_input:
            value = frame.settled_weight(given(frame))
            x = lies(frame, value)
            made = code(template, code("ops.shape({})", x), dtype, seed)
            frame.writer.draws.append(drawn(value))
            return like(frame, value, made)
        frame.writer.draws.append(None)
        return fresh(frame, code(template, frame.sizes(frame.out(), hole=False), dtype, seed))

    return rule


def bernoulli(frame: Frame, op: Op) -> Value:
    """``bernoulli``: 1 with a probability that is given, or that the input is."""
    value, chance = frame.settled_weight(given(frame)), op.arguments.get("p")
    x = lies(frame, value)
    frame.writer.draws.append(drawn(value))
    rate = code("1.0 - {}", x) if chance is None else Lit(round(1.0 - chance, 12), "rate")
    dtype = dtype_code(frame.dtype())
    drawn_ = code("keras.random.uniform(ops.shape({}), dtype={}, seed={})", x, dtype, _seed(frame))
    return like(frame, value, code("ops.cast({} >= {}, {})", drawn_, rate, dtype))


def scaled(frame: Frame, op: Op) -> Value:
    """``normal``, ``uniform`` in place: the shape is the input's."""
    value = frame.settled_weight(given(frame))
    frame.writer.draws.append(drawn(value))
    x, arguments = lies(frame, value), op.arguments
    if op.op == "normal":
        options: tuple[Any, ...] = (
            Lit(float(arguments.get("mean", 0.0)), "mean"),
            Lit(float(arguments.get("std", 1.0)), "stddev"),
        )
        text = "keras.random.normal(ops.shape({}), mean={}, stddev={}, dtype={}, seed={})"
    else:
        options = (Lit(float(arguments.get("from", 0.0)), "minval"), Lit(float(arguments.get("to", 1.0)), "maxval"))
        text = "keras.random.uniform(ops.shape({}), minval={}, maxval={}, dtype={}, seed={})"
    return like(frame, value, code(text, x, *options, dtype_code(frame.dtype()), _seed(frame)))


def rrelu(frame: Frame, op: Op) -> Value:
    """``rrelu``: slopes below 0 that are drawn in training, their mean in evaluation."""
    value, mode = frame.settled_weight(given(frame)), frame.by_mode(op.arguments.get("training", False))
    frame.writer.parts.add("rrelu")
    options: dict[str, Any] = {
        "lower": Default(op.arguments.get("lower", 0.125), 0.125),
        "upper": Default(op.arguments.get("upper", 1 / 3), 1 / 3),
    }
    if mode.training:
        frame.writer.draws.append(drawn(value))
        frame.module.moody = frame.module.moody or not mode.inference
        options["seed"] = _seed(frame) if mode.inference else code("{} if training else None", _seed(frame))
    return like(frame, value, invoke("rrelu", lies(frame, value), **options))


def exponential(frame: Frame, op: Op) -> Value:
    """``exponential`` in place: -log of a uniform draw, by its rate."""
    value = frame.settled_weight(given(frame))
    frame.writer.draws.append(drawn(value))
    template = "-ops.log1p(-keras.random.uniform(ops.shape({}), dtype={}, seed={})) / {}"
    rate = Lit(float(op.arguments.get("lambd", 1.0)), "rate")
    return like(frame, value, code(template, lies(frame, value), dtype_code(frame.dtype()), _seed(frame), rate))


RANDOM: dict[str, Rule] = {
    "randn_like": draw("keras.random.normal({}, dtype={}, seed={})", like_input=True),
    "rand_like": draw("keras.random.uniform({}, dtype={}, seed={})", like_input=True),
    "randn": draw("keras.random.normal({}, dtype={}, seed={})", like_input=False),
    "rand": draw("keras.random.uniform({}, dtype={}, seed={})", like_input=False),
    "bernoulli": bernoulli,
    "rrelu": rrelu,
    "exponential": exponential,
    "normal": scaled,
    "uniform": scaled,
    "normal_functional": scaled,
}
