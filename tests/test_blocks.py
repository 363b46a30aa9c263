"""Building blocks on both frameworks: blocks in blocks, parameters by name, starts by block, tied and deferred ones."""

from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import SpecError
from tests.cases import CLOSE, arrays


def mlp(hidden: int, out: int, name: str = "") -> S.Block:
    return S.Sequential(S.Linear(hidden, name="hidden"), S.ReLU(), S.Linear(out, name="out"), name=name)


# The book's chimera: a block of blocks, a layer, a block with a wiring of its own.
NEST = S.Sequential(
    S.Block((mlp(7, 5, "first"), mlp(6, 4, "second")), name="nest"),
    S.Linear(8, name="middle"),
    S.Block((S.Linear(8, name="road"), S.Add(inputs=("input", "road"))), name="residual"),
)
CHIMERA = S.Spec("chimera", NEST, (9,))
X = arrays({"input": (9,)}, 60)


def chimera_in_numpy(w: Any, x: Any) -> Any:
    def linear(path: str, x: Any) -> Any:
        return x @ w[f"{path}.weight"].T + w[f"{path}.bias"]

    for block in ("nest.first", "nest.second"):
        x = linear(f"{block}.out", np.maximum(linear(f"{block}.hidden", x), 0))
    x = linear("middle", x)
    return x + linear("residual.road", x)


def test_blocks_in_blocks_compute_what_is_written(backend: Backend) -> None:
    session = backend.session(CHIMERA, dtype="float64", seed=2)
    found = session.forward(X)["outputs"][0]
    np.testing.assert_allclose(found, chimera_in_numpy(session.weights(), X["input"]), atol=CLOSE)
    assert found.shape == (3, 8)


def test_blocks_are_objects_that_compute_by_themselves(both: Any) -> None:
    import torch

    net, model = (dualnet.build(CHIMERA, b.name, dtype="float64") for b in both)
    with torch.no_grad():
        expected = net.get_submodule("nest.second")(torch.ones(2, 5, dtype=torch.float64)).numpy()
    found = model.get_layer("nest").get_layer("second")(np.ones((2, 5)))
    np.testing.assert_allclose(np.asarray(found), expected, atol=CLOSE)
    assert [name for name, _ in net.get_submodule("nest").named_children()] == ["first", "second"]


def test_parameters_are_read_and_written_by_name(both: Any) -> None:
    import torch

    net, model = (dualnet.build(CHIMERA, b.name) for b in both)
    name = "nest.second.out.weight"
    array = dualnet.weights(net, CHIMERA)[name]
    np.testing.assert_array_equal(net.get_parameter(name).detach().numpy(), array)
    dense = model.get_layer("nest").get_layer("second").get_layer("out")
    np.testing.assert_array_equal(dense.kernel.numpy().T, array)
    with torch.no_grad():
        net.get_parameter(name)[0, 1] = 100
    dense.kernel.assign(dense.kernel.numpy() * 0 + 3)
    assert dualnet.weights(net, CHIMERA)[name][0, 1] == 100
    np.testing.assert_array_equal(dualnet.weights(model, CHIMERA)[name], 3)
    assert list(dualnet.weights(model, CHIMERA)) == list(dict(net.named_parameters())) == list(CHIMERA.parameters)


def test_blocks_start_by_initializers_of_their_own(backend: Backend) -> None:
    first = S.initialised(mlp(40, 50, "first"), weight=S.XavierUniform(), bias=S.Zeros())
    second = S.initialised(mlp(60, 70, "second"), weight=S.Constant(42.0))
    spec = S.Spec("starts", S.Sequential(first, second, S.Linear(30, name="rest")), (30,), init="keras_default")
    for weights in (
        backend.session(spec, seed=1).weights(),
        dualnet.weights(dualnet.build(spec, backend.name, seed=None), spec),
    ):
        for path in ("hidden", "out"):
            rows, columns = weights[f"first.{path}.weight"].shape
            bound = np.sqrt(6 / (rows + columns))
            assert 0.98 * bound < np.abs(weights[f"first.{path}.weight"]).max() <= bound
            np.testing.assert_array_equal(weights[f"first.{path}.bias"], 0)
            np.testing.assert_array_equal(weights[f"second.{path}.weight"], 42)
        assert np.unique(weights["rest.weight"]).size > 800


