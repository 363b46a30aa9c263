"""Code: expressions of the source to come, in which numbers that may differ between two uses of a class are marked."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

MISSING: Any = object()


class Expression:
    """Base of all that can stand in an expression."""


@dataclass(eq=False)
class Var(Expression):
    """A local variable; ``hint`` is what it could be called."""

    hint: str = "x"


@dataclass(frozen=True)
class Lit(Expression):
    """A literal; ``name`` is what it would be called as a parameter of its class."""

    value: Any
    name: str = "value"


@dataclass(frozen=True)
class Many(Expression):
    """Texts, variables, literals and calls, one after the other."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Argument:
    """An argument of a call; one that equals ``default`` is not written."""

    value: Any
    keyword: str = ""
    default: Any = MISSING


@dataclass(frozen=True)
class Invoke(Expression):
    """``target(arguments)``; the target is a text or an expression."""

    target: Any
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Made(Expression):
    """A new object of the class that a module becomes: ``Block(64, stride=2)``."""

    module: Any


@dataclass(frozen=True)
class Default:
    """A keyword's value together with the framework's own default, which is left out."""

    value: Any
    default: Any


def code(template: str, *values: Any) -> Expression:
    """Return a template with each ``{}`` replaced by an expression."""
    texts = template.split("{}")
    parts: list[Any] = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        parts += [value, text]
    return Many(tuple(part for part in parts if part != ""))


def invoke(target: Any, *places: Any, **keywords: Any) -> Expression:
    """Return a call. Bare Python values become literals named after their keyword; ``Default`` may be left out."""
    listed = [Argument(_literal(value, "value")) for value in places]
    for name, value in keywords.items():
        if isinstance(value, Default):
            listed.append(Argument(_literal(value.value, name), name, value.default))
        else:
            listed.append(Argument(_literal(value, name), name))
    return Invoke(target, tuple(listed))


def _literal(value: Any, name: str) -> Any:
    return value if isinstance(value, Expression) else Lit(value, name)


def children(node: Any) -> Iterator[Any]:
    """Yield the direct parts of an expression."""
    if isinstance(node, Many):
        yield from node.parts
    elif isinstance(node, Invoke):
        yield node.target
        yield from (argument.value for argument in node.arguments)


def variables(node: Any) -> Iterator[Var]:
    """Yield the variables of an expression in order."""
    if isinstance(node, Var):
        yield node
    for child in children(node):
        yield from variables(child)


def literals(node: Any) -> Iterator[Any]:
    """Yield the literals, and the modules made, of an expression in order."""
    if isinstance(node, (Lit, Made)):
        yield node
    for child in children(node):
        yield from literals(child)


def same(node: Any, default: Any) -> bool:
    """Return whether an expression is the literal ``default``."""
    return isinstance(node, Lit) and type(node.value) is type(default) and bool(node.value == default)


@dataclass
class Printer:
    """Prints expressions: how a variable, a literal (by count) and a made module read is given."""

    name: Callable[[Var], str]
    literal: Callable[[Lit], str] = field(default=lambda lit: literal_text(lit.value))
    made: Callable[[Made], str] = field(default=lambda made: "made")
    other: Callable[[Any], str] = repr
    skip: Callable[[Any, Any], bool] = same

    def text(self, node: Any) -> str:
        """Return an expression as source."""
        for kind, write in self._kinds():
            if isinstance(node, kind):
                return write(node)
        if not isinstance(node, Invoke):
            return self.other(node)
        target, listed = self.text(node.target), []
        for argument in node.arguments:
            text = self.text(argument.value)  # printed even if left out: literals are counted
            if argument.default is not MISSING and self.skip(argument.value, argument.default):
                continue
            listed.append(f"{argument.keyword}={text}" if argument.keyword else text)
        return f"{target}({', '.join(listed)})"

    def _kinds(self) -> tuple[tuple[type, Callable[[Any], str]], ...]:
        return (
            (str, str),
            (Var, self.name),
            (Lit, self.literal),
            (Made, self.made),
            (Many, lambda node: "".join(map(self.text, node.parts))),
        )


def literal_text(value: Any) -> str:
    """Return a value as Python, floats that are no numbers included, texts in double quotes."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal_text(item) for item in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)
