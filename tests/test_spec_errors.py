"""A malformed spec is refused with its place, what was found and what would be valid; only SpecError leaves."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.errors import SpecError
from dualnet.specs import SGD, Add, Block, Concat, Conv2d, Flatten, Linear, ReLU, Sequential, Shared, Spec, Uniform, zoo
from dualnet.specs.text import from_data, loads, read, to_data

IMAGE = 'name = "net"\ninputs = [3, 9, 7]\nlayers = ['
FLAT = 'name = "net"\ninputs = [6]\nlayers = ['
CODE = "__import__('pathlib').Path('ran').touch()"

TEXTS = {
    "unknown layer": (FLAT + '{op = "Perceptron"}]', r"layers\[0\]: unknown layer 'Perceptron'.*Known: .*Linear"),
    "Keras's name of a layer": (FLAT + '{op = "Dense"}]', r"unknown layer 'Dense'\. Here it is called 'Linear'\."),
    "misspelt layer": (FLAT + '{op = "Liner", features = 2}]', r"unknown layer 'Liner'\. Did you mean 'Linear'\?"),
    "misspelt field": (FLAT + '{op = "Linear", feature = 2}]',
                       r"Linear has no field 'feature'\. Did you mean 'features'"),
    "missing field": (FLAT + '{op = "Linear"}]',
                      r"layers\[0\]: Linear needs the field 'features' \(a positive integer\)"),
    "misspelt top field": (FLAT + '{op = "ReLU"}]\nabuot = "x"',
                           r"a spec has no field 'abuot'\. Did you mean 'about'\?"),
    "model in a file": (FLAT + '{op = "ReLU"}]\nmodel = 1', r"a spec has no field 'model'\. .*layers"),
    "op missing": (FLAT + "{features = 2}]",
                   r"layers\[0\]: layer must be a table with 'op', .*Received: {'features': 2}"),
    "layer as text": (FLAT + '"Linear"]', r"layers\[0\]: layer must be a table with 'op', .*Received: 'Linear'"),
    "op as number": (FLAT + "{op = 3}]", r"layers\[0\]: unknown layer 3\. Known: "),
    "wrong type": (FLAT + '{name = "head", op = "Linear", features = "ten"}]',
        r"layers\[0\] \(head\): Linear 'head': features must be a positive integer\. Received: features='ten'"),
    "bool as integer": (FLAT + '{op = "Linear", features = true}]', r"a positive integer\. Received: features=True"),
    "float as integer": (FLAT + '{op = "Linear", features = 2.0}]', r"a positive integer\. Received: features=2\.0"),
    "integer as bool": (FLAT + '{op = "Linear", features = 2, bias = 1}]',
                        r"bias must be true or false\. Received: bias=1"),
    "zero": (FLAT + '{op = "Linear", features = 0}]', r"features must be a positive integer\. Received: features=0"),
    "negative": (IMAGE + '{op = "MaxPool2d", kernel = -2}]', r"kernel must be a positive integer or two of them.*-2"),
    "three sizes": (IMAGE + '{op = "MaxPool2d", kernel = [1, 2, 3]}]', r"positive integer or two of them.*\[1, 2, 3\]"),
    "padding word": (IMAGE + '{op = "Conv2d", channels = 2, kernel = 1, padding = "valid"}]', r"'same'.*'valid'"),
    "huge integer": (FLAT + '{op = "Linear", features = 2147483648}]', r"No integer of a spec exceeds 2147483647"),
    "huge hex": (FLAT + '{op = "Linear", features = 0x' + "f" * 9999 + "}]", r"too large to show"),
    "huge decimal": (FLAT + '{op = "Linear", features = ' + "9" * 9999 + "}]", r"this is not TOML"),
    "huge float": (FLAT + '{op = "Dropout", rate = 1e999}]', r"rate must be a number from 0 up to.*rate=inf"),
    "integer too large for a float": (FLAT + '{op = "ReLU", shift = 0x' + "f" * 300 + "}]",
                                      r"shift must be a finite number"),
    "nan": (FLAT + '{op = "Dropout", rate = nan}]', r"rate must be a number from 0 up to, not including, 1.*rate=nan"),
    "inf": (FLAT + '{op = "ReLU", shift = inf}]', r"shift must be a finite number\. Received: shift=inf"),
    "rate of one": (FLAT + '{op = "Dropout", rate = 1}]', r"up to, not including, 1\. Received: rate=1"),
    "word out of range": (FLAT + '{op = "GELU", approximate = "erf"}]',
                          r"must be 'none' or 'tanh'\. Received: .*'erf'"),
    "linear on image": (IMAGE + '{name = "fc", op = "Linear", features = 2}]',
                        r"Linear 'fc': .*put Flatten\(\) in front.*\[3, 9, 7\]"),
    "conv on features": (FLAT + '{op = "Conv2d", channels = 2, kernel = 1}]',
                         r"Conv2d 'conv2d': it takes images \[C, H, W\]\. .*\[6\]"),
    "norm on features": (FLAT + '{op = "BatchNorm2d"}]', r"BatchNorm2d 'batchnorm2d': it takes images"),
    "norm on image": (IMAGE + '{op = "BatchNorm1d"}]', r"BatchNorm2d takes images\. Received: \[3, 9, 7\]"),
    "kernel too large": (IMAGE + '{op = "Conv2d", channels = 2, kernel = [3, 8]}]',
                         r"nothing is left of \[3, 9, 7\].*smaller kernel"),
    "groups and inputs": (IMAGE + '{op = "Conv2d", channels = 4, kernel = 1, groups = 2}]',
                          r"groups=2 does not divide the 3 input"),
    "groups and outputs": (IMAGE + '{op = "Conv2d", channels = 4, kernel = 1, groups = 3}]',
                           r"groups=3 does not divide the 4 output"),
    "pool padding": (IMAGE + '{op = "AvgPool2d", kernel = 3, padding = 2}]',
                     r"padding 2 is more than half of the kernel 3"),
    "layernorm axes": (FLAT + '{op = "LayerNorm", axes = 2}]', r"axes=2 is more than the 1 axes"),
    "softmax over the batch": (FLAT + '{op = "Softmax", dim = 0}]', r"dim 0 is no axis .* other than the batch axis"),
    "reshape": (FLAT + '{op = "Reshape", shape = [4, -1]}]', r"6 values do not fit the shape \[4, -1\]"),
    "reshape of two holes": (FLAT + '{op = "Reshape", shape = [-1, -1]}]',
                             r"at most one of them -1\. Received: .*\[-1, -1\]"),
    "reshape to nothing": (FLAT + '{op = "Reshape", shape = []}]',
                           r"a list of positive integers.*Received: shape=\[\]"),
    "concat of one": (FLAT + '{op = "Concat"}]', r"Concat 'concat': it takes two or more inputs and reads 1"),
    "dangling wire": (FLAT + '{name = "a", op = "ReLU"}, {op = "ReLU", inputs = ["aa"]}]',
                      r"ReLU 'relu': it reads 'aa', and there is no such layer or input\. Did you mean 'a'\?"),
    "wire to below": (FLAT + '{op = "ReLU", inputs = ["b"]}, {name = "b", op = "Tanh", inputs = ["input"]}]',
                      r"ReLU 'relu': it reads 'b', which stands below it\. Move 'b' above it"),
    "cycle": (FLAT + '{name = "a", op = "ReLU", inputs = ["c"]}, {name = "b", op = "ReLU"}, {name = "c", op = "ReLU"}]',
              r"ReLU 'a': the wires form a cycle: a → c → b → a\. A layer can only read layers above it"),
    "cycle of one": (FLAT + '{name = "a", op = "ReLU", inputs = ["a"]}]', r"the wires form a cycle: a → a\."),
    "duplicate name": (FLAT + '{name = "a", op = "ReLU"}, {name = "a", op = "Tanh"}]',
                       r"the name 'a' is given 2 times"),
    "name of an input": (FLAT + '{name = "input", op = "ReLU"}]', r"the name 'input' is given 2 times"),
    "name with a dot": (FLAT + '{name = "a.b", op = "ReLU"}]', r"the name 'a\.b' cannot be used\. Use letters, digits"),
    "name beyond ascii": (FLAT + '{name = "größe", op = "ReLU"}]', r"the name 'größe' cannot be used"),
    "path as the spec's name": ('name = "../x"\ninputs = [2]\nlayers = [{op = "ReLU"}]',
                                r"name must be letters.*'\.\./x'"),
    "output unknown": (FLAT + '{name = "a", op = "ReLU"}]\noutputs = ["z"]',
                       r"the output 'z' is no layer in it\. There are: input, a"),
    "output twice": (FLAT + '{name = "a", op = "ReLU"}]\noutputs = ["a", "a"]', r"the output 'a' is given twice"),
    "shared of nothing": (FLAT + '{op = "ReLU"}, {op = "Shared", of = "rely"}]',
                          r"no layer 'rely' above it\. Did you mean 'relu'"),
    "shared of another size": (FLAT + '{name = "a", op = "Linear", features = 2}, {op = "Shared", of = "a"}]',
        r"Shared 'shared': it reads \[2\] and 'a' reads \[6\], so they cannot have the same param"),
    "shared of its own block": (FLAT + '{name = "b", op = "Block", layers = [{op = "Shared", of = "b"}]}]',
                                r"no layer 'b' above"),
    "wires of a block": (FLAT + '{name = "b", op = "Block", inputs = ["input", "input"], layers = [{op = "ELU"}]}]',
                         r"Block 'b': it has 1 port \(input\) and reads 2\. Give it a wire for each port"),
    "code as a size": (FLAT + f'{{op = "Linear", features = "{CODE}"}}]',
                       r"features must be a positive integer.*__import__"),
    "code as an op": (FLAT + f'{{op = "{CODE}"}}]', r"unknown layer \"__import__"),
    "code as a name": (FLAT + f'{{name = "{CODE}", op = "ReLU"}}]', r"the name \"__import__.* cannot be used"),
    "code as a field": (FLAT + f'{{op = "ReLU", "{CODE}" = 1}}]', r"ReLU has no field \"__import__"),
    "unknown initializer": (FLAT + '{op = "Linear", features = 2, weight_init = {op = "HeNormal"}}]',
                            r"layers\[0\]: weight_init: unknown initializer 'HeNormal'"),
    "initializer as text": (FLAT + '{op = "Linear", features = 2, weight_init = "Zeros"}]',
        r"weight_init: initializer must be a table with 'op', such as {op = \"Zeros\"}\. Received: 'Zeros'"),
    "unknown loss": (FLAT + '{op = "ReLU"}]\n[training]\nloss = {op = "Triplet"}',
                     r"training: loss: unknown loss 'Triplet'.*CrossEntropy"),
    "unknown optimizer": (FLAT + '{op = "ReLU"}]\n[training]\noptimizer = {op = "Adan"}',
                          r"optimizer 'Adan'\. Did you mean 'Adam'"),
    "unknown schedule": (FLAT + '{op = "ReLU"}]\n[training]\nschedule = {op = "Linear"}',
                         r"schedule: unknown schedule 'Linear'"),
    "clip as number": (FLAT + '{op = "ReLU"}]\n[training]\nclip = 1.0',
                       r"training: clip: it must be a table .*by, limit, epsilon"),
    "nesterov": (FLAT + '{op = "ReLU"}]\n[training]\noptimizer = {op = "SGD", nesterov = true}',
                 r"nesterov needs momentum above 0"),
    "format": ('dualnet = 2\n' + FLAT + '{op = "ReLU"}]', r"format 2 is not known; this dualnet reads format 1"),
    "format as bool": ('dualnet = true\n' + FLAT + '{op = "ReLU"}]', r"format True is not known"),
    "no layers": ('name = "net"\ninputs = [2]', r"a spec needs 'layers', a list of tables"),
    "empty layers": (FLAT + "]", r"layers must be a list of one layer or more\. Received: layers=\(\)"),
    "layers as a table": ('name = "net"\ninputs = [2]\nlayers = {op = "ReLU"}',
                          r"layers must be a list of one layer or more"),
    "no name": ('inputs = [2]\nlayers = [{op = "ReLU"}]', r"Spec needs the field 'name'"),
    "no inputs": ('name = "net"\nlayers = [{op = "ReLU"}]',
                  r"Spec needs the field 'inputs' \(a shape without the batch axis"),
    "empty shape": ('name = "net"\ninputs = []\nlayers = [{op = "ReLU"}]',
                    r"inputs must be a shape .*Received: inputs=\[\]"),
    "shares above one": (FLAT + '{op = "ReLU"}]\n[data]\nsplit = [0.7, 0.2, 0.2]',
                         r"data: Data: split must be .*add up to 1"),
    "shares of nan": (FLAT + '{op = "ReLU"}]\n[data]\nsplit = [nan, nan, nan]',
                      r"split must be 'official' or three shares"),
    "shares of text": (FLAT + '{op = "ReLU"}]\n[data]\nsplit = ["0.7", "0.15", "0.15"]',
                       r"split must be 'official' or three"),
    "shares of two": (FLAT + '{op = "ReLU"}]\n[data]\nsplit = [0.5, 0.5]', r"split must be 'official' or three shares"),
    "no toml": ("layers: [1, 2\n", r"this is not TOML: .*line 1, column 7"),
    "key given twice": (FLAT + '{op = "ReLU"}]\nname = "again"', r"this is not TOML: Cannot overwrite a value"),
    "deep arrays": ('name = "net"\ninputs = [2]\nlayers = ' + "[" * 5000 + "]" * 5000, r"it is nested too deeply"),
    "deep blocks": (FLAT + '{op = "Block", layers = [' * 5000 + '{op = "ReLU"}' + "]}" * 5000 + "]",
                    r"nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_malformed_text_is_refused_with_place_finding_and_cure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, message = TEXTS[name]
    with pytest.raises(SpecError, match=f"^spec: (?s:.*){message}"):
        loads(text)
    assert not list(tmp_path.iterdir()), "a text of the spec was run"


def nested(depth: int) -> Block:
    block = Sequential(ReLU())
    for _ in range(depth):
        block = Sequential(block)
    return block


def laughs() -> Block:
    """Return thirty blocks, each of which uses the one before it twice: 2^30 layers."""
    layers: list[Any] = [Block((ReLU(),), name="b0")]
    for n in range(1, 30):
        layers.append(Block((Shared(f"b{n - 1}"), Shared(f"b{n - 1}")), name=f"b{n}"))
    return Sequential(*layers)


PYTHON: dict[str, tuple[Callable[[], object], str]] = {
    "duplicate name": (lambda: Spec("net", Sequential(ReLU(name="a"), ReLU(name="a")), (6,)), r"'a' is given 2 times"),
    "sizes in an Add": (
        lambda: Spec("net", Sequential(Linear(4), Add(inputs=("input", "linear"))), (6,)),
        r"Add 'add': its inputs must have equal sizes, or 1, in every axis\. Received: \[6\] and \[4\]",
    ),
    "ranks in a Concat": (
        lambda: Spec("net", Sequential(Flatten(), Concat(dim=2, inputs=("image", "flatten"))), {"image": (3, 4)}),
        r"Concat 'concat': its inputs must have equal rank\. Received: \[3, 4\] and \[12\]",
    ),
    "sizes in a Concat": (
        lambda: Spec("net", Sequential(Conv2d(2, 3), Concat(inputs=("input", "conv2d"))), (3, 9, 7)),
        r"equal sizes in every axis but dim 1\. Received: \[3, 9, 7\] and \[2, 7, 5\]",
    ),
    "nested blocks": (
        lambda: Spec("net", nested(5000), (6,)),
        r"Block '.*': a model has at most 10000 layers, and blocks at most 32 deep",
    ),
    "a class for a layer": (lambda: Sequential(ReLU), r"Block: layers must be a list of one layer or more"),
    "a bad input name": (lambda: Spec("net", ReLU(), {"a b": (2,)}), r"The model: the name 'a b' cannot be used"),
    "no such wire in": (
        lambda: Spec("net", Sequential(Block((ReLU(inputs=("x",)),), name="b")), (2,)),
        r"ReLU 'b\.relu': it reads 'x', and there is no such layer or input\. There are: input",
    ),
    "bounds": (lambda: Uniform(2.0, float("inf")), r"Uniform: high must be a finite number\. Received: high=inf"),
    "bounds the wrong way": (lambda: Uniform(2.0, 1.0), r"Uniform: low must lie below high\. Received: low=2\.0"),
    "dampening in update form": (
        lambda: SGD(momentum=0.9, dampening=0.1, velocity="update"),
        r"SGD: dampening is defined for velocity='gradient' only",
    ),
    "half a surrogate pair": (lambda: Spec("net", ReLU(), (2,), about="\ud800"), r"about must be a text"),
    "billions of layers": (lambda: Spec("net", laughs(), (2,)), r"a model has at most 10000 layers"),
    "not a table": (lambda: from_data([1]), r"spec: a spec is a table with name, inputs and layers\. Received: \[1\]"),
    "a field that is no text": (lambda: from_data({1: 2}), r"a spec has no field 1\. It has: dualnet, layers"),
    "unknown in the zoo": (
        lambda: zoo.load("fashion_cn"),
        r"no spec 'fashion_cn' in the zoo\. Did you mean 'fashion_cnn'",
    ),
    "a long name": (lambda: zoo.load("a" * 5000), r"in the zoo\. The zoo has: activations"),
}


@pytest.mark.parametrize("name", PYTHON)
def test_a_malformed_call_is_refused_in_the_same_words(name: str) -> None:
    call, message = PYTHON[name]
    with pytest.raises(SpecError, match=message):
        call()


FILES: dict[str, tuple[str, bytes | None, str]] = {
    "yaml": ("net.yaml", b"name: net", r"net\.yaml: a spec file ends in \.toml or \.json\. Received: \.yaml"),
    "no ending": ("net", b"", r"ends in \.toml or \.json\. Received: no ending"),
    "missing": ("net.toml", None, r"net\.toml: the spec cannot be read: No such file or directory"),
    "missing folder": ("a/net.json", None, r"net\.json: the spec cannot be read: No such file"),
    "null in the path": ("a\0.toml", None, r"the spec cannot be read"),
    "binary": ("net.toml", bytes(range(256)), r"the spec cannot be read: it is not UTF-8 text"),
    "empty": ("net.toml", b"", r"a spec needs 'layers'"),
    "no json": ("net.json", b"{'a': 1}", r"net\.json: this is not JSON: .*line 1"),
    "nan in json": ("net.json", b'{"a": NaN}', r"this is not JSON: NaN is no number of a spec"),
    "twice in json": ("net.json", b'{"name": 1, "name": 2}', r"this is not JSON: a key is given twice in .*'name'"),
    "long integer in json": ("net.json", b"[" + b"9" * 9999 + b"]", r"this is not JSON"),
    "deep json": ("net.json", b"[" * 5000 + b"]" * 5000, r"net\.json: (it is nested too deeply|a spec is a table)"),
    "toml as json": ("net.json", b'name = "net"', r"this is not JSON"),
    "json as toml": ("net.toml", b'{"name": "net"}', r"this is not TOML"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    file, content, message = FILES[name]
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(SpecError, match=message):
        read(tmp_path / file)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.toml").mkdir()
    with pytest.raises(SpecError, match=r"net\.toml: the spec cannot be read: Is a directory"):
        read(tmp_path / "net.toml")


def test_a_message_stays_short_whatever_came() -> None:
    for value in ("x" * 10**6, list(range(10**5)), 10**5000):
        with pytest.raises(SpecError) as caught:
            from_data({"name": "net", "inputs": [2], "layers": [{"op": "Linear", "features": value}]})
        assert len(str(caught.value)) < 500


WORDS = sorted({*re.findall(r"[A-Za-z]\w+", (zoo.HERE / "fashion_resnet.toml").read_text())})
KEYS = st.sampled_from(["op", "name", "inputs", "layers", "model", "features", "of", "outputs", "ports"]) | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def expect_a_spec_or_a_spec_error(data: Any) -> None:
    try:
        assert isinstance(from_data(data), Spec)
    except SpecError as error:
        assert str(error).startswith("spec: ")


@given(VALUES)
def test_any_data_is_a_spec_or_a_spec_error(data: Any) -> None:
    expect_a_spec_or_a_spec_error(data)


@given(
    st.fixed_dictionaries(
        {"name": st.just("net"), "inputs": VALUES, "layers": st.lists(VALUES)}, optional={"outputs": VALUES}
    )
)
def test_any_layers_are_a_spec_or_a_spec_error(data: Any) -> None:
    expect_a_spec_or_a_spec_error(data)


def entries(data: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of nested data."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else []
    return [pair for key in keys for pair in ((data, key), *entries(data[key]))]


@given(st.sampled_from(zoo.names()), st.sampled_from(["delete", "replace", "rename"]), VALUES, st.data())
def test_a_mutated_spec_is_a_spec_or_a_spec_error(name: str, act: str, value: Any, source: st.DataObject) -> None:
    data = copy.deepcopy(PLAIN[name])
    container, key = source.draw(st.sampled_from(entries(data)))
    old = container.pop(key)
    if act == "replace":
        container.insert(key, value) if isinstance(container, list) else container.update({key: value})
    elif act == "rename" and isinstance(container, dict):
        container[source.draw(KEYS)] = old
    expect_a_spec_or_a_spec_error(data)


@given(st.text() | st.text("[]{}=,\"'#.\n 019aeEinf-+_:", max_size=60))
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError, match=r"^spec: "):  # none of these holds a name, inputs and layers
        loads(text)


PLAIN = {name: json.loads(json.dumps(to_data(zoo.load(name)))) for name in zoo.names()}
