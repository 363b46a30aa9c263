"""Same: whether two pieces of source say the same, whatever their variables are called."""

from dataclasses import replace
from typing import Any

from dualnet.backends.source.code import Invoke, Many, Printer
from dualnet.backends.source.written import Reach, Written


def _printer() -> Printer:
    seen: dict[int, int] = {}
    return Printer(
        name=lambda var: f"v{seen.setdefault(id(var), len(seen))}",
        made=lambda made: f"made{id(made.module)}",
        skip=lambda value, default: False,
    )


def shown(expression: Any) -> str:
    """Return an expression as text that two equal ones share, variables by their place."""
    return _printer().text(_reached(expression))


def _reached(expression: Any) -> Any:
    if isinstance(expression, Reach):
        return (
            f"<{id(expression.home.self())}.{expression.member.attr}[{expression.member.index}].{expression.variable}>"
        )
    if isinstance(expression, Many):
        return Many(tuple(_reached(part) for part in expression.parts))
    if isinstance(expression, Invoke):
        listed = tuple(replace(argument, value=_reached(argument.value)) for argument in expression.arguments)
        return replace(expression, target=_reached(expression.target), arguments=listed)
    return expression


def alike(first: Written, second: Written) -> bool:
    """Return whether two calls of a module came out as the same code."""
    return bool(_whole(first) == _whole(second))


def _whole(module: Written) -> Any:
    printer = _printer()

    def text(expression: Any) -> str:
        return printer.text(_reached(expression))

    ports = [text(var) for var in module.ports]
    lines = [(text(line.code), [text(var) for var in line.targets]) for line in module.lines]
    extras = [id(storage) for storage, _ in module.extras]
    return ports, lines, [text(value) for value in module.returns], extras
