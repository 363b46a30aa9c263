"""Complex: what is known of complex numbers. An op that is not listed here refuses them."""

from typing import Any

from dualnet.backends.keras.write.elementwise import operand
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value, axes_of
from dualnet.backends.source.rules import Rule, given, kept, lies, like, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Held, Op, Ref, leaves

# Ops that move values and never look at them.
MOVES = "reshape view flatten unflatten permute transpose t mT movedim unsqueeze squeeze contiguous alias clone slice"
MOVES += " select cat stack split chunk split_with_sizes unbind expand roll flip index_select repeat neg detach view_as"
MOVES += " lift_fresh_copy by_mode sum narrow"


def guarded(rules: dict[str, Rule]) -> dict[str, Rule]:
    """Return rules that refuse complex numbers where they do not know them."""
    return {name: _guard(name, rule) for name, rule in {**COMPLEX, **rules}.items()}


def _guard(name: str, rule: Rule) -> Rule:
    def checked(frame: Frame, op: Op) -> Any:
        if not any(kind.startswith("complex") for kind in _kinds(frame, op)):
            return rule(frame, op)
        if name not in COMPLEX and name not in MOVES.split():
            msg = "it has complex numbers, unknown to it; work on torch.view_as_real(x), or on x.real and x.imag"
            raise UnsupportedError(msg)
        return COMPLEX.get(name, rule)(frame, op)

    return checked


def _kinds(frame: Frame, op: Op) -> list[str]:
    found = [frame.program.wires[value.name].dtype for value in leaves(op.arguments) if isinstance(value, Ref)]
    found += [frame.program.weights[v.name].tensor.dtype for v in leaves(op.arguments) if isinstance(v, Held)]
    return found + [frame.program.wires[name].dtype for name in op.results if name in frame.program.wires]


def fourier(part: str, inverse: bool = False, last: int | None = None) -> Rule:
    """Return the rule of a Fourier transform; over how many of the last axes, if ``dim`` does not say."""

    def rule(frame: Frame, op: Op) -> Value:
        value = operand(frame, op.arguments["input"], _float(frame))
        frame.writer.parts.add(part)
        dims = _dims(value, op, last)
        x, order = frame.whole(value)
        sizes = op.arguments.get("s", op.arguments.get("n"))
        sizes = sizes if isinstance(sizes, (tuple, list)) or sizes is None else (sizes,)
        sizes = None if sizes is None else tuple(sizes)
        made = invoke(
            part, x, axes=Default(tuple(order.index(dim) for dim in dims), (-1,)), sizes=Default(sizes, None),
            norm=Default(op.arguments.get("norm"), None), **({"inverse": True} if inverse else {}),
        )  # fmt: skip
        changed = {dim: frame.out()[dim] for dim in dims if frame.out()[dim] != value.shape[dim]}
        return frame.made(made, *resized(value, order, changed))

    return rule


def _float(frame: Frame) -> str:
    assert frame.op is not None  # rules run for an op
    found = frame.value(frame.op.arguments["input"]).dtype
    return found if found.startswith(("float", "complex")) else "float32"


def _dims(value: Value, op: Op, last: int | None) -> list[int]:
    dims = op.arguments.get("dim")
    if dims is None:
        count = last or len(op.arguments.get("s") or ()) or value.rank
        dims = tuple(range(-count, 0))
    listed = dims if isinstance(dims, (tuple, list)) else (dims,)
    return [dim % value.rank for dim in listed]


