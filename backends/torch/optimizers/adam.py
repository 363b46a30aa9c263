"""Adam and its kin in torch; the formulas stand at ``specs.optimizers.adam``."""

import math
from typing import Any

import torch
from torch import Tensor


def adam(at: Any, p: Tensor, lr: float) -> None:
    """Adam with epsilon before the bias correction; the other is torch's own."""
    o, g = at.spec, at.gradient(p, lr)
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    if o.amsgrad:
        largest = at.slot(p, "largest_second_moment")
        v = torch.maximum(largest, v, out=largest)
    c1, c2 = 1.0 - o.beta1**at.count, 1.0 - o.beta2**at.count
    p.sub_(lr * c2**0.5 / c1 * m / (v.sqrt() + o.epsilon))


def adamax(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Adamax``."""
    o, g = at.spec, at.gradient(p, lr)
    m, u = at.mean(p, "first_moment", g, 1.0 - o.beta1), at.slot(p, "largest_gradient")
    inside = o.epsilon_placement == "in_maximum"
    u.copy_(torch.maximum(o.beta2 * u, g.abs() + o.epsilon if inside else g.abs()))
    p.sub_(lr / (1.0 - o.beta1**at.count) * m / (u if inside else u + o.epsilon))


def nadam(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.NAdam``."""
    o, g, t = at.spec, at.gradient(p, lr), at.count
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    mu, following = (o.beta1 * (1.0 - 0.5 * 0.96 ** (step * o.momentum_decay)) for step in (t, t + 1))
    product = float(at.slot(p, "momentum_product").mul_(mu))
    direction = following / (1.0 - product * following) * m + (1.0 - mu) / (1.0 - product) * g
    p.sub_(lr * direction / ((v / (1.0 - o.beta2**t)).sqrt() + o.epsilon))


def radam(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.RAdam``; torch's own serves all its fields."""
    o, g, t = at.spec, at.gradient(p, lr), at.count
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    c1, c2 = 1.0 - o.beta1**t, 1.0 - o.beta2**t
    longest = 2.0 / (1.0 - o.beta2) - 1.0
    length = longest - 2.0 * t * o.beta2**t / c2
    if length <= 5.0:
        p.sub_(lr / c1 * m)
        return
    shrinks = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    p.sub_(lr / c1 * (c2 * shrinks) ** 0.5 * m / (v.sqrt() + o.epsilon))


def lamb(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Lamb``."""
    o, g, t = at.spec, at.gradient(p, lr), at.count
    m = at.mean(p, "first_moment", g, 1.0 - o.beta1)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    u = m / (1.0 - o.beta1**t) / ((v / (1.0 - o.beta2**t)).sqrt() + o.epsilon)
    of_p, of_u = torch.linalg.vector_norm(p), torch.linalg.vector_norm(u)
    ratio = torch.where((of_p > 0) & (of_u > 0), of_p / of_u, 1.0)
    p.sub_(lr * ratio * u)


def schedule_free_adamw(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.ScheduleFreeAdamW``."""
    o, t, z = at.spec, at.count, at.slot(p, "iterate")  # z begins as p before any decay
    g = at.gradient(p, lr)
    v = at.mean_of_squares(p, "second_moment", g, o.beta2)
    made_of = z.clone()
    z.sub_(lr * min(t / o.warmup if o.warmup else math.inf, 1.0) * g / ((v / (1.0 - o.beta2**t)).sqrt() + o.epsilon))
    x = (p - (1.0 - o.beta1) * (made_of if o.recover == "before" else z)) / o.beta1
    x = (1.0 - 1.0 / t) * x + z / t
    p.copy_((1.0 - o.beta1) * z + o.beta1 * x)
