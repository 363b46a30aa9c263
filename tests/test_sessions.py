"""Sessions: what they refuse, what they leave as it was, and what they read back from the live model."""

from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend, names
from dualnet.backends import backend as backend_named
from dualnet.backends.protocol import Arrays, Session
from dualnet.errors import DeviceError, UnsupportedError, WeightsError
from dualnet.specs import zoo
from dualnet.specs.draw import draw
from tests.cases import arrays, weights

# The same few hundred terms summed in two orders, float64.
CLOSE = 1e-12

SPEC = S.Spec(
    "small",
    S.Sequential(
        S.Conv2d(5, (3, 2), stride=2, padding=1, name="conv"),
        S.BatchNorm2d(epsilon=1e-3, momentum=0.25, name="norm"),
        S.LeakyReLU(0.2, name="leaky"),
        S.Flatten(name="flat"),
        S.Dropout(0.3, name="drop"),
        S.Linear(3, name="head"),
    ),
    (2, 7, 6),
)
ROWS = 23
INPUTS = arrays(SPEC.inputs, 80, ROWS)
LABELS = np.random.default_rng(81).integers(0, 3, ROWS)
START = weights(SPEC, 82)
ORDER = np.random.default_rng(83).integers(0, ROWS, (6, 5))


def trained(backend: Backend, **options: Any) -> Session:
    """Return a session after two steps, so that there are slots, statistics and a step to lose."""
    session = backend.session(SPEC, dtype="float64", **options)
    session.load(START)
    session.hold("train", INPUTS, targets=LABELS, labels=LABELS)
    session.prepare(S.CrossEntropy(), S.Adam(0.01))
    session.steps("train", ORDER[:2], np.full(2, 0.01))
    return session


def state(session: Session) -> Arrays:
    return session.weights() | session.slots()


def identical(found: Arrays, expected: Arrays) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)


@pytest.mark.parametrize("training", [False, True])
def test_looking_changes_nothing_and_training_goes_on_as_if_nobody_had_looked(backend: Backend, training: bool) -> None:
    looked, left_alone = trained(backend), trained(backend)
    before = state(looked)
    looked.forward(INPUTS, training=training, step=9)
    looked.layer("norm", [arrays({"x": (5, 4, 4)}, 84)["x"]], training=training)
    looked.layer("drop", [arrays({"x": (80,)}, 84)["x"]], training=training, step=8)
    looked.gradients(INPUTS, S.CrossEntropy(), LABELS, training=training, step=7)
    looked.loss(S.CrossEntropy(), np.ones((2, 3)), np.array([0, 2]))
    looked.predict("train", 4)
    identical(state(looked), before)
    runs = [session.steps("train", ORDER[2:], np.full(4, 0.01)) for session in (looked, left_alone)]
    np.testing.assert_array_equal(runs[0]["loss"], runs[1]["loss"])
    identical(state(looked), state(left_alone))


