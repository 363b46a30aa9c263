"""A layer of the user's own: registered by name, it is as good as dualnet's own; and what is refused, and how."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.walk import walk
from dualnet.errors import DualnetError, SpecError, UnsupportedError
from dualnet.specs import text
from dualnet.specs.graph import Step
from tests.cases import CLOSE, IMAGE, arrays

OPTIONS: dict[str, Any] = {"dtype": "float64", "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def mine() -> Iterator[Any]:
    """Register the layers of ``tests/own_layers.py``, for this page only."""
    before = dict(S.Layer.registry)
    module = importlib.import_module("tests.own_layers")
    S.Layer.registry.update({cls.__name__: cls for cls in (module.Centered, module.ScaledDense, module.Gate)})
    yield module
    S.Layer.registry.clear()
    S.Layer.registry.update(before)


@pytest.fixture(scope="module")
def spec(mine: Any) -> S.Spec:
    layers = (
        S.Conv2d(4, 3, padding=1, name="conv"),
        mine.Centered(name="centered"),
        mine.Gate(name="gate", inputs=("conv", "centered")),
        S.Flatten(name="flat"),
        mine.ScaledDense(5, 0.7, name="dense"),
        S.ReLU(name="relu"),
        mine.ScaledDense(5, weight_init=S.Uniform(), name="square"),
        S.Shared("square", name="again"),
        S.Linear(3, name="head"),
    )
    return S.Spec("own", S.Sequential(*layers), IMAGE)


def weights(spec: S.Spec) -> dict[str, Any]:
    return arrays({name: p.shape for name, p in spec.parameters.items()}, 7, None)


def same(found: dict[str, Any], expected: dict[str, Any], close: float = CLOSE) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        scale = max(float(np.abs(array).max(initial=0)), 1.0)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=close * scale, err_msg=name)


def test_each_layer_computes_what_it_says(backend: Backend, spec: S.Spec, mine: Any) -> None:
    session, inputs = backend.session(spec, **OPTIONS), arrays(spec.inputs, 8)
    session.load(weights(spec))
    seen = session.forward(inputs)["layers"]
    checked = []

    def visit(step: Step, given: list[Any]) -> Any:
        judge = mine.NUMPY.get(type(step.layer).__name__)
        if judge:
            own = {name.rpartition(".")[2]: a for name, a in weights(spec).items() if name.startswith(f"{step.owner}.")}
            same({step.path: seen[step.path]}, {step.path: judge(step.layer, *given, own)})
            same({step.path: session.layer(step.path, given)}, {step.path: seen[step.path]})
            checked.append(step.path)
        return seen[step.path]

    walk(spec.graph, list(inputs.values()), visit)
    assert checked == ["centered", "gate", "dense", "square", "again"]


def test_gradients_and_training_agree(both: tuple[Backend, Backend], spec: S.Spec) -> None:
    inputs, found = arrays(spec.inputs, 8, 6), []
    for backend in both:
        session = backend.session(spec, **OPTIONS)
        session.load(weights(spec))
        gradients = session.gradients(inputs, S.CrossEntropy(), np.arange(6) % 3, training=True)
        session.hold("train", inputs, np.arange(6) % 3, np.arange(6) % 3)
        session.prepare(S.CrossEntropy(), S.Adam(0.01))
        losses = session.steps("train", np.arange(6).reshape(3, 2), np.full(3, 0.01))["loss"]
        found.append((gradients, {**session.weights(), "losses": losses}, session.trainable()))
        assert np.abs(gradients["parameters"]["gate.gain"]).min() > 0
    (torch, after_torch, names), (keras, after_keras, others) = found
    for kind in ("parameters", "inputs", "layers"):
        same(keras[kind], torch[kind])  # type: ignore[literal-required]
    same(after_keras, after_torch, 1e-10)  # Adam divides by the root of squares that begin near zero
    assert names == others == [name for name in spec.parameters if not name.endswith("fixed")]
    np.testing.assert_array_equal(after_torch["dense.fixed"], weights(spec)["dense.fixed"])


@pytest.mark.slow
def test_the_ladder_climbs_it(spec: S.Spec) -> None:
    report = dualnet.check(spec, climb_options={"steps": 3})
    assert report.agrees, report.to_json()
    assert report.stage("gradients").verdict == "equal"


def test_text_is_by_name_and_comes_back_equal(spec: S.Spec, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text.dumps(spec))
    assert '{name = "dense", op = "ScaledDense", features = 5, scale = 0.7}' in path.read_text()
    assert dualnet.load(path) == spec
    with pytest.raises(SpecError, match=r"layers\[4\] \(dense\): ScaledDense 'dense': features must be a positive int"):
        text.loads(text.dumps(spec).replace("features = 5, scale", "features = -5, scale"))


def test_a_file_that_names_it_is_refused_where_nobody_registered_it(spec: S.Spec, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text.dumps(spec))
    command = [sys.executable, "-m", "dualnet", "show", "--text", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "own.toml: layers[1] (centered): unknown layer 'Centered'." in done.stderr
    assert "Traceback" not in done.stderr


def test_both_backends_start_it_alike_and_by_their_own_draws(both: tuple[Backend, Backend], spec: S.Spec) -> None:
    shared = [backend.session(spec, seed=9).weights() for backend in both]
    for name, array in shared[0].items():
        np.testing.assert_array_equal(shared[1][name], array, err_msg=name)
    for backend in both:
        session = backend.session(spec)
        session.draw(1)
        own = session.weights()
        assert 0 < own["square.weight"].min() < own["square.weight"].max() < 1  # U(0, 1), as the field asks
        assert not np.array_equal(own["square.weight"], shared[0]["square.weight"])
        np.testing.assert_array_equal(own["dense.fixed"], 1.0)
        unseeded = backend.build(spec, seed=None)
        layer = unseeded.get_submodule("square") if backend.name == "torch" else unseeded.get_layer("square")
        drawn = np.asarray(layer.weight.detach().numpy() if backend.name == "torch" else layer.weight)
        assert 0 < drawn.min() < drawn.max() < 1
        assert len(np.unique(drawn)) == 25


def test_the_second_use_holds_the_same_parameters(backend: Backend, spec: S.Spec) -> None:
    assert "again.weight" not in spec.parameters
    session = backend.session(spec)
    before = session.forward(arrays(spec.inputs, 8))["layers"]["again"]
    changed = session.weights() | {"square.weight": np.zeros((5, 5)), "square.bias": np.full(5, -1.0)}
    session.load(changed)
    after = session.forward(arrays(spec.inputs, 8))["layers"]["again"]
    np.testing.assert_array_equal(after, 1.0)  # relu(-1)·1 + fixed
    assert not np.array_equal(before, after)


LAYERS = Path(__file__).parent / "own_layers.py"


def commanded(spec: S.Spec, folder: Path, words: str, layers: object) -> subprocess.CompletedProcess[str]:
    """Return what the command line says of a spec, in processes that run ``layers`` first."""
    (folder / "own.toml").write_text(text.dumps(spec))
    command = [sys.executable, "-m", "dualnet", *words.split(), str(folder / "own.toml")]
    env = os.environ | {"DUALNET_LAYERS": str(layers)}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def test_the_command_line_runs_the_files_that_the_user_names(spec: S.Spec, tmp_path: Path) -> None:
    done = commanded(spec, tmp_path, "show", LAYERS)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line.split() for line in done.stdout.splitlines() if line.startswith("centered"))
    assert line == [
        "centered",
        "CenteredModule",
        "(N,",
        "4,",
        "9,",
        "6)",
        "0",
        "0",
        "CenteredLayer",
        "(N,",
        "9,",
        "6,",
        "4)",
        "0",
        "0",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "broken.py: there is no such file."),
        ("import dualnet; dualnet.register(3)", "broken.py: running it failed: SpecError: A layer is a class derived"),
    ],
)
def test_a_file_of_layers_that_cannot_be_run_is_one_message(
    spec: S.Spec, tmp_path: Path, content: str | None, message: str
) -> None:
    if content:
        (tmp_path / "broken.py").write_text(content)
    done = commanded(spec, tmp_path, "show --text", tmp_path / "broken.py")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "DUALNET_LAYERS names Python files" in commanded(spec, tmp_path, "show --text", "layers.txt").stderr


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_it_is_written_as_source(spec: S.Spec, to: str) -> None:
    source = dualnet.emit(spec, to)
    assert "dualnet" not in source.replace('"dualnet', "")
    assert "centered" in source
    program = dualnet.from_torch(dualnet.build(spec, "torch").eval(), np.ones((2, *IMAGE), "float32"))
    report = dualnet.port(dualnet.build(program, "torch").eval(), np.ones((2, *IMAGE), "float32"), to).report
    assert report.agrees, report.to_json()


def module(*attributes: Any, gives: Any = lambda x: x) -> Any:
    """Return a torch lowering whose module has the given parameters by name and shape."""

    def lowering(layer: Any, shape: Any) -> Any:
        import torch

        made = torch.nn.Module()
        for name, sizes in attributes:
            made.register_parameter(name, torch.nn.Parameter(torch.zeros(sizes)))
        made.forward = gives
        return made

    return lowering


def keras_layer(*attributes: Any, **more: Any) -> Any:
    def lowering(layer: Any, shape: Any, **options: Any) -> Any:
        import keras

        made = keras.layers.Layer(**(options | more))
        for name, sizes in attributes:
            setattr(made, name, made.add_weight(shape=sizes, name=name))
        made.call = lambda x: x
        return made

    return lowering


DECLARED = {"weight": ((4,), S.Ones())}
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "none": ("torch", {"keras": keras_layer()}, "torch: Odd 'odd' has no lowering here; keras has one. Give one: "
             r"dualnet.register\(Odd, torch=…\)."),
    "none at all": ("keras", {}, "keras: Odd 'odd' has no lowering here; no backend has one."),
    "no module": ("torch", {"torch": lambda layer, shape: 3}, "torch: Odd 'odd' is to be a torch.nn.Module, and the "
                  "lowering returned: int. Change the lowering"),
    "no layer": ("keras", {"keras": lambda layer, shape, **o: 3}, "is to be a keras.layers.Layer, .* returned: int"),
    "too few arguments": ("torch", {"torch": lambda layer: 3}, r"the lowering of Odd must take \(layer, shape\)\. It "),
    "no options": ("keras", {"keras": lambda layer, shape: 3}, r"must take \(layer, shape, name=…, dtype=…\)"),
    "another name": ("keras", {"keras": keras_layer(name="mine")}, "took name='mine', .* must pass both to super"),
    "another dtype": ("keras", {"keras": keras_layer(dtype="float16")}, "took name='odd', dtype='float16' instead of"),
    "lacks": ("torch", {"torch": module(), "parameters": DECLARED}, "lacks the parameter 'weight'.*it holds nothing"),
    "lacks in keras": ("keras", {"keras": keras_layer(), "parameters": DECLARED}, "lacks the parameter 'weight'"),
    "holds more": ("torch", {"torch": module(("bias", (4,)))}, r"holds 'bias', which .* \(declared: none\)"),
    "holds more in keras": ("keras", {"keras": keras_layer(("bias", (4,)))}, "holds 'bias', which .* do not declare"),
    "another shape": ("torch", {"torch": module(("weight", (5,))), "parameters": DECLARED},
                      r"holds 'weight' with shape \(5,\), and \(4,\) was declared"),
    "another shape in keras": ("keras", {"keras": keras_layer(("weight", (5,))), "parameters": DECLARED},
                               r"holds 'weight' with shape \(5,\), and \(4,\) was declared"),
    "another output": ("torch", {"torch": module(gives=lambda x: x[:, :2])},
                       r"gives the shape \(2,\) \(without the batch axis\), and its shape rule says \(4,\)"),
    "another output in keras": ("keras", {"keras": keras_layer(), "shape": (9,)}, r"gives the shape \(4,\) .* \(9,\)"),
}  # fmt: skip


def odd(name: str = "Odd", **fields: Any) -> Any:
    """Return a fresh layer class, as a notebook makes one again and again."""
    body = {"__annotations__": fields, "__module__": __name__, "__qualname__": name, "__doc__": "Odd."}
    return dataclass(frozen=True)(type(name, (S.Layer,), body))


@pytest.mark.parametrize("case", WRONG)
def test_a_lowering_that_breaks_its_word_is_refused_by_name(both: Any, case: str) -> None:
    name, given, message = WRONG[case]
    cls = odd()
    rules = {rule: lambda layer, shape, fixed=given[rule]: fixed for rule in ("shape", "parameters") if rule in given}
    dualnet.register(cls, **{**given, **rules})
    with pytest.raises(UnsupportedError, match=message):
        dualnet.build(S.Spec("net", S.Sequential(cls(name="odd"), S.Linear(2)), (4,)), name)


def registered(cls: Any, **rules: Any) -> S.Spec:
    dualnet.register(cls, **rules)
    return S.Spec("net", S.Sequential(cls(name="odd")), (4,))


MISUSED: dict[str, tuple[Any, str]] = {
    "no class": (lambda: dualnet.register(3), r"under @dataclass\(frozen=True\)\. Received: 3"),
    "no dataclass": (lambda: dualnet.register(type("Bare", (S.Layer,), {"__module__": __name__})), "Received: Bare"),
    "no layer": (lambda: dualnet.register(S.Zeros), "derived from dualnet.specs.Layer, .* Received: Zeros"),
    "dualnet's own": (lambda: dualnet.register(S.Linear), "Linear is dualnet's own. Derive a class"),
    "hidden": (lambda: dualnet.register(odd("_Odd")), "_Odd is not what files call so"),
    "a taken name": (lambda: odd("Linear"), "The name 'Linear' is taken by dualnet.specs.layers"),
    "a field no file holds": (lambda: dualnet.register(odd(values=list)), "cannot hold the field 'values'"),
    "a bare field": (lambda: dualnet.register(odd(values=Any)), "cannot hold the field 'values'"),
    "derived from a layer": (
        lambda: dualnet.register(dataclass(frozen=True)(type("Odd", (S.ReLU,), {"__module__": __name__}))),
        "Odd derives from a layer of dualnet's"),
    "another backend": (lambda: dualnet.register(odd(), kears=print), "knows no 'kears'. Did you mean 'keras'"),
    "another word": (lambda: dualnet.register(odd(), weights=print), "It takes: shape, parameters, inputs, torch"),
    "no function": (lambda: dualnet.register(odd(), torch=3), "torch must be a function, .*Received: 3"),
    "no number": (lambda: dualnet.register(odd(), inputs="2"), "inputs must be the number of inputs .*inputs='2'"),
    "two inputs": (lambda: registered(odd(), inputs=2), "Odd 'odd': it takes 2 inputs and reads 1"),
    "no shape": (lambda: registered(odd(), shape=lambda *_: 7), "its shape rule must return a tuple .* returned: 7"),
    "a refused shape": (lambda: registered(odd(), shape=lambda _, shape: (0,)), r"the output would be \[0\]"),
    "no parameters": (lambda: registered(odd(), parameters=lambda _, shape: 7).parameters, "its parameters must be "),
    "no initializer": (
        lambda: registered(odd(), parameters=lambda _, shape: {"w": ((3,), 0.0)}).parameters,
        r"\{name: \(shape, initializer\)\} or .* Received: 'w': \(\(3,\), 0.0\)"),
    "a dotted name": (
        lambda: registered(odd(), parameters=lambda _, shape: {"a.w": ((3,), None)}).parameters, "Received: 'a.w'"),
    "an empty weight": (
        lambda: registered(odd(), parameters=lambda _, shape: {"w": ((0,), None)}).parameters, "Received: 'w'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISUSED)
def test_what_cannot_be_registered_is_refused_with_one_message(case: str) -> None:
    call, message = MISUSED[case]
    with pytest.raises(DualnetError, match=message) as caught:
        call()
    assert type(caught.value) is SpecError


def test_a_second_call_adds_a_backend_and_keeps_the_rest(backend: Backend) -> None:
    cls = odd()
    dualnet.register(cls, parameters=lambda layer, shape: DECLARED, torch=module(("weight", (4,))))
    assert dualnet.register(cls, keras=keras_layer(("weight", (4,)))) is cls
    session = backend.session(S.Spec("net", S.Sequential(cls(name="odd"), S.Linear(2)), (4,)))
    np.testing.assert_array_equal(session.weights()["odd.weight"], 1.0)


def test_a_class_made_again_under_its_name_needs_its_own_lowering() -> None:
    dualnet.register(odd(), torch=module())
    again = odd()
    with pytest.raises(UnsupportedError, match="torch: Odd 'odd' has no lowering here; no backend has one"):
        dualnet.build(S.Spec("net", S.Sequential(again(name="odd")), (4,)), "torch")
