"""Adam and its kin in Keras; the formulas stand at ``specs.optimizers.adam``."""

from typing import Any

import tensorflow as tf
from keras import ops


def adam(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Adam``."""
    o, g = at.spec, at.gradient(p, g, lr)
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    if o.amsgrad:
        largest = at.slot(p, "largest_second_moment")
        at.assign(largest, ops.maximum(largest, v))
        v = largest
    c1, root = 1.0 - at.power(o.beta1), ops.sqrt(1.0 - at.power(o.beta2))
    if o.epsilon_placement == "after_correction":
        size, bottom = lr / c1, ops.sqrt(v) / ops.cast(root, g.dtype) + o.epsilon
    else:
        size, bottom = lr * root / c1, ops.sqrt(v) + o.epsilon
    at.assign_sub(p, ops.cast(size, g.dtype) * m / bottom)


def adamax(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Adamax``."""
    o, g = at.spec, at.gradient(p, g, lr)
    m, u = at.mean(p, "first_moment", g, 1.0 - o.beta1), at.slot(p, "largest_gradient")
    inside = o.epsilon_placement == "in_maximum"
    at.assign(u, ops.maximum(o.beta2 * u, ops.abs(g) + o.epsilon if inside else ops.abs(g)))
    size = ops.cast(lr / (1.0 - at.power(o.beta1)), g.dtype)
    at.assign_sub(p, size * m / (u if inside else u + o.epsilon))


def nadam(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.NAdam``."""
    o, g, t = at.spec, at.gradient(p, g, lr), at.time()
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    base = ops.convert_to_tensor(0.96, "float64")
    mu, following = (o.beta1 * (1.0 - 0.5 * ops.power(base, step * o.momentum_decay)) for step in (t, t + 1.0))
    product = at.slot(p, "momentum_product")
    at.assign(product, product * mu)
    of_m, of_g = lr * following / (1.0 - product * following), lr * (1.0 - mu) / (1.0 - product)
    direction = ops.cast(of_m, g.dtype) * m + ops.cast(of_g, g.dtype) * g
    c2 = ops.cast(1.0 - at.power(o.beta2), g.dtype)
    at.assign_sub(p, direction / (ops.sqrt(v / c2) + o.epsilon))


def radam(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.RAdam``."""
    o, g, t = at.spec, at.gradient(p, g, lr), at.time()
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    c1, c2 = 1.0 - at.power(o.beta1), 1.0 - at.power(o.beta2)
    longest = 2.0 / (1.0 - o.beta2) - 1.0
    length = longest - 2.0 * t * at.power(o.beta2) / c2
    shrinks = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)
    enough = length > 5.0
    rectified = ops.cast(lr / c1 * ops.sqrt(c2 * ops.where(enough, shrinks, ops.ones_like(shrinks))), g.dtype)
    plain = ops.cast(lr / c1, g.dtype)
    at.assign_sub(p, ops.where(enough, rectified * m / (ops.sqrt(v) + o.epsilon), plain * m))


def lamb(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.Lamb``."""
    o, g = at.spec, at.gradient(p, g, lr)
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    c1, c2 = (ops.cast(1.0 - at.power(beta), g.dtype) for beta in (o.beta1, o.beta2))
    u = m / c1 / (ops.sqrt(v / c2) + o.epsilon)
    of_p, of_u = ops.sqrt(ops.sum(p * p)), ops.sqrt(ops.sum(u * u))
    ratio = ops.where((of_p > 0) & (of_u > 0), of_p / of_u, ops.ones_like(of_p))
    at.assign_sub(p, ops.cast(lr, g.dtype) * ratio * u)


def schedule_free_adamw(at: Any, p: Any, g: Any, lr: Any) -> None:
    """See ``specs.ScheduleFreeAdamW``."""
    o, t, z = at.spec, at.time(), at.slot(p, "iterate")
    at.assign(z, ops.where(ops.equal(t, 1.0), p, z))  # weights may have been loaded since the slots were made
    g = at.gradient(p, g, lr)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    made_of = tf.identity(z)
    warmth = ops.minimum(t / o.warmup, tf.ones_like(t)) if o.warmup else 1.0
    c2 = ops.cast(1.0 - at.power(o.beta2), g.dtype)
    at.assign_sub(z, ops.cast(lr * warmth, g.dtype) * g / (ops.sqrt(v / c2) + o.epsilon))
    x = (p - (1.0 - o.beta1) * (made_of if o.recover == "before" else z)) / o.beta1
    part = ops.cast(1.0 / t, g.dtype)
    x = (1.0 - part) * x + part * z
    at.assign(p, (1.0 - o.beta1) * z + o.beta1 * x)
