"""The explicit graph: paths, wires, names and owners are what the short form of a spec means."""

import math

import pytest
from hypothesis import given

from dualnet import specs as S
from dualnet.errors import SpecError
from dualnet.specs import zoo
from dualnet.specs.graph import Step, resolve
from dualnet.specs.spec import Spec
from dualnet.specs.weights import owners, parameters_of
from tests.strategies import specs


def graph(*layers: S.Layer, **inputs: tuple[int, ...]) -> dict[str, Step]:
    scope = resolve(S.Sequential(*layers), inputs or {"x": (6,)})
    steps = {step.path: step for step in scope.steps}
    return steps | {step.path: step for step in scope.leaves()}


def test_names_left_out_are_the_class_numbered_from_the_second() -> None:
    found = graph(S.ReLU(), S.ReLU(), S.Linear(2), S.ReLU(name="relu_3"), S.ReLU())
    assert list(found) == ["relu", "relu_2", "linear", "relu_3", "relu_4"]


def test_a_chosen_name_gives_way_to_a_given_one_below() -> None:
    found = graph(S.ReLU(), S.Tanh(name="relu"))
    assert list(found) == ["relu_2", "relu"]


def test_a_layer_without_inputs_reads_the_layer_above_and_the_first_reads_the_input() -> None:
    found = graph(S.Linear(2, name="a"), S.ReLU(name="b"))
    assert [step.inputs for step in found.values()] == [("x",), ("a",)]
    assert [step.in_shapes for step in found.values()] == [((6,),), ((2,),)]


def test_the_first_layer_reads_all_inputs_when_it_names_none() -> None:
    found = graph(S.Concat(), left=(2,), right=(3,))
    assert found["concat"].inputs == ("left", "right")
    assert found["concat"].out_shapes == ((5,),)


def test_branches_meet_where_the_wires_say() -> None:
    found = graph(S.Linear(4, name="a"), S.Linear(4, name="b", inputs=("x",)), S.Add(inputs=("a", "b")))
    assert found["b"].inputs == ("x",)
    assert found["add"].in_shapes == ((4,), (4,))


def test_paths_of_nested_blocks_are_joined_by_dots() -> None:
    found = graph(S.Sequential(S.Sequential(S.Linear(3, name="fc"), name="inner"), name="outer"), S.ReLU())
    assert list(found) == ["outer", "relu", "outer.inner.fc"]
    assert found["relu"].inputs == ("outer",)
    assert found["outer.inner.fc"].inputs == ("input",)


def test_ports_name_what_a_block_is_given() -> None:
    block = S.Block((S.Add(inputs=("p", "q")),), ports=("p", "q"), inputs=("x", "a"), name="join")
    found = graph(S.Linear(6, name="a"), block)
    assert found["join"].inputs == ("x", "a")
    assert found["join.add"].inputs == ("p", "q")


def test_a_block_of_several_outputs_is_read_as_block_dot_layer() -> None:
    block = S.Block((S.Linear(2, name="a"), S.Linear(3, name="b")), outputs=("a", "b"), name="two")
    found = graph(block, S.Linear(5, inputs=("two.b",)), S.Tanh(inputs=("two.a",)))
    assert found["two"].out_shapes == ((2,), (3,))
    assert found["linear"].in_shapes == ((3,),)
    assert found["tanh"].in_shapes == ((2,),)


def test_all_outputs_of_a_block_flow_into_the_layer_below_it() -> None:
    block = S.Block((S.Linear(2, name="a"), S.Linear(3, name="b")), outputs=("a", "b"), name="two")
    assert graph(block, S.Concat())["concat"].inputs == ("two.a", "two.b")


def test_a_block_of_several_outputs_has_no_wire_of_its_own_name() -> None:
    block = S.Block((S.Linear(2, name="a"), S.Linear(3, name="b")), outputs=("a", "b"), name="two")
    with pytest.raises(
        SpecError, match=r"it reads 'two', and there is no such layer or input\. Did you mean 'two\.[ab]'"
    ):
        graph(block, S.Tanh(inputs=("two",)))


def test_a_block_may_hand_its_port_through() -> None:
    found = graph(S.Block((S.Linear(2),), outputs=("input", "linear"), name="b"), S.Concat())
    assert found["concat"].in_shapes == ((6,), (2,))


def test_the_model_gives_its_last_layer_unless_outputs_are_named() -> None:
    layers = (S.Linear(2, name="a"), S.ReLU(name="b"))
    assert resolve(S.Block(layers), {"x": (6,)}).outputs == ("b",)
    assert resolve(S.Block(layers, outputs=("b", "a")), {"x": (6,)}).outputs == ("b", "a")


def test_a_shared_layer_is_owned_by_the_first_use() -> None:
    found = graph(S.Linear(6, name="a"), S.Shared("a", name="again"), S.Shared("again", name="third"))
    assert [found[name].owner for name in ("a", "again", "third")] == ["a", "a", "a"]
    assert [found[name].shared for name in ("a", "again", "third")] == [False, True, True]
    assert isinstance(found["third"].layer, S.Linear)


def test_shared_looks_in_its_own_block_before_those_around_it() -> None:
    inner = S.Sequential(S.Linear(6, name="a"), S.Shared("a"), S.Shared("b"), name="block")
    found = graph(S.Linear(6, name="a"), S.Linear(6, name="b"), inner)
    assert found["block.shared"].owner == "block.a"
    assert found["block.shared_2"].owner == "b"


def test_shared_reaches_inside_a_block_by_path() -> None:
    found = graph(S.Sequential(S.Linear(6, name="a"), name="block"), S.Shared("block.a"))
    assert found["shared"].owner == "block.a"


