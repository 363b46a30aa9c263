"""Tensors and weights in files: from torch through a file to Keras and back, bit by bit; what is refused, and how."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import DualnetError, UnsupportedError, WeightsError
from dualnet.specs import zoo

SPEC = S.Spec("net", S.Sequential(S.Conv2d(4, 3, name="conv"), S.Flatten(), S.Linear(3, name="head")), (2, 5, 6))


def same_bits(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", zoo.names())
def test_from_one_framework_to_the_other_and_back(both: Any, name: str, dtype: str, tmp_path: Path) -> None:
    first, second, third = (dualnet.build(name, b.name, dtype=dtype, seed=s) for s, b in enumerate((*both, both[0])))
    start = dualnet.weights(first, name)
    assert sorted(start) == sorted(zoo.load(name).parameters)
    assert any(not np.array_equal(dualnet.weights(second, name)[key], start[key]) for key in start)
    there = dualnet.save(start, tmp_path / "there.safetensors")
    assert dualnet.load_weights(second, there, name) is second
    same_bits(dualnet.weights(second, name), start)
    back = dualnet.save(dualnet.weights(second, name), tmp_path / "back.safetensors")
    assert back.read_bytes() == there.read_bytes()
    dualnet.load_weights(third, back, name)
    for key, tensor in first.state_dict().items():
        np.testing.assert_array_equal(third.state_dict()[key].numpy(), tensor.numpy(), err_msg=key)


def test_a_live_model_holds_what_its_session_would(backend: Backend) -> None:
    for name in ("fashion_resnet", "siamese"):
        same_bits(dualnet.weights(dualnet.build(name, backend.name, seed=5), name),
                  backend.session(zoo.load(name), seed=5).weights())  # fmt: skip


def test_loaded_models_give_the_same_outputs(both: Any, tmp_path: Path) -> None:
    import torch

    path = dualnet.save(dualnet.weights(dualnet.build(SPEC, "keras", dtype="float64", seed=1), SPEC), tmp_path / "w")
    module = dualnet.load_weights(dualnet.build(SPEC, "torch", dtype="float64"), path, SPEC).eval()
    model = dualnet.load_weights(dualnet.build(SPEC, "keras", dtype="float64"), path, SPEC)
    x = np.random.default_rng(0).normal(size=(4, 2, 5, 6))
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    # float64, sums of some 50 terms
    np.testing.assert_allclose(np.asarray(model(x.transpose(0, 2, 3, 1))), expected, atol=1e-12)


def test_a_module_of_the_users_own_with_the_specs_names_will_do(tmp_path: Path) -> None:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(2, 4, 3), torch.nn.Linear(48, 3)

    start = dualnet.weights(dualnet.build(SPEC, "keras", seed=3), SPEC)
    same_bits(dualnet.weights(dualnet.load_weights(Net(), start, SPEC), SPEC), start)


def tensors(framework: str) -> dict[str, Any]:
    numbers = {"x": np.arange(4.0), "y": np.zeros((2, 0)), "n": np.array(7), "flags": np.array([True, False])}
    if framework == "torch":
        import torch

        return {k: torch.from_numpy(v) for k, v in numbers.items()} | {"p": torch.nn.Parameter(torch.ones(2, 3).T)}
    if framework == "tensorflow":
        import keras
        import tensorflow as tf

        made = {name: tf.constant(array) for name, array in numbers.items()}
        return made | {"v": tf.Variable([[1.0, 2.0]]), "p": keras.Variable(np.ones((3, 2)))}
    return numbers | {"p": np.ones((2, 3), "float32").T}


@pytest.mark.parametrize("framework", ["numpy", "torch", "tensorflow"])
def test_tensors_lists_and_dictionaries_come_back_as_they_went(both: Any, framework: str, tmp_path: Path) -> None:
    given = tensors(framework)
    plain = {n: np.asarray(t.detach() if framework == "torch" else t) for n, t in given.items()}
    path = tmp_path / "tensors.safetensors"
    found = dualnet.load_arrays(dualnet.save(given, path))
    same_bits(dict(sorted(found.items())), dict(sorted(plain.items())))
    listed = dualnet.load_arrays(dualnet.save(list(given.values()) * 4, str(path)))  # more than ten: "10" is not "1"
    assert isinstance(listed, list)
    for array, expected in zip(listed, list(plain.values()) * 4, strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)
    one = dualnet.load_arrays(dualnet.save(given["p"], path))
    np.testing.assert_array_equal(one, plain["p"], strict=True)
    assert dualnet.load_arrays(dualnet.save([], path)) == []


def test_a_file_from_elsewhere_is_a_dictionary(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"0": np.ones(2)}, tmp_path / "else.safetensors")
    same_bits(dualnet.load_arrays(tmp_path / "else.safetensors"), {"0": np.ones(2)})


class Bomb:
    """What a pickle runs when it is opened."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(__file__).parent / "exploded",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "model.pt"
    for content in (pickle.dumps(Bomb()), None):
        path.write_bytes(content) if content else torch.save({"w": torch.ones(2)}, path)
        for load in (dualnet.load_arrays, lambda p: dualnet.load_weights(torch.nn.Linear(1, 1), p, SPEC)):
            with pytest.raises(WeightsError, match=r"model\.pt: expected a whole safetensors file\. Received: "):
                load(path)
    assert not (Path(__file__).parent / "exploded").exists()


