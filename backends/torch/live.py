"""A live ``nn.Module`` in one precision, made from a copy, its random draws those that every framework makes."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dualnet.backends.draws import Array, Arrays, Draw, Draws, Order, at, returned, turned
from dualnet.backends.live import Held, Inputs, Run, cotangent, flattened
from dualnet.backends.precision import precision
from dualnet.backends.recipe import Learned, Recipe
from dualnet.backends.torch.alone import written
from dualnet.backends.torch.device import stored
from dualnet.backends.torch.draws import Shared
from dualnet.backends.torch.kinds import settings_of_optimizer
from dualnet.backends.torch.watch import replayed, watching
from dualnet.specs.carry import Carry
from dualnet.specs.program import leaves, replaced

REFUSAL = "is not differentiable with respect to argument"


class TorchLive(Held):
    """See ``backends.live.Live``. Without ``carries`` the weights bear the module's own names."""

    def __init__(
        self,
        module: nn.Module,
        dtype: str = "float32",
        carries: Sequence[Carry] | None = None,
        in_orders: Sequence[Order] = (),
        out_orders: Sequence[Order] = (),
        draw_orders: Sequence[Order] = (),
    ) -> None:
        self.dtype, self.orders = dtype, (in_orders, out_orders, draw_orders)
        self.still: set[int] = set()
        self.module = _cast(copy.deepcopy(module), stored(precision(dtype)))
        self.named = named(self.module)
        self.hold(self.named, carries, self.named.__getitem__)

    def array(self, tensor: Tensor) -> Array:
        """Return a tensor as an array, which may share its memory."""
        return np.asarray(tensor.detach().cpu().numpy())

    def read(self, variable: Tensor) -> Array:
        """Return a variable as an array, which may share its memory."""
        return self.array(variable)

    def write(self, variable: Tensor, array: Array) -> None:
        """Set a tensor."""
        with torch.no_grad():
            variable.copy_(torch.from_numpy(np.array(array)).reshape(array.shape))

    def lower(self, variable: Tensor, by: Tensor) -> None:
        """Subtract from a tensor."""
        with torch.no_grad():
            variable.sub_(by)

    def trainable(self) -> list[str]:
        """Return the names of the weights that train."""
        return [name for name, (tensor, _) in self.held.items() if tensor.requires_grad]

    def rest(self) -> list[str]:
        """Return what trains and has no name of the source."""
        known = {id(tensor) for tensor, _ in self.held.values()}
        return [name for name, tensor in self.named.items() if tensor.requires_grad and id(tensor) not in known]

    def run(
        self,
        inputs: Inputs,
        *,
        training: bool,
        gradients: bool = True,
        tell: bool = True,
        step: int = 0,
        like: Sequence[Draw] = (),
    ) -> Run:
        """Make one pass; see ``Live.run``. An input by which torch refuses to differentiate has no gradient."""
        options = (training, gradients, tell, step, like)
        try:
            return self._pass(inputs, *options)
        except RuntimeError as error:
            if self.still or REFUSAL not in str(error):
                raise
        self.still = self._refused(inputs, training)
        return self._pass(inputs, *options)

    def replay(self, path: str, inputs: list[Array], *, training: bool) -> list[Array]:
        """Return what the module at a path gives by itself for arrays as it holds them."""
        self.module.train(training)
        with ready(self.dtype), Shared(Draws(), self.dtype):
            return replayed(self.module, path, inputs, stored(precision(self.dtype)))

    def alone(self, path: str) -> tuple[str, Arrays, bool]:
        """Return the Python that makes the module at a path, its weights, and whether its call is told the mode."""
        module = self.module.get_submodule(path)
        return written(module), {name: np.array(self.array(t)) for name, t in module.state_dict().items()}, False

    def begin(self, recipe: Recipe) -> None:
        """Make the recipe's optimizer on what trains here."""
        self.recipe, self.optimizer, self.scheduler = recipe, None, None
        if recipe.optimizer is not None:
            self.optimizer = recipe.optimizer([each for each in self.module.parameters() if each.requires_grad])
            self.scheduler = recipe.scheduler(self.optimizer) if recipe.scheduler else None

    def learn(self, inputs: Inputs, targets: Any, *, step: int, like: Sequence[Draw] = ()) -> Learned:
        """Make one step of the recipe on targets as the user gave them, in training mode."""
        draws = Draws(step, like, self.orders[2], self.orders[0])
        given, _ = self._given(inputs)
        self.module.train(True)
        self.module.zero_grad(set_to_none=True)
        trained = [(name, tensor) for name, (tensor, _) in self.held.items() if tensor.requires_grad]
        with ready(self.dtype), Shared(draws, self.dtype):
            args = [given[name] for name in sorted(name for name in given if isinstance(name, int))]
            output = self.module(*args, **{name: given[name] for name in given if isinstance(name, str)})
            loss = self.recipe.loss(output, self._target(targets))
            loss.backward()
            slopes = [each.grad for each in self.module.parameters() if each.grad is not None]
            norm = float(torch.sqrt(sum((slope**2).sum() for slope in slopes))) if slopes else 0.0
            made = Learned(float(loss.detach()), norm, self._slopes(trained))
            if self.optimizer is not None:
                if self.recipe.clip:
                    self.recipe.clip([each for each in self.module.parameters() if each.requires_grad])
                made.clipped = self._slopes(trained)
                made.settings = settings_of_optimizer(self.optimizer)
                self.optimizer.step()
                if self.scheduler is not None:
                    self.scheduler.step()
        made.weights = self.weights()
        return made

    def _target(self, targets: Any) -> Any:
        def tensor(value: Any) -> Any:
            made = torch.from_numpy(np.array(value))
            return made.to(stored(precision(self.dtype))) if made.is_floating_point() else made

        return replaced(targets, tensor)

    def _slopes(self, trained: list[tuple[str, Tensor]]) -> Arrays:
        slopes = {name: torch.zeros_like(t) if t.grad is None else t.grad for name, t in trained}
        return {name: np.array(self._back(name, self.array(slope))) for name, slope in slopes.items()}

    def _refused(self, inputs: Inputs, training: bool) -> set[int]:
        """Return the numbers of the inputs by which torch refuses to differentiate: a loss's target, say."""
        every, refused = set(self._given(inputs)[1]), set()
        for index in every:
            self.still = every - {index}
            try:
                self._pass(inputs, training, True, True, 0, ())
            except RuntimeError:
                refused.add(index)
        return refused

    def _pass(
        self, inputs: Inputs, training: bool, gradients: bool, tell: bool, step: int, like: Sequence[Draw]
    ) -> Run:
        draws = Draws(step, like, self.orders[2], self.orders[0])
        given, floats = self._given(inputs)
        self.module.train(training)
        watched = watching(self.module, self.names()) if self.watched is not None else nullcontext()
        with ready(self.dtype), Shared(draws, self.dtype), torch.set_grad_enabled(gradients), watched as calls:
            args = [given[name] for name in sorted(name for name in given if isinstance(name, int))]
            given_back = self.module(*args, **{name: given[name] for name in given if isinstance(name, str)})
            outputs = [each for each in flattened(given_back) if isinstance(each, Tensor)]
            count = len(draws.log)
            inside = calls.tensors if calls else []
            found = self._gradients(outputs, [*inside, *floats.values()]) if gradients else []
            if calls:
                self.watched = calls.told(found)
                found = found[len(inside) :]
        if len(draws.log) > count:
            draws.lost.append("draws of a forward pass repeated for the gradient")
        arrays = [np.array(returned(self.array(each), at(self.orders[1], index))) for index, each in enumerate(outputs)]
        of_inputs, of_weights = self._named(floats, found, tell)
        made: Run = {
            "outputs": arrays,
            "inputs": of_inputs,
            "parameters": of_weights,
            "draws": draws.log[:count],
            "lost": draws.lost,
        }
        return made

    def _given(self, inputs: Inputs) -> tuple[dict[int | str, Any], dict[int, Tensor]]:
        """Return the inputs as tensors, and those that have gradients by their number."""
        found: dict[int, Tensor] = {}
        count = iter(range(len(list(leaves(dict(inputs))))))
        place = next(self.module.parameters(), torch.empty(0)).device

        def tensor(value: Any) -> Any:
            index = next(count)
            if not isinstance(value, np.ndarray):
                return value
            made = torch.from_numpy(np.array(turned(value, at(self.orders[0], index)))).to(place)
            if not made.is_floating_point():
                return made
            made = made.to(stored(precision(self.dtype)))
            if index in self.still:
                return made
            found[index] = made.requires_grad_()
            return found[index].clone()  # a module may write into what it is given

        return {name: replaced(value, tensor) for name, value in inputs.items()}, found

    def _gradients(self, outputs: list[Tensor], sources: list[Tensor]) -> list[Tensor | None]:
        sources = sources + [self.held[name][0] for name in self.trainable()]
        pairs = [(index, each) for index, each in enumerate(outputs) if each.requires_grad]
        if not pairs or not sources:
            return [None] * len(sources)
        weights = [self._cotangent(index, each) for index, each in pairs]
        return list(torch.autograd.grad([each for _, each in pairs], sources, weights, allow_unused=True))

    def _cotangent(self, index: int, output: Tensor) -> Tensor:
        order = at(self.orders[1], index)
        shape = np.empty(output.shape, bool) if order is None else returned(np.empty(output.shape, bool), order)
        return torch.from_numpy(turned(cotangent(index, shape.shape), order)).to(output)

    def _named(self, floats: dict[int, Tensor], found: list[Tensor | None], tell: bool) -> tuple[Arrays, Arrays]:
        """Return the gradients as arrays of the source, and keep those of the weights; None is zero."""
        weights = [self.held[name][0] for name in self.trainable()]
        whole = [
            torch.zeros_like(o) if g is None else g for o, g in zip([*floats.values(), *weights], found, strict=False)
        ]
        self.slopes = dict(zip(self.trainable(), whole[len(floats) :], strict=False))
        inputs = {f"{i}": returned(self.array(g), at(self.orders[0], i)) for i, g in zip(floats, whole, strict=False)}
        return self.told(inputs, tell)


def named(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, tied ones once, without BatchNorm's counters."""
    found = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: tensor for name, tensor in found.items() if not name.endswith("num_batches_tracked")}


def _cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return the module in a precision, tensors that it holds as plain attributes included."""
    for each in module.modules():
        for name, value in vars(each).items():
            if isinstance(value, Tensor) and value.is_floating_point():
                setattr(each, name, value.to(dtype))
    return module.to(dtype)


@contextmanager
def ready(dtype: str) -> Iterator[None]:
    """Run with a default precision, without fused kernels of evaluation mode, and leave the generator as it was."""
    fast, default = torch.backends.mha.get_fastpath_enabled(), torch.get_default_dtype()
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_default_dtype(stored(precision(dtype)))
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.set_default_dtype(default)
