"""Every loss with every value of its fields: value and gradient on both frameworks, against the class that is meant."""

from dataclasses import fields

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Session
from tests.stock_losses import CLOSE, ELEMENTWISE, LOGITS, LOSSES, RNG, TEACHER, data, judge, outputs, through


@pytest.fixture(scope="module")
def sessions(both: tuple[Backend, Backend]) -> list[Session]:
    return [through(backend) for backend in both]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_value_and_gradient_are_those_of_the_class_that_is_meant(sessions: list[Session], loss: S.Loss) -> None:
    value, gradient = judge(loss)
    for session in sessions:
        found = session.gradients({"input": outputs(loss)}, loss, **data(loss))
        np.testing.assert_allclose(found["loss"], value, rtol=CLOSE)
        np.testing.assert_allclose(found["inputs"]["input"], gradient, rtol=0, atol=CLOSE * np.abs(gradient).max())
        np.testing.assert_allclose(session.loss(loss, outputs(loss), **data(loss)), value, rtol=CLOSE)


@pytest.mark.parametrize("loss", [S.CrossEntropy(), S.BinaryCrossEntropy(), S.Distillation()], ids=str)
@pytest.mark.parametrize("size", [0.0, 40.0, 900.0])
def test_extreme_logits_stay_exact(sessions: list[Session], loss: S.Loss, size: float) -> None:
    logits = size * np.sign(LOGITS)
    given = {**data(loss), "soft": size * np.sign(TEACHER)}
    torch, keras = (session.gradients({"input": logits}, loss, **given) for session in sessions)
    assert np.isfinite(torch["loss"])
    np.testing.assert_allclose(keras["loss"], torch["loss"], rtol=CLOSE)
    # relative to 1, the largest entry a gradient of these losses can have: at 40, softmax is 1e-18 from its limit
    np.testing.assert_allclose(keras["inputs"]["input"], torch["inputs"]["input"], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=str)
def test_losses_of_images_compare_pixel_with_pixel(both: tuple[Backend, Backend], loss: S.Loss) -> None:
    shape = (2, 4, 3)
    images, wanted = RNG.normal(size=(3, *shape)), RNG.uniform(size=(3, *shape))
    spec = S.Spec("images", S.Tanh(), shape)
    torch, keras = (backend.session(spec, dtype="float64") for backend in both)
    first, second = (session.gradients({"input": images}, loss, wanted) for session in (torch, keras))
    np.testing.assert_allclose(first["loss"], torch.loss(loss, np.tanh(images), wanted), rtol=CLOSE)
    np.testing.assert_allclose(second["loss"], keras.loss(loss, np.tanh(images), wanted), rtol=CLOSE)
    np.testing.assert_allclose(second["loss"], first["loss"], rtol=CLOSE)
    np.testing.assert_allclose(second["inputs"]["input"], first["inputs"]["input"], rtol=0, atol=CLOSE)


def test_the_table_has_every_value_of_every_field() -> None:
    for cls in S.Loss.registry.values():
        for field in fields(cls):
            values = {getattr(loss, field.name) for loss in LOSSES if type(loss) is cls}
            assert len(values) > 1, f"{cls.__name__}.{field.name} never varies"
    assert {type(loss) for loss in LOSSES} == set(S.Loss.registry.values())
