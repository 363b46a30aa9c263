"""Tracing: a live module, run once per mode through ``torch.export``, as a flat list of functional ops.

The training IR keeps convolutions, norms and recurrent layers whole and names the module that each op ran in. What
writes in place is rewritten here so that every op makes a new value, views of what was written included.
"""

import copy
import inspect
import io
import logging
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.distributions import Distribution
from torch.nn import functional
from torch.nn.modules import batchnorm, transformer
from torch.utils import _pytree as pytree

from dualnet.errors import TraceError
from dualnet.specs.program import Held, Op, Ref, Sym
from dualnet.specs.program import Tensor as Type

# Ops that say nothing about values on the device at hand.
SILENT = {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "sym_constrain_range"}
SILENT |= {"_assert_async", "sym_size", "sym_numel"}
PLACES = {"device", "layout", "pin_memory", "memory_format", "generator", "non_blocking", "requires_grad"}
SYMBOLS = ("N", "M", "L", "K", "J")
VIEWS = {"view", "reshape", "transpose", "permute", "t", "unsqueeze", "squeeze", "select", "slice", "flatten", "expand"}
VIEWS |= {"unflatten", "contiguous", "detach", "alias", "view_as", "_unsafe_view", "movedim", "diagonal", "narrow"}
VIEWS |= {"swapaxes", "adjoint", "mT", "expand_as", "numpy_T", "as_strided", "unfold"}
PIECES = {"chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit"}


# What stands for momentum=None, cumulative averages, while a batch norm is traced: it would read its counter's value.
CUMULATIVE = -1.0


@dataclass
class Trace:
    """One mode's ops in order, each with the stack of modules it ran in: (key, path, class) from the outside in."""

    ops: list[tuple[Op, tuple[tuple[str, str, str], ...]]] = field(default_factory=list)
    inputs: dict[str, Type] = field(default_factory=dict)
    wires: dict[str, Type] = field(default_factory=dict)
    outputs: tuple[Ref | Held | None, ...] = ()
    training: tuple[Ref | Held | None, ...] = ()
    keys: tuple[str, ...] = ()
    held: dict[str, Tensor] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)


def trace(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], training: bool, dynamic: bool) -> Trace:
    """Return what ``module(*args, **kwargs)`` does in one mode. Raises ``TraceError`` naming what stopped the trace."""
    with _mode(module, training), _quiet():
        try:
            program = torch.export.export(
                module,
                args,
                dict(kwargs),
                dynamic_shapes=_batched(module, args, kwargs) if dynamic else None,
                strict=False,
            )
        except Exception as error:  # whatever the user's own code raises while it is traced
            raise TraceError(_why(error)) from error
    return _Reader(program, module).read()


