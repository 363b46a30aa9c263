"""Velocities, signs and directions in torch; the formulas stand at ``specs.optimizers.momentum``."""

import math
from typing import Any

import torch
from torch import Tensor


def sgd(at: Any, p: Tensor, lr: float) -> None:
    """SGD with decoupled decay, or with Keras's velocity."""
    move(at, p, at.gradient(p, lr), lr)


def move(at: Any, p: Tensor, direction: Tensor, lr: float) -> None:
    """Take the step -lr·direction, through the velocity if there is momentum."""
    o = at.spec
    nesterov = getattr(o, "nesterov", False)
    if not o.momentum:
        p.sub_(lr * direction)
    elif o.velocity == "update":
        velocity = at.slot(p, "velocity").mul_(o.momentum).sub_(lr * direction)
        p.add_(o.momentum * velocity - lr * direction if nesterov else velocity)
    else:
        dampening = getattr(o, "dampening", 0.0) if at.count > 1 else 0.0  # the first velocity is the direction itself
        velocity = at.slot(p, "velocity").mul_(o.momentum).add_((1.0 - dampening) * direction)
        p.sub_(lr * (direction + o.momentum * velocity if nesterov else velocity))


def asgd(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.ASGD``."""
    o, g, t = at.spec, at.gradient(p, lr), at.count
    mean, rate, weight = (at.slot(p, name) for name in ("mean", "rate", "weight"))
    eta = lr if t == 1 else float(rate)
    p.mul_(1.0 - o.lambd * eta).sub_(eta * g)
    mean.add_((p - mean) * float(weight))
    rate.fill_(lr / (1.0 + o.lambd * lr * t) ** o.alpha)
    weight.fill_(1.0 / max(1.0, t - o.start))


def rprop(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Rprop``; torch's own serves all its fields."""
    o, g = at.spec, at.gradient(p, lr)
    before, size = at.slot(p, "previous_gradient"), at.slot(p, "step_size")
    if at.count == 1:
        size.fill_(lr)
    turn = (g * before).sign()
    size.mul_(torch.where(turn > 0, o.grow, torch.where(turn < 0, o.shrink, 1.0))).clamp_(o.least, o.most)
    before.copy_(torch.where(turn < 0, 0.0, g))
    p.sub_(before.sign() * size)


def lion(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Lion``."""
    o, g, m = at.spec, at.gradient(p, lr), at.slot(p, "first_moment")
    p.sub_(lr * (o.beta1 * m + (1.0 - o.beta1) * g).sign())
    m.copy_(o.beta2 * m + (1.0 - o.beta2) * g)


def muon(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Muon``; p is a matrix (out, in)."""
    o, g = at.spec, at.gradient(p, lr)
    share = 1.0 - o.momentum if o.velocity == "mean" else 1.0
    velocity = at.slot(p, "velocity")
    velocity.copy_(o.momentum * velocity + share * g)
    direction = orthogonal(o.momentum * velocity + share * g if o.nesterov else velocity, o)
    rows, columns = p.shape
    scale = {"rows": max(1.0, rows / columns) ** 0.5, "largest": o.factor * math.sqrt(max(rows, columns)), "none": 1.0}
    p.sub_(lr * scale[o.scale] * direction)


def orthogonal(u: Tensor, o: Any) -> Tensor:
    """Return a matrix with its singular values brought near 1 by Newton-Schulz."""
    tall = u.shape[0] > u.shape[1]
    x = u.T if tall else u
    norm = torch.linalg.matrix_norm(x)
    x = x / (norm.clamp(min=o.epsilon) if o.epsilon_placement == "clamped" else norm + o.epsilon)
    for _ in range(o.steps):
        gram = x @ x.T
        x = o.a * x + (o.b * gram + o.c * gram @ gram) @ x
    return x.T if tall else x
