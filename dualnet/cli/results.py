"""Results on disk: JSON, written whole or not at all, where the command line asks for it."""

import json
import math
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dualnet import store
from dualnet.errors import DataError


def places(arguments: Namespace) -> None:
    """Make the folders of the results, before any work is done. Raises ``DataError`` if one cannot be written."""
    if arguments.json and arguments.json.is_dir():
        msg = f"--json must name a file. Received the folder {arguments.json}"
        raise DataError(msg)
    for folder in (arguments.json and arguments.json.parent, getattr(arguments, "out", None)):
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            msg = f"{folder}: nothing can be written there: {error.strerror}."
            raise DataError(msg) from None


def write(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write a result as JSON. Raises ``DataError`` if the place cannot be written."""
    if path is None:
        return
    try:
        store.write_text(path, json.dumps(_strict(found), indent=2, allow_nan=False) + "\n")
    except OSError as error:
        msg = f"{path}: the result cannot be written: {error.strerror}."
        raise DataError(msg) from None


def _strict(value: Any) -> Any:
    """Return plain data with NaN and infinity as words: JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {name: _strict(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
