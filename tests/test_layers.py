"""Every layer on both frameworks: outputs, gradients, statistics, the stock model; and an independent judge of each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import tests.sequence_cases
import tests.spatial
import tests.transform_cases
import tests.wirings  # noqa: F401 - each enters its rows
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays, Forward, Session
from dualnet.backends.walk import walk
from dualnet.specs.graph import Step
from tests.cases import CASES, CLOSE
from tests.judge import judge, statistics
from tests.live import STEP, Live

MODES = pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])


def leading() -> set[str]:
    """Return the first case of each layer; of the others the fast tests take the passes of training alone."""
    found, seen = set(), Counter[str]()
    for name, spec in CASES.items():
        kinds = {type(step.layer).__name__ for step in spec.graph.leaves()}
        if any(not seen[kind] for kind in kinds):
            found.add(name)
        seen.update(kinds)
    return found


LEADING = leading()


def is_slow(case: dict[str, Any]) -> bool:
    """Return whether a test is for `make test-all`; see ``leading``."""
    return "live" in case and case["live"].name not in LEADING and case.get("training") is not True


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def live(request: pytest.FixtureRequest, both: tuple[Backend, Backend]) -> Iterator[Live]:
    import tensorflow as tf

    # The first case of each layer is traced, as models are; the others run op by op, in a third of the time.
    tf.config.run_functions_eagerly(request.param.name not in LEADING)
    yield Live(both, request.param)
    tf.config.run_functions_eagerly(False)


def same(found: Arrays, expected: Arrays, close: float = CLOSE) -> None:
    """Assert that arrays agree name by name, relative to the largest entry of each."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        scale = max(float(np.abs(array).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=close * scale, err_msg=name)


def named(outputs: list[Any]) -> Arrays:
    return {str(index): np.asarray(array) for index, array in enumerate(outputs)}


@MODES
def test_outputs_agree(live: Live, training: bool) -> None:
    torch, keras = live.forward(training)
    same(named(keras["outputs"]), named(torch["outputs"]))
    same(keras["layers"], torch["layers"])
    assert list(torch["layers"]) == [step.path for step in live.spec.graph.leaves()]


@MODES
def test_gradients_agree(live: Live, training: bool) -> None:
    torch, keras = live.gradients(training)
    np.testing.assert_allclose(keras["loss"], torch["loss"], rtol=CLOSE)
    for kind in ("parameters", "inputs", "layers"):
        same(keras[kind], torch[kind])  # type: ignore[literal-required]


@MODES
def test_each_layer_is_what_its_docstring_says(live: Live, training: bool) -> None:
    seen = live.forward(training)[0]["layers"]

    def visit(step: Step, inputs: list[Any]) -> Any:
        expected = judge(step, inputs, live.weights, training, (3, STEP))
        same({step.path: seen[step.path]}, {step.path: expected})
        return seen[step.path]

    walk(live.spec.graph, list(live.inputs.values()), visit)


def test_the_model_gives_what_its_layers_give(live: Live) -> None:
    for run in live.forward(False):
        outputs = walk(live.spec.graph, list(live.inputs.values()), lambda step, _, run=run: run["layers"][step.path])
        same(named(run["outputs"]), named(list(outputs)))


def test_one_layer_by_itself_gives_what_it_gave_in_the_model(live: Live) -> None:
    for session, run in zip(live.sessions, live.forward(False), strict=True):

        def visit(step: Step, inputs: list[Any], session: Session = session, run: Forward = run) -> Any:
            same({step.path: session.layer(step.path, inputs)}, {step.path: run["layers"][step.path]})
            return run["layers"][step.path]

        walk(live.spec.graph, list(live.inputs.values()), visit)


def test_the_stock_model_gives_what_the_session_gives(live: Live) -> None:
    import tensorflow as tf
    import torch

    first, second = live.stock
    inputs = list(live.inputs.values())
    of_torch = first(*(torch.from_numpy(array) for array in inputs))
    axes = live.sessions[1].built.layouts  # type: ignore[attr-defined]
    last = [tf.constant(np.transpose(x, (0, *np.add(lie.axes, 1)))) for x, lie in zip(inputs, axes.inputs, strict=True)]
    of_keras = second(last if len(last) > 1 else last[0])
    outputs = [[made] if not isinstance(made, (list, tuple)) else made for made in (of_torch, of_keras)]
    back = [np.transpose(x, (0, *np.argsort(lie.axes) + 1)) for x, lie in zip(outputs[1], axes.outputs, strict=True)]
    assert [tuple(out.shape[1:]) for out in second.outputs] == [tuple(out.shape[1:]) for out in outputs[1]]
    same(named([out.detach().numpy() for out in outputs[0]]), named(live.forward(False)[0]["outputs"]))
    same(named(back), named(live.forward(False)[1]["outputs"]))


def test_statistics_after_a_step_agree(live: Live) -> None:
    buffers = [name for name, parameter in live.spec.parameters.items() if not parameter.trainable]
    if not buffers:
        return
    first_step = live.sessions[0].forward(live.inputs, training=True, step=0)
    expected = statistics(live.spec, live.inputs, live.weights, first_step["layers"])
    for session in live.sessions:
        live.learn(session, 0.0)
        same({name: session.weights()[name] for name in buffers}, expected)
        session.load(live.weights)


def test_every_field_of_every_layer_varies_in_the_table() -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for step in (step for spec in CASES.values() for step in spec.graph.leaves()):
        for field in fields(step.layer):
            values = seen.setdefault((type(step.layer).__name__, field.name), set())
            values.add(repr(getattr(step.layer, field.name)))
    layers = {name: cls for name, cls in S.Layer.registry.items() if name not in ("Shared", "Block")}
    elsewhere = {"name", "inputs", "weight_init", "recurrent_init", "bias_init"}  # the last three: test_native_init.py
    wanted = {(name, field.name) for name, cls in layers.items() for field in fields(cls)}
    lacking = {each for each in wanted if len(seen.get(each, ())) < 2 and each[1] not in elsewhere}
    assert not lacking
    assert {name for name, _ in seen} == set(layers)
