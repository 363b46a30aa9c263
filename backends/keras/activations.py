"""Activations that ``keras.layers`` has no class for, or none that is float64-clean or has PyTorch's meaning."""

from typing import Any

from keras import ops

from dualnet.backends.keras.bridges import Configured, register

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _below(x: Any) -> Any:
    """Return x where it is not above 0, else 0: of what a branch does not take, no exponential overflows."""
    return ops.where(x > 0, ops.zeros_like(x), x)


class Activation(Configured):
    """A formula of one tensor; its constants are the layer's options."""

    def call(self, x: Any) -> Any:
        """Return the activation of x, of the same shape."""
        return self._of(x, **self.options)


@register
class SELU(Activation):
    """scale·x above 0, scale·alpha·(eˣ - 1) below."""

    def _of(self, x: Any) -> Any:
        return SELU_SCALE * ops.where(x > 0, x, SELU_ALPHA * ops.expm1(_below(x)))


@register
class CELU(Activation):
    """max(x, 0) + min(0, alpha·(e^(x/alpha) - 1))."""

    def _of(self, x: Any, alpha: float) -> Any:
        return ops.where(x > 0, x, alpha * ops.expm1(_below(x) / alpha))


@register
class Softplus(Activation):
    """log(1 + e^(beta·x)) / beta, and x itself where beta·x exceeds a threshold."""

    def _of(self, x: Any, beta: float, threshold: float) -> Any:
        smooth = ops.softplus(beta * x) / beta
        return ops.where(beta * x > threshold, x, smooth) if threshold else smooth


@register
class Softsign(Activation):
    """x / (1 + |x|)."""

    def _of(self, x: Any) -> Any:
        return x / (1 + ops.abs(x))


@register
class Hardtanh(Activation):
    """x cut off at both ends; its gradient there is 0, as torch's is."""

    def _of(self, x: Any, low: float, high: float) -> Any:
        return ops.where(x <= low, ops.full_like(x, low), ops.where(x >= high, ops.full_like(x, high), x))


@register
class Hardswish(Activation):
    """x·min(max(x + 3, 0), 6) / 6."""

    def _of(self, x: Any) -> Any:
        return x * ops.relu6(x + 3) / 6


@register
class LogSigmoid(Activation):
    """-log(1 + e⁻ˣ)."""

    def _of(self, x: Any) -> Any:
        return -ops.softplus(-x)


@register
class Tanhshrink(Activation):
    """x - tanh x."""

    def _of(self, x: Any) -> Any:
        return x - ops.tanh(x)


@register
class Softshrink(Activation):
    """x - limit above limit, x + limit below -limit, 0 between."""

    def _of(self, x: Any, limit: float) -> Any:
        return ops.where(x > limit, x - limit, ops.where(x < -limit, x + limit, ops.zeros_like(x)))


@register
class Hardshrink(Activation):
    """x outside [-limit, limit], 0 inside."""

    def _of(self, x: Any, limit: float) -> Any:
        return ops.where(ops.abs(x) > limit, x, ops.zeros_like(x))


@register
class Threshold(Activation):
    """x above a limit, a value else."""

    def _of(self, x: Any, limit: float, value: float) -> Any:
        return ops.where(x > limit, x, ops.full_like(x, value))


@register
class Mish(Activation):
    """x·tanh(log(1 + eˣ))."""

    def _of(self, x: Any) -> Any:
        return x * ops.tanh(ops.softplus(x))


@register
class Exponential(Activation):
    """eˣ."""

    def _of(self, x: Any) -> Any:
        return ops.exp(x)
