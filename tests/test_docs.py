"""The pages of ``docs/`` say what is true: their examples run as they stand, and print what is shown under them."""

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dualnet.backends import Backend
from dualnet.cli import main
from dualnet.specs.layers import Layer

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path for path in sorted((ROOT / "docs").rglob("*.md"))}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def own_layers() -> Iterator[None]:
    """Forget the layers that a page registers."""
    before = dict(Layer.registry)
    yield
    Layer.registry.clear()
    Layer.registry.update(before)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Return (language, content, what is shown of its output) of each fenced block that runs."""
    found = FENCE.findall(PAGES[page].read_text(encoding="utf-8"))
    rest = [*found, ("", "")][1:]
    return [
        (language, content, following if kind == "text" else "")
        for (language, content), (kind, following) in zip(found, rest, strict=True)
        if language != "text"
    ]


def printed(page: str, language: str, content: str, scope: dict[str, Any]) -> str:
    """Return what a block prints: a session of the command line, a script by itself, or lines of the page's own."""
    out = io.StringIO()
    if language == "console":
        command, _, shown = content.partition("\n")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(command.removeprefix("$ dualnet ").split())
        assert out.getvalue().strip() == shown.strip()
        return ""
    script = re.match(r"# (\w+\.py)\n", content)
    if script:
        Path(script[1]).write_text(content)
        command = [sys.executable, script[1]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
    with contextlib.redirect_stdout(out):
        exec(compile(content, f"{page}.md", "exec"), scope)
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_shows(
    page: str, both: tuple[Backend, Backend], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the processes that it starts
    scope: dict[str, Any] = {"__name__": f"docs.{page}"}
    for language, content, shown in blocks(page):
        assert language in ("python", "console")
        found = printed(page, language, content, scope)
        assert [line.rstrip() for line in found.strip().splitlines()] == shown.strip().splitlines()


def test_every_page_is_in_the_index_and_has_examples() -> None:
    index = PAGES["README"].read_text(encoding="utf-8")
    listed = {page for page, path in PAGES.items() if path.parent.name == "building_blocks"} - {"README"}
    assert sorted(re.findall(r"\((\w+)\.md\)", index)) == sorted(listed)
    assert len(listed) == 10
    assert all(len(blocks(page)) >= 3 for page in listed)
