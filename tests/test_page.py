"""The page: charts as SVG, tables, pictures. Nothing that a result holds becomes markup, and nothing is too large."""

import base64
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dualnet.errors import DataError
from dualnet.report import blocks, charts
from dualnet.report import exhibits as E
from dualnet.report.look import numeric, short
from dualnet.report.page import page, section
from dualnet.report.pixels import address, levels
from dualnet.report.result import Result, from_data, load
from dualnet.report.scale import drawable, scale
from dualnet.report.svg import path, tag
from dualnet.report.thin import spread, thin
from tests import anything, gallery

NAN, INF = math.nan, math.inf
VOID = {"meta", "img", "br", "input"}


class Reader(HTMLParser):
    """Reads a page and holds it to be well formed: every tag is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, found: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(found)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, found: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(found)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [found for tag, found in self.seen if tag == name]


def drawn(chart: charts.Chart) -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg)


def marks(root: ElementTree.Element, kind: str = "m") -> list[str]:
    """Return what the marks of a class tell."""
    found = [each for each in root.iter() if (each.get("class") or "").split(" ")[0] == kind]
    return [each.findtext("title") or "" for each in found]


def lines(*series: E.Series, log: str = "", names: tuple[str, ...] = ()) -> E.Lines:
    return E.Lines("title", "step", "loss", series, log, names=names)


def ys(root: ElementTree.Element) -> list[list[float]]:
    """Return the heights of each curve's points, a list for each unbroken piece."""
    found = []
    for each in root.iter("path"):
        if each.get("class") == "line":
            for piece in (each.get("d") or "").split("M")[1:]:
                found.append([float(point.split(" ")[1]) for point in piece.split("L")])
    return found


# Scales and thinning


