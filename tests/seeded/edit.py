"""Edit: the layers of either side by name, another in the place of one, and a layer whose input or output is altered."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from torch import nn

from tests.seeded.pair import Pair


def layers(pair: Pair, side: str) -> Iterator[tuple[str, Any]]:
    """Yield the layers of one side: a PyTorch module's by path (its own is empty), a Keras model's by name."""
    if side == "left":
        yield from pair.left.named_modules()
    else:
        yield from ((each.name, each) for each in pair.right._flatten_layers(include_self=False))


def replace(pair: Pair, side: str, site: str, new: Any) -> None:
    """Put a layer in the place of another."""
    if side == "left":
        pair.left.set_submodule(site, new)
        return
    pair.right = keras.models.clone_model(pair.right, clone_function=lambda layer: new if layer.name == site else layer)


def become(layer: Any, methods: dict[str, Any]) -> None:
    """Let a live layer be of a class of its own that overrides methods: its weights and name stay."""
    kind = type(layer)
    object.__setattr__(layer, "__class__", type(kind.__name__, (kind,), methods))


def altered(layer: Any, before: Callable[[Any], Any] | None = None, after: Callable[[Any], Any] | None = None) -> None:
    """Let a live layer see its input altered, or give its output altered."""
    kind, name = type(layer), "forward" if isinstance(layer, nn.Module) else "call"
    own = getattr(kind, name)

    def call(self: Any, x: Any, *rest: Any, **options: Any) -> Any:
        y = own(self, before(x) if before else x, *rest, **options)
        if after is None:
            return y
        return (after(y[0]), *y[1:]) if isinstance(y, tuple) else after(y)

    become(layer, {name: call})


def setting(**values: Any) -> Callable[[Any, Pair], None]:
    """Return the change that sets attributes of a layer; a function is given the present value."""

    def change(layer: Any, pair: Pair) -> None:
        for name, value in values.items():
            setattr(layer, name, value(getattr(layer, name)) if callable(value) else value)

    return change


def kind(*kinds: type, **has: Any) -> Callable[[Any, Pair], bool]:
    """Return the question whether a layer is of these kinds; and whether its attributes have values, or pass tests."""

    def accepts(layer: Any, pair: Pair) -> bool:
        if not isinstance(layer, kinds):
            return False
        found = ((getattr(layer, name, None), wanted) for name, wanted in has.items())
        return all(wanted(value) if callable(wanted) else value == wanted for value, wanted in found)

    return accepts
