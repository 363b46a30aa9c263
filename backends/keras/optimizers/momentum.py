"""Velocities, signs and directions in Keras; the formulas stand at ``specs.optimizers.momentum``."""

import math
from typing import Any

from keras import ops


def sgd(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.SGD``."""
    move(at, p, at.gradient(p, g, lr), lr)


def move(at: Any, p: Any, direction: Any, lr: Any) -> None:
    """Take the step -lr·direction, through the velocity if there is momentum."""
    o, rate = at.spec, ops.cast(lr, direction.dtype)
    nesterov = getattr(o, "nesterov", False)
    if not o.momentum:
        at.assign_sub(p, rate * direction)
        return
    velocity = at.slot(p, "velocity")
    if o.velocity == "update":
        at.assign(velocity, o.momentum * velocity - rate * direction)
        at.assign_add(p, o.momentum * velocity - rate * direction if nesterov else velocity)
    else:
        first = ops.cast(ops.equal(at.iterations, 0), direction.dtype)  # whose velocity is the direction itself
        share = 1.0 - getattr(o, "dampening", 0.0) * (1.0 - first)
        at.assign(velocity, o.momentum * velocity + share * direction)
        at.assign_sub(p, rate * (direction + o.momentum * velocity if nesterov else velocity))


def asgd(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.ASGD``."""
    o, g, t = at.spec, at.gradient(p, g, lr), at.time()
    mean, rate, weight = (at.slot(p, name) for name in ("mean", "rate", "weight"))
    eta = ops.where(ops.equal(t, 1.0), lr, rate)
    at.assign(p, p * ops.cast(1.0 - o.lambd * eta, p.dtype) - ops.cast(eta, p.dtype) * g)
    at.assign(mean, mean + (p - mean) * ops.cast(weight, p.dtype))
    at.assign(rate, lr / ops.power(1.0 + o.lambd * lr * t, ops.convert_to_tensor(o.alpha, "float64")))
    at.assign(weight, 1.0 / ops.maximum(t - o.start, ops.ones_like(t)))


def rprop(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Rprop``."""
    o, g = at.spec, at.gradient(p, g, lr)
    before, size = at.slot(p, "previous_gradient"), at.slot(p, "step_size")
    ones = ops.ones_like(g)
    sizes = ops.where(ops.equal(at.iterations, 0), ops.cast(lr, g.dtype) * ones, size)
    turn = ops.sign(g * before)
    factors = ops.where(turn > 0, o.grow * ones, ops.where(turn < 0, o.shrink * ones, ones))
    at.assign(size, ops.minimum(ops.maximum(sizes * factors, o.least * ones), o.most * ones))
    at.assign(before, ops.where(turn < 0, ops.zeros_like(g), g))
    at.assign_sub(p, ops.sign(before) * size)


def lion(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Lion``."""
    o, g, m = at.spec, at.gradient(p, g, lr), at.slot(p, "first_moment")
    at.assign_sub(p, ops.cast(lr, g.dtype) * ops.sign(o.beta1 * m + (1.0 - o.beta1) * g))
    at.assign(m, o.beta2 * m + (1.0 - o.beta2) * g)


def muon(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Muon``; the spec's p is a matrix (out, in)."""
    o, g, order = at.spec, at.gradient(p, g, lr), at.order(p)
    share = 1.0 - o.momentum if o.velocity == "mean" else 1.0
    velocity = at.slot(p, "velocity")
    at.assign(velocity, o.momentum * velocity + share * g)
    u = o.momentum * velocity + share * g if o.nesterov else velocity
    direction = order.to_keras(orthogonal(order.to_spec(u), o))
    rows, columns = order.shape
    scale = {"rows": max(1.0, rows / columns) ** 0.5, "largest": o.factor * math.sqrt(max(rows, columns)), "none": 1.0}
    at.assign_sub(p, ops.cast(lr * scale[o.scale], g.dtype) * direction)


def orthogonal(u: Any, o: Any) -> Any:
    """Return a matrix with its singular values brought near 1 by Newton-Schulz."""
    tall = u.shape[0] > u.shape[1]
    x = ops.transpose(u) if tall else u
    norm = ops.sqrt(ops.sum(x * x))
    clamped = o.epsilon_placement == "clamped"
    x = x / (ops.maximum(norm, o.epsilon * ops.ones_like(norm)) if clamped else norm + o.epsilon)
    for _ in range(o.steps):
        gram = ops.matmul(x, ops.transpose(x))
        x = o.a * x + ops.matmul(o.b * gram + o.c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if tall else x