@pytest.mark.parametrize(
    ("values", "log", "labels"),
    [
        ([0, 10], False, ["0", "2", "4", "6", "8", "10"]),
        ([0.31, 2.3], False, ["0.5", "1.0", "1.5", "2.0"]),
        ([-2400, 2400], False, ["-2,000", "-1,000", "0", "1,000", "2,000"]),
        ([1e-7, 3e-7], False, ["1.0e-07", "1.5e-07", "2.0e-07", "2.5e-07", "3.0e-07"]),
        ([1e-16, 1e-7], True, ["10⁻¹⁶", "10⁻¹⁴", "10⁻¹²", "10⁻¹⁰", "10⁻⁸"]),
        ([0.1, 1000], True, ["0.1", "1", "10", "100", "1,000"]),
        ([2.0, 4.9], True, ["2", "5"]),
        ([2.1, 4.4], True, ["2.5", "3.0", "3.5", "4.0", "4.5"]),
    ],
)
def test_ticks_are_round_and_few(values: list[float], log: bool, labels: list[str]) -> None:
    assert [label for _, label in scale(values, 0, 100, log).ticks()] == labels


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(), max_size=6), st.booleans(), st.booleans())
def test_any_numbers_make_a_scale(values: list[float], log: bool, zero: bool) -> None:
    made = scale(values, 50.0, 450.0, log, zero)
    for value in values:
        at = made.at(value)
        shown = drawable(value, made.log)
        assert 49.99 <= at <= 450.01 if shown else math.isnan(at)
    ticks = made.ticks()
    assert len(ticks) <= 12
    assert all(49 <= made.at(value) <= 451 for value, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


def test_a_huge_curve_is_thinned_and_keeps_its_extremes_and_gaps() -> None:
    y = np.sin(np.arange(100_000) / 5000)
    y[54_321], y[77_777], y[30_000:30_100] = 99.0, -99.0, NAN
    kept = thin(y)
    assert len(kept) <= 900
    assert kept == sorted(set(kept))
    assert {0, 54_321, 77_777, 99_999} <= set(kept)
    assert any(30_000 <= at < 30_100 for at in kept)
    assert thin(y[:600]) == list(range(600))


@given(st.lists(st.tuples(st.integers(0, 1999), st.floats()), max_size=30))
def test_thinning_keeps_the_least_and_the_largest(placed: list[tuple[int, float]]) -> None:
    values = [0.5] * 2000
    for at, value in placed:
        values[at] = value
    told = [value for value in values if math.isfinite(value)]
    kept = [values[at] for at in thin(values) if math.isfinite(values[at])]
    assert (min(kept), max(kept)) == (min(told), max(told))


@pytest.mark.parametrize(("count", "found"), [(0, []), (1, [0]), (3, [0, 1, 2]), (100, [0, 33, 66, 99])])
def test_places_are_spread_from_first_to_last(count: int, found: list[int]) -> None:
    assert spread(count, 4) == found


# SVG


def test_text_is_escaped_by_construction() -> None:
    made = tag("text", "<b>&", tag("title", '"<i>'), x=1.25, y=3.0, cls='a"><script>')
    assert made == (
        '<text x="1.2" y="3" class="a&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;<title>&#34;&lt;i&gt;</title></text>'
    )


def test_a_path_has_few_digits_and_gaps() -> None:
    assert path([(0, 0), (1.26, 2.0), (NAN, 1), (3, 4)]) == "M0 0L1.3 2M3 4"


def test_curves_have_axes_marks_and_words() -> None:
    one = E.Series("torch", (0, 1, 2), (3.0, 2.0, 1.0), (2.5, 1.5, 0.5), (3.5, 2.5, 1.5))
    made = charts.lines(lines(one, replace(one, name="keras", dashed=True)))
    root = drawn(made)
    assert (root.get("role"), root.get("aria-label")) == ("img", "title")
    assert "torch: 3 points, from 3 to 1, least 1, largest 3" in (root.findtext("desc") or "")
    assert marks(root)[:2] == ["torch, step 0: 3 (2.5 to 3.5)", "torch, step 1: 2 (1.5 to 2.5)"]
    assert len(marks(root)) == 6
    falling = ys(root)[0]
    assert falling == sorted(falling)
    assert [look for _, look, _ in made.legend] == ["s c0 under", "s c0 dashed"]  # so that two equal curves show
    assert len([each for each in root.iter("path") if each.get("class") == "band"]) == 2


def test_a_mark_differs_by_shape_and_the_second_framework_by_openness() -> None:
    one, two, three = (charts.mark(0, 0, colour, "", open) for colour, open in ((0, False), (1, False), (0, True)))
    assert len({one, two, three}) == 3
    assert len(set(charts.SHAPES)) == len(charts.SHAPES)


def test_nan_and_infinity_leave_gaps() -> None:
    root = drawn(charts.lines(lines(E.Series("a", (0, 1, 2, 3, 4), (1, NAN, 2, INF, 3)))))
    assert [len(piece) for piece in ys(root)] == [1, 1, 1]
    assert len(marks(root)) == 3


@pytest.mark.parametrize("series", [(), (E.Series("a", (), ()),), (E.Series("a", (0, 1), (NAN, INF)),)])
@pytest.mark.parametrize("log", ["", "y", "xy"])
def test_nothing_to_draw_is_said(series: tuple[E.Series, ...], log: str) -> None:
    root = drawn(charts.lines(lines(*series, log=log)))
    assert "no values" in "".join(root.itertext())
    assert marks(root) == []


def test_zeros_on_a_logarithmic_axis_stand_open_at_its_foot() -> None:
    root = drawn(charts.lines(lines(E.Series("gap", (0, 1, 2), (0.0, 1e-7, -1.0)), log="y", names=("a", "b", "c"))))
    assert marks(root) == ["gap, a: 0", "gap, b: 1e-07", "gap, c: -1"] or marks(root)[1].startswith("gap, b: 1")
    looks = [each.get("class") for each in root.iter("path") if (each.get("class") or "").startswith("m")]
    assert looks == ["m open", "m", "m open"]
    assert [len(piece) for piece in ys(root)] == [1]
    assert [each.text for each in root.iter("text")].count("0") == 1


def test_an_axis_without_positive_values_is_not_logarithmic() -> None:
    root = drawn(charts.lines(lines(E.Series("a", (0, 1), (0.0, -4.0)), log="y")))
    assert [len(piece) for piece in ys(root)] == [2]


def test_a_spike_among_a_hundred_thousand_steps_is_drawn() -> None:
    (spike, _) = gallery.large().exhibits
    assert isinstance(spike, E.Lines)
    made = charts.lines(spike)
    assert len(made.svg) < 20_000
    (heights,) = ys(drawn(made))
    assert (min(heights) < 40, max(heights) > 200) == (True, True)


def test_many_names_make_a_chart_wide_and_do_not_crowd() -> None:
    names = tuple(f"block{at}.conv" for at in range(300))
    made = charts.lines(lines(E.Series("gap", E.numbers(range(300)), E.numbers(range(300))), names=names))
    assert made.wide
    turned = [each for each in drawn(made).iter("text") if each.get("transform")]
    places = [float(each.get("x") or 0) for each in turned]
    assert min(np.diff(places)) >= 15


def test_a_long_name_is_cut_only_where_it_must_be() -> None:
    name = "response, T=10, alpha=0.1"
    for count, shown in ((2, name), (9, "…" + name[-21:])):
        root = drawn(blocks.bars(E.Bars("title", (name,) * count, "y", ())))
        (found,) = {each[0].tail for each in root.iter("text") if len(each)}
        assert found == shown
        assert {each.text for each in root.iter("title")} == {name}


def test_bars_stand_on_zero_and_tell_their_values() -> None:
    groups = (E.Group("torch", (80.0, -5.0, NAN), (79.0,), (81.0,)), E.Group("keras", (80.0,), dashed=True))
    root = drawn(blocks.bars(E.Bars("title", ("a", "b", "c"), "accuracy", groups, marked=1)))
    assert marks(root, "bar") == ["torch, a: 80 (79 to 81)", "torch, b: -5", "keras, a: 80"]
    up, down, other = [each for each in root.iter("rect") if each.get("class") == "bar"]
    foot = float(up.get("y") or 0) + float(up.get("height") or 0)
    assert foot == pytest.approx(float(down.get("y") or 0), abs=0.11)
    assert other.get("height") == up.get("height")
    assert len([each for each in root.iter("path") if each.get("class") == "error"]) == 1
    assert [each.get("class") for each in root.iter("text")].count("marked") == 1
    assert "Marked: b." in (root.findtext("desc") or "")


def test_a_histogram_has_steps_bins_and_theory() -> None:
    shown = E.Histogram("title", "weight", (0, 1, 2), (E.Group("torch", (0.25, 0.75)),), (0.3, 0.7))
    made = blocks.histogram(shown)
    root = drawn(made)
    assert marks(root, "bin") == ["torch, 0 to 1: 0.25", "torch, 1 to 2: 0.75"]
    assert [name for name, _, _ in made.legend] == ["torch", "theory"]
    assert len(ys(root)) == 1


# Pictures


def decoded(picture: E.Picture) -> Image.Image:
    kind, _, data = address(picture).partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_pictures_are_small_png_files_in_colour() -> None:
    ramp = E.picture(np.linspace(-1, 1, 27).reshape(1, 27).repeat(27, 0), "signed")
    made = decoded(ramp)
    assert made.size == (27, 27)
    assert [made.getpixel((x, 0)) for x in (0, 13, 26)] == [(0x21, 0x66, 0xAC), (0xF7, 0xF7, 0xF7), (0xB2, 0x18, 0x2B)]
    assert decoded(replace(ramp, scale="grey")).getpixel((0, 0)) == (0, 0, 0)
    assert decoded(replace(ramp, scale="grey")).getpixel((26, 0)) == (255, 255, 255)
    assert decoded(replace(ramp, scale="heat")).getpixel((26, 0)) == (0xFC, 0xFD, 0xBF)
    assert len(address(E.picture(gallery.image(3), "heat"))) < 1500


@pytest.mark.parametrize(
    ("pixels", "scale", "found"),
    [
        (((0.0, 2.0),), "grey", [[0, 255]]),
        (((0.0, -2.0),), "signed", [[128, 0]]),
        (((NAN, INF, 1.0),), "grey", [[0, 255, 255]]),
        (((NAN,),), "signed", [[128]]),
        (((1.0, 1.0), (1.0,)), "grey", [[255, 255], [255, 0]]),
        (((1e308, -1e308),), "signed", [[255, 0]]),
    ],
)
def test_levels(pixels: Any, scale: str, found: list[list[int]]) -> None:
    assert levels(E.Picture(pixels, scale)).tolist() == found


def test_large_pictures_are_made_smaller_and_empty_ones_are_none() -> None:
    assert decoded(E.picture(np.ones((300, 600)))).size == (112, 56)
    assert address(E.Picture(())) == address(E.Picture(((), ()))) == ""


# Tables


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (("1.2e-07", "-", "0"), True),
        (("83.69 %", "-1.5 %"), True),
        (("1,024", "3 ms", "±0.2", "×1.5"), True),
        (("0.5 ± 0.1", "inf", "nan"), True),
        (("torch", "1"), False),
        (("4 layers, eval",), False),
        (("-", ""), False),
        ((), False),
    ],
)
def test_columns_of_numbers_are_told_from_text(cells: tuple[str, ...], right: bool) -> None:
    assert numeric(cells) is right


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234.5, "1,234"), (12.345, "12.35"), (9e6, "9.00e+06"), (1e-7, "1.00e-07"), (NAN, "nan")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


