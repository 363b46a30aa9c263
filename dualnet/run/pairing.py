"""Pairing: a table of which weight is which, as a file that a person edits: JSON or TOML, left name to right name."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dualnet import store
from dualnet.errors import WeightsError

LARGEST = 1 << 24  # bytes: some hundred thousand weights


def read(path: Path) -> dict[str, str]:
    """Return the table in a .json or .toml file. Raises ``WeightsError`` naming what is wrong with it."""
    known(path)
    try:
        if path.stat().st_size > LARGEST:
            msg = f"{path}: a table has at most {LARGEST >> 20} MB. Received: {path.stat().st_size >> 20} MB."
            raise WeightsError(msg)
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        msg = f"{path}: the table cannot be read: {error.strerror}."
        raise WeightsError(msg) from None
    except (ValueError, RecursionError) as error:
        msg = f"{path}: this is no {path.suffix[1:].upper()}: {error}."
        raise WeightsError(msg) from None
    wrong = [found] if not isinstance(found, dict) else [{n: v} for n, v in found.items() if not isinstance(v, str)]
    if wrong:
        msg = (
            f"{path}: a table pairs names of the left model with names of the right one. Received: {str(wrong[0])[:80]}"
        )
        raise WeightsError(msg)
    return dict(found)


def write(path: Path, table: Mapping[str, str]) -> None:
    """Write a table, whole or not at all. Raises ``WeightsError`` if the place cannot be written."""
    known(path)
    if path.suffix == ".json":
        text = json.dumps(dict(table), indent=2, ensure_ascii=False) + "\n"
    else:
        text = "# left name = right name; edit it, and give it back by --table\n"
        text += "".join(f"{_quoted(name)} = {_quoted(target)}\n" for name, target in table.items())
    try:
        store.write_text(path, text)
    except OSError as error:
        msg = f"{path}: the table cannot be written: {error.strerror}."
        raise WeightsError(msg) from None


def _quoted(text: str) -> str:
    """Return a TOML string; JSON's differ by the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def known(path: Path) -> None:
    """Raise ``WeightsError`` for a path that is neither .json nor .toml."""
    if path.suffix not in (".json", ".toml"):
        msg = f"{path}: a table of weights is a .json or .toml file."
        raise WeightsError(msg)