def _batched(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the shapes that export may vary: axis 0 of every tensor of two examples or more."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    spec = {0: torch.export.Dim.AUTO}
    return pytree.tree_map(lambda v: spec if isinstance(v, Tensor) and v.dim() and v.size(0) > 1 else None, dict(bound))


@contextmanager
def _mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Put the module into a mode, without fused kernels that exist in one mode only, and back."""
    before = {each: each.training for each in module.modules()}
    fast, causal = torch.backends.mha.get_fastpath_enabled(), transformer._detect_is_causal_mask
    torch.backends.mha.set_fastpath_enabled(False)
    # it looks at the mask's values to choose a kernel; the mask says the same to every kernel
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: bool(is_causal)
    # the one orders products by the sizes at hand, the other looks at values
    ordered, torch.backends.opt_einsum.enabled = torch.backends.opt_einsum.enabled, False
    checked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    gaussian, functional.gaussian_nll_loss = functional.gaussian_nll_loss, _gaussian_nll_loss
    ctc, functional.ctc_loss = functional.ctc_loss, _ctc_loss
    chunked = getattr(functional, "linear_cross_entropy", None)  # torch 2.13 has it
    if chunked is not None:  # chunks save memory; the loss is the same
        functional.linear_cross_entropy = lambda *args, **kwargs: chunked(*args, **{**kwargs, "options": None})
    averages = [each for each in module.modules() if isinstance(each, batchnorm._BatchNorm) and each.momentum is None]
    for each in averages:
        each.momentum = CUMULATIVE
    module.train(training)
    Tensor.data = property(_data, DATA.__set__)  # x.data leaves no trace; x.detach() does
    try:
        yield
    finally:
        del Tensor.data  # what it inherits is there again
        functional.gaussian_nll_loss, functional.ctc_loss = gaussian, ctc
        torch.backends.opt_einsum.enabled = ordered
        Distribution.set_default_validate_args(checked)
        if chunked is not None:
            functional.linear_cross_entropy = chunked
        for each in averages:
            each.momentum = None
        torch.backends.mha.set_fastpath_enabled(fast)
        transformer._detect_is_causal_mask = causal
        for each, was in before.items():
            each.training = was


DATA = torch._C.TensorBase.data


def _data(tensor: Tensor) -> Tensor:
    """Return ``tensor.data``; of what is computed while a model is traced, ``tensor.detach()``."""
    computed = isinstance(tensor, FunctionalTensor) or (type(tensor) is FakeTensor and not tensor.is_leaf)
    found: Tensor = tensor.detach() if computed else DATA.__get__(tensor)
    return found


def _gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float,
    full: bool | None = False, eps: float | None = 1e-6, reduction: str | None = "mean",
) -> Tensor:  # fmt: skip
    """PyTorch's, without the look at the values of ``var`` that no trace can take."""
    var = var * torch.ones_like(input) if isinstance(var, float) else var
    var = var.unsqueeze(-1) if var.dim() < input.dim() else var
    var = var + (var.clamp(min=eps) - var).detach()
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var)
    loss = loss + 0.5 * math.log(2 * math.pi) if full else loss
    return {"mean": loss.mean, "sum": loss.sum}.get(reduction or "", lambda: loss)()


_CTC = torch.library.Library("dualnet", "DEF")
for _overload, _kind in (("", "Tensor"), (".lists", "int[]")):
    _CTC.define(
        f"ctc_loss{_overload}(Tensor log_probs, Tensor targets, {_kind} input_lengths, {_kind} target_lengths,"
        " int blank, int reduction, bool zero_infinity) -> Tensor"
    )


@torch.library.impl(_CTC, "ctc_loss", "CompositeExplicitAutograd")
@torch.library.impl(_CTC, "ctc_loss.lists", "CompositeExplicitAutograd")
def _ctc_shape(log_probs: Tensor, *arguments: Any) -> Tensor:
    """Say what shape the loss has; PyTorch's own ``ctc_loss`` does not say it without values."""
    return log_probs.new_empty(log_probs.shape[1:-1] if arguments[-2] == 0 else ())


def _ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any,
    blank: int = 0, reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Stand for PyTorch's while a model is traced."""
    lengths = [each.long() if isinstance(each, Tensor) else list(each) for each in (input_lengths, target_lengths)]
    form = torch.ops.dualnet.ctc_loss.default if isinstance(lengths[0], Tensor) else torch.ops.dualnet.ctc_loss.lists
    made: Tensor = form(log_probs, targets, *lengths, blank, ("none", "mean", "sum").index(reduction), zero_infinity)
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch logs and prints about a trace to itself; an error still says why."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _why(error: Exception) -> str:
    """Return the first sentence of an export's failure, and the user's line that it names."""
    text = str(error).strip() or type(error).__name__
    first = next((line.strip() for line in text.splitlines() if line.strip()), text)
    place = re.findall(r'File "([^"]+)", line (\d+), in', text)
    mine = [f"{name}:{line}" for name, line in place if "/torch/" not in name]
    if "data-dependent" in text:
        first = "an if or a loop asks for the values of tensors, and one run cannot show both ways; use torch.where"
    return f"{first} ({mine[-1]})" if mine else first