def test_weights_are_copies(backend: Backend) -> None:
    session = trained(backend)
    before = {name: array.copy() for name, array in session.weights().items()}
    for array in session.weights().values():
        array.fill(9.0)
    identical(session.weights(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.wieght": np.ones(1)}, "there is no parameter 'head.wieght'. Did you mean 'head.weight'?"),
        ({"conv.bias": None}, "the parameter 'conv.bias' is missing. Present: conv.weight, norm.weight"),
        ({"conv.weight": np.ones((5, 2, 2, 3))}, r"conv.weight has shape \[5, 2, 3, 2\]. Received: \[5, 2, 2, 3\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(backend: Backend, change: Arrays, message: str) -> None:
    session = trained(backend)
    before = state(session)
    wrong = {name: array for name, array in (START | change).items() if array is not None}
    with pytest.raises(WeightsError, match=message):
        session.load(wrong)
    identical(state(session), before)


def test_inputs_that_do_not_fit_are_refused_by_name(backend: Backend) -> None:
    session = backend.session(SPEC)
    with pytest.raises(WeightsError, match=r"its inputs are input. Received: image"):
        session.forward({"image": INPUTS["input"]})
    with pytest.raises(WeightsError, match=r"input 'input' has shape \(N, 2, 7, 6\). Received: \(23, 7, 6, 2\)"):
        session.forward({"input": np.moveaxis(INPUTS["input"], 1, -1)})


@pytest.mark.parametrize("batch_size", [1, 5, 23, 1000])
def test_predict_is_forward_for_any_batch_size(backend: Backend, batch_size: int) -> None:
    session = trained(backend)
    expected = session.forward(INPUTS)["outputs"][0]
    np.testing.assert_allclose(session.predict("train", batch_size), expected, atol=CLOSE * np.abs(expected).max())


def test_predict_of_several_inputs_and_outputs_gives_the_first(backend: Backend) -> None:
    layers = S.Concat(inputs=("b", "a"), name="join"), S.Linear(3, name="x"), S.Tanh(name="y")
    spec = S.Spec("two", S.Block(layers, outputs=("y", "join")), {"a": (4,), "b": (5,)})
    session, inputs = backend.session(spec, dtype="float64"), arrays(spec.inputs, 85, 7)
    session.hold("all", inputs)
    np.testing.assert_allclose(session.predict("all", 3), session.forward(inputs)["outputs"][0], atol=CLOSE)


def test_progress_tells_the_loss_and_the_hits_of_each_step(both: tuple[Backend, Backend]) -> None:
    runs = [trained(backend).steps("train", ORDER[2:], np.full(4, 0.01)) for backend in both]
    for progress in runs:
        assert progress["loss"].dtype == np.float64
        assert progress["correct"].dtype == np.int64
        assert progress["loss"].shape == progress["correct"].shape == (4,)
    np.testing.assert_allclose(runs[0]["loss"], runs[1]["loss"], rtol=CLOSE)
    np.testing.assert_array_equal(runs[0]["correct"], runs[1]["correct"])


def test_hits_and_loss_of_a_step_are_those_of_its_outputs(backend: Backend) -> None:
    session = trained(backend)
    row = ORDER[3]
    outputs = session.forward({"input": INPUTS["input"][row]}, training=True, step=2)["outputs"][0]
    progress = session.steps("train", row[None], np.zeros(1))
    assert progress["correct"][0] == (outputs.argmax(1) == LABELS[row]).sum()
    np.testing.assert_allclose(progress["loss"][0], session.loss(S.CrossEntropy(), outputs, LABELS[row]), rtol=CLOSE)


def test_data_held_again_under_a_name_replaces_the_old(backend: Backend) -> None:
    session = trained(backend)
    others = arrays(SPEC.inputs, 86, 9)
    session.hold("train", others, targets=LABELS[:9], labels=LABELS[:9])
    assert session.predict("train").shape == (9, 3)
    session.prepare(S.CrossEntropy(), S.SGD())
    outputs = session.forward(others, training=True, step=0)["outputs"][0]
    loss = session.steps("train", np.arange(9)[None], np.zeros(1))["loss"][0]
    np.testing.assert_allclose(loss, session.loss(S.CrossEntropy(), outputs, LABELS[:9]), rtol=CLOSE)


def test_teachers_and_images_are_held_as_targets_too(both: tuple[Backend, Backend]) -> None:
    teacher, images = arrays({"x": (3,)}, 87, ROWS)["x"], S.Spec("images", S.Conv2d(2, 3, padding=1), SPEC.inputs)
    for spec, loss, held in (
        (SPEC, S.Distillation(3.0, 0.4), {"targets": LABELS, "soft": teacher}),
        (images, S.MeanSquaredError(target="input"), {"targets": INPUTS["input"]}),
    ):
        runs = []
        for backend in both:
            session = backend.session(spec, dtype="float64")
            session.hold("train", INPUTS, **held)
            session.prepare(loss, S.SGD(0.1, 0.9))
            runs.append((session.steps("train", ORDER, np.full(6, 0.1))["loss"], session.weights()))
        np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=CLOSE)
        for name, array in runs[0][1].items():
            np.testing.assert_allclose(runs[1][1][name], array, atol=CLOSE * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "GPU", "", "cuda:99"])
def test_devices_that_are_not_there_are_refused(backend: Backend, device: str) -> None:
    expected = (
        r"this machine.*Received: device='cuda:99'" if device == "cuda:99" else "device must be cpu, gpu or cuda:N"
    )
    with pytest.raises(DeviceError, match=expected):
        backend.session(SPEC, device=device)
    with pytest.raises(DeviceError, match=expected):
        backend.build(SPEC, device=device)


def test_precisions_that_are_not_offered_are_refused(backend: Backend) -> None:
    for make in (backend.session, backend.build):
        with pytest.raises(DeviceError, match=r"dtype must be one of float32, .* mixed_float16. Received: 'float8'"):
            make(SPEC, dtype="float8")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_comes_back_in_the_sessions_precision(backend: Backend, dtype: str) -> None:
    session = backend.session(SPEC, dtype=dtype)
    session.hold("all", INPUTS)
    run, found = session.forward(INPUTS), session.gradients(INPUTS, S.CrossEntropy(), LABELS)
    made = [*session.weights().values(), *run["outputs"], *run["layers"].values(), session.predict("all")]
    made += [*found["parameters"].values(), *found["inputs"].values(), *found["layers"].values()]
    assert {str(array.dtype) for array in made} == {dtype}


def test_trainable_names_the_parameters_and_not_the_statistics(backend: Backend) -> None:
    names = ["conv.weight", "conv.bias", "norm.weight", "norm.bias", "head.weight", "head.bias"]
    assert backend.session(SPEC).trainable() == names


def test_structure_tells_what_the_live_layers_are(both: tuple[Backend, Backend]) -> None:
    kinds = (
        ["Conv2d", "BatchNorm2d", "LeakyReLU", "Flatten", "SharedDropout", "Linear"],
        ["Conv2D", "UnbiasedBatchNormalization", "LeakyReLU", "Flatten", "SharedDropout", "Dense"],
    )
    shapes = ([5, 4, 4], [5, 4, 4], [5, 4, 4], [80], [80], [3]), ([4, 4, 5], [4, 4, 5], [4, 4, 5], [80], [80], [3])
    for backend, kind, shape in zip(both, kinds, shapes, strict=True):
        found = backend.session(SPEC).structure()
        assert [facts["path"] for facts in found] == ["conv", "norm", "leaky", "flat", "drop", "head"]
        assert [facts["kind"] for facts in found] == kind
        assert [facts["shape"] for facts in found] == list(shape)
        assert [facts["parameters"] for facts in found] == [65, 10, 0, 0, 0, 243]
        assert found[1]["settings"] == pytest.approx({"epsilon": 1e-3, "momentum": 0.25})
        assert found[2]["settings"] == {"slope": 0.2}
        assert found[4]["settings"] == {"rate": 0.3}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shared_draws_are_the_same_bits_everywhere(both: tuple[Backend, Backend], dtype: str) -> None:
    expected = {name: draw(p, 9, name).astype(dtype) for name, p in SPEC.parameters.items()}
    for backend in both:
        identical(backend.session(SPEC, dtype=dtype, seed=9).weights(), expected)
    torch, keras = (backend.build(SPEC, dtype=dtype, seed=9) for backend in both)
    np.testing.assert_array_equal(torch.state_dict()["head.bias"].numpy(), expected["head.bias"])
    np.testing.assert_array_equal(torch.state_dict()["conv.weight"].numpy(), expected["conv.weight"])
    np.testing.assert_array_equal(keras.get_layer("conv").kernel.numpy(), expected["conv.weight"].transpose(2, 3, 1, 0))


def test_one_keras_norm_cannot_be_shared_between_ranks(both: tuple[Backend, Backend]) -> None:
    spec = S.Spec(
        "ranks", S.Sequential(S.GroupNorm(2, name="a"), S.Flatten(), S.Reshape((4, 54)), S.Shared("a")), (4, 9, 6)
    )
    with pytest.raises(UnsupportedError, match=r"'shared' shares 'a'.*cannot read \[4, 9, 6\] and \[4, 54\]"):
        both[1].session(spec)


@pytest.mark.parametrize("name", zoo.names())
def test_every_model_of_the_zoo_gives_the_same_on_both(both: tuple[Backend, Backend], name: str) -> None:
    spec = zoo.load(name)
    inputs = arrays(spec.inputs, 88, 2)
    torch, keras = (backend.session(spec, dtype="float64").forward(inputs, training=True) for backend in both)
    for path, array in torch["layers"].items():
        np.testing.assert_allclose(keras["layers"][path], array, atol=CLOSE * np.abs(array).max(), err_msg=path)


def test_backends_are_found_by_name() -> None:
    assert names()[:2] == ["torch", "keras"]
    with pytest.raises(UnsupportedError, match=r"There is no backend 'kera'. Did you mean 'keras'?"):
        backend_named("kera")


def test_facts_name_version_and_devices(backend: Backend) -> None:
    facts = backend.facts()
    assert backend.name in facts["version"] or facts["version"][0].isdigit()
    assert facts["devices"][0].lower().startswith("cpu")
