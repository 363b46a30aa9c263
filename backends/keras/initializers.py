"""Native draws: each initializer as a ``keras.initializers`` object, on Keras's own generator.

Bounds come from the spec's fans, which Keras would count otherwise for depthwise kernels and could not know for a bias.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import initializers as K
from keras import ops

from dualnet.specs import initializers as I
from dualnet.specs.draw import draw, fan, scaling_fan, zeros
from dualnet.specs.parameter import Parameter

Lay = Callable[[Any], Any]  # the spec's array → the Keras variable's


def initializer(parameter: Parameter, lay: Lay) -> Any:
    """Return the live initializer of a parameter, seeded by Keras's global generator; ``lay`` is its carrier's."""
    rule = IN_SPEC_ORDER.get(type(parameter.initializer))
    if rule:
        return Laid(rule, parameter, lay)
    return RULES[type(parameter.initializer)](parameter.initializer, parameter)


class TruncatedNormalBetween(K.Initializer):
    """N(mean, std²) on [low, high]: Φ⁻¹ of uniform draws. ``keras.initializers.TruncatedNormal`` only cuts at 2σ."""

    def __init__(self, mean: float, std: float, low: float, high: float) -> None:
        self.mean, self.std, self.low, self.high = mean, std, low, high

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Return a tensor of draws."""
        low, high = (math.erf((bound - self.mean) / self.std * math.sqrt(0.5)) for bound in (self.low, self.high))
        drawn = keras.random.uniform(shape, low, high, dtype="float64", seed=K.RandomUniform().seed)
        value = self.mean + self.std * math.sqrt(2.0) * ops.erfinv(drawn)
        return ops.convert_to_tensor(np.clip(ops.convert_to_numpy(value), self.low, self.high), dtype=dtype)


@keras.saving.register_keras_serializable("dualnet")
class Laid(K.Initializer):
    """An initializer whose entries are not alike: computed in the spec's layout, then laid out as the variable is.

    A saved model brings its weights, so that zeros can stand for it there.
    """

    def __init__(self, rule: Callable[[Any, Parameter], Any], parameter: Parameter, lay: Lay) -> None:
        self.rule, self.parameter, self.lay = rule, parameter, lay

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Return the tensor."""
        filled = np.asarray(self.rule(self.parameter.initializer, self.parameter))
        return ops.convert_to_tensor(self.lay(filled), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Return nothing: what it lays out is a function."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return what stands for it in a model that was saved."""
        return K.Zeros()


def _orthogonal(i: I.Orthogonal, p: Parameter) -> Any:
    """Rows are output channels, also of a depthwise kernel, where Keras would take the multiplier for them."""
    drawn = K.Orthogonal(i.gain)((math.prod(p.shape[1:]), p.shape[0]), dtype="float64")
    return np.asarray(ops.convert_to_numpy(drawn)).T.reshape(p.shape)


def _between(bound: float) -> Any:
    return K.RandomUniform(-bound, bound)


def _spread(variance: float, truncated: bool) -> Any:
    std = math.sqrt(variance)
    return K.TruncatedNormal(stddev=std / I.TRUNCATED_STD) if truncated and std else K.RandomNormal(stddev=std)


def _glorot(p: Parameter) -> float:
    return 2.0 / (p.fan_in + p.fan_out)


def _gain(i: Any) -> float:
    return I.gain(i.nonlinearity, i.slope)


def _scaling(i: I.VarianceScaling, p: Parameter) -> Any:
    variance = i.scale / scaling_fan(i, p)
    if i.distribution == "uniform":
        return _between(math.sqrt(3.0 * variance))
    return _spread(variance, i.distribution == "truncated_normal")


def _sparse(i: I.Sparse, p: Parameter) -> Any:
    drawn = np.array(K.RandomNormal(stddev=i.std)(p.shape, dtype="float64"))
    order = np.argsort(np.asarray(K.RandomUniform()(p.shape, dtype="float64")), axis=0)
    np.put_along_axis(drawn, order[: zeros(i, p)], 0.0, axis=0)
    return drawn


def _rows(i: I.Rows, p: Parameter) -> Any:
    made = initializer(replace(p, initializer=i.rest), lambda array: array)(p.shape, dtype="float64")
    drawn = np.array(ops.convert_to_numpy(made))
    drawn[i.first : i.end] = i.value
    return drawn


RULES: dict[type[I.Initializer], Callable[[Any, Parameter], Any]] = {
    I.Zeros: lambda i, p: K.Zeros(),
    I.Ones: lambda i, p: K.Ones(),
    I.Uniform: lambda i, p: K.RandomUniform(i.low, i.high),
    I.Normal: lambda i, p: K.RandomNormal(i.mean, i.std),
    I.TruncatedNormal: lambda i, p: TruncatedNormalBetween(i.mean, i.std, i.low, i.high),
    I.XavierUniform: lambda i, p: _between(i.gain * math.sqrt(3.0 * _glorot(p))),
    I.XavierNormal: lambda i, p: _spread(i.gain**2 * _glorot(p), i.truncated),
    I.KaimingUniform: lambda i, p: _between(_gain(i) * math.sqrt(3.0 / fan(i, p))),
    I.KaimingNormal: lambda i, p: _spread(_gain(i) ** 2 / fan(i, p), i.truncated),
    I.LecunUniform: lambda i, p: _between(math.sqrt(3.0 / p.fan_in)),
    I.LecunNormal: lambda i, p: _spread(1.0 / p.fan_in, i.truncated),
    I.VarianceScaling: _scaling,
    I.FanInUniform: lambda i, p: _between(1.0 / math.sqrt(p.fan_in)),
}
# Constant stands here because ``K.Constant`` goes through float32.
IN_SPEC_ORDER: dict[type[I.Initializer], Callable[[Any, Parameter], Any]] = {
    I.Constant: lambda i, p: draw(p),
    I.Eye: lambda i, p: draw(p),
    I.Dirac: lambda i, p: draw(p),
    I.Orthogonal: _orthogonal,
    I.Sparse: _sparse,
    I.Rows: _rows,
}
