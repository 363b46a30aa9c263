"""Printing: a class as text: names for its variables, loops for repeated stages, lines that fit."""

import itertools
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from dualnet.backends.source.classes import Class, Classes
from dualnet.backends.source.code import Lit, Printer, literal_text, same, variables
from dualnet.backends.source.written import Member, Written

WIDTH = 100


@dataclass(frozen=True)
class Style:
    """How a framework writes a module: its base class, its method, how a list of members is kept."""

    base: str
    method: str
    listed: str = "[{}]"
    mode: str = ""
    joined: bool = False  # whether a model takes several inputs as one
    above: str = ""  # the decorator of a class
    rest: str = ""  # what else a constructor takes, and hands on


def class_text(made: Class, classes: Classes, style: Style, about: str) -> str:
    """Return the source of one class."""
    module = made.modules[0]
    counted = iter(made.names)
    in_call: dict[str, None] = {}

    def literal(lit: Lit, inside: bool) -> str:
        name = next(counted)
        if name is None:
            return literal_text(lit.value)
        if inside:
            in_call[name] = None
            return f"self.{name}"
        return name

    def printer(names: dict[int, str], inside: bool) -> Printer:
        skips: list[bool] = []

        def write(lit: Lit) -> str:
            text = literal(lit, inside)
            skips.append(text == literal_text(lit.value))
            return text

        return Printer(
            name=lambda var: names[id(var)],
            literal=write,
            other=lambda reach: classes.reached(module, reach),
            skip=lambda value, default: same(value, default) and (not skips or skips[-1]),
        )

    making = printer({}, inside=False)
    made_texts = {key: making.text(classes.plain(member.code)) for key, member in module.members.items()}
    names = variable_names(module)
    calling = printer(names, inside=True)
    body = []
    for line in module.lines:
        text = calling.text(line.code)
        body.append((", ".join(names[id(var)] for var in line.targets), text, line.mode))
    returns = [calling.text(value) for value in module.returns]
    others = [calling.text(value) for value in module.others]
    lines = [style.above] if style.above else []
    lines += [f"class {made.name}({style.base}):", f'    """{about}"""', ""]
    init = _constructor(module, made_texts, style)
    kept = [f"self.{name} = {name}" for name in in_call]
    if init or made.parameters or kept:
        signature = ", ".join(["self", *made.parameters, *([style.rest] if style.rest else [])])
        lines += fitted(f"    def __init__({signature}):")
        lines += [f"        super().__init__({style.rest})"]
        lines += [each for text in [*kept, *init] for each in fitted(f"        {text}")]
        lines += [""]
    if module.only and style.mode and not any(m.module or "Seed" not in t for m, t in _made(module, made_texts)):
        lines[-1:] = ["        self.built = True  # it is not called when the model is built, and holds no weights", ""]
    ports = [names[id(var)] for var in module.ports]
    given = style.joined and module.parent is None and len(ports) > 1
    taken = ["inputs"] if given else ports
    signature = ", ".join(["self", *taken, *([style.mode] if module.moody and style.mode else [])])
    lines += fitted(f"    def {style.method}({signature}):")
    lines += [f"        {', '.join(ports)} = inputs"] if given else []
    lines += [each for text in _body(body, returns, others, module, style) for each in fitted(f"        {text}")]
    return "\n".join(lines)


def _made(module: Written, texts: dict[Any, str]) -> list[tuple[Member, str]]:
    return [(member, texts[key]) for key, member in module.members.items()]


def _constructor(module: Written, texts: dict[Any, str], style: Style) -> list[str]:
    lists = {attr: [texts[m.attr, m.index] for m in members] for attr, members in module.lists().items()}
    lines, done = [], set()
    for (attr, index), text in texts.items():
        if index is None:
            lines.append(f"self.{attr} = {text}")
        elif attr not in done:
            done.add(attr)
            lines.append(f"self.{attr} = {style.listed.format(_listed(lists[attr], style))}")
    return lines


def _listed(items: list[str], style: Style) -> str:
    """Return the elements of a list, repeated ones by a comprehension."""
    if len(items) > 2 and len(set(items)) == 1:
        return f"{items[0]} for _ in range({len(items)})"
    return ", ".join(items)


def _body(
    body: list[tuple[str, str, str]], returns: list[str], others: list[str], module: Written, style: Style
) -> list[str]:
    lists = {attr: (len(members), _single(attr, members[0])) for attr, members in module.lists().items()}
    lines: list[str] = []
    for mode, group in itertools.groupby(body, key=lambda each: each[2]):
        made = _looped([(target, text) for target, text, _ in group], lists)
        word = style.mode.partition("=")[0] or "self.training"
        head = {"training": f"if {word}:", "inference": f"if not {word}:"}.get(mode)
        lines += made if head is None else ["\n".join([head, *(textwrap.indent(text, "    ") for text in made)])]
    last = ", ".join(returns)
    if others:
        word = style.mode.partition("=")[0] or "self.training"
        return [*lines, f"if {word}:\n    return {', '.join(others)}", f"return {last}"]
    if module.keys:
        pairs = (f"{literal_text(key)}: {text}" for key, text in zip(module.keys, returns, strict=True))
        return [*lines, f"return {{{', '.join(pairs)}}}"]
    if lines and len(returns) == 1 and lines[-1].startswith(f"{last} = ") and "\n" not in lines[-1]:
        return [*lines[:-1], f"return {lines[-1].removeprefix(f'{last} = ')}"]
    return [*lines, f"return {last}"]


