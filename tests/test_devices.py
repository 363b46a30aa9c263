"""Devices: those that each framework has, and those that are refused. Several at once: ``docs/``, ``test_docs.py``."""

import importlib
import subprocess
import sys

import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import DeviceError, UnsupportedError

SPEC = S.Spec("net", S.Sequential(S.Linear(8, name="hidden"), S.Tanh(), S.Linear(3, name="out")), (5,))


def test_what_is_listed_can_be_built_on(backend: Backend) -> None:
    found = dualnet.devices(backend.name)
    assert found[0] == "cpu"
    assert found[1:] == [f"cuda:{index}" for index in range(len(found) - 1)]
    for device in found:
        model = dualnet.build(SPEC, backend.name, device=device)
        if backend.name == "torch":
            assert str(model.hidden.weight.device) == device
        else:
            wanted = "CPU:0" if device == "cpu" else device.upper().replace("CUDA", "GPU")
            assert model.weights[0].value.device.endswith(wanted)


def test_a_gpu_is_tried_and_the_cpu_taken(backend: Backend) -> None:
    known = dualnet.devices(backend.name)
    assert dualnet.try_gpu(backend.name, 99) == "cpu"
    assert dualnet.try_gpu(backend.name) == (known[1] if len(known) > 1 else "cpu")


@pytest.mark.parametrize("device", ["gpu:99", "cuda:99"])
def test_a_gpu_that_is_not_there_is_refused_with_the_number_that_is(backend: Backend, device: str) -> None:
    count = len(dualnet.devices(backend.name)) - 1
    with pytest.raises(DeviceError, match=rf"{count} GPUs.*Received: device='{device}'"):
        dualnet.build(SPEC, backend.name, device=device)


@pytest.mark.parametrize("device", ["cuda:", "cuda:-1", "cuda:99999", "mps", "gpu0", "CPU", "cpu:0", " cpu"])
def test_other_names_are_refused_alike_by_both(backend: Backend, device: str) -> None:
    with pytest.raises(DeviceError, match=rf"device must be cpu, gpu or cuda:N\. Received: '{device}'"):
        dualnet.build(SPEC, backend.name, device=device)


def test_no_such_backend() -> None:
    with pytest.raises(UnsupportedError, match=r"There is no backend 'kears'\. Did you mean 'keras'"):
        dualnet.devices("kears")


# What ``exact`` leaves switched on or off, told by each framework itself in a process of its own.
SWITCHES = {
    "torch": (
        "b = torch.backends; b.cuda.matmul.allow_tf32 = b.cudnn.allow_tf32 = b.cudnn.benchmark = True",
        "print(b.cuda.matmul.allow_tf32, b.cudnn.allow_tf32, b.cudnn.benchmark, "
        "torch.are_deterministic_algorithms_enabled())",
        "False False False True",
    ),
    "keras": (
        "from tensorflow.python.framework import config; tf = device.tf",
        "print(tf.config.experimental.tensor_float_32_execution_enabled(), config.is_op_determinism_enabled())",
        "False True",
    ),
}


def test_a_gpu_computes_every_bit_and_the_same_every_time(backend: Backend) -> None:
    before, after, expected = SWITCHES[backend.name]
    lines = ["import torch"] if backend.name == "torch" else []
    lines += [f"from dualnet.backends.{backend.name} import device", before, "device.exact()", after]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == expected, run.stderr


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_whoever_asks_for_a_gpu_gets_it_exact(name: str, both: tuple[Backend, Backend], monkeypatch) -> None:
    device = importlib.import_module(f"dualnet.backends.{name}.device")
    asked: list[str] = []
    monkeypatch.setattr(device, "exact", lambda: asked.append(name))
    if name == "torch":
        monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 2)
    else:
        monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: ["one", "two"])
    assert "1" in str(device.place("gpu:1"))
    assert asked == [name]
    device.place("cpu")
    assert asked == [name]
