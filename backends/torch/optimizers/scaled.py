"""Gradients scaled by what their squares came to, in torch; the formulas stand at ``specs.optimizers.scaled``."""

from typing import Any

import torch
from torch import Tensor

from dualnet.backends.torch.optimizers.momentum import move
from dualnet.specs.optimizers.slots import factored


def root(o: Any, v: Tensor) -> Tensor:
    """Return the root of v with epsilon where the spec has it."""
    return (v + o.epsilon).sqrt() if o.epsilon_placement == "inside_root" else v.sqrt() + o.epsilon


def rmsprop(at: Any, p: Tensor, lr: float) -> None:
    """RMSprop with epsilon inside the root, decoupled decay, or Keras's velocity."""
    o, g = at.spec, at.gradient(p, lr)
    v = at.mean_of_squares(p, "mean_square", g, o.alpha)
    if o.centered:
        mean = at.mean(p, "mean_gradient", g, 1.0 - o.alpha)
        v = v - mean * mean
    move(at, p, g / root(o, v), lr)


def adagrad(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Adagrad``."""
    o, g = at.spec, at.gradient(p, lr)
    s = at.slot(p, "sum_of_squares").addcmul_(g, g)
    p.sub_(lr / (1.0 + (at.count - 1) * o.rate_decay) * g / root(o, s))


def adadelta(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Adadelta``."""
    o, g = at.spec, at.gradient(p, lr)
    v = at.mean_of_squares(p, "mean_square", g, o.rho)
    d = (at.slot(p, "mean_square_update") + o.epsilon).sqrt() / (v + o.epsilon).sqrt() * g
    at.mean_of_squares(p, "mean_square_update", d, o.rho)
    p.sub_(lr * d)


def adafactor(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Adafactor``."""
    o, t, before = at.spec, at.count, rms(p)
    g = at.gradient(p, lr)
    size = before if o.rms_of == "before_decay" else rms(p)
    u = g / second_moment(at, p, g, 1.0 - t**o.beta2_decay).sqrt()
    u = u / (rms(u) / o.threshold).clamp(min=1.0)
    p.sub_(size.clamp(min=o.epsilon2) * min(lr, t**-0.5) * u)


def second_moment(at: Any, p: Tensor, g: Tensor, kept: float) -> Tensor:
    """Return Adafactor's mean of g², by its two factors where g has two axes."""
    o, added = at.spec, at.spec.epsilon_placement == "added"
    epsilon = torch.finfo(p.dtype).eps if o.epsilon1 is None else o.epsilon1
    squares = g * g + epsilon if added else g * g
    if g.ndim < 2:
        v = at.mean(p, "variance", squares, 1.0 - kept)
    else:
        rows, columns = factored(o, g.ndim)
        row = at.mean(p, "row_mean", squares.mean(columns, keepdim=True), 1.0 - kept)
        column = at.mean(p, "column_mean", squares.mean(rows, keepdim=True), 1.0 - kept)
        whole = row.mean(rows, keepdim=True)
        v = row * column / (whole if added else whole.clamp(min=epsilon))
    return v if added else v.clamp(min=epsilon * epsilon)


def rms(x: Tensor) -> Tensor:
    """Return the root of the mean square."""
    return (x * x).mean().sqrt()


def ftrl(at: Any, p: Tensor, lr: float) -> None:
    """See ``specs.Ftrl``."""
    o, g = at.spec, at.gradient(p, lr)
    n, z = at.slot(p, "sum_of_squares"), at.slot(p, "linear")
    more = n + g * g
    z.add_(g + 2.0 * o.shrinkage * p - (more**-o.power - n**-o.power) / lr * p)
    quadratic = more**-o.power / lr + 2.0 * (o.l2 + o.beta / (2.0 * lr))
    p.copy_((z.clamp(-o.l1, o.l1) - z) / quadratic)
    n.copy_(more)
