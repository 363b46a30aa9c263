"""Random draws: dropout, and noise of a distribution; the numbers themselves differ between frameworks."""

from typing import Any

import keras

from dualnet.backends.keras.read.sheet import Sheet


def draw(s: Sheet, name: str, *args: Any, **kwargs: Any) -> Any:
    """Write a draw of random numbers; only the distribution is the same on both sides."""
    if name == "dropout":
        return _dropout(s, *args, **kwargs)
    if name not in ("normal", "uniform"):
        msg = f"keras.random.{name} has no counterpart. normal, uniform and dropout have."
        raise NotImplementedError(msg)
    low, high = (("mean", 0.0), ("stddev", 1.0)) if name == "normal" else (("minval", 0.0), ("maxval", 1.0))
    one, other = (kwargs.get(k, args[i + 1] if len(args) > i + 1 else d) for i, (k, d) in enumerate((low, high)))
    shape = kwargs["shape"] if "shape" in kwargs else args[0]
    dtype = keras.backend.standardize_dtype(kwargs.get("dtype") or keras.config.floatx())
    made = s("randn" if name == "normal" else "rand", size=tuple(shape), dtype=dtype)
    scale = other if name == "normal" else other - one
    made = made if scale == 1 else s("mul", made, other=scale)
    return made if one == 0 else s("add", made, other=one)


def _dropout(s: Sheet, inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    inputs = s.tensor(inputs)
    if noise_shape is None:
        return s("dropout", inputs, p=float(rate), train=True)
    size = tuple(full if n is None else n for n, full in zip(noise_shape, inputs.shape, strict=True))
    kept = s("dropout", s("ones", size=size, dtype=inputs.dtype), p=float(rate), train=True)
    return s("mul", inputs, other=kept)
