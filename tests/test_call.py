"""A lowered layer is one statement: the object it makes and the line of source it gives are the same layer."""

from collections.abc import Mapping
from typing import Any

import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.specs import zoo


def homes(name: str) -> Mapping[str, Any]:
    if name == "torch":
        from dualnet.backends.torch.build import HOMES
    else:
        from dualnet.backends.keras.build import HOMES
    return HOMES


def lowered(name: str, spec: S.Spec) -> list[Any]:
    if name == "torch":
        from dualnet.backends.torch.layers import lower

        return [lower(step) for step in spec.graph.leaves()]
    from dualnet.backends.keras.build import Builder
    from dualnet.backends.keras.layers import lower as chain

    return [call for place in Builder(spec, "float32").build().places.values() for call in chain(place)]


@pytest.mark.parametrize("spec", ["fashion_cnn", "activations"])
def test_the_line_of_source_makes_what_the_call_makes(backend: Backend, spec: str) -> None:
    calls = lowered(backend.name, zoo.load(spec))
    assert len(calls) >= 13
    for call in calls:
        made, written = call.make(homes(backend.name)), eval(call.source(), dict(homes(backend.name)))
        assert type(made) is type(written)
        assert described(made) == described(written)


def described(layer: Any) -> Any:
    """Return a live layer's settings, less the name that Keras counts up."""
    if not hasattr(layer, "get_config"):
        return repr(layer)
    return {name: value for name, value in layer.get_config().items() if name != "name"}