# The page


@pytest.fixture(scope="module")
def whole() -> str:
    return page(gallery.run(), "A run")


def test_ten_results_and_seven_hundred_pictures_stay_under_three_megabytes(whole: str) -> None:
    assert whole.count("<img ") > 600
    assert len(whole.encode()) < 3_000_000


def test_the_page_is_well_formed_and_needs_no_network(whole: str) -> None:
    reader = Reader(whole)
    for name, found in reader.seen:
        for key in ("src", "href", "xlink:href", "action"):
            assert (found.get(key) or "#").startswith(("#", "data:image/png;base64,")), (name, found)
        assert not [key for key in found if key.startswith("on")]
    assert "url(" not in whole
    assert "@import" not in whole


def test_landmarks_headings_and_names(whole: str) -> None:
    reader = Reader(whole)
    assert [len(reader.all(name)) for name in ("header", "nav", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    heads = [int(name[1]) for name, _ in reader.seen if re.fullmatch("h[1-6]", name)]
    assert all(after <= before + 1 for before, after in pairwise(heads))
    ids = [found["id"] for _, found in reader.seen if found.get("id")]
    assert len(ids) == len(set(ids))
    assert {(found["href"] or "")[1:] for found in reader.all("a")} <= set(ids)
    assert len(reader.all("section")) == len(reader.all("nav")) * 10
    assert all(found.get("alt") for found in reader.all("img"))
    assert all(
        found.get("role") == "img" and found.get("aria-label")
        for found in reader.all("svg")
        if "aria-hidden" not in found
    )
    assert len(reader.all("caption")) == len(reader.all("table"))
    scopes = [found.get("scope") for found in reader.all("th") if found.get("class") != "axis"]
    assert set(scopes) == {"col", "row"}


def test_the_worst_verdict_stands_on_top_in_words(whole: str) -> None:
    text = Reader(whole).text
    assert "Two functions: what differs is no rounding. This is the worst of 6 comparisons: Layer by layer" in text
    equal = Result("a", "A", verdict="equal")
    assert "All 2 comparisons say so." in page([equal, equal], "t")
    assert "Nothing was compared." in page([Result("a", "A", verdict="no such verdict")], "t")
    assert "Nothing was compared." in page([], "t")


def test_no_text_of_a_result_becomes_markup() -> None:
    evil = gallery.odd()
    for text in (page([evil], evil.title), section(evil)):
        reader = Reader(text)
        assert [found for found in reader.all("img") if not (found["src"] or "").startswith("data:")] == []
        assert "owned" not in "".join(re.findall(r"<script>.*?</script>", text, re.DOTALL))
        assert evil.title in reader.text
    assert len(Reader(page([evil], "t")).all("script")) == 1


def test_a_fragment_has_its_own_style_and_no_script() -> None:
    reader = Reader(gallery.distillation()._repr_html_())
    assert reader.all("script") == []
    (style,) = re.findall("<style>(.*?)</style>", gallery.distillation()._repr_html_(), re.DOTALL)
    rules = re.sub(r"/\*.*?\*/|@media[^{]*{", "", style, flags=re.DOTALL)
    for selector in re.findall(r"([^{};]+)\{", rules):
        assert "dualnet" in selector, selector  # the notebook's own look is left alone
    assert reader.seen[0] == ("div", {"class": "dualnet fragment"})


def test_only_long_tables_can_be_filtered() -> None:
    rows = tuple((str(at),) for at in range(9))
    made = [E.Table("t", ("a",), rows[:count]) for count in (8, 9)]
    assert [
        ("data-filter" in found) for found in Reader(page([Result("x", "x", [], list(made))], "t")).all("table")
    ] == [False, True]


def test_what_utf8_cannot_hold_is_replaced() -> None:
    made = page([Result("x", "a\x00b\ud800c\x1bd")], "t")
    assert "a\ufffdb\ufffdc\ufffdd" in made
    assert made.encode()


# Any result at all

texts = st.text(st.characters(), max_size=12)
exhibits = anything.charts(st.floats(), texts) | anything.tables(texts)
facts = st.dictionaries(
    texts, texts | st.floats() | st.none() | st.dictionaries(texts, st.integers(), max_size=2), max_size=2
)
results = st.builds(
    Result, texts, texts, st.lists(texts, max_size=2), st.lists(exhibits, max_size=2), facts, texts, texts, facts, facts
)


@settings(max_examples=200, deadline=None)
@given(results)
def test_any_result_makes_a_page_and_comes_back_from_json(
    tmp_path_factory: pytest.TempPathFactory, result: Result
) -> None:
    reader = Reader(page([result], result.title))
    Reader(section(result))
    assert len(reader.all("script")) == 1
    path = tmp_path_factory.mktemp("any") / "result.json"
    result.save(path)
    back = load(path)
    assert back.to_json() == result.to_json()
    assert repr(back.exhibits) == repr(result.exhibits)  # repr, since NaN is not itself


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"kind": "Lines", "title": "t", "x": "", "y": "", "series": [{"name": "a", "x": ["b"], "y": []}]},
            "series: x: expected float",
        ),
        ({"kind": "Lines", "title": "t", "x": "", "y": "", "series": {}}, "series: expected"),
        ({"kind": "Lines", "title": 3, "x": "", "y": "", "series": []}, "title: expected str. Received: '3'"),
        ({"kind": "Table", "title": "t", "heads": [], "rows": [[1]]}, "rows: expected str. Received: '1'"),
        ({"kind": "Table", "title": "t"}, "missing 2 required positional arguments: 'heads' and 'rows'"),
        (
            {"kind": "Bars", "title": "t", "categories": [], "y": "", "groups": [], "marked": True},
            "marked: expected int",
        ),
        (
            {"kind": "Pictures", "title": "t", "rows": [], "columns": [], "cells": [[{"pixels": [[None]]}]]},
            "pixels: expected float",
        ),
        ({"kind": "Lined"}, "expected an exhibit, one of Table"),
        ([], "expected an exhibit"),
    ],
)
def test_an_exhibit_that_is_none_is_refused(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        from_data({"name": "x", "title": "x", "exhibits": [data]}, "file.json")


@pytest.mark.parametrize(
    "own", [{"says": [1]}, {"says": "a"}, {"exhibits": 3}, {"data": []}, {"more": 1}, {"title": 1}]
)
def test_a_result_that_is_none_is_refused(own: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"^file\.json: "):
        from_data({"name": "x", "title": "x"} | own, "file.json")
