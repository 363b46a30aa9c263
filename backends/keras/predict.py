"""Prediction: a model compiled into one graph for each kind of input, called past ``tf.function``'s own bookkeeping."""

from typing import Any

import numpy as np

from dualnet.backends.keras.live import called

import tensorflow as tf  # isort: skip

from dualnet.specs.program import leaves, replaced


class Caller:
    """Calls a model on arrays. The graphs read its weights where they are: a model that is trained on stays right."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graphs: dict[Any, Any] = {}

    def __call__(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what the model gives, in its own structure, arrays for tensors."""
        given: dict[int | str, Any] = dict(enumerate(args)) | named
        tensors = [tf.constant(each) for each in leaves(given) if isinstance(each, np.ndarray)]
        kind = repr(replaced(given, lambda each: "array" if isinstance(each, np.ndarray) else each))
        key = (kind, *((each.dtype, *each.shape[1:]) for each in tensors))
        if key not in self.graphs:
            self.graphs[key] = self._graph(given, tensors)
        made = self.graphs[key](*tensors)
        return replaced(made, lambda each: each.numpy() if tf.is_tensor(each) else each)

    def _graph(self, given: dict[int | str, Any], tensors: list[Any]) -> Any:
        """Return the compiled function of inputs of this kind, of any batch size where the model allows it."""

        @tf.function(autograph=False)
        def call(*tensors: Any) -> Any:
            left = iter(tensors)
            return called(
                self.model, replaced(given, lambda each: next(left) if isinstance(each, np.ndarray) else each)
            )

        free = [tf.TensorSpec((None, *each.shape[1:]) if each.shape.rank else (), each.dtype) for each in tensors]
        try:
            return call.get_concrete_function(*free)
        except Exception:  # a model's own code may need its batch size as a number; what fails here fails there too
            return call  # TensorFlow's own bookkeeping then keeps a graph for each shape
