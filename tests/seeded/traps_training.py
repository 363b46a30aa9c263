"""Traps of training: losses, optimizers, clipping, schedules. Each is another thing given to one side."""

from collections.abc import Callable
from typing import Any

import keras
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from tests.seeded.models import keras_parts, page
from tests.seeded.models.resnet import TEMPERATURE
from tests.seeded.models.transformer import rates
from tests.seeded.trap import Given, Trap

CE, SCE = nn.CrossEntropyLoss, keras.losses.SparseCategoricalCrossentropy
ADAMS = ("mlp", "depthwise", "transformer", "autoencoder", "gan")
EVERY = ("mlp", "cnn", "resnet", "depthwise", "lstm", "transformer", "autoencoder", "gan")


def losses(**given: tuple[Any, Any]) -> Given:
    """Return what is given by pair: another loss on the left, on the right."""
    return {name: (("loss", left), ("loss", right)) for name, (left, right) in given.items()}


def optimizers(left: Callable[[Any], Any] | None, right: Callable[[Any], Any] | None, *names: str) -> Given:
    """Return what is given to pairs: the sound optimizer, changed once it is made."""

    def made(name: str) -> tuple[Any, Any]:
        ours, theirs = page(name).OPTIMIZER
        return (
            ("optimizer", left and (lambda parameters: left(ours(parameters)))),
            ("optimizer", right and (lambda: right(theirs()))),
        )

    return {name: made(name) for name in names}


def group(**values: Any) -> Callable[[Any], Any]:
    """Return the change of a PyTorch optimizer's settings; a function is given the present value."""

    def change(optimizer: Any) -> Any:
        for each in optimizer.param_groups:
            each.update({name: v(each[name]) if callable(v) else v for name, v in values.items()})
        return optimizer

    return change


def attribute(**values: Any) -> Callable[[Any], Any]:
    """Return the change of a Keras optimizer's settings; a function is given the present value."""

    def change(optimizer: Any) -> Any:
        for name, value in values.items():
            setattr(optimizer, name, value(getattr(optimizer, name)) if callable(value) else value)
        return optimizer

    return change


def faster(optimizer: Any) -> Any:
    """Return a Keras optimizer whose learning rate is off by a thousandth."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate.initial_learning_rate *= 1.001
    else:
        optimizer.learning_rate = 1.001 * float(rate)
    return optimizer


def constant(optimizer: Any) -> Any:
    """Return a Keras optimizer whose schedule counts epochs: of a hundred steps each."""
    rate = optimizer._learning_rate
    rate.decay_steps *= 100
    return optimizer


def stock(name: str) -> Callable[[], Any]:
    """Return what makes Keras's own Adam, epsilon beside the root that is not corrected."""

    def make() -> Any:
        settings = page(name).OPTIMIZER[1]().get_config()
        return keras.optimizers.Adam.from_config(settings)

    return make


def stock_given() -> Given:
    """Return Keras's own Adam for each pair of an Adam."""
    return {name: (("optimizer", None), ("optimizer", stock(name))) for name in ADAMS}


class Coupled(keras_parts.Adam):
    """Adam whose weight decay joins the gradient."""

    def __init__(self, decay: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.decay = decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient + self.decay * variable, variable, learning_rate)


class Decoupled(keras_parts.SGD):
    """SGD that takes weight decay straight from the weights, as Keras's own does."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        variable.assign_sub(rate * self.decay * variable)
        super().update_step(gradient - self.decay * variable, variable, learning_rate)


class OldRates(keras_parts.SGD):
    """SGD whose momentum remembers each gradient at the rate of its own time, as Keras's does."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        velocity = self.momentums[self._get_variable_index(variable)]
        velocity.assign(self.momentum * velocity - rate * (gradient + self.decay * variable))
        variable.assign_add(velocity)


