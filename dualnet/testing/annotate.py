"""Annotations: failures in the words that GitHub's workflows read, one line each."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def annotations(found: Sequence[Mapping[str, Any]], root: Path) -> Iterator[str]:
    """Yield a line for each comparison that failed its test; paths from the workspace, else from the tests' root."""
    home = Path(os.environ.get("GITHUB_WORKSPACE") or root)
    for each in found:
        if each["outcome"] == "failed" and each["verdict"] not in ("equal", "rounding"):
            title = f"parity: {each['verdict']}"
            where = f"file={_setting(_within(each['file'], home))},line={each['line']},title={_setting(title)}"
            told = _text(f"{each['test']}: {each['first']}")
            yield f"::error {where}::{told}"


def _within(file: str, home: Path) -> str:
    path = Path(file).resolve()
    home = home.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _setting(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
