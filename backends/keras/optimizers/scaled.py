"""Gradients scaled by what their squares came to, in Keras; the formulas stand at ``specs.optimizers.scaled``."""

from typing import Any

import numpy as np
from keras import ops

from dualnet.backends.keras.optimizers.momentum import move
from dualnet.specs.optimizers.slots import factored


def root(o: Any, v: Any) -> Any:
    """Return the root of v with epsilon where the spec has it."""
    return ops.sqrt(v + o.epsilon) if o.epsilon_placement == "inside_root" else ops.sqrt(v) + o.epsilon


def rmsprop(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.RMSprop``."""
    o, g = at.spec, at.gradient(p, g, lr)
    v = at.mean_of_squares(p, "mean_square", g, o.alpha)
    if o.centered:
        mean = at.mean(p, "mean_gradient", g, 1.0 - o.alpha)
        v = v - mean * mean
    move(at, p, g / root(o, v), lr)


def adagrad(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Adagrad``."""
    o, g, s = at.spec, at.gradient(p, g, lr), at.slot(p, "sum_of_squares")
    at.assign_add(s, g * g)
    rate = lr / (1.0 + (at.time() - 1.0) * o.rate_decay)
    at.assign_sub(p, ops.cast(rate, g.dtype) * g / root(o, s))


def adadelta(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Adadelta``."""
    o, g = at.spec, at.gradient(p, g, lr)
    v = at.mean_of_squares(p, "mean_square", g, o.rho)
    d = ops.sqrt(at.slot(p, "mean_square_update") + o.epsilon) / ops.sqrt(v + o.epsilon) * g
    at.mean_of_squares(p, "mean_square_update", d, o.rho)
    at.assign_sub(p, ops.cast(lr, g.dtype) * d)


def adafactor(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Adafactor``."""
    o, t, before = at.spec, at.time(), rms(p)
    g = at.gradient(p, g, lr)
    size = before if o.rms_of == "before_decay" else rms(p)
    forgotten = ops.cast(ops.power(t, ops.convert_to_tensor(o.beta2_decay, "float64")), g.dtype)
    u = g / ops.sqrt(second_moment(at, p, g, forgotten))
    u = u / ops.maximum(rms(u) / o.threshold, ops.ones_like(size))
    rate = ops.cast(ops.minimum(lr, 1.0 / ops.sqrt(t)), g.dtype)
    at.assign_sub(p, ops.maximum(size, o.epsilon2 * ops.ones_like(size)) * rate * u)


def second_moment(at: Any, p: Any, g: Any, forgotten: Any) -> Any:
    """Return Adafactor's mean of g², by its two factors where g has two axes; they are in the spec's order."""
    o, order, added = at.spec, at.order(p), at.spec.epsilon_placement == "added"
    epsilon = float(np.finfo(g.dtype.as_numpy_dtype).eps) if o.epsilon1 is None else o.epsilon1
    squares = g * g + epsilon if added else g * g
    if len(order.shape) < 2:
        v = at.mean(p, "variance", squares, forgotten)
    else:
        rows, columns = factored(o, len(order.shape))
        squares = order.to_spec(squares)
        row = at.mean(p, "row_mean", ops.mean(squares, columns, keepdims=True), forgotten)
        column = at.mean(p, "column_mean", ops.mean(squares, rows, keepdims=True), forgotten)
        whole = ops.mean(row, rows, keepdims=True)
        v = order.to_keras(row * column / (whole if added else ops.maximum(whole, epsilon * ops.ones_like(whole))))
    return v if added else ops.maximum(v, epsilon * epsilon * ops.ones_like(v))


def rms(x: Any) -> Any:
    """Return the root of the mean square."""
    return ops.sqrt(ops.mean(x * x))


def ftrl(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Ftrl``."""
    o, g, rate = at.spec, at.gradient(p, g, lr), ops.cast(lr, g.dtype)
    n, z = at.slot(p, "sum_of_squares"), at.slot(p, "linear")
    more, power = n + g * g, ops.convert_to_tensor(-o.power, g.dtype)
    at.assign_add(z, g + 2.0 * o.shrinkage * p - (ops.power(more, power) - ops.power(n, power)) / rate * p)
    quadratic = ops.power(more, power) / rate + 2.0 * (o.l2 + o.beta / (2.0 * rate))
    at.assign(p, (ops.clip(z, -o.l1, o.l1) - z) / quadratic)
    at.assign(n, more)