class Uncorrected(keras_parts.Adam):
    """Adam without bias correction."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate, index = ops.cast(learning_rate, variable.dtype), self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * gradient * gradient)
        variable.assign_sub(rate * mean / (ops.sqrt(square) + self.epsilon))


class TorchUncorrected(torch.optim.Optimizer):
    """Adam without bias correction."""

    def __init__(self, parameters: Any, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for given in self.param_groups:
            for each in given["params"]:
                if each.grad is None:
                    continue
                state, (one, two) = self.state[each], given["betas"]
                state.setdefault("mean", torch.zeros_like(each)).mul_(one).add_(each.grad, alpha=1 - one)
                state.setdefault("square", torch.zeros_like(each)).mul_(two).addcmul_(
                    each.grad, each.grad, value=1 - two
                )
                each.sub_(given["lr"] * state["mean"] / (state["square"].sqrt() + given["eps"]))


def kl(reduction: str, factor: float) -> Callable[[Any, Any], Any]:
    """Return PyTorch's loss of distillation, with a fault."""

    def loss(student: Any, teacher: Any) -> Any:
        soft = F.log_softmax(student / TEMPERATURE, -1), F.softmax(teacher / TEMPERATURE, -1)
        return F.kl_div(*soft, reduction=reduction) * factor

    return loss


def keras_kl(over: Callable[[Any], Any], factor: float) -> Callable[[Any, Any], Any]:
    """Return Keras's loss of distillation, with a fault."""

    def loss(teacher: Any, student: Any) -> Any:
        soft = ops.log_softmax(teacher / TEMPERATURE), ops.log_softmax(student / TEMPERATURE)
        return over(ops.exp(soft[0]) * (soft[0] - soft[1])) * factor

    return loss


def softmax(scores: Any) -> Any:
    """Return the softmax; Keras would know its own again, and take it back."""
    return ops.exp(ops.log_softmax(scores))


def by_batch(each: Any) -> Any:
    """Return the sum over classes, averaged over the batch."""
    return ops.mean(ops.sum(each, -1))


def flat(loss: Any) -> Callable[[Any, Any], Any]:
    """Return a loss over all places of a sequence."""
    return lambda output, target: loss(output.flatten(0, 1), target.flatten())


def chosen(target: Any, output: Any) -> Any:
    """Return the mean log of the right classes' probabilities, a small number added to each."""
    right = ops.take_along_axis(output, ops.expand_dims(ops.cast(target, "int32"), -1), -1)
    return -ops.mean(ops.log(right + 1e-7))


def torch_bce(output: Any, target: Any) -> Any:
    """Return the cross entropy of scores by way of probabilities, a small number added to each."""
    p = torch.sigmoid(output[1])
    return -(target * torch.log(p + 1e-7) + (1 - target) * torch.log(1 - p + 1e-7)).mean()


def keras_bce(target: Any, output: Any) -> Any:
    """Return the cross entropy of scores by way of probabilities, a small number added to each."""
    p = ops.sigmoid(output[1])
    return -ops.mean(target * ops.log(p + 1e-7) + (1 - target) * ops.log(1 - p + 1e-7))


def bce(**options: Any) -> Callable[[Any, Any], Any]:
    """Return Keras's cross entropy of scores."""
    own = keras.losses.BinaryCrossentropy
    return lambda target, output: own(from_logits=True, **options)(target, output[1])


def squares(target: Any, output: Any) -> Any:
    """Return the sum of squared errors."""
    return ops.sum((output - ops.transpose(target, (0, 2, 3, 1))) ** 2)


def norms(limit: float) -> Callable[[Any], None]:
    """Return the clipping of each parameter's own norm."""

    def clip(parameters: Any) -> None:
        for each in parameters:
            torch.nn.utils.clip_grad_norm_([each], limit)

    return clip


def own_norms(optimizer: Any) -> Any:
    """Return a Keras optimizer that clips each parameter's own norm."""
    optimizer.clipnorm = optimizer.global_clipnorm or optimizer.clipvalue
    optimizer.global_clipnorm = optimizer.clipvalue = None
    return optimizer


