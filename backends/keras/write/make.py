"""Make: tensors of numbers that are given."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.keras.write.elementwise import broadcast, cast, dtype_code, operand
from dualnet.backends.keras.write.orders import image
from dualnet.backends.source.code import Lit, Many, code, invoke
from dualnet.backends.source.form import Axes, Storage, Value, axes_of, shape_of
from dualnet.backends.source.rules import Rule, fresh, given, lies, like, several
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Held, Op, Ref, Sym


def filled(template: str) -> Rule:
    """Return the rule of a tensor of one number."""

    def rule(frame: Frame, op: Op) -> Value:
        fill = op.arguments.get("fill_value", op.arguments.get("value"))
        dtype = dtype_code(frame.dtype())
        if "{fill}" not in template:
            return _filled(frame, lambda shape: code(f"ops.{template}({{}}, dtype={{}})", shape, dtype))
        given_fill = frame.value(fill).storage.code if isinstance(fill, (Ref, Held)) else Lit(fill, "fill")
        if isinstance(fill, (Ref, Held)) and not isinstance(given_fill, Lit):
            given_fill = cast(frame, frame.logical(frame.value(fill)), frame.dtype())
        return _filled(frame, lambda shape: code("ops.full({}, {}, dtype={})", shape, given_fill, dtype))

    return rule


def _filled(frame: Frame, made: Callable[[Any], Any]) -> Value:
    """Enter a tensor of one number, which lies in any order as well; one that becomes an image lies as images do."""
    assert frame.op is not None  # rules run for an op
    axes, rank = axes_of(frame.out()), len(frame.out())
    spatial = rank > 3 and image(frame.program, frame.op.results[0], rank)
    order = frame.target.images(rank) if spatial else range(rank)

    def fill(axes: Axes) -> Any:
        return made(frame.sizes(shape_of(axes), hole=False))

    value = frame.made(fill(tuple(axes[axis] for axis in order)), axes, tuple(axes[axis] for axis in order))
    value.storage.fill = fill
    return value


def filled_like(name: str) -> Rule:
    """Return the rule of a tensor of one number that lies as another does."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        x = lies(frame, value)
        if name == "full":
            fill = op.arguments["fill_value"]
            number = frame.value(fill).storage.code if isinstance(fill, (Ref, Held)) else Lit(fill, "fill")
            if not isinstance(number, Lit):
                number = cast(frame, frame.logical(frame.value(fill)), frame.dtype())
            return like(frame, value, code("ops.full_like({}, {}, dtype={})", x, number, dtype_code(frame.dtype())))
        return like(frame, value, code(f"ops.{name}_like({{}}, dtype={{}})", x, dtype_code(frame.dtype())))

    return rule


def arange(frame: Frame, op: Op) -> Value:
    """``arange``."""
    start, end, step = op.arguments.get("start", 0), op.arguments["end"], op.arguments.get("step", 1)
    values = [
        Lit(v, n) if not isinstance(v, Sym) else frame.size(v)
        for v, n in ((start, "start"), (end, "stop"), (step, "step"))
    ]
    shown = [values[1]] if start == 0 and step == 1 else values[:2] if step == 1 else values
    template = f"ops.arange({', '.join(['{}'] * len(shown))}, dtype={{}})"
    return fresh(frame, code(template, *shown, dtype_code(frame.dtype())))


def eye(frame: Frame, op: Op) -> Value:
    """``eye``."""
    n, m = op.arguments["n"], op.arguments.get("m")
    return fresh(frame, invoke("ops.eye", Lit(n, "n"), *([Lit(m, "m")] if m is not None else []), dtype=_typed(frame)))


def linspace(frame: Frame, op: Op) -> Value:
    """``linspace``."""
    start, end, steps = (Lit(op.arguments[name], name) for name in ("start", "end", "steps"))
    return fresh(frame, code("ops.linspace({}, {}, {}, dtype={})", start, end, steps, dtype_code(frame.dtype())))


def _typed(frame: Frame) -> Any:
    found = dtype_code(frame.dtype())
    return Many((found,)) if isinstance(found, str) else found


def meshgrid(frame: Frame, op: Op) -> Any:
    """``meshgrid``."""
    codes = [frame.logical(frame.value(argument)) for argument in op.arguments["tensors"]]
    made = code(
        f"ops.meshgrid({', '.join(['{}'] * len(codes))}, indexing={{}})",
        *codes,
        Lit(op.arguments.get("indexing", "ij"), "indexing"),
    )
    return several(frame, op, made, op.op)


def constant(template: str, *names: str) -> Rule:
    """Return the rule of a tensor of numbers that NumPy makes; names may have defaults."""

    def rule(frame: Frame, op: Op) -> Value:
        pairs = [name.partition("=") for name in names]
        values = [Lit(op.arguments.get(name, int(text or 0)), name) for name, _, text in pairs]
        return fresh(frame, code(f"ops.convert_to_tensor({template}, dtype={{}})", *values, dtype_code(frame.dtype())))

    return rule


def window(name: str) -> Rule:
    """Return the rule of a window of a signal; a periodic one is one of a place more, less the last."""

    def rule(frame: Frame, op: Op) -> Value:
        size = Lit(op.arguments["window_length"], "size")
        if op.arguments.get("periodic", True):
            return fresh(
                frame,
                code(f"ops.convert_to_tensor(np.{name}({{}} + 1)[:-1], dtype={{}})", size, dtype_code(frame.dtype())),
            )
        return fresh(
            frame, code(f"ops.convert_to_tensor(np.{name}({{}}), dtype={{}})", size, dtype_code(frame.dtype()))
        )

    return rule


def fill(frame: Frame, op: Op) -> Value:
    """``fill(value)``."""
    return broadcast(frame, operand(frame, op.arguments["value"], frame.dtype()), frame.out())


def one_hot(frame: Frame, op: Op) -> Value:
    """``one_hot(num_classes)``."""
    return fresh(
        frame, code('ops.one_hot({}, {}, dtype="int64")', frame.logical(given(frame)), Lit(frame.out()[-1], "classes"))
    )


def scalar(frame: Frame, op: Op) -> Value:
    """``scalar_tensor``, ``tensor`` of one number."""
    number = op.arguments.get("s", op.arguments.get("value"))
    return Value((), Storage(Lit(number), (), frame.dtype()))


MAKE: dict[str, Rule] = {
    "zeros": filled("zeros"),
    "ones": filled("ones"),
    "empty": filled("zeros"),
    "new_zeros": filled("zeros"),
    "new_empty": filled("zeros"),
    "new_ones": filled("ones"),
    "full": filled("{fill}"),
    "new_full": filled("{fill}"),
    "zeros_like": filled_like("zeros"),
    "empty_like": filled_like("zeros"),
    "ones_like": filled_like("ones"),
    "full_like": filled_like("full"),
    "arange": arange,
    "eye": eye,
    "linspace": linspace,
    "meshgrid": meshgrid,
    "one_hot": one_hot,
    "tril_indices": constant("np.stack(np.tril_indices({}, {}, {}))", "row", "offset=0", "col"),
    "triu_indices": constant("np.stack(np.triu_indices({}, {}, {}))", "row", "offset=0", "col"),
    "fft_fftfreq": constant("np.fft.fftfreq({}, {})", "n", "d=1"),
    "fft_rfftfreq": constant("np.fft.rfftfreq({}, {})", "n", "d=1"),
    "hann_window": window("hanning"),
    "hamming_window": window("hamming"),
    "blackman_window": window("blackman"),
    "bartlett_window": window("bartlett"),
    "fill": fill,
    "scalar_tensor": scalar,
}
