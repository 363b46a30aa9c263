"""The verb ``report``: the results of a run directory as one page. It loads no framework."""

import json
import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from dualnet import store
from dualnet.cli.results import write
from dualnet.errors import DataError
from dualnet.report.page import page
from dualnet.report.result import Result, load


def report_page(arguments: Namespace) -> int:
    """Write a page of every result in a folder and its sub-folders."""
    results = found(arguments.run_dir)
    path = arguments.out_file or arguments.run_dir / "report.html"
    write_page(path, results, f"dualnet: {arguments.run_dir.resolve().name}")
    print(f"written: {path} ({path.stat().st_size / 1000:,.0f} kB, {len(results)} result{'s'[: len(results) - 1]})")
    write(arguments.json, {"page": str(path), "results": [result.title for result in results]})
    if arguments.open and not webbrowser.open(path.resolve().as_uri()):
        print("no browser could be opened")
    return 0


def write_page(path: Path, results: Sequence[Result], title: str) -> None:
    """Write the page of some results, whole or not at all. Raises ``DataError`` if the place cannot be written."""
    text = page(results, title)
    try:
        store.write_text(path, text)
    except OSError as error:
        msg = f"{path}: the page cannot be written: {error.strerror}."
        raise DataError(msg) from None


def found(folder: Path) -> list[Result]:
    """Return every result below a folder, parity first. Raises ``DataError`` naming a file that is no whole result."""
    if not folder.is_dir():
        msg = f"{folder}: expected a folder of results. Received: {'a file' if folder.exists() else 'no such folder'}."
        raise DataError(msg)
    paths = [path for path in sorted(folder.rglob("*.json")) if path.is_file() and _claims(path)]
    if not paths:
        msg = f"{folder}: there is no result in it. Commands write theirs with --out; name the same folder here."
        raise DataError(msg)
    return sorted((load(path) for path in paths), key=lambda result: (result.name != "parity", result.name))


def _claims(path: Path) -> bool:
    """Return whether a file says that it is a result, even if it is no whole JSON any more."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        msg = f"{path}: the file cannot be read: {error.strerror}."
        raise DataError(msg) from None
    if '"dualnet_result"' not in text:
        return False
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return True  # and load() says what is wrong with it
    return isinstance(data, dict) and "dualnet_result" in data
