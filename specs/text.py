"""Spec ↔ text. A spec file is TOML (or JSON of the same shape): data only, so loading one never runs code."""

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs.graph import DEEPEST
from dualnet.specs.layers import Block, Layer
from dualnet.specs.node import Node, construct, make, shown
from dualnet.specs.spec import Spec

FORMAT = 1


def to_data(spec: Spec) -> dict[str, Any]:
    """Return a spec as plain data: numbers, texts, lists and dictionaries."""
    data: dict[str, Any] = {"dualnet": FORMAT}
    own = {name: plain(value) for name, value in spec.fields() if name != "model"}
    ahead = {name: own.pop(name) for name in ("name", "about", "init", "inputs") if name in own}
    return data | ahead | _block(spec.model) | own


def from_data(data: Any, where: str = "spec") -> Spec:
    """Return the spec that plain data describes. Raises ``SpecError`` naming the field, opened by ``where``."""
    try:
        return _spec(data, where)
    except RecursionError:
        msg = f"{where}: it is nested too deeply. Blocks go at most {DEEPEST} deep; use fewer."
        raise SpecError(msg) from None


def _spec(data: Any, where: str) -> Spec:
    if not isinstance(data, dict):
        msg = f"{where}: a spec is a table with name, inputs and layers. Received: {shown(data)}"
        raise SpecError(msg)
    version, known = data.get("dualnet", FORMAT), _known()
    if type(version) is not int or version != FORMAT:
        msg = f"{where}: format {shown(version)} is not known; this dualnet reads format {FORMAT}."
        raise SpecError(msg)
    for name in data:
        if name not in known:
            msg = f"{where}: a spec has no field {shown(name)}." + (
                did_you_mean(str(name), known) or f" It has: {', '.join(known)}."
            )
            raise SpecError(msg)
    if "layers" not in data:
        msg = f"{where}: a spec needs 'layers', a list of tables such as {{op = \"Linear\", features = 10}}."
        raise SpecError(msg)
    block = {name: data[name] for name in ("layers", "outputs") if name in data}
    own = {name: value for name, value in data.items() if name not in ("dualnet", "layers", "outputs")}
    model = construct(Block, _arguments(Block, block, where), where)
    spec: Spec = construct(Spec, {"model": model, **_arguments(Spec, own, where)}, where)
    return spec


def _known() -> list[str]:
    """Return the names that may stand at the top of a file."""
    return ["dualnet", "layers", "outputs", *(field.name for field in fields(Spec) if field.name != "model")]


def node(family: type[Node], data: dict[str, Any], where: str) -> Node:
    """Return the node of a family that plain data describes. Raises ``SpecError``, opened by ``where``."""
    made: Node = _node(family, data, where)
    return made


def dumps(spec: Spec) -> str:
    """Return a spec as TOML, a line for each layer."""
    data = to_data(spec)
    tables = [name for name, value in data.items() if isinstance(value, dict) and name != "inputs"]
    lines = [f"{name} = {_toml(value, 0)}" for name, value in data.items() if name not in tables]
    for table in tables:
        lines += ["", f"[{table}]", *(f"{name} = {_toml(value, 0)}" for name, value in data[table].items())]
    return "\n".join(lines) + "\n"


def loads(text: str, where: str = "spec") -> Spec:
    """Return the spec that a TOML text describes. Raises ``SpecError`` with the line where it is no TOML."""
    return from_data(_parsed("TOML", tomllib.loads, text, where), where)


def read(path: Path) -> Spec:
    """Return the spec in a .toml or .json file. Raises ``SpecError`` if there is none."""
    if path.suffix not in (".toml", ".json"):
        msg = f"{path}: a spec file ends in .toml or .json. Received: {path.suffix or 'no ending'}"
        raise SpecError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        msg = f"{path}: the spec cannot be read: {reason}."
        raise SpecError(msg) from None
    if path.suffix == ".toml":
        return loads(text, str(path))
    return from_data(_parsed("JSON", _json, text, str(path)), str(path))


