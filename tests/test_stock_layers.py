"""Stock activations and losses of PyTorch's own tests, as specs: both backends give what the class itself gives."""

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array
from dualnet.errors import SpecError
from tests import stock_layers, torch_samples
from tests.stock_layers import ACTIVATIONS, LOSSES, Unsaid

CLOSE = 1e-12  # of the largest entry: the largest sample sums some hundred numbers
FIRST = 2  # samples of a class where slow tests do not run
NAMES = [f"nn.{cls.__name__}" for cls in (*ACTIVATIONS, *LOSSES)]
# What the fields of a spec do not say of a sample; a sample may be left out for no other reason.
UNSAID = (
    "reduction='none'",
    "a weight for each entry",
    "its input is NaN",
    "targets are shares of classes",
    "do not lie along the last axis",
    "an implicit dim",
    "threshold must be a finite number of at least 0",  # of Softplus: 0 is "nowhere"
)


def samples(name: str, most: int | None) -> Iterator[tuple[str, Any, list[torch.Tensor]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for label, module, inputs in islice(torch_samples.samples(name), most):
            yield label, module, list(inputs.values())


def close(found: Any, expected: Array, label: str) -> None:
    scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=0, atol=CLOSE * scale, err_msg=label)


def held(both: tuple[Backend, Backend], label: str, module: Any, tensors: list[torch.Tensor]) -> None:
    """Hold both backends of the spec to the module itself: values, and gradients of inputs and weights."""
    value, slope, slopes, vector = stock_layers.stock(module, tensors)
    arrays = [tensor.detach().numpy() for tensor in tensors]
    if type(module) in ACTIVATIONS:
        spec, x = stock_layers.activation(module, arrays[0])
        weights = {name: p.detach().numpy() for name, p in zip(spec.parameters, module.parameters(), strict=True)}
        for backend in both:
            session = backend.session(spec, dtype="float64")
            session.load(weights)
            close(session.forward({"input": x})["outputs"][0], value, label)
            shape = session.forward({"input": x})["outputs"][0].shape
            found = session.gradients({"input": x}, None, [vector.reshape(shape)])
            close(found["inputs"]["input"], slope, label)
            for one, other in zip(found["parameters"].values(), slopes, strict=True):
                close(one, other, label)
        return
    meant, x, target = stock_layers.loss(module, *arrays)
    spec, axis = S.Spec("through", S.Block((S.Identity(),)), x.shape[1:]), 1 if arrays[0].ndim > 1 else 0
    wanted = slope if type(module) not in stock_layers.LABELS else np.moveaxis(slope, axis, -1)
    for backend in both:
        found = backend.session(spec, dtype="float64").gradients({"input": x}, meant, target)
        close(found["loss"], value, label)
        close(np.reshape(found["inputs"]["input"], wanted.shape), wanted, label)


def compared(both: tuple[Backend, Backend], name: str, most: int | None) -> list[str]:
    """Compare every sample that the fields can say; return why the others cannot be."""
    reasons, said = [], 0
    for label, module, tensors in samples(name, most):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # KLDivLoss warns of its mean
            try:
                held(both, label, module, tensors)
                said += 1
            except (Unsaid, SpecError) as error:
                reasons.append(f"{label}: {error}")
    assert said or most is not None  # the first few may all be such as the fields cannot say
    return reasons


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_what_the_class_of_torch_is(both: tuple[Backend, Backend], name: str) -> None:
    for reason in compared(both, name, FIRST):
        assert any(words in reason for words in UNSAID), reason


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_what_the_class_of_torch_is_for_every_sample(both: tuple[Backend, Backend], name: str) -> None:
    for reason in compared(both, name, None):
        assert any(words in reason for words in UNSAID), reason
