"""The README's examples run as they stand, and its commands and options exist."""

import re
import shlex
from pathlib import Path

import pytest

from dualnet.cli.parser import parser
from dualnet.specs import text

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), scope)
    port, verdict, step = capsys.readouterr().out.strip().splitlines()
    assert port in ("equal 0", "rounding 0")
    assert verdict.startswith(("rounding ", "equal "))
    assert step == "step 1: hidden.weight"


def test_the_spec_file_is_one() -> None:
    (block,) = blocks("toml")
    spec = text.loads(block)
    assert text.loads(text.dumps(spec)) == spec
    assert spec.graph.steps[-1].out_shapes == ((10,),)


def test_the_commands_exist() -> None:
    lines = re.findall(r"^ {4}dualnet (.*?)(?: {2,}#.*)?$", README, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        assert "run" in parser().parse_args(shlex.split(line))


def test_no_placeholder_is_left() -> None:
    assert "@" not in README.replace("@keras.saving.", "")  # a decorator is none
