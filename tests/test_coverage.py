"""Coverage: every public class of both frameworks has a row, and ``docs/coverage.md`` says what each row comes to."""

import warnings

import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from tests.coverage.found import Found
from tests.coverage.measure import EXAMPLES, Measured, measured
from tests.coverage.page import OFF, PATH, cells, read, table, unread
from tests.coverage.rows import FAMILIES, Row, public, rows

ANEW = "write the page anew by `python -m tests.coverage`"
LAYERS, LOSSES = "Layers and containers", "Losses"
# A second and more each; the rest of the page is measured whenever the tests run.
SLOW = ("Transformer", "ConvLSTM", "StackedRNN")


def names(side: str, *kinds: str) -> set[str]:
    return {getattr(row, side) for row in rows() if row.kind in kinds} - {"-"}


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("side", ["torch", "keras"])
def test_every_public_class_has_a_row(both: tuple[Backend, Backend], side: str, kind: str) -> None:
    if (side, kind) == ("torch", LOSSES):
        pytest.skip("torch's losses are modules, and stand among them")
    found = names(side, kind, LOSSES) if (side, kind) == ("torch", LAYERS) else names(side, kind)
    assert sorted(public(side, kind) - found) == [], "classes without a row in tests/coverage/rows.txt"
    assert sorted(found - public(side, kind)) == [], "rows of classes that are not there"


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_name_of_the_specs_has_a_row(kind: str) -> None:
    assert sorted(FAMILIES[kind].registry.keys() - names("spec", kind)) == []
    assert [name for name in names("spec", kind) if not hasattr(S, name)] == []


def test_every_row_has_an_example_or_a_reason() -> None:
    for side in ("torch", "keras"):
        lacking = names(side, LAYERS) - EXAMPLES[side].keys()
        assert lacking == {getattr(row, side) for row in rows() if row.kind == LAYERS and row.why} - {"-"}
    assert len({row.names for row in rows()}) == len(rows())


def test_the_page_says_what_the_table_says() -> None:
    assert list(unread()) == [], ANEW


def row_id(row: Row) -> str:
    return "-".join(dict.fromkeys(name for name in row.names if name != "-"))


def marked(row: Row) -> object:
    slow = any(name.startswith(SLOW) for name in row.names)
    return pytest.param(row, id=row_id(row), marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("row", [marked(row) for row in rows() if not row.why])
def test_a_row_comes_to_what_the_page_says(both: tuple[Backend, Backend], row: Row) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the stock classes: lazy modules, sizes that are zero
        found = measured(row, whole=False)
    told = read(PATH.read_text(encoding="utf-8"))[row.names]
    for direction, was, now in zip(("torch's", "Keras's"), told[3:], said(row, found)[3:], strict=True):
        healed = was.startswith(("refused", "no", "off")) and now.startswith("yes")
        assert now == was, f"{direction} {row_id(row)}: {'healed' if healed else 'changed'}; {ANEW}"


def said(row: Row, found: Measured) -> list[str]:
    return [OFF.sub("off", cell) for cell in cells(row, found)]


def test_what_is_off_is_told_and_read_without_its_figure() -> None:
    row = Row(LAYERS, "Activations", "ReLU", "ReLU", "ReLU")
    found = Measured(Found("yes", "in float32", forward=3e-8), Found("refused", "it cannot be"))
    line = cells(row, found)
    assert line == ["`ReLU`", "`ReLU`", "`ReLU`", "off by 3e-08: in float32", "refused: it cannot be"]
    assert read(table(["torch"] * 8, [[*line, "3e-08", "", ""]])) == {row.names: said(row, found)}