WEIGHTS = {name: np.full(p.shape, 0.5, "float32") for name, p in SPEC.parameters.items()}
WRONG: dict[str, tuple[Any, str]] = {
    "lacks one": ({n: a for n, a in WEIGHTS.items() if n != "conv.bias"}, "net: the parameter 'conv.bias' is missing"),
    "one too many": (WEIGHTS | {"haed.bias": np.ones(3)}, "is no parameter 'haed.bias'. Did you mean 'head.bias'"),
    "another shape": (WEIGHTS | {"head.bias": np.ones((3, 1), "float32")}, r"head.bias has shape \[3\]. .*\[3, 1\]"),
    "too many digits": (WEIGHTS | {"head.bias": np.ones(3)}, "head.bias is held in float32, which cannot keep every "
                        "digit of float64. Build the model with dtype='float64', or cast the arrays first"),
    "a list": ([np.ones(2)], "Expected parameters by name: a file of them, or a dictionary. Received: list"),
    "a text": (WEIGHTS | {"head.bias": "abc"}, "of plain numbers. Received: str of <U3"),
    "no file": ("nothing.safetensors", "Expected a safetensors file at nothing.safetensors. Received: no such file"),
    "a folder": (".", "Received: a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_and_nothing_is_loaded(backend: Backend, case: str) -> None:
    given, message = WRONG[case]
    model = dualnet.build(SPEC, backend.name)
    before = dualnet.weights(model, SPEC)
    with pytest.raises(WeightsError, match=message):
        dualnet.load_weights(model, given, SPEC)
    same_bits(dualnet.weights(model, SPEC), before)


def test_a_list_in_a_file_is_no_model(backend: Backend, tmp_path: Path) -> None:
    path = dualnet.save([np.ones(2)], tmp_path / "list.safetensors")
    with pytest.raises(WeightsError, match=r"Expected parameters by name.*list.safetensors with a list"):
        dualnet.load_weights(dualnet.build(SPEC, backend.name), path, SPEC)


def test_a_model_of_another_spec_is_refused(backend: Backend) -> None:
    for other, lacking in (("fashion_mlp", "hidden.weight"), ("siamese", "encoder.conv.weight")):
        message = f"{backend.name}: this model has no parameter '{lacking}' of the spec '{other}'. Give the spec it was"
        with pytest.raises(WeightsError, match=message):
            dualnet.weights(dualnet.build(SPEC, backend.name), other)
        with pytest.raises(WeightsError, match=message):
            dualnet.load_weights(dualnet.build(SPEC, backend.name), WEIGHTS, other)
    with pytest.raises(UnsupportedError, match=r"Expected a torch.nn.Module or a keras.Model. Received: dict"):
        dualnet.weights({}, SPEC)


def test_what_is_no_tensor_is_not_saved(tmp_path: Path, both: Any) -> None:
    import torch

    path, wrong = tmp_path / "x.safetensors", {
        "of plain numbers. Received: dict of object": {"a": {"b": np.ones(2)}},
        "of plain numbers. Received: NoneType of object": [None],
        "of plain numbers. Received: ndarray of complex128": np.ones(2, complex),
        "Received: Tensor, which NumPy cannot hold": torch.ones(2, dtype=torch.bfloat16),
        "saved by names, which are texts. Received: 3": {3: np.ones(2)},
    }  # fmt: skip
    for message, what in wrong.items():
        with pytest.raises(WeightsError, match=message):
            dualnet.save(what, path)
    assert not path.exists()
    with pytest.raises(DualnetError, match=r"it cannot be written: .*Name a file in a folder that can be"):
        dualnet.save(np.ones(2), tmp_path)