def _single(attr: str, member: Member) -> str:
    """Return what one element of a list is called: after its class, else after the list."""
    if member.module is not None and member.module.kind not in ("Sequential", "ModuleList", "ModuleDict"):
        word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member.module.kind).lower()
        return f"{word}_" if word in RESERVED | BUILTINS or not word.isidentifier() else word
    return attr.removesuffix("s") if attr.endswith("s") else f"{attr}_item"


def _looped(body: list[tuple[str, str]], lists: dict[str, tuple[int, str]]) -> list[str]:
    """Return assignments as lines; calls of all of a list's elements, one after the other, as a loop."""
    lines: list[str] = []
    index = 0
    while index < len(body):
        target, text = body[index]
        found = re.fullmatch(r"self\.(\w+)\[0\]\((.*)\)", text)
        attr = found.group(1) if found else ""
        length, single = lists.get(attr, (0, ""))
        wanted = [(target, f"self.{attr}[{i}]({found.group(2)})" if found else "") for i in range(length)]
        used = {word for each in body for word in re.findall(r"\w+", each[0] + " " + each[1])}
        single = f"{attr}_item" if single in used else single
        if found and length > 1 and body[index : index + length] == wanted:
            lines.append(f"for {single} in self.{attr}:\n    {target} = {single}({found.group(2)})")
            index += length
        else:
            lines.append(f"{target} = {text}" if target else text)
            index += 1
    return lines


RESERVED = {"self", "ops", "layers", "keras", "np", "torch", "nn", "math", "training", "tf", "F", "random"}
BUILTINS = {"max", "min", "sum", "abs", "pow", "all", "any", "slice", "range", "len", "round", "type", "input", "is"}
BUILTINS |= {"lambda", "not", "and", "or", "in", "if", "else", "for", "while", "del", "from", "import", "as", "None"}


def variable_names(module: Written) -> dict[int, str]:
    """Return a name for each variable: a value takes over the name of what it was made from, if that is done with."""
    last: dict[int, int] = {}
    for index, line in enumerate(module.lines):
        for var in variables(line.code):
            last[id(var)] = index
    for value in (*module.returns, *module.others):
        for var in variables(value):
            last[id(var)] = len(module.lines)
    names: dict[int, str] = {}
    live: dict[str, int] = {}
    for var in module.ports:
        names[id(var)] = name = _unused(_clean(var.hint), live)
        live[name] = last.get(id(var), -1)
    for index, line in enumerate(module.lines):
        read = list(dict.fromkeys(variables(line.code)))
        ending = [var for var in read if last[id(var)] == index]
        free = [names[id(var)] for var in ending]
        for name in free:
            live.pop(name, None)
        for position, var in enumerate(line.targets):
            if id(var) not in last and len(line.targets) > 1:
                names[id(var)] = "_"
                continue
            take = free[0] if position == 0 and len(line.targets) == 1 and free else None
            name = take if take and take not in live else _unused(_clean(var.hint), live)
            names[id(var)] = name
            live[name] = last.get(id(var), index)
        for name in [name for name, end in live.items() if end <= index]:
            del live[name]
    return names


def _clean(hint: str) -> str:
    name = re.sub(r"\W|_+$|^_+", "", hint) or "y"
    name = f"y{name}" if name[:1].isdigit() else name
    return f"{name}_" if name in RESERVED | BUILTINS else name


def _unused(stem: str, live: dict[str, int]) -> str:
    name, number = stem, 2
    while name in live:
        name, number = f"{stem}_{number}", number + 1
    return name


def fitted(text: str) -> list[str]:
    """Return a line as lines of at most ``WIDTH`` columns, broken at the outermost brackets, as formatters do."""
    indent = text[: len(text) - len(text.lstrip())]
    first, *rest = text.split("\n")
    return [each for line in (first, *(indent + line for line in rest)) for each in _fit(line)]


def _fit(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    split = _outermost(line)
    if split is None:
        return [line]
    opening, items, closing = split
    inner = f"{indent}    "
    together = inner + ", ".join(items)
    lines = [opening]
    comprehension = len(items) == 1 and re.search(r" for \w+ in range\(\d+\)$", items[0])
    if len(together) <= WIDTH and not any(item.startswith("*") for item in items):
        lines.append(together)
    else:
        for item in items:
            lines += _fit(inner + item + ("" if comprehension or len(items) == 1 else ","))
    return [*lines, indent + closing]


def _outermost(line: str) -> tuple[str, list[str], str] | None:
    """Return what stands before, within and after the last outermost brackets of a line."""
    depth, quote = 0, ""
    start = end = -1
    spans: list[tuple[int, int]] = []
    for place, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            start = place if depth == 0 else start
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                spans.append((start, place))
    if not spans:
        return None
    start, end = max(spans, key=lambda span: span[1] - span[0])
    items = _split(line[start + 1 : end])
    return (line[: start + 1], items, line[end:]) if items else None


def _split(text: str) -> list[str]:
    depth, quote, items, begin = 0, "", [], 0
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            items.append(text[begin:place].strip())
            begin = place + 1
    rest = text[begin:].strip()
    return [*items, *([rest] if rest else [])]
