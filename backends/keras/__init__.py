"""Keras 3 on TensorFlow: a spec becomes a ``keras.Model``."""

from dualnet.backends.keras.session import KerasBackend

BACKEND = KerasBackend()