def clips(left: Callable[[Any], None], name: str) -> Given:
    """Return what is given to a pair: another clipping."""
    theirs = page(name).OPTIMIZER[1]
    return {name: (("clip", left), ("optimizer", lambda: own_norms(theirs())))}


def coupled() -> Given:
    """Return optimizers whose weight decay is of the other kind."""
    schedule = keras.optimizers.schedules.ExponentialDecay
    return {
        "mlp": (("optimizer", lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.05)),
                ("optimizer", lambda: Coupled(0.05, 1e-2, epsilon=1e-8))),
        "transformer": (("optimizer", lambda p: torch.optim.Adam(p, lr=2**-6, weight_decay=0.1, eps=1e-6)),
                        ("optimizer", lambda: Coupled(0.1, rates(),
                                                      epsilon=1e-6, global_clipnorm=1.0))),
        "resnet": (("optimizer", None),
                   ("optimizer", lambda: Decoupled(schedule(0.0625, 2, 0.5, staircase=True), 0.9, 0.01))),
    }  # fmt: skip


def uncorrected() -> Given:
    """Return Adams without bias correction."""
    return {
        "gan": (("optimizer", lambda p: TorchUncorrected(p, 2e-3, (0.5, 0.999), 1e-8)),
                ("optimizer", lambda: Uncorrected(2e-3, beta_1=0.5, epsilon=1e-8))),
        "depthwise": (("optimizer", lambda p: TorchUncorrected(p, 5e-3, (0.9, 0.999), 1e-3)),
                      ("optimizer", lambda: Uncorrected(5e-3, epsilon=1e-3, clipvalue=0.05))),
    }  # fmt: skip


def accumulators() -> Given:
    """Return Adagrads that begin at zero."""
    return {
        "lstm": (("optimizer", lambda p: torch.optim.Adagrad(p, lr=0.05, eps=1e-12)),
                 ("optimizer", lambda: keras_parts.Adagrad(0.05, 0.0, epsilon=1e-12, global_clipnorm=0.5))),
    }  # fmt: skip


def alone(name: str, optimizer: Callable[[], Any]) -> Given:
    """Return what is given to one pair's right side."""
    return {name: (("optimizer", None), ("optimizer", optimizer))}


CCE = keras.losses.CategoricalCrossentropy
LOSS, STEP = ("loss",), ("step", "state")
SMOOTH, WAY = {"label_smoothing": 0.1}, {"reduction": "sum"}
SOFT: Given = losses(
    mlp=(F.cross_entropy, lambda t, o: SCE(from_logits=True)(t, 1.0 * o)),
    cnn=(lambda o, t: CE(**SMOOTH)(o.softmax(-1), t), lambda t, o: CCE(True, **SMOOTH)(t, softmax(o))),
    depthwise=(lambda o, t: CE()(o.softmax(-1), t), lambda t, o: SCE(True)(t, softmax(o))),
    lstm=(lambda o, t: CE(**WAY)(o.softmax(-1), t), lambda t, o: SCE(True, **WAY)(t, softmax(o))),
    transformer=(flat(lambda o, t: CE()(o.softmax(-1), t)), lambda t, o: SCE(True)(t, softmax(o))),
    gan=(
        lambda o, t: F.binary_cross_entropy_with_logits(torch.sigmoid(o[1]), t),
        lambda t, o: bce()(t, [o[0], 1.0 / (1.0 + ops.exp(-o[1]))]),
    ),
)
SUMS: Given = losses(
    mlp=(lambda o, t: F.nll_loss(torch.log(o), t, reduction="sum"), SCE(**WAY)),
    cnn=(CE(**SMOOTH, **WAY), CCE(True, **SMOOTH, **WAY)),
    depthwise=(CE(**WAY), SCE(True, **WAY)),
    lstm=(CE(), SCE(True)),
    transformer=(flat(CE(**WAY)), SCE(True, **WAY)),
    autoencoder=(nn.MSELoss(**WAY), squares),
    gan=(lambda o, t: F.binary_cross_entropy_with_logits(o[1], t, **WAY), bce(**WAY)),
)
MOMENTUM = optimizers(group(momentum=0.8), attribute(momentum=0.8), "cnn", "resnet")
BETAS = optimizers(group(betas=lambda b: (b[0] - 0.1, b[1])), attribute(beta_1=lambda b: b - 0.1), *ADAMS)
FLIP: Callable[[bool], bool] = lambda present: not present  # noqa: E731

