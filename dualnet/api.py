"""The public functions: load a spec, build a live model, check a pair, port live models; and those of other pages."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from dualnet.backends import backend as backend_of
from dualnet.backends.devices import devices, try_gpu
from dualnet.backends.live import framework
from dualnet.backends.own import register
from dualnet.backends.recipe import recipes_of
from dualnet.compare.certificate import certificate_of
from dualnet.compare.choice import asked, kept, trains
from dualnet.compare.ladder import Climb, climb
from dualnet.compare.ladder import stages as chosen
from dualnet.compare.match import check as check_live
from dualnet.compare.pair import Pair, Side
from dualnet.compare.record import check_recordings
from dualnet.compare.record import record as record_live
from dualnet.compare.report import Report
from dualnet.errors import SpecError
from dualnet.run.hosts import Here, Host
from dualnet.run.port import Ported, other, porter, program_of, spread, written
from dualnet.run.port import port as port_model
from dualnet.run.predictor import Predictor
from dualnet.run.recording import SUFFIX, Recording
from dualnet.run.recording import load as load_recording
from dualnet.run.weights import load_arrays, load_weights, save, weights
from dualnet.specs import zoo
from dualnet.specs.program import Program
from dualnet.specs.spec import Spec

__all__ = [
    "build",
    "check",
    "devices",
    "emit",
    "from_keras",
    "from_torch",
    "load",
    "load_arrays",
    "load_weights",
    "port",
    "predictor",
    "record",
    "register",
    "save",
    "try_gpu",
    "weights",
]


def load(name: str | Path) -> Spec:
    """Return a spec of the zoo by name, or of a .toml or .json file by path. Raises ``SpecError``."""
    if not isinstance(name, (str, Path)):
        msg = f"Expected a Spec, the name of one, or a path. Received: {type(name).__name__}. Layers become a Spec by "
        raise SpecError(msg + "Spec(name, layers, inputs).")
    return zoo.load(name)


def from_torch(module: Any, example_inputs: Any = None, example_kwargs: Mapping[str, Any] | None = None) -> Program:
    """Return the program of an ``nn.Module``: its ops, nesting, weights; trained and evaluated alike.

    ``example_inputs``: one tensor or array, a tuple of them, or a dictionary by keyword; ``example_kwargs`` are more by
    keyword. The first axis stays symbolic where the code allows. The module is left as it was. Raises ``TraceError``
    where it cannot be traced.
    """
    args, kwargs = spread(example_inputs, example_kwargs)
    return cast(Program, porter("torch").read(module, args, kwargs))


def from_keras(model: Any, example_inputs: Any = None) -> Program:
    """Return the program of a ``keras.Model``: Sequential, Functional, nested, or subclassed where it can be traced.

    ``example_inputs`` are needed for a model that does not know its own. Raises ``TraceError``.
    """
    args, kwargs = spread(example_inputs)
    return cast(Program, porter("keras").read(model, args, kwargs))


def emit(spec: Program | Spec | str | Path, backend: str) -> str:
    """Return the source of a program, or of a spec, for "torch" or "keras". It imports that framework and NumPy only.

    Raises ``UnsupportedError`` naming every op that the framework cannot express.
    """
    return cast(str, porter(backend).write(_program(spec)).source)


def _program(spec: Program | Spec | str | Path) -> Program:
    if isinstance(spec, Program):
        return spec
    return program_of(spec if isinstance(spec, Spec) else load(spec))


def port(
    module: Any,
    example_inputs: Any = None,
    to: str = "",
    *,
    example_kwargs: Mapping[str, Any] | None = None,
    certificate: bool = True,
    partial: bool = False,
) -> Ported:
    """Return the port of a live model to the other framework: ``.model .source .spec .weights .report``.

    ``example_inputs`` and ``example_kwargs`` as in ``from_torch``; they are also what the certificate is drawn on
    (constant ones are replaced by seeded normal numbers). ``to`` is "torch" or "keras" (the other framework by
    default). ``partial`` leaves a named hole where an op cannot be expressed. Raises ``TraceError`` or
    ``UnsupportedError``.
    """
    here = framework(module)
    args, kwargs = spread(example_inputs, example_kwargs)
    inputs: Any = {**dict(enumerate(args)), **kwargs} or None
    made = port_model(module, inputs, to or other(here), partial=partial)
    if certificate and made.model is not None:
        made.report = certificate_of(module, made, inputs)
    return made


def build(
    spec: Program | Spec | str | Path,
    backend: str,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    seed: int | None = 0,
) -> Any:
    """Return a live model: an ``nn.Module`` for "torch" (N, C, H, W), a ``keras.Model`` for "keras" (N, H, W, C).

    Signals and volumes are as images are: channels first in torch, last in Keras (``docs/building_blocks/spatial.md``).

    A program (``from_torch``, ``from_keras``) brings its weights with it and takes no other setting.

    The module is in training mode, as torch makes them: call ``.eval()`` before you compare outputs.
    ``seed`` keys shared draws, which start both backends bit-identical; None leaves the start to the framework's own
    initializers and generator. Raises ``SpecError``, ``UnsupportedError`` or ``DeviceError``.
    """
    if isinstance(spec, Program):
        return written(spec, backend).model
    spec = spec if isinstance(spec, Spec) else load(spec)
    return backend_of(backend).build(spec, dtype=dtype, device=device, seed=seed)


def predictor(model: Any) -> Predictor:
    """Return a live model as a function of arrays, ``predict(inputs, batch_size=None)``, in evaluation mode.

    It takes the cheapest call there is: no graph of gradients in torch, one compiled graph for each kind of input in
    Keras. Keep it: what it has compiled is gone with it. Raises ``UnsupportedError`` for what is no model.
    """
    return Predictor(model)


def record(
    model: Any,
    inputs: Any = None,
    *,
    like: Recording | str | Path | None = None,
    table: Mapping[str, str] | None = None,
    as_is: bool = False,
) -> Recording:
    """Return what a live model does, to be saved (``.save("left.trace")``) and compared elsewhere, without it.

    The first recording of a pair takes ``inputs`` as ``check`` does; the second is made ``like`` the first, on its
    inputs and, unless that was recorded ``as_is``, on its weights, matched as ``check`` matches them or by ``table``.
    ``check(left, right)`` of two recordings, or of their files, needs neither framework. Raises ``SpecError``,
    ``WeightsError``, ``DataError`` or ``UnsupportedError``.
    """
    first = load_recording(like) if isinstance(like, (str, Path)) else like
    return record_live(model, inputs, like=first, table=table, as_is=as_is)


def _recorded(side: Any) -> Any:
    """Return the recording in a file; whatever else it is, as it is."""
    return load_recording(side) if isinstance(side, (str, Path)) and Path(side).suffix == SUFFIX else side


def _against(
    left: Recording, right: Any, inputs: Any, table: Mapping[str, str] | None, weights_from: str | None, training: bool
) -> Report:
    """Return the report on a recording and another, or a live model, which is recorded like it."""
    recorded = isinstance(right, Recording)
    if inputs is not None or weights_from is not None or (recorded and table):
        more = ", table" if recorded else ""
        msg = f"A recording brings inputs and start with it, and the matching. Leave out: inputs, weights_from{more}."
        raise SpecError(msg)
    other = right if recorded else record_live(right, like=left, table=table)
    return check_recordings(left, other, training=training)


def check(
    spec: Any,
    against: Any = None,
    inputs: Any = None,
    *,
    table: Mapping[str, str] | None = None,
    weights_from: str | None = None,
    targets: Any = None,
    loss: tuple[Any, Any] | None = None,
    optimizer: tuple[Any, Any] | None = None,
    clip: tuple[Any, Any] | None = None,
    scheduler: tuple[Any, Any] | None = None,
    stages: str | Iterable[str] | None = None,
    backends: tuple[str, str] = ("torch", "keras"),
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    host: Host | None = None,
    climb_options: dict[str, Any] | None = None,
) -> Report:
    """Return the report of the parity ladder on a spec, or on two live models, whoever wrote them.

    Two live models (``nn.Module`` or ``keras.Model``) are compared on ``inputs``: one array, a tuple, or a dictionary
    by keyword, in the left model's order of axes. Their weights are matched by name, else by kind of layer, order and
    shape, or by ``table`` (left name to right name), and compared as they are; ``weights_from`` "left" or "right"
    gives both the weights of one. Their own training is compared where ``loss`` and ``targets`` are given, (left,
    right): in torch ``loss(output, target)``, ``optimizer(parameters)``, ``clip(parameters)`` between backward and
    step, ``scheduler(optimizer)``; in Keras ``loss(target, output)`` and ``optimizer()``, which clips and schedules
    itself. Of ``stages``, "quick" needs no training, and "all" is the default. The left one, or both, may be recordings
    (``record``), which bring inputs and start with them, and no training of their own. The other settings are for
    specs.

    ``against`` is the right side's spec, if it is another one with parameters of the same names and shapes.
    ``stages``: "quick" (a spec's default, no data set needed), "all", or names. Numerical stages run in float32 and
    float64; ``dtype`` is that of the stages that train on data. Both frameworks run in this process unless ``host`` is
    given. Raises ``SpecError``, ``UnsupportedError`` or ``DeviceError``.
    """
    spec, against = _recorded(spec), _recorded(against)
    if not isinstance(spec, (Spec, str, Path)):
        names = asked(stages)
        training = trains(names)
        recipes = recipes_of(loss, optimizer, clip, scheduler, targets)
        if isinstance(spec, Recording):
            if recipes is not None:
                msg = "A recording holds no training of its own. Compare loss and optimizer on live models."
                raise SpecError(msg)
            return kept(_against(spec, against, inputs, table, weights_from, training), names)
        given = {"table": table, "weights_from": weights_from, "recipes": recipes, "targets": targets}
        return kept(check_live(spec, against, inputs, training=training, **given), names)
    left = spec if isinstance(spec, Spec) else load(spec)
    right = left if against is None else against if isinstance(against, Spec) else load(against)
    labels = backends if backends[0] != backends[1] else (f"{backends[0]} (left)", f"{backends[1]} (right)")
    sides = (Side(labels[0], backends[0], left), Side(labels[1], backends[1], right))
    pair = Pair(*sides, host=host or Here(), seed=seed, device=device, dtype=dtype)
    return climb(pair, Climb(stages=chosen(stages), dtype=dtype, **(climb_options or {})))