class _Reader:
    def __init__(self, program: Any, module: nn.Module) -> None:
        self.program, self.module, self.made = program, module, Trace()
        self.names: dict[str, int] = {}
        self.symbols: dict[str, str] = {}
        self.current: dict[fx.Node, Any] = {}
        self.base: dict[fx.Node, fx.Node] = {}
        self.stamp: dict[fx.Node, int] = {}
        self.version: dict[fx.Node, int] = {}
        self.pieces: set[fx.Node] = set()
        self.stack: tuple[tuple[str, str, str], ...] = ()
        self.place, self.cut = "", False
        self.owners: dict[fx.Node, Held] = {}

    def read(self) -> Trace:
        """Return the trace of the whole program."""
        self._placeholders()
        made = self._graph(self.program.graph, self.program.graph_module)
        spec = self.program.call_spec.out_spec
        named = _named_outputs(pytree.tree_unflatten(made, spec)) if spec is not None else [("", each) for each in made]
        self.made.outputs = tuple(value for _, value in named)
        self.made.keys = tuple(name for name, _ in named) if all(name for name, _ in named) else ()
        return self.made

    def _placeholders(self) -> None:
        signature = self.program.graph_signature
        kinds = {spec.arg.name: spec for spec in signature.input_specs if hasattr(spec.arg, "name")}
        for node in self.program.graph.nodes:
            if node.op != "placeholder":
                continue
            spec = kinds[node.name]
            if spec.target is None and spec.kind.name == "USER_INPUT":
                value = node.meta.get("val")
                if isinstance(value, Tensor):
                    type_ = self._type(value)
                    self.made.inputs[node.name] = self.made.wires[node.name] = type_
                    self.current[node] = Ref(node.name)
                else:
                    self.current[node] = value
                self.names[node.name] = 1
            else:
                self.made.held[spec.target] = self._array(spec)
                self.current[node] = Held(spec.target)
                if spec.kind.name == "BUFFER":
                    self.owners[node] = Held(spec.target)

    def _array(self, spec: Any) -> Tensor:
        if spec.target in self.program.state_dict:
            found = self.program.state_dict[spec.target]
        else:
            found = self.program.constants[spec.target]
        assert isinstance(found, Tensor)  # export lifts nothing else
        return found

    def _graph(self, graph: fx.Graph, owner: fx.GraphModule) -> list[Any]:
        result: list[Any] = []
        for node in graph.nodes:
            if node.op == "output":
                flat, _ = pytree.tree_flatten(node.args)
                result = [self._read(each) if isinstance(each, fx.Node) else each for each in flat]
            elif node.op == "call_function":
                self._node(node, owner)
            elif node.op == "get_attr":
                value = getattr(owner, str(node.target))
                if isinstance(value, Tensor):
                    name = f"constant.{node.name}"
                    self.made.held[name] = value
                    self.current[node] = Held(name)
        return result

    def _node(self, node: fx.Node, owner: fx.GraphModule) -> None:
        stack = tuple((k, v[0], str(v[1])) for k, v in (node.meta.get("nn_module_stack") or {}).items())
        if not any(key.startswith("_empty") for key, _, _ in stack):
            self.stack = stack or self.stack
        self.place = _line(node.meta.get("stack_trace")) or self.place
        target: Any = node.target
        if isinstance(target, torch._ops.HigherOrderOperator):
            self._region(node, target, owner)
        elif getattr(target, "__name__", "") == "getitem":
            self._item(node)
        elif isinstance(target, torch._ops.OpOverload):
            self._op(node, target)
        else:
            self.current[node] = self._size(node.meta.get("val"), node)

    def _region(self, node: fx.Node, target: Any, owner: fx.GraphModule) -> None:
        """Read a region in which gradients or precision are switched, in line."""
        name = target.name()
        graphs = [a for a in node.args if isinstance(a, fx.Node) and a.op == "get_attr"]
        if name not in ("wrap_with_set_grad_enabled", "wrap_with_autocast") or len(graphs) != 1:
            msg = f"{name} at {self.place} is control flow that depends on values. A port needs code that runs one way."
            raise TraceError(msg)
        inner = getattr(owner, str(graphs[0].target))
        given = node.args[list(node.args).index(graphs[0]) + 1 :]
        for place, value in zip((n for n in inner.graph.nodes if n.op == "placeholder"), given, strict=True):
            self.current[place] = self._argument(value)
            if isinstance(value, fx.Node):
                self.base[place], self.stamp[place] = value, self._age(value)
        before, self.cut = self.cut, self.cut or (name == "wrap_with_set_grad_enabled" and node.args[0] is False)
        made = self._graph(inner.graph, inner)
        cut, self.cut = self.cut and not before, before
        self.current[node] = [self._cut(value) if cut and isinstance(value, Ref) else value for value in made]

    def _item(self, node: fx.Node) -> None:
        source, index = node.args
        assert isinstance(source, fx.Node) and isinstance(index, int)  # the only form that export makes
        self.current[node] = self.current[source][index]
        if source in self.pieces:
            self.pieces.add(node)

    def _op(self, node: fx.Node, target: Any) -> None:
        schema = target._schema
        name = schema.name.partition("::")[2]
        if not schema.name.startswith(("aten::", "dualnet::")):
            name = schema.name
        if name in SILENT:
            if "val" in node.meta:
                self.current[node] = self._size(node.meta["val"], node)
            return
        if isinstance(node.meta.get("val"), (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)):
            self.current[node] = self._size(node.meta["val"], node)
            return
        arguments = self._arguments(node, schema)
        if name.endswith("_") and not name.endswith("__"):
            self._write(node, node.args[0], name[:-1], arguments)
            return
        if "out" in node.kwargs and arguments.pop("out", None) is not None:
            self._write(node, node.kwargs["out"], name, arguments)
            return
        if name in ("lift_fresh_copy", "lift_fresh"):
            self.current[node] = arguments["input"]
            return
        self.current[node] = self._make(node, name, arguments)
        first = node.args[0] if node.args else None
        if name in VIEWS and isinstance(first, fx.Node):
            self.base[node] = first
            self.stamp[node] = self._age(first)
        if name in PIECES:
            self.pieces.add(node)

    def _make(self, node: fx.Node, name: str, arguments: dict[str, Any]) -> Any:
        """Enter an op and return its result, or the list of them."""
        value = node.meta.get("val")
        several = isinstance(value, (tuple, list))
        values: Sequence[Any] = value if several else [value]
        stem = self._fresh(node.name if name not in ("copy",) else "copy")
        wires = tuple(f"{stem}_{i}" if several else stem for i in range(len(values)))
        for wire, each in zip(wires, values, strict=True):
            self.made.wires[wire] = self._type(each) if isinstance(each, Tensor) else Type(())
        if name == "multilabel_margin_loss" and node.args[0].meta["val"].dim() == 1:  # torch's own shape rule says (1,)
            self.made.wires[stem] = Type((), self.made.wires[stem].dtype)
        self.made.ops.append((Op(_canonical(name, arguments), arguments, wires, self.place), self.stack))
        refs = [Ref(wire) for wire in wires]
        return refs if several else refs[0]

    def _cut(self, ref: Ref) -> Ref:
        wire = self._fresh(f"{ref.name}_detached")
        self.made.wires[wire] = self.made.wires[ref.name]
        self.made.ops.append((Op("detach", {"input": ref}, (wire,), self.place), self.stack))
        return Ref(wire)

    def _write(self, node: fx.Node, target: Any, name: str, arguments: dict[str, Any]) -> None:
        """An op in place: its result takes the place of what it wrote to, and of all that is a view of that."""
        assert isinstance(target, fx.Node)  # a tensor
        held = self.current.get(target)
        if isinstance(held, Held) and held.name.endswith("num_batches_tracked"):
            self.current[node] = held
            return
        if name == "zero":
            name, arguments = "zeros_like", {"input": arguments["input"]}
        elif name == "fill":
            name, arguments = "full_like", {"input": arguments["input"], "fill_value": arguments["value"]}
        elif name == "copy":
            arguments = {"input": arguments["input"], "src": arguments["src"]}
        made = self._make(node, name, arguments)
        self.current[node] = made
        self.base[node] = target
        self._replace(target, made)
        self.stamp[node] = self._age(target)

    def _replace(self, node: fx.Node, made: Any) -> None:
        """Let ``node`` mean ``made`` from here on, and what it is a view of contain it."""
        if node in self.pieces:
            msg = f"{self.place}: writing into one of several pieces of a tensor cannot be ported. Write to the whole."
            raise TraceError(msg)
        owner = self.owners.get(node)
        if owner is not None and self.cut:
            made = self.current[node] = self._cut(made)
        if owner is not None:
            self.made.written.add(owner.name)
            self.made.ops.append((Op("assign", {"input": owner, "src": made}, (), self.place), self.stack))
        self.current[node] = made
        root = node
        while root in self.base:
            root = self.base[root]
        self.version[root] = self.version.get(root, 0) + 1
        if node in self.base:
            base = self.base[node]
            if isinstance(node.target, torch._ops.OpOverload) and not node.target._schema.name.endswith("_"):
                self._replace(base, self._inside(node, base, made))
            else:
                self._replace(base, made)
        self.stamp[node] = self.version[root]

    def _inside(self, node: fx.Node, base: fx.Node, made: Any) -> Any:
        """Return ``base`` with ``made`` in the place that the view ``node`` shows."""
        name = node.target._schema.name.partition("::")[2]
        arguments = self._arguments(node, node.target._schema)
        whole = arguments.pop("input")
        shape = tuple(self._dim(s) for s in base.meta["val"].shape)
        if name in ("select", "slice", "diagonal"):
            return self._make(base, f"{name}_scatter", {"input": whole, "src": made, **arguments})
        if name in ("transpose", "t", "swapaxes", "adjoint", "mT", "numpy_T"):
            pair = list(arguments.values()) or [-2, -1]
            rank = len(shape)
            return (
                made if rank < 2 else self._make(base, "transpose", {"input": made, "dim0": pair[0], "dim1": pair[1]})
            )
        if name == "permute":
            dims = [d % len(shape) for d in arguments["dims"]]
            return self._make(base, "permute", {"input": made, "dims": tuple(dims.index(i) for i in range(len(dims)))})
        if name in ("contiguous", "detach", "alias"):
            return made
        if name in ("expand", "expand_as", "as_strided", "unfold", "narrow", "movedim"):
            msg = f"{self.place}: writing into the result of {name} cannot be ported. Write to a copy of it."
            raise TraceError(msg)
        return self._make(base, "reshape", {"input": made, "shape": shape})

    def _age(self, node: fx.Node) -> int:
        while node in self.base:
            node = self.base[node]
        return self.version.get(node, 0)

    def _read(self, node: fx.Node) -> Any:
        """Return what a node means now: a view of something since written to is taken anew."""
        if node in self.base and self.stamp.get(node, 0) < self._age(node):
            base = self.base[node]
            if isinstance(node.target, torch._ops.OpOverload) and not node.target._schema.name.endswith("_"):
                arguments = self._arguments(node, node.target._schema)
                name = node.target._schema.name.partition("::")[2]
                self.current[node] = self._make(node, name, {**arguments, "input": self._read(base)})
            else:
                self.current[node] = self._read(base)
            self.stamp[node] = self._age(node)
        return self.current[node]

    def _arguments(self, node: fx.Node, schema: Any) -> dict[str, Any]:
        given = dict(zip((a.name for a in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
        made = {}
        for argument in schema.arguments:
            name = argument.name
            if name not in given or name in PLACES:
                continue
            value = self._argument(given[name])
            if argument.has_default_value() and value == argument.default_value and not isinstance(value, (Ref, Held)):
                continue
            made["input" if name == "self" else name] = value
        if schema.name == "aten::batch_norm" and made["momentum"] == CUMULATIVE:
            made["momentum"] = None
        return made

    def _argument(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            return self._read(value)
        if isinstance(value, (list, tuple)):
            return tuple(self._argument(item) for item in value)
        if isinstance(value, torch.dtype):
            return str(value).removeprefix("torch.")
        if isinstance(value, (torch.SymInt, torch.SymFloat)):
            return self._size(value, None)
        if isinstance(value, (torch.device, torch.layout, torch.memory_format)):
            return None
        return value

    def _size(self, value: Any, node: fx.Node | None) -> Any:
        if isinstance(value, torch.SymInt):
            return self._dim(value)
        if isinstance(value, (torch.SymFloat, torch.SymBool)):
            by_value = re.search(r"\bu\d", str(value))
            what = "the values, not only the shapes, of what comes in" if by_value else "the size of the batch"
            msg = f"{self.place}: a size or a choice depends on {what} ({value}). A port needs code that runs one way."
            raise TraceError(msg)
        if value is None and node is not None and node.target not in (None,):
            return None
        return value

    def _type(self, value: Tensor) -> Type:
        return Type(tuple(self._dim(size) for size in value.shape), str(value.dtype).removeprefix("torch."))

    def _dim(self, size: Any) -> int | Sym:
        """Return a size: an integer, or an integer times symbols."""
        if isinstance(size, int):
            return size
        expression = size.node.expr
        if expression.is_Integer:
            return int(expression)
        factor, rest = expression.as_coeff_Mul()
        powers = rest.as_powers_dict()
        if not rest.is_Mul and not rest.is_Pow and not rest.is_Symbol and rest != 1:
            msg = f"{self.place}: the size {expression} is no multiple of the batch size."
            raise TraceError(msg)
        symbols: list[str] = []
        for base, power in powers.items():
            if not (base.is_Symbol and power.is_Integer and power > 0) or not factor.is_Integer:
                msg = f"{self.place}: the size {expression} is no multiple of the batch size."
                raise TraceError(msg)
            name = self.symbols.setdefault(str(base), SYMBOLS[len(self.symbols) % len(SYMBOLS)])
            symbols += [name] * int(power)
        return Sym(tuple(sorted(symbols)), int(factor)) if symbols else int(factor)

    def _fresh(self, stem: str) -> str:
        count = self.names.get(stem, 0)
        self.names[stem] = count + 1
        return self._fresh(f"{stem}_v{count + 1}") if count else stem


def _named_outputs(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return what a model gives back, dictionaries by key, each with the keys that lead to it; None is left out."""
    if isinstance(value, Mapping):
        return [item for key in sorted(value) for item in _named_outputs(value[key], f"{name}_{key}".lstrip("_"))]
    if isinstance(value, (tuple, list)):
        digits = len(str(len(value) - 1))
        numbered = [(f"{name}_{index:0{digits}}" if name else "", item) for index, item in enumerate(value)]
        return [item for label, each in numbered for item in _named_outputs(each, label)]
    return [] if value is None else [(name, value)]


def _canonical(name: str, arguments: dict[str, Any]) -> str:
    """Return one name for what ATen has under several."""
    if name in ("max", "min") and "other" in arguments:
        return f"{name}imum"
    return {"_unsafe_view": "reshape", "view": "reshape", "_softmax": "softmax", "concat": "cat", "t": "t"}.get(
        name, name
    )


def _line(stack: Any) -> str:
    """Return the innermost line of a stack that is the user's, as ``file.py:12``."""
    found = re.findall(r'File "([^"]+)", line (\d+)', stack or "")
    mine = [(name, line) for name, line in found if "/torch/" not in name]
    return f"{mine[-1][0].rpartition('/')[2]}:{mine[-1][1]}" if mine else ""


def doubled(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return the example with its one sample twice, so that the batch axis is seen as one; None if it has several."""
    tensors = [v for v in pytree.tree_leaves((args, dict(kwargs))) if isinstance(v, Tensor) and v.dim()]
    if not tensors or any(tensor.size(0) != 1 for tensor in tensors):
        return None

    def twice(value: Any) -> Any:
        return torch.cat([value, value]) if isinstance(value, Tensor) and value.dim() else copy.copy(value)

    return pytree.tree_map(twice, args), pytree.tree_map(twice, dict(kwargs))
