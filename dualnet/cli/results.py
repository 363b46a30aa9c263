"""Results on disk: JSON, written whole or not at all, where the command line asks for it."""

import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dualnet import store
from dualnet.errors import DataError
from dualnet.report.result import Result, dumps


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
        store.write_text(path, dumps(found))
    except OSError as error:
        msg = f"{path}: the result cannot be written: {error.strerror}."
        raise DataError(msg) from None


def keep(result: Result, folder: Path | None) -> None:
    """Write a result into a run's folder as JSON and PNG, and the page of all results there."""
    if folder is None:
        return
    from dualnet.cli.pages import found, write_page

    result.save(folder / f"{result.name}.json")
    result.plot(folder / f"{result.name}.png")
    write_page(folder / "report.html", found(folder), f"dualnet: {folder.resolve().name}")
    print(f"written: {folder}/{result.name}.json, {result.name}.png, report.html")
