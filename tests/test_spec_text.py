"""A spec and its text say the same: what is written is read back exactly, to the last bit and character."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dualnet import specs as S
from dualnet.specs import zoo
from dualnet.specs.initializers import Initializer
from dualnet.specs.layers import Layer
from dualnet.specs.node import Node
from dualnet.specs.optimizers import Optimizer
from dualnet.specs.schedules import Schedule
from dualnet.specs.spec import Spec
from dualnet.specs.text import dumps, from_data, loads, read, to_data
from tests.spatial_strategies import columns
from tests.strategies import (
    convs,
    feature_layers,
    fill_weight,
    joins,
    linear,
    muons,
    optimizers,
    pairs,
    pointwise,
    schedules,
    sequences,
    specs,
    tables,
    transforms,
    windows,
)

# Growing a spec draws much and filters nothing; the two checks below are about speed, not about what is proved.
roomy = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@roomy
@given(specs())
def test_a_random_spec_survives_toml_and_json_exactly(spec: Spec) -> None:
    text = dumps(spec)
    assert loads(text) == spec
    assert dumps(loads(text)) == text
    assert from_data(json.loads(json.dumps(to_data(spec)))) == spec


def test_the_strategies_reach_every_entry_of_a_spec() -> None:
    seen: set[str] = set()

    # Each several times over: what is drawn depends on what other tests have loaded, for it borrows their constants.
    several = st.tuples(*(st.lists(kind, min_size=6, max_size=6) for kind in (pointwise, transforms, sequences)))
    moved = st.tuples(*windows.values(), *windows.values(), *convs.values(), columns)
    layers = st.tuples(moved, several, feature_layers, tables, pairs, st.sampled_from(joins), linear)
    moves = st.tuples(optimizers, optimizers, optimizers, muons, schedules, schedules)

    @settings(roomy, max_examples=400, derandomize=True, database=None)
    @given(specs(), st.tuples(layers, fill_weight, moves))
    def collect(spec: Spec, parts: tuple[Node, ...]) -> None:
        seen.update(re.findall(r"(\w+)\(", f"{spec.model} {spec.training} {parts}"))

    collect()
    assert {*Layer.registry, *Initializer.registry, *Optimizer.registry, *Schedule.registry} - seen == set()


@pytest.mark.parametrize("name", zoo.names())
def test_a_zoo_spec_survives_toml_and_json_exactly(name: str, tmp_path: Path) -> None:
    spec = zoo.load(name)
    (tmp_path / "spec.json").write_text(json.dumps(to_data(spec)), encoding="utf-8")
    (tmp_path / "spec.toml").write_text(dumps(spec), encoding="utf-8")
    assert read(tmp_path / "spec.json") == read(tmp_path / "spec.toml") == spec
    assert dumps(loads(dumps(spec))) == dumps(spec)


@pytest.mark.parametrize("name", zoo.names())
def test_a_zoo_spec_is_named_as_its_file_and_says_what_it_is(name: str) -> None:
    spec = zoo.load(name)
    assert spec.name == name
    assert spec.about
    assert spec.student is None or spec.student.spec in zoo.names()


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example('"quotes" and \\backslashes\\ and \'\'\' and """')
@example("".join(map(chr, range(0xA1))))
@example("größe 模型 🧠 \u2028 \ufeff \U0010ffff \x7f\x80\x85")
def test_any_text_survives(text: str) -> None:
    spec = Spec("net", S.ReLU(), (2,), about=text)
    assert loads(dumps(spec)).about == text
    assert dumps(spec).encode().decode() == dumps(spec)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e-300)
@example(5e-324)
@example(0.1)
@example(1e16)
@example(1.7976931348623157e308)
def test_any_float_survives_to_the_last_bit(value: float) -> None:
    spec = Spec("net", S.Linear(2, bias_init=S.Constant(value)), (2,))
    (layer,) = loads(dumps(spec)).model.layers
    assert isinstance(layer, S.Linear)
    assert isinstance(layer.bias_init, S.Constant)
    assert layer.bias_init.value == value


def test_the_text_is_a_line_for_each_layer_and_leaves_defaults_out() -> None:
    block = S.Sequential(S.Conv2d(4, 3, padding=1), S.ReLU(), name="stem")
    spec = Spec("net", S.Sequential(block, S.Flatten()), {"image": (1, 8, 6)}, training=S.Training(epochs=9))
    assert dumps(spec) == (
        'dualnet = 1\nname = "net"\ninputs = {image = [1, 8, 6]}\nlayers = [\n'
        '  {name = "stem", op = "Block", layers = [\n'
        '    {op = "Conv2d", channels = 4, kernel = 3, padding = 1},\n    {op = "ReLU"},\n  ]},\n'
        '  {op = "Flatten"},\n]\n\n[training]\nepochs = 9\n'
    )


def test_numbers_are_read_as_the_field_wants_them() -> None:
    layers = '[{op = "Conv2d", channels = 2, kernel = [3, 1]}, {op = "ReLU", shift = 1}]'
    spec = loads(f'name = "n"\ninputs = [3, 4, 4]\nlayers = {layers}')
    conv, relu = spec.model.layers
    assert isinstance(conv, S.Conv2d)
    assert conv.kernel == (3, 1)
    assert conv.stride == (1, 1)
    assert isinstance(relu, S.ReLU)
    assert type(relu.shift) is float


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    text = dumps(zoo.load("fashion_mlp")).replace("\n", "\r\n")
    (tmp_path / "spec.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(tmp_path / "spec.toml") == zoo.load("fashion_mlp")


def test_null_in_json_is_a_field_left_out() -> None:
    layer = {"op": "Linear", "features": 2, "weight_init": None}
    data = {"name": "n", "inputs": [3], "layers": [layer], "training": {"clip": None}, "student": None}
    assert from_data(data) == Spec("n", S.Linear(2), (3,))


def test_reading_leaves_the_data_as_it_was() -> None:
    data = to_data(zoo.load("fashion_resnet"))
    before = json.dumps(data)
    from_data(data)
    assert json.dumps(data) == before


def test_a_named_model_is_the_same_spec_as_a_bare_one() -> None:
    named = Spec("net", S.Sequential(S.ReLU(), name="other"), (2,))
    assert named == Spec("net", S.ReLU(), (2,))
    assert loads(dumps(named)).name == "net"


def test_every_field_of_every_layer_counts_in_equality() -> None:
    for cls in Layer.registry.values():
        for field in dataclasses.fields(cls):
            assert field.compare, f"{cls.__name__}.{field.name}"