def _parsed(language: str, parse: Callable[[str], Any], text: str, where: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        msg = f"{where}: it is nested too deeply. Blocks go at most {DEEPEST} deep; use fewer."
        raise SpecError(msg) from None
    except ValueError as error:
        msg = f"{where}: this is not {language}: {error}"
        raise SpecError(msg) from None


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)


def _no_constant(word: str) -> float:
    msg = f"{word} is no number of a spec."
    raise ValueError(msg)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary; a doubled key is refused, as TOML does."""
    table = dict(pairs)
    if len(table) < len(pairs):
        msg = f"a key is given twice in {shown([name for name, _ in pairs])}."
        raise ValueError(msg)
    return table


def plain(value: Any) -> Any:
    """Return a node, or what nodes hold, as plain data."""
    if isinstance(value, Block):
        return {"op": "Block", **_block(value)}
    if isinstance(value, Node):
        named = {"op": type(value).__name__} if hasattr(type(value), "registry") else {}
        return named | {name: plain(item) for name, item in value.fields()}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def _block(block: Block) -> dict[str, Any]:
    data = {name: plain(value) for name, value in block.fields()}
    return {"layers": data.pop("layers"), **data}


def _arguments(cls: type[Node], data: dict[str, Any], where: str) -> dict[str, Any]:
    """Return plain data as the arguments of a node: tables become the nodes that the fields expect."""
    hints = get_type_hints(cls)
    return {name: _node(hints.get(name), value, f"{where}: {name}") for name, value in data.items()}


def _node(hint: Any, value: Any, where: str) -> Any:
    if hint == tuple[Layer, ...] and isinstance(value, list):
        return tuple(_layer(item, f"{where}[{index}]") for index, item in enumerate(value))
    member = get_args(hint)[0] if get_origin(hint) is tuple else None
    if isinstance(member, type) and issubclass(member, Node) and isinstance(value, list):
        return tuple(_node(member, item, f"{where}[{index}]") for index, item in enumerate(value))
    family = next((arg for arg in (hint, *get_args(hint)) if isinstance(arg, type) and issubclass(arg, Node)), None)
    if family is None or value is None:
        return value
    if hasattr(family, "registry"):
        return _member(family, value, where)
    if not isinstance(value, dict):
        fields_of = ", ".join(field.name for field in fields(family))
        msg = f"{where}: it must be a table with some of: {fields_of}. Received: {shown(value)}"
        raise SpecError(msg)
    return construct(family, _arguments(family, value, where), where)


def _member(family: type[Node], value: Any, where: str) -> Node:
    if not isinstance(value, dict) or "op" not in value:
        kind = family.__name__.lower()
        example = f'{{op = "{_example(family)}"}}'
        msg = f"{where}: {kind} must be a table with 'op', such as {example}. Received: {shown(value)}"
        raise SpecError(msg)
    cls = family.registry.get(value["op"]) if isinstance(value["op"], str) else None
    rest = {name: item for name, item in value.items() if name != "op"}
    return make(family, value["op"], _arguments(cls, rest, where) if cls else rest, where)


def _layer(value: Any, where: str) -> Layer:
    name = value.get("name") if isinstance(value, dict) else None
    layer = _member(Layer, value, f"{where} ({name})" if isinstance(name, str) and name else where)
    assert isinstance(layer, Layer)  # the family's registry holds nothing else
    return layer


def _example(family: type[Node]) -> str:
    return next(iter(family.registry))


def _toml(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(item, depth)}" for name, item in _named_first(value)) + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner, outer = "  " * (depth + 1), "  " * depth
        return "[\n" + "".join(f"{inner}{_toml(item, depth + 1)},\n" for item in value) + outer + "]"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item, depth) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _named_first(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a table's entries, its name and op ahead."""
    first = [name for name in ("name", "op") if name in table]
    for name in (*first, *(name for name in table if name not in first)):
        yield name, table[name]


def with_fields(spec: Spec, **changes: Any) -> Spec:
    """Return a spec with some of its fields, or of its training's fields, replaced."""
    own = {name: value for name, value in changes.items() if name in {field.name for field in fields(Spec)}}
    rest = {name: value for name, value in changes.items() if name not in own}
    return replace(spec, **own, training=replace(spec.training, **rest))