def test_a_start_reaches_through_nesting_and_leaves_the_rest() -> None:
    layers = S.Conv2d(3, 2, bias_init=S.Ones(), name="a"), S.BatchNorm2d(), S.Flatten(), S.Block((mlp(2, 2),), name="b")
    found = S.initialised(S.Sequential(*layers, name="all"), weight=S.Zeros())
    starts = {n: p.initializer for n, p in S.Spec("s", found, (1, 4, 4)).parameters.items() if n.endswith("weight")}
    assert [type(start).__name__ for start in starts.values()] == ["Zeros", "Ones", "Zeros", "Zeros"]
    assert found.name == "all"
    assert found.layers[0] == S.Conv2d(3, 2, bias_init=S.Ones(), weight_init=S.Zeros(), name="a")
    assert S.initialised(S.Linear(3), bias=S.Ones()) == S.Linear(3, bias_init=S.Ones())


def test_a_start_for_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Block 'b': no layer in it takes an initializer\. Give a Linear, a Conv2d"):
        S.initialised(S.Sequential(S.ReLU(), name="b"), weight=S.Zeros())


TIED = S.Spec("tied", S.Sequential(S.Linear(6, name="a"), S.Tanh(), S.Shared("a", name="b"), S.Linear(2)), (6,))
APART = S.Spec("apart", S.Sequential(S.Linear(6, name="a"), S.Tanh(), S.Linear(6, name="b"), S.Linear(2)), (6,))


def test_tied_layers_are_one_storage(both: Any) -> None:
    import torch

    net, model = (dualnet.build(TIED, b.name) for b in both)
    assert net.a is net.b
    assert net.a.weight.data_ptr() == net.b.weight.data_ptr()
    assert len(list(net.parameters())) == len(model.trainable_weights) == len(TIED.parameters) == 4
    with torch.no_grad():
        net.a.weight[0, 0] = 100
    assert net.b.weight[0, 0] == 100
    assert [layer.name for layer in model.layers].count("a") == 1  # one layer with two nodes
    calls = [operation.name for operation in model.operations]
    assert calls.count("a") == 1
    before = np.asarray(model(np.ones((1, 6))))
    model.get_layer("a").kernel.assign(np.zeros((6, 6)))
    assert not np.array_equal(np.asarray(model(np.ones((1, 6)))), before)


def test_gradients_of_tied_uses_add(backend: Backend) -> None:
    inputs, vector = arrays(TIED.inputs, 61), arrays({"v": (2,)}, 62)["v"]
    tied, apart = (backend.session(spec, dtype="float64", seed=4) for spec in (TIED, APART))
    weights = tied.weights()
    apart.load(weights | {"b.weight": weights["a.weight"], "b.bias": weights["a.bias"]})
    one = tied.gradients(inputs, None, [vector])["parameters"]
    two = apart.gradients(inputs, None, [vector])["parameters"]
    for own in ("weight", "bias"):
        np.testing.assert_allclose(one[f"a.{own}"], two[f"a.{own}"] + two[f"b.{own}"], atol=CLOSE * 10)
        assert np.abs(two[f"b.{own}"]).min() > 0


def test_sizes_are_known_before_any_framework_has_run() -> None:
    net = S.Spec("net", S.Sequential(S.Linear(256, name="hidden"), S.ReLU(), S.Linear(10, name="out")), (20,))
    assert {name: p.shape for name, p in net.parameters.items()} == {
        "hidden.weight": (256, 20),
        "hidden.bias": (256,),
        "out.weight": (10, 256),
        "out.bias": (10,),
    }


def test_lazy_torch_and_unbuilt_keras_wait_for_the_first_input_and_the_spec_does_not(both: Any) -> None:
    import keras
    import torch

    lazy = torch.nn.Sequential(torch.nn.LazyLinear(256), torch.nn.ReLU(), torch.nn.LazyLinear(10))
    unbuilt = keras.Sequential([keras.layers.Dense(256, activation="relu"), keras.layers.Dense(10)])
    assert isinstance(lazy[0].weight, torch.nn.UninitializedParameter)
    assert (unbuilt.built, unbuilt.weights) == (False, [])
    with pytest.raises(RuntimeError, match="uninitialized parameter"):
        _ = lazy[0].weight.shape
    with torch.no_grad():
        lazy(torch.rand(2, 20))
    unbuilt(np.ones((2, 20)))
    assert type(lazy[0].weight) is torch.nn.Parameter
    live = [dualnet.build(S.Spec("net", mlp(256, 10), (20,)), b.name) for b in both]
    expected = [(256, 20), (256,), (10, 256), (10,)]
    assert [tuple(p.shape) for p in lazy.parameters()] == [tuple(p.shape) for p in live[0].parameters()] == expected
    shapes = [tuple(v.shape) for v in unbuilt.weights]
    assert shapes == [tuple(v.shape) for v in live[1].weights] == [shape[::-1] for shape in expected]


def test_a_lazy_module_is_read_with_an_example() -> None:
    import torch

    lazy = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.Tanh(), torch.nn.LazyLinear(2))
    report = dualnet.port(lazy, torch.rand(2, 5)).report
    assert report.agrees, report.to_json()
