"""Stock layers of Keras's own tests, as specs: both backends give what the layer gives, with its weights."""

import warnings
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.keras.live import KerasLive
from dualnet.backends.live import cotangent
from dualnet.errors import SpecError
from tests import keras_samples
from tests.stock_keras_layers import LAYERS, SPATIAL, WEIGHTS, first, lies
from tests.stock_layers import Unsaid

FIRST = 1  # samples of a class where slow tests do not run
CLOSE = 1e-12  # of the largest entry: a sample sums some hundred numbers
# What the fields of a spec do not say of a sample; a sample may be left out for no other reason.
UNSAID = (
    "TensorFlow on a CPU does not take channels first",
    "quantized or LoRA weights",
    "renorm=True",
    "scale without centre",
    "axes that are not the last ones",
    "another axis",
    "several axes at once",
    "rms_scaling=True",
    "interpolation bicubic",
    "interpolation lanczos",
    "interpolation area",
    "Keras turns it down",
    "inputs must be a shape without the batch axis",  # one sample is empty
)


def close(found: Any, expected: Any, label: str) -> None:
    scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * scale, err_msg=label)


def held(both: tuple[Backend, Backend], sample: keras_samples.Sample, training: bool) -> None:
    """Hold both backends to a layer: values, and gradients of inputs and weights."""
    try:
        model, arrays = sample.model()
    except Exception as error:
        msg = f"Keras turns it down: {error}"
        raise Unsaid(msg) from error
    layer = model.layers[-1]
    spatial = sample.cls in SPATIAL and layer.get_config().get("data_format") != "channels_first"
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        msg = "quantized or LoRA weights"
        raise Unsaid(msg)
    made = LAYERS[sample.cls]({**layer.get_config(), "rank": arrays[0].ndim})
    turn = first if spatial else np.asarray
    x = arrays[0].astype("float64")
    spec = S.Spec("stock", S.Block(tuple(made)), turn(x).shape[1:])
    live = KerasLive(model, "float64")
    before = live.weights()
    ran = live.run({0: x}, training=training)
    output = ran["outputs"][0]
    back = first if spatial and output.ndim > 2 else np.asarray
    owner = next(iter(spec.graph.leaves())).owner
    name = {path: f"{owner}.{WEIGHTS[path.rpartition('/')[2]]}" for path in before}
    as_spec = {name[path]: lies(layer, path.rpartition("/")[2], array) for path, array in before.items()}
    for backend in both:
        session = backend.session(spec, dtype="float64")
        session.load({n: as_spec[n].reshape(p.shape) for n, p in spec.parameters.items()})
        close(session.forward({"input": turn(x)}, training=training)["outputs"][0], back(output), sample.label)
        vector = back(cotangent(0, output.shape).astype("float64"))
        found = session.gradients({"input": turn(x)}, None, [vector], training=training)
        close(found["inputs"]["input"], turn(ran["inputs"]["0"]), sample.label)
        for path, slope in ran["parameters"].items():
            wanted = lies(layer, path.rpartition("/")[2], slope)
            close(found["parameters"][name[path]].reshape(wanted.shape), wanted, sample.label)


def compared(both: tuple[Backend, Backend], cls: type, most: int | None) -> list[str]:
    """Compare every sample that the fields can say; return why the others cannot be."""
    reasons, said = [], 0
    for sample in (each for each in keras_samples.samples() if each.cls is cls):
        if said == most:
            break
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for training in (False, True):
                    held(both, sample, training)
            said += 1
        except (Unsaid, SpecError) as error:
            reasons.append(f"{sample.label}: {error}")
    assert said
    return reasons


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_a_spec_is_what_the_layer_of_keras_is(both: tuple[Backend, Backend], cls: type) -> None:
    for reason in compared(both, cls, FIRST):
        assert any(words in reason for words in UNSAID), reason


@pytest.mark.slow
@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_a_spec_is_what_the_layer_of_keras_is_for_every_sample(both: tuple[Backend, Backend], cls: type) -> None:
    for reason in compared(both, cls, None):
        assert any(words in reason for words in UNSAID), reason
