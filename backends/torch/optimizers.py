"""Optimizers of a spec in torch: ``torch.optim`` where the fields are its own, the formula where they are Keras's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dualnet.specs import optimizers as S

# torch.optim's names of the slots → the spec's.
SLOTS = {
    "momentum_buffer": "velocity",
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "max_exp_avg_sq": "largest_second_moment",
    "square_avg": "mean_square",
    "grad_avg": "mean_gradient",
}


def make(optimizer: S.Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the live optimizer."""
    made: torch.optim.Optimizer = RULES[type(optimizer)](optimizer, list(parameters))
    return made


def clip(gradients: list[Tensor], rule: S.Clip) -> None:
    """Clip gradients in place, by the formula in ``specs.Clip``."""
    if rule.by == "value":
        for gradient in gradients:
            gradient.clamp_(-rule.limit, rule.limit)
        return
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    if rule.by == "global_norm":
        norms = torch.linalg.vector_norm(norms).expand_as(norms)
    for gradient, factor in zip(gradients, (rule.limit / (norms + rule.epsilon)).clamp(max=1.0), strict=True):
        gradient.mul_(factor)


class Flavoured(torch.optim.Optimizer):
    """Base of the optimizers whose formula ``torch.optim`` lacks: decay first, then one rule a parameter."""

    def __init__(self, parameters: list[nn.Parameter], spec: Any) -> None:
        super().__init__(parameters, {"lr": spec.learning_rate})
        self.spec, self.count = spec, 0

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every parameter that has a gradient."""
        self.count += 1
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, self._decayed(p, group["lr"]), group["lr"])

    def _decayed(self, p: Tensor, lr: float) -> Tensor:
        if self.spec.decay == "decoupled":
            p.mul_(1.0 - lr * self.spec.weight_decay)
            return p.grad
        return p.grad + self.spec.weight_decay * p

    def slot(self, p: Tensor, name: str) -> Tensor:
        """Return a slot of a parameter, zeros at first."""
        state = self.state[p]
        if name not in state:
            state[name] = torch.zeros_like(p)
        found: Tensor = state[name]
        return found

    def update(self, p: Tensor, g: Tensor, lr: float) -> None:
        """Update one parameter in place."""
        raise NotImplementedError

    def move(self, p: Tensor, direction: Tensor, lr: float) -> None:
        """Take the step -lr·direction, through the velocity if there is momentum."""
        momentum = self.spec.momentum
        if not momentum:
            p.sub_(lr * direction)
        elif self.spec.velocity == "update":
            velocity = self.slot(p, "velocity")
            velocity.mul_(momentum).sub_(lr * direction)
            p.add_(momentum * velocity - lr * direction if getattr(self.spec, "nesterov", False) else velocity)
        else:
            self.move_by_gradient(p, direction, lr)

    def move_by_gradient(self, p: Tensor, direction: Tensor, lr: float) -> None:
        """Take the step of a velocity that holds gradients; the first velocity is the direction itself."""
        spec, first = self.spec, "velocity" not in self.state[p]
        velocity = self.slot(p, "velocity")
        dampening = 0.0 if first else getattr(spec, "dampening", 0.0)
        velocity.mul_(spec.momentum).add_((1.0 - dampening) * direction)
        nesterov = getattr(spec, "nesterov", False)
        p.sub_(lr * (direction + spec.momentum * velocity if nesterov else velocity))


class FlavouredSGD(Flavoured):
    """SGD with decoupled decay, or with Keras's velocity."""

    def update(self, p: Tensor, g: Tensor, lr: float) -> None:
        """Update one parameter in place."""
        self.move(p, g, lr)


class FlavouredAdam(Flavoured):
    """Adam with epsilon before the bias correction."""

    def update(self, p: Tensor, g: Tensor, lr: float) -> None:
        """Update one parameter in place."""
        spec, m, v = self.spec, self.slot(p, "first_moment"), self.slot(p, "second_moment")
        m.lerp_(g, 1.0 - spec.beta1)
        v.mul_(spec.beta2).addcmul_(g, g, value=1.0 - spec.beta2)
        if spec.amsgrad:
            v = torch.maximum(self.slot(p, "largest_second_moment"), v, out=self.slot(p, "largest_second_moment"))
        c1, c2 = 1.0 - spec.beta1**self.count, 1.0 - spec.beta2**self.count
        p.sub_(lr * c2**0.5 / c1 * m / (v.sqrt() + spec.epsilon))


class FlavouredRMSprop(Flavoured):
    """RMSprop with epsilon inside the root, decoupled decay, or Keras's velocity."""

    def update(self, p: Tensor, g: Tensor, lr: float) -> None:
        """Update one parameter in place."""
        spec, v = self.spec, self.slot(p, "mean_square")
        v.mul_(spec.alpha).addcmul_(g, g, value=1.0 - spec.alpha)
        if spec.centered:
            mean = self.slot(p, "mean_gradient")
            mean.lerp_(g, 1.0 - spec.alpha)
            v = v - mean * mean
        inside = spec.epsilon_placement == "inside_root"
        self.move(p, g / ((v + spec.epsilon).sqrt() if inside else v.sqrt() + spec.epsilon), lr)


def _sgd(o: S.SGD, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if (o.momentum and o.velocity == "update") or (o.weight_decay and o.decay == "decoupled"):
        return FlavouredSGD(parameters, o)
    options = {"momentum": o.momentum, "dampening": o.dampening, "nesterov": o.nesterov}
    return torch.optim.SGD(parameters, o.learning_rate, weight_decay=o.weight_decay, **options)


def _adam(o: S.Adam, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if o.epsilon_placement == "before_correction":
        return FlavouredAdam(parameters, o)
    native = torch.optim.AdamW if o.decay == "decoupled" else torch.optim.Adam
    betas = (o.beta1, o.beta2)
    return native(parameters, o.learning_rate, betas, o.epsilon, weight_decay=o.weight_decay, amsgrad=o.amsgrad)


def _rmsprop(o: S.RMSprop, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    keras_velocity = o.momentum and o.velocity == "update"
    if o.epsilon_placement == "inside_root" or keras_velocity or (o.weight_decay and o.decay == "decoupled"):
        return FlavouredRMSprop(parameters, o)
    options = {"weight_decay": o.weight_decay, "momentum": o.momentum, "centered": o.centered}
    return torch.optim.RMSprop(parameters, o.learning_rate, o.alpha, o.epsilon, **options)


RULES: dict[type[S.Optimizer], Callable[[Any, list[nn.Parameter]], torch.optim.Optimizer]] = {
    S.SGD: _sgd,
    S.Adam: _adam,
    S.AdamW: _adam,
    S.RMSprop: _rmsprop,
}
