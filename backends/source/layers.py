"""Layers: which object holds a weight, whether an op may call it, and sizes known only at run time."""

from collections.abc import Sequence
from typing import Any

from dualnet.backends.source.align import Aligned
from dualnet.backends.source.code import Lit, Many, code
from dualnet.backends.source.form import Axes, Value, fine, key, shape_of
from dualnet.backends.source.same import shown
from dualnet.backends.source.written import Home, Reach, steps
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Sym


class Layered(Aligned):
    """A page that can make layers."""

    def layer(
        self,
        made: Any,
        weights: dict[str, tuple[Value, Axes]] | None = None,
        suffix: str = "",
        name: str = "",
    ) -> Any:
        """Return the expression of a layer that holds ``weights`` (by the layer's own names), made where it is new.

        None if one of the weights is at home in something else: then the op must be written as a function of it.
        """
        held = {label: (value, fine(axes)) for label, (value, axes) in (weights or {}).items()}
        if not held:
            return self._weightless(made, suffix, name)
        self.writer.one_mode = self.writer.one_mode or "training" in (self.mode, self.within)
        homes = [self.writer.homes.get(value.storage.held) for value, _ in held.values()]
        if all(home is None for home in homes):
            owner = next(iter(held.values()))[0].storage.held.rpartition(".")[0]
            if owner == self.module.path:  # the module's own weights, used by a function
                owner = f"{owner}.{name or self._name()}".lstrip(".")
            member = self.slot(owner, made, suffix=suffix)
            for label, (value, axes) in held.items():
                value.storage.axes = axes
                self.writer.homes[value.storage.held] = Home(self.module.self(), member, label, axes, made)
            return Reach(self.module.self(), member)
        first = homes[0]
        if first is None or any(home is None or home.member is not first.member for home in homes):
            return None
        alike_ = all(
            key(fine(home.axes)) == key(axes) for home, (_, axes) in zip(homes, held.values(), strict=True) if home
        )
        reach = Reach(first.module, first.member)
        if not alike_ or shown(first.config) != shown(made) or steps(self.module, reach) is None:
            return None
        return reach

    def _name(self) -> str:
        return self.op.op.strip("_") if self.op else "layer"

    def _weightless(self, made: Any, suffix: str, name: str) -> Any:
        """Return a layer without weights: the one that stands under the hint if it is the same, else a new one."""
        path = self.hint or f"{self.module.path}.{name or self._name()}".lstrip(".")
        attr, index = self.attr(path)
        if suffix:
            attr, index = f"{attr}_{suffix}" if index is None else f"{attr}_{index}_{suffix}", None
        found = self.module.self().members.get((attr, index)) if self.hint else None
        if found is not None and shown(found.code) == shown(made):
            if self.module.twin is not None:
                self.module.members.setdefault((attr, index), found)
            return Reach(self.module.self(), found)
        member = self.slot(path, made, suffix=suffix, here=self.module)
        if self.module.twin is not None:
            return Reach(self.module, member)
        return Reach(self.module.self(), member)

    def free(self, *values: Value | None) -> bool:
        """Return whether each value is a bare weight (or nothing) that a layer may hold."""
        return all(value is None or bool(value.storage.held) for value in values)

    def size(self, size: Any) -> Any:
        """Return the code of a size: a number, or what a tensor at hand has."""
        if not isinstance(size, Sym):
            return Lit(size, "size")
        parts: list[Any] = [str(size.factor)] if size.factor != 1 else []
        parts += [self._symbol(name) for name in size.symbols]
        listed: list[Any] = []
        for part in parts:
            listed += [" * ", part] if listed else [part]
        return Many(tuple(listed)) if len(listed) > 1 else listed[0]

    def _symbol(self, name: str) -> Any:
        best: tuple[int, Any] | None = None
        for value in self.values.values():
            if not value.placed or value.storage.held or isinstance(value.storage.code, Lit):
                continue
            for index, size in enumerate(shape_of(value.storage.physical)):
                if isinstance(size, Sym) and size.symbols == (name,) and (best is None or size.factor < best[0]):
                    found = self.target.size(value.storage, index, self)
                    best = (size.factor, found if size.factor == 1 else code("{} // " + str(size.factor), found))
            if best is not None and best[0] == 1:
                return best[1]
        if best is None:
            msg = f"the batch size is not at hand in {self.module.path or 'the model'}"
            raise UnsupportedError(msg)
        return best[1] if best[0] == 1 else code("({})", best[1])

    def sizes(self, shape: Sequence[Any], *, hole: bool = True) -> Any:
        """Return the code of a shape; a lone symbolic size is -1 where that is allowed."""
        symbolic = [size for size in shape if isinstance(size, Sym)]
        if hole and len(symbolic) == 1:
            return Lit(tuple(-1 if isinstance(size, Sym) else size for size in shape), "shape")
        if not symbolic:
            return Lit(tuple(shape), "shape")
        parts: list[Any] = []
        for size in shape:
            parts += [", ", self.size(size)] if parts else [self.size(size)]
        return Many(("(", *parts, ",)" if len(shape) == 1 else ")"))

    def by_mode(self, argument: Any) -> Any:
        """Return an argument, with what it is in training and in evaluation where it depends on that."""
        return argument if isinstance(argument, ByMode) else ByMode(argument, argument)
