"""Writer: walks a program's scopes and writes each as a module, deciding every tensor's order of memory on the way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dualnet.backends.source.code import Invoke, Lit, Made, Var, invoke, variables
from dualnet.backends.source.form import Storage, Value, axes_of
from dualnet.backends.source.layers import Layered
from dualnet.backends.source.same import alike
from dualnet.backends.source.state import Gap, Writer
from dualnet.backends.source.written import Line, Reach, Written, steps
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op, Scope


def write(writer: Writer, inputs: Sequence[tuple[int, ...]]) -> tuple[Written, list[Value], list[Value]]:
    """Return the root module, the outputs' values, and those of training where they are something else.

    ``inputs`` are the orders in which inputs lie.
    """
    root = Written("", writer.program.name)
    frame = Frame(writer, root)
    for (name, tensor), order in zip(writer.program.inputs.items(), inputs, strict=True):
        axes = axes_of(tensor.shape)
        var = Var(name if len(writer.program.inputs) > 1 else "x")
        root.ports.append(var)
        frame.values[name] = Value(axes, Storage(var, tuple(axes[axis] for axis in order), tensor.dtype))
    frame.body(writer.program.root)
    root.lines[:0] = _unset(root, "")
    outputs = frame.given_back(writer.program.outputs, "inference" if writer.program.training_outputs else "")
    training = frame.given_back(writer.program.training_outputs, "training")
    root.keys = writer.program.keys if len(writer.program.keys) == len(outputs) else ()
    root.returns = [frame.code(value.storage) for value in outputs]
    root.others = [frame.code(value.storage) for value in training]
    root.moody = root.moody or bool(training)
    swept(root)
    return root, outputs, training


def _handed(child: Written, storages: Sequence[Storage]) -> dict[Any, Storage]:
    """Return what stands behind each port of a module: what is handed in, and the weights from elsewhere."""
    return dict(zip(child.ports, storages, strict=False)) | {var: storage for storage, var in child.extras}


def swept(module: Written) -> None:
    """Take out lines whose results nothing reads; calls of layers stay, for they may keep something."""
    live = {id(var) for value in (*module.returns, *module.others) for var in variables(value)}
    kept = []
    for line in reversed(module.lines):
        if (
            not line.targets
            or live.intersection(map(id, line.targets))
            or isinstance(getattr(line.code, "target", None), Reach)
        ):
            live.update(id(var) for var in variables(line.code))
            kept.append(line)
    module.lines = kept[::-1]


def _unset(child: Written, mode: str) -> list[Line]:
    """Return ``y = None`` for what a module gives back or hands to another in one mode only, unless it runs in one."""
    made = {id(var): line.mode for line in child.lines for var in line.targets}
    calls = [line.code for line in child.lines if not line.mode and isinstance(line.code, Invoke)]
    handed = [var for call in calls if isinstance(call.target, Reach) for var in variables(call)]
    missing = {id(value): value for value in (*child.returns, *handed) if made.get(id(value), "") and not mode}
    return [Line((value,), Lit(None)) for value in missing.values()]


class Frame(Layered):
    """One module being written: its ops by the framework's rules, the modules in it as modules of their own."""

    def body(self, scope: Scope) -> None:
        """Write the ops and the modules of a scope."""
        for item in scope.body:
            if isinstance(item, Op):
                self.op = item
                with self._only("" if self.within else item.mode):
                    self._op(item)
            elif self._leaf(item) or item.path in ("", self.hint):
                before, self.hint = self.hint, item.path
                self.body(item)
                self.hint = before
            else:
                self._call(item)

    def given_back(self, names: Sequence[str], mode: str) -> list[Value]:
        """Return the values of outputs, each as a model gives it back; ``mode`` where only one mode does."""
        with self._only(mode if names else ""):
            return [self.settled(self.values[name]) for name in names]

    @contextmanager
    def _only(self, mode: str) -> Iterator[None]:
        """Write lines that run in one mode only; forms made there are not there for others."""
        if not mode:
            yield
            return
        self.module.moody = True
        before, forms = self.mode, dict(self.forms)
        self.mode = mode
        yield
        self.mode, self.forms = before, forms

    def _leaf(self, scope: Scope) -> bool:
        """Return whether a module is a framework's own and small, so that its ops stand in its caller."""
        if scope.kind.startswith(
            ("torch.nn.utils.parametrize.ParametrizationList", "torch.nn.utils.parametrizations.")
        ):
            return True
        own = scope.kind.startswith(("torch.nn.", "keras.layers."))
        return (
            own and len(scope.body) <= 5 and all(isinstance(item, Op) for item in scope.body) and not self._box(scope)
        )

    def _box(self, scope: Scope) -> bool:
        return scope.kind.rpartition(".")[2] in ("Sequential", "ModuleList", "ModuleDict")

    def _op(self, op: Op) -> None:
        rule = self.target.rules.get(op.op)
        try:
            made = rule(self, op) if rule is not None else self._hole(op, "")
        except UnsupportedError as error:
            made = self._hole(op, str(error))
        several = made if isinstance(made, (tuple, list)) else (made,)
        for name, value in zip(op.results, several, strict=False):
            self.values[name] = value

    def _hole(self, op: Op, reason: str) -> tuple[Value, ...]:
        """Write a call of a function that is yet to be written, and remember why."""
        number = len(self.writer.gaps) + 1
        gap = Gap(op.op, self.hint or self.module.path, op.place, reason, f"hole_{number}")
        self.writer.gaps.append(gap)
        names = dict.fromkeys(op.refs())
        arguments = [self.logical(self.settled_weight(self.values[name])) for name in names if name in self.values]
        variables = tuple(Var("y") for _ in op.results)
        self.line(variables, invoke(gap.hole, *arguments))
        values = []
        for name, var in zip(op.results, variables, strict=True):
            tensor = self.program.wires[name]
            axes = axes_of(tensor.shape)
            values.append(Value(axes, Storage(var, axes, tensor.dtype)))
        return tuple(values)

    def _call(self, scope: Scope) -> None:
        modes = {op.mode for op in scope.ops()}
        with self._only(modes.pop() if len(modes) == 1 and not self.within else ""):
            self._called(scope)

    def _called(self, scope: Scope) -> None:
        given = {name: self.settled_weight(self.values[name]) for name in scope.ports}
        first = self.writer.written.get(scope.path)
        child, outputs, storages = self._module(scope, given, first)
        if not child.lines:
            self._adopt(scope, outputs, _handed(child, storages), {})
            return
        if first is not None and not alike(first, child):
            before, self.hint = self.hint, scope.path
            self.body(scope)
            self.hint = before
            return
        if first is not None:
            first.varied = first.varied or first.ranks != child.ranks
        else:
            slot = self.slot(scope.path, Made(child), module=child)
            child.parent, child.slot, child.only = self.module.self(), slot, bool(self.mode)
            self.writer.written[scope.path] = child
        home = (first or child).self()
        assert home.parent is not None and home.slot is not None  # set above
        if steps(self.module, Reach(home.parent, home.slot)) is None:
            self.body(scope)
            return
        arguments = [self.code(storage) for storage in storages]
        arguments += [self.code(storage) for storage, _ in child.extras]
        targets = tuple(Var(home.slot.attr) for _ in child.returns)
        self.line(targets, invoke(Reach(home.parent, home.slot), *arguments))
        self._adopt(scope, outputs, _handed(child, storages), self._given(child, targets))

    def _given(self, child: Written, targets: Sequence[Var]) -> dict[Any, Var]:
        return {id(returned): target for returned, target in zip(child.returns, targets, strict=True)}

    def _adopt(self, scope: Scope, outputs: list[Value], ports: dict[Var, Storage], made: dict[Any, Var]) -> None:
        """Enter what a call gave back: a new variable, or what was handed in, seen in another way."""
        fresh: dict[int, Storage] = {}
        for name, value in zip(scope.outputs, outputs, strict=True):
            storage = value.storage
            if storage.held:
                found = storage
            elif storage.code in ports:
                found = ports[storage.code]
            else:
                if id(storage) not in fresh:
                    fresh[id(storage)] = Storage(made[id(storage.code)], storage.axes, storage.dtype)
                found = fresh[id(storage)]
            self.values[name] = Value(value.axes, found)

    def _module(
        self, scope: Scope, given: dict[str, Value], first: Written | None
    ) -> tuple[Written, list[Value], list[Storage]]:
        """Write a scope as a module of its own; return it, its outputs, and the storages to hand in."""
        child = Written(scope.path, scope.kind.rpartition(".")[2], self.module, twin=first)
        frame = Frame(self.writer, child, within=self.within or self.mode)
        storages: list[Storage] = []
        inside: dict[int, Storage] = {}
        for name, value in given.items():
            storage = value.storage
            if storage.held:
                frame.values[name] = value
                continue
            if id(storage) not in inside:
                var = Var("x" if not inside else name.rstrip("0123456789_") or "y")
                inside[id(storage)] = Storage(var, storage.axes, storage.dtype)
                storages.append(storage)
                child.ports.append(var)
                child.ranks.append(len(storage.physical))
            frame.values[name] = Value(value.axes, inside[id(storage)])
        frame.body(scope)
        outputs = [frame.values[name] for name in scope.outputs]
        ports = {id(storage) for storage in inside.values()}
        kept = {id(v.storage): v.storage for v in outputs if not v.storage.held and id(v.storage) not in ports}
        child.returns = [storage.code for storage in kept.values()]
        child.lines[:0] = _unset(child, self.within or self.mode)
        swept(child)
        child.ports += [var for _, var in child.extras]
        return child, outputs, storages