def shifted(back: bool) -> Rule:
    """Return the rule of ``fftshift``: the middle goes to the front, or back."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        dims = _dims(value, op, None)
        x, order = frame.whole(value)
        shifts = tuple(((int(value.shape[dim]) + 1) if back else int(value.shape[dim])) // 2 for dim in dims)
        axes = tuple(order.index(dim) for dim in dims)
        return kept(frame, value, order, code("ops.roll({}, {}, axis={})", x, Lit(shifts, "shift"), Lit(axes, "axis")))

    return rule


def of_complex(template: str, *parts: str) -> Rule:
    """Return the rule of a function of one tensor of complex numbers."""

    def rule(frame: Frame, op: Op) -> Value:
        value = frame.settled_weight(given(frame))
        frame.writer.parts.update(parts)
        x = lies(frame, value)
        return like(frame, value, code(template, *[x] * template.count("{}")))

    return rule


def joined(template: str, one: str, other: str) -> Rule:
    """Return the rule of complex numbers made of two real tensors."""

    def rule(frame: Frame, op: Op) -> Value:
        frame.writer.parts.add("complex_of")
        (a, b), logical, physical = frame.aligned([frame.value(op.arguments[name]) for name in (one, other)])
        codes = [a, b, a, b] if template.count("{}") == 4 else [a, b]
        return frame.made(code(template, *codes), logical, physical)

    return rule


def as_real(frame: Frame, op: Op) -> Value:
    """``view_as_real``: the two parts along a new last axis."""
    value = frame.settled_weight(given(frame))
    pair = axes_of((2,))[0]
    return frame.made(
        invoke("ops.view_as_real", lies(frame, value)), (*value.logical, pair), (*value.storage.physical, pair)
    )


def as_complex(frame: Frame, op: Op) -> Value:
    """``view_as_complex``: the last axis holds the two parts."""
    value = given(frame)
    frame.writer.parts.add("complex_of")
    order = [axis for axis in frame.whole(value)[1] if axis != value.rank - 1]
    x = frame.ordered(value, [*order, value.rank - 1])
    logical = value.logical[:-1]
    return frame.made(code("complex_of({}[..., 0], {}[..., 1])", x, x), logical, tuple(logical[axis] for axis in order))


def arithmetic(sign: str) -> Rule:
    """Return the rule of arithmetic in which one operand may be real."""

    def rule(frame: Frame, op: Op) -> Value:
        values = [_complex(frame, op.arguments[name]) for name in ("input", "other")]
        (a, b), logical, physical = frame.aligned(values)
        alpha = op.arguments.get("alpha", 1)
        b = code("{} * {}", Lit(alpha, "alpha"), b) if alpha != 1 else b
        return frame.made(code(f"{{}} {sign} {{}}", a, b), logical, physical)

    return rule


def _complex(frame: Frame, argument: Any) -> Value:
    value = frame.value(argument)
    if not isinstance(argument, (Ref, Held)) or value.dtype.startswith("complex"):
        return value
    frame.writer.parts.update(("complex_of", "parts_of"))
    value = frame.settled_weight(value)
    return like(frame, value, code("complex_of(*parts_of({}))", lies(frame, value)))


COMPLEX: dict[str, Rule] = {
    "fft_fft": fourier("fft", last=1),
    "fft_ifft": fourier("fft", inverse=True, last=1),
    "fft_rfft": fourier("rfft", last=1),
    "fft_irfft": fourier("irfft", last=1),
    **{
        f"fft_{name}{end}": fourier(name, last=last)
        for name in ("fft", "rfft", "irfft")
        for end, last in (("2", 2), ("n", None))
    },
    **{f"fft_ifft{end}": fourier("fft", inverse=True, last=last) for end, last in (("2", 2), ("n", None))},
    "fft_fftshift": shifted(back=False),
    "fft_ifftshift": shifted(back=True),
    "real": of_complex("ops.real({})"),
    "imag": of_complex("ops.imag({})"),
    "abs": of_complex("modulus({})", "modulus"),
    "angle": of_complex("ops.arctan2(ops.imag({}), ops.real({}))"),
    **dict.fromkeys(("conj", "_conj", "conj_physical", "_conj_physical"), of_complex("ops.conj({})")),
    **dict.fromkeys(("resolve_conj", "resolve_neg"), of_complex("{}")),
    "view_as_real": as_real,
    "view_as_complex": as_complex,
    "complex": joined("complex_of({}, {})", "real", "imag"),
    "polar": joined("complex_of({} * ops.cos({}), {} * ops.sin({}))", "abs", "angle"),
    "mul": arithmetic("*"),
    "div": arithmetic("/"),
    "add": arithmetic("+"),
    "sub": arithmetic("-"),
}