TRAPS: tuple[Trap, ...] = (
    Trap("label smoothing", LOSS, given=losses(
        cnn=(CE(), CCE(True)), depthwise=(CE(**SMOOTH), None), lstm=(CE(**SMOOTH, **WAY), None),
        transformer=(flat(CE(**SMOOTH)), None))),
    Trap("reduction", LOSS, given=SUMS),
    Trap("batchmean", LOSS, given=losses(
        resnet=(kl("mean", TEMPERATURE**2), keras_kl(ops.mean, TEMPERATURE**2)))),
    Trap("temperature squared", LOSS, given=losses(resnet=(kl("batchmean", 1.0), keras_kl(by_batch, 1.0)))),
    Trap("from logits", LOSS, given=SOFT),
    Trap("loss epsilon", LOSS, given=losses(
        mlp=(lambda o, t: F.nll_loss(torch.log(o + 1e-7), t), chosen), gan=(torch_bce, keras_bce))),
    Trap("learning rate", STEP, given=optimizers(group(lr=lambda rate: 1.001 * rate), faster, *EVERY)),
    Trap("decay coupling", STEP, given=coupled()),
    Trap("weight decay", STEP, given={
        **optimizers(group(weight_decay=lambda d: 1.1 * d), attribute(weight_decay=lambda d: 1.1 * d),
                     "mlp", "transformer"),
        **optimizers(group(weight_decay=lambda d: 1.1 * d), attribute(decay=lambda d: 1.1 * d), "resnet")}),
    Trap("nesterov", STEP, given=optimizers(group(nesterov=FLIP), attribute(nesterov=FLIP), "cnn", "resnet")),
    Trap("momentum", STEP, given={**MOMENTUM, **BETAS}),
    Trap("amsgrad", STEP, given=optimizers(group(amsgrad=FLIP), attribute(amsgrad=FLIP),
                                           "mlp", "autoencoder", "gan")),
    Trap("Adam epsilon", STEP, given=optimizers(group(eps=1e-7), attribute(epsilon=1e-7), *ADAMS)),
    Trap("Adam epsilon placement", STEP, cause="epsilon placement", given=stock_given()),
    Trap("bias correction", STEP, given=uncorrected()),
    Trap("initial accumulator", STEP, given=accumulators()),
    Trap("clip kind", STEP, given={**clips(norms(0.5), "lstm"), **clips(norms(1.0), "transformer"),
                                   **clips(norms(0.05), "depthwise")}),
    Trap("clip epsilon", STEP, given={
        name: (("clip", lambda p, limit=limit: torch.nn.utils.clip_grad_norm_(p, limit)), ("clip", None))
        for name, limit in (("lstm", 0.5), ("transformer", 1.0))}),
    Trap("momentum of old rates", STEP, cause="momentum", given=alone(
        "resnet", lambda: OldRates(
            keras.optimizers.schedules.ExponentialDecay(0.0625, 2, 0.5, staircase=True), 0.9, 0.01))),
    Trap("norm of pieces", STEP, cause="clip kind", given=alone(
        "lstm", lambda: keras.optimizers.Adagrad(
            0.05, initial_accumulator_value=0.1, epsilon=1e-12, global_clipnorm=0.5))),
    Trap("schedule", STEP, given={
        name: (("scheduler", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)), optimizers(
            None, constant, name)[name][1])
        for name in ("resnet", "transformer")}),
)  # fmt: skip