def test_a_shared_block_ties_every_layer_in_it() -> None:
    twin = S.Sequential(S.Linear(6, name="a"), S.Sequential(S.Linear(6, name="c"), name="b"), name="one")
    found = graph(twin, S.Shared("one", name="two"))
    assert found["two.a"].owner == "one.a"
    assert found["two.b.c"].owner == "one.b.c"
    assert found["two.b.c"].inputs == ("input",)


def test_a_shared_block_means_what_it_meant_where_it_was_written() -> None:
    borrower = S.Sequential(S.Shared("fc", name="y"), S.Linear(6, name="fc"), name="one")
    around = S.Sequential(S.Linear(6, name="fc"), S.Shared("one", name="copy"), name="two")
    found = graph(S.Linear(6, name="fc"), borrower, around)
    assert found["one.y"].owner == "fc"
    assert found["two.copy.y"].owner == "fc"
    assert found["two.copy.fc"].owner == "one.fc"


def test_a_shared_layer_may_read_another_shape_if_its_parameters_are_the_same() -> None:
    conv = S.Conv2d(2, 3, padding=1, name="conv")
    found = graph(conv, S.MaxPool2d(2), S.Shared("conv", name="again"), x=(2, 8, 6))
    assert found["again"].out_shapes == ((2, 4, 3),)


def test_parameters_are_counted_once_however_often_they_are_used() -> None:
    spec = Spec("net", S.Sequential(S.Linear(6, name="a"), S.Shared("a"), S.Shared("a")), (6,))
    assert {name: p.shape for name, p in spec.parameters.items()} == {"a.weight": (6, 6), "a.bias": (6,)}


def test_parameters_come_by_full_name_in_graph_order_with_shapes_and_fans() -> None:
    block = S.Sequential(S.Conv2d(4, (3, 2), groups=2, name="conv"), S.BatchNorm2d(name="norm"), name="block")
    spec = Spec("net", S.Sequential(block, S.Flatten(), S.Linear(5, bias=False, name="fc")), (6, 5, 4))
    found = {name: (p.shape, p.fan_in, p.fan_out, p.trainable) for name, p in spec.parameters.items()}
    assert list(found.items()) == [
        ("block.conv.weight", ((4, 3, 3, 2), 18, 24, True)),
        ("block.conv.bias", ((4,), 18, 24, True)),
        ("block.norm.weight", ((4,), 4, 4, True)),
        ("block.norm.bias", ((4,), 4, 4, True)),
        ("block.norm.running_mean", ((4,), 4, 4, False)),
        ("block.norm.running_var", ((4,), 4, 4, False)),
        ("fc.weight", ((5, 36), 36, 5, True)),
    ]


def test_the_preset_fills_in_what_the_layer_leaves_open_and_no_more() -> None:
    model = S.Sequential(S.Linear(3, name="a", bias_init=S.Ones()), S.Linear(3, name="b"))
    start = {name: p.initializer for name, p in Spec("net", model, (6,), init="keras_default").parameters.items()}
    assert start == {
        "a.weight": S.XavierUniform(),
        "a.bias": S.Ones(),
        "b.weight": S.XavierUniform(),
        "b.bias": S.Zeros(),
    }
    torch = Spec("net", model, (6,)).parameters["b.weight"].initializer
    assert torch == S.KaimingUniform(nonlinearity="leaky_relu", slope=math.sqrt(5))


@pytest.mark.parametrize(
    ("name", "count"),
    {
        "fashion_mlp": 784 * 128 + 128 + 128 * 10 + 10,
        "fashion_cnn": 16 * 9 + 16 + 64 + 32 * 16 * 9 + 32 + 128 + 1568 * 64 + 64 + 650,
        "siamese": 8 * 25 + 8 + 8 * 144 * 32 + 32 + 64 * 16 + 16 + 34,
        "vanishing": 785 * 32 + 7 * 33 * 32 + 330,
        "autoencoder": 785 * 64 + 65 * 16 + 17 * 64 + 65 * 784,
        "activations": 785 * 12 + 2 * 120 + 121 * 10,
        "fixed_hidden_mlp": 2 * 21 * 20,
    }.items(),
)
def test_the_zoo_has_as_many_parameters_as_its_formulas_say(name: str, count: int) -> None:
    assert sum(math.prod(p.shape) for p in zoo.load(name).parameters.values()) == count


@given(specs())
def test_any_graph_reads_only_above_and_ties_only_what_fits(spec: Spec) -> None:
    leaves = {step.path: step for step in spec.graph.leaves()}
    known = set(spec.graph.ports)
    for step in spec.graph.steps:
        assert set(step.inputs) <= known
        known |= {step.name, *(f"{step.name}.{name}" for name in (step.body.outputs if step.body else ()))}
    for step in leaves.values():
        owner = leaves[step.owner]
        assert not owner.shared
        theirs, ours = ([p.shape for p in parameters_of(s.layer, s.in_shapes)] for s in (owner, step))
        assert theirs == ours
    assert len(set(spec.parameters)) == sum(len(parameters_of(s.layer, s.in_shapes)) for s in owners(spec.graph))


@pytest.mark.parametrize("layer", [S.LayerNorm(affine=False, name="norm"), S.RMSNorm(affine=False, name="norm")])
def test_a_norm_without_weights_normalises_one_size(layer: S.Layer) -> None:
    with pytest.raises(SpecError, match="so they cannot have the same parameters"):
        S.Spec("x", S.Sequential(layer, S.Linear(3), S.Shared("norm")), (4,)).graph  # noqa: B018


def test_an_average_of_volumes_has_no_kernel_larger_than_they_are() -> None:
    with pytest.raises(SpecError, match="which PyTorch refuses of a volume"):
        S.Spec("x", S.AvgPool3d(3, 2, ceil_mode=True), (1, 4, 3, 2)).graph  # noqa: B018
