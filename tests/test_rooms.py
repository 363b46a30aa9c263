"""Imports flow one way: a page may use its own room and the rooms above it in the list, and frameworks stay at home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = (
    ("dualnet.errors",),
    ("dualnet.specs",),
    ("dualnet.backends",),
    ("dualnet.store", "dualnet.data"),
    ("dualnet.run",),
    ("dualnet.explain", "dualnet.diagnose"),
    ("dualnet.compare",),
    ("dualnet.report",),
    ("dualnet.experiments",),
    ("dualnet.api",),
    ("dualnet.sweep",),
    ("dualnet.bench",),
    ("dualnet.cli", "dualnet.testing"),
    ("dualnet.pytest_plugin",),
    ("dualnet", "dualnet.__main__"),
)
FLOORS = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
# A framework's adapter, and the pages that time it as its users would write it.
HOMES = {
    "torch": ("dualnet.backends.torch", "dualnet.bench.torch"),
    "tensorflow": ("dualnet.backends.keras", "dualnet.bench.keras"),
    "keras": ("dualnet.backends.keras", "dualnet.bench.keras"),
}


class Imports(ast.NodeVisitor):
    """Every module that a page imports, at its top or inside a function, but not for type checkers only."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        names = [f"{module}.{alias.name}" for alias in node.names]
        # `from dualnet import specs` reaches into a room, `from dualnet import __version__` into none
        self.found += [name for name in names if name != "dualnet.__version__"] if module == "dualnet" else [module]

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        for other in node.orelse:
            self.visit(other)


def imports(page: str, code: str) -> list[str]:
    visitor = Imports()
    visitor.visit(ast.parse(code, page))
    return visitor.found


def room_of(module: str) -> str | None:
    """Return the room that a module lies in: the longest one whose name it begins with; `dualnet` holds only itself."""
    rooms = [room for room in FLOORS if module == room or (module.startswith(f"{room}.") and room != "dualnet")]
    return max(rooms, key=len, default=None)


def adapter_of(module: str) -> tuple[str, ...] | None:
    """Return the homes of the framework whose a page is, if it is one's."""
    found = (homes for homes in HOMES.values() if any(f"{module}.".startswith(f"{home}.") for home in homes))
    return next(found, None)


def faults(page: str, code: str) -> Iterator[str]:
    """Yield in words what is wrong with the imports of ``page``."""
    here = room_of(page)
    if here is None:
        yield f"{page} is in no room: give it one in ROOMS"
        return
    for module in imports(page, code):
        there = room_of(module)
        home = HOMES.get(module.split(".")[0])
        if module.startswith("."):
            yield f"{page} imports {module} by a relative path"
        elif home and adapter_of(page) != home:
            yield f"{page} imports {module}, which only {home[0]} may"
        elif there and there != here and FLOORS[there] >= FLOORS[here]:
            yield f"{page} imports {module}, which lies below it"
        elif adapter_of(module) and adapter_of(page) and adapter_of(module) != adapter_of(page):
            yield f"{page} imports {module}, another adapter"
        elif module.startswith("dualnet.") and there is None:
            yield f"{page} imports {module}, which is in no room"


def pages() -> dict[str, Path]:
    """Return every page of the three folders by its module name; links are not followed."""
    found = {}
    for prefix, folder in (("", "dualnet"), ("dualnet.", "backends"), ("dualnet.", "specs")):
        for path in (ROOT / folder).rglob("*.py"):
            if not any(part.is_symlink() for part in path.parents):
                name = prefix + ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


def test_imports_flow_one_way() -> None:
    assert [fault for page, path in pages().items() for fault in faults(page, path.read_text(encoding="utf-8"))] == []


def test_all_three_folders_are_walked() -> None:
    assert {"dualnet", "dualnet.errors", "dualnet.data.idx"} <= pages().keys()
    assert {page.split(".")[1] for page in pages() if "." in page} >= {"backends", "specs"}


@pytest.mark.parametrize(
    ("page", "code", "fault"),
    [
        ("dualnet.specs.layers", "import dualnet.backends", "lies below"),
        ("dualnet.specs.layers", "from dualnet import backends", "lies below"),
        ("dualnet.specs.layers", "import dualnet", "lies below"),
        ("dualnet.errors", "from dualnet.specs import Dense", "lies below"),
        ("dualnet.store", "from dualnet.data import split", "lies below"),
        ("dualnet.run.train", "def f():\n    from dualnet.compare.suite import run", "lies below"),
        ("dualnet.report.table", "from dualnet.experiments.bench import Bench", "lies below"),
        ("dualnet.run.train", "import torch.nn as nn", "only dualnet.backends.torch may"),
        ("dualnet.backends.base", "import torch", "only dualnet.backends.torch may"),
        ("dualnet.backends.keras.build", "from torch import nn", "only dualnet.backends.torch may"),
        ("dualnet.backends.torch.build", "import keras", "only dualnet.backends.keras may"),
        ("dualnet.cli", "if x:\n    pass\nelse:\n    import tensorflow as tf", "only dualnet.backends.keras may"),
        ("dualnet.backends.keras", "from dualnet.backends.torch import build", "another adapter"),
        ("dualnet.backends.torch.build", "from dualnet.backends.keras.build import f", "another adapter"),
        ("dualnet.data", "from . import idx", "relative path"),
        ("dualnet.data", "from ..store import save", "relative path"),
        ("dualnet.cli", "import dualnet.attic", "in no room"),
        ("dualnet.attic", "", "in no room"),
    ],
)
def test_a_planted_fault_is_found(page, code, fault) -> None:
    assert [fault in found for found in faults(page, code)] == [True]


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (
            "dualnet.specs.layers",
            "import numpy\nfrom dualnet.errors import SpecError\nfrom dualnet.specs.node import N",
        ),
        ("dualnet.specs.layers", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("dualnet.backends.torch", "import torch\nfrom dualnet.backends.base import Backend"),
        ("dualnet.backends.keras.build", "import keras\nimport tensorflow as tf\nfrom dualnet import specs"),
        ("dualnet.cli", "from dualnet import __version__\nfrom dualnet.api import build"),
        ("dualnet", "import dualnet.cli"),
    ],
)
def test_what_is_right_passes(page, code) -> None:
    assert list(faults(page, code)) == []
