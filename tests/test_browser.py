"""The page in a real browser: it shows itself whole, on a phone and in the dark, and does what its script promises."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dualnet.report.page import page, section
from dualnet.report.result import Result
from tests import gallery

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"needs a browser on PATH, one of {', '.join(NAMES)}")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --enable-logging=stderr --v=0"
)
DARK = "--blink-settings=preferredColorScheme=0"
TOOLS = """
const frame = document.querySelector("iframe"), page = frame.contentDocument, $ = (q) => page.querySelector(q);
const all = (q) => [...page.querySelectorAll(q)], shown = (e) => e.getBoundingClientRect().height > 0;
const style = (e) => frame.contentWindow.getComputedStyle(e), exhibit = (title) =>
  all(".exhibit").find((e) => e.querySelector("h3").textContent === title);
const light = (color) => { const [r, g, b] = color.match(/[\\d.]+/g).map((v) => v / 255)
  .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
  return (x + 0.05) / (y + 0.05); };
"""


def browse(folder: Path, text: str, *options: str) -> tuple[str, list[str]]:
    """Return the document that a browser makes of a file, and what it writes to its console."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    home = f"--user-data-dir={folder / 'home'}"
    words = [*OPTIONS.split(), home, "--virtual-time-budget=5000", *options, "--dump-dom", path.as_uri()]
    done = subprocess.run([str(CHROMIUM), *words], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def ask(folder: Path, text: str, script: str, *options: str, width: int = 1200, more: str = "") -> Any:
    """Return what a script says of a page in a frame; the page itself is left as it is, its policy too."""
    frame = f'<iframe {more} style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(text)}"></iframe>'
    answer = f"document.body.dataset.said = JSON.stringify((() => {{ {script} }})())"
    asks = f"<script>onload = () => {{ {TOOLS} {answer} }}</script>"
    made, said = browse(folder, f"<!doctype html><body>{frame}{asks}", *options)
    assert [line for line in said if "'allow-scripts' permission is not set" not in line] == []
    (found,) = re.findall('data-said="(.*?)"', made)
    return json.loads(html.unescape(found))


@pytest.fixture(scope="module")
def whole() -> str:
    return page(gallery.run(), "A run")


def test_it_shows_itself_without_a_word_on_the_console(whole: str, tmp_path: Path) -> None:
    made, said = browse(tmp_path, whole, "--window-size=1200,900")
    assert said == []
    assert made.count('<button type="button"') > 30  # its script has run, under its own policy
    assert "<title>A run</title>" in made  # and none that a result brought along has


def test_a_word_on_the_console_is_heard(tmp_path: Path) -> None:
    assert len(browse(tmp_path, "<script>nothing.there()</script>")[1]) == 1


def test_the_policy_stops_other_scripts_and_the_network(whole: str, tmp_path: Path) -> None:
    evil = "<script>document.title = 'owned'</script><img src='https://example.com/a.png'></body>"
    made, said = browse(tmp_path, whole.replace("</body>", evil))
    assert "<title>A run</title>" in made
    assert len(said) == 2
    assert all("Content Security Policy" in line for line in said)


def test_charts_have_marks_that_are_seen(whole: str, tmp_path: Path) -> None:
    found = ask(
        tmp_path,
        whole,
        "return all('.plot').map((e) => [...e.querySelectorAll('.m, .bar, .bin')].filter(shown).length)",
    )
    charts = {"curves": 2, "sweep": 1, "weights": 3, "distillation": 2, "layers": 1, "odd": 4, "large": 1}
    assert len(found) == sum(charts.values())
    assert sum(count > 1 for count in found) >= 10
    assert found.count(0) == 2  # those of odd that have nothing to show


SORTED = """
const table = exhibit("All runs").querySelector("table"), heads = [...table.tHead.rows[0].cells];
const column = (at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
return heads.map((head, at) => [0, 1].map(() => {
  head.querySelector("button").click(); return [head.getAttribute("aria-sort"), column(at)] }));
"""


def test_a_click_on_a_head_sorts(whole: str, tmp_path: Path) -> None:
    (_, table) = gallery.sweep().exhibits
    found = ask(tmp_path, whole, SORTED)
    for up, down in found:
        assert (up[0], down[0]) == ("ascending", "descending")
        assert sorted(up[1]) == sorted(down[1])
    steps = [[text for text in column if text != "-"] for _, column in found[4]]
    for _, column in found[4]:
        assert column[-4:] == ["-"] * 4  # missing ones are last, both ways
    for at, unit in ((1, ""), (2, " %"), (3, ""), (4, "")):
        values = [
            float(text.removesuffix(unit).replace(",", "")) for text in (steps[0] if at == 4 else found[at][0][1])
        ]
        assert values == sorted(values)
        values = [
            float(text.removesuffix(unit).replace(",", "")) for text in (steps[1] if at == 4 else found[at][1][1])
        ]
        assert values == sorted(values, reverse=True)
    assert found[0][0][1] == sorted(found[0][0][1], key=str.lower)
    assert len(found[0][0][1]) == len(table.rows) == 30


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    cells = ["10", "9", "1.2e-07", "-3", "−4", "inf", "-inf", "nan", "1,000", "", "±5", "–", ".5"]
    table = gallery.E.Table("All runs", ("a",), tuple((cell,) for cell in cells))
    ((up, down),) = ask(tmp_path, page([Result("x", "x", [], [table])], "t"), SORTED)
    numbers = ["-inf", "−4", "-3", "1.2e-07", ".5", "±5", "9", "10", "1,000", "inf"]
    assert up[1] == [*numbers, "nan", "", "–"]
    assert down[1] == [*numbers[::-1], "nan", "", "–"]


FILTERED = """
const figure = exhibit("All runs"), input = figure.querySelector("input"), count = figure.querySelector("output");
return ["adam", "ADAM diverged", "no such thing", ""].map((words) => {
  input.value = words; input.dispatchEvent(new Event("input"));
  const rows = [...figure.querySelectorAll("tbody tr")].filter(shown);
  return [rows.map((row) => row.cells[0].textContent), count.value] });
"""


def test_words_filter_rows(whole: str, tmp_path: Path) -> None:
    adam, both, none, every = ask(tmp_path, whole, FILTERED)
    assert set(adam[0]) == {"Adam", "AdamW"}
    assert adam[1] == "10 of 30 rows"
    assert both == [["Adam", "AdamW"], "2 of 30 rows"]
    assert none == [[], "0 of 30 rows"]
    assert (len(every[0]), every[1]) == (30, "30 of 30 rows")


def test_only_long_tables_have_a_filter(whole: str, tmp_path: Path) -> None:
    found = ask(
        tmp_path, whole, "return all('.filter input').map((e) => e.closest('.exhibit').querySelector('h3').textContent)"
    )
    assert found == ["All runs", "Seconds"]


def test_a_legend_hides_and_shows_its_curve(whole: str, tmp_path: Path) -> None:
    script = """
    const figure = exhibit("Accuracy"), button = figure.querySelectorAll(".legend button")[1];
    const state = () => [button.getAttribute("aria-pressed"), [...figure.querySelectorAll(".plot .s")].map(shown)];
    return [state(), (button.click(), state()), (button.click(), state())];
    """
    on, off, again = ask(tmp_path, whole, script)
    assert on == again == ["true", [True] * 4]
    assert off == ["false", [True, False, True, True]]


def test_arrow_keys_tell_values(whole: str, tmp_path: Path) -> None:
    script = """
    const figure = exhibit("Test accuracy by role"), plot = figure.querySelector(".plot");
    const press = (key) => { plot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      return [figure.querySelector("output").value, figure.querySelectorAll(".now").length] };
    plot.focus();
    return [page.activeElement === plot, ...["Right", "Right", "Left", "Left"].map((key) => press(`Arrow${key}`))];
    """
    focused, first, second, back, around = ask(tmp_path, whole, script)
    assert focused
    assert first[0].startswith("torch, teacher: 8")
    assert second[0].startswith("torch, student alone: 8")
    assert back == first
    assert around[0].startswith("keras, student distilled: ")
    assert first[1] == second[1] == 1


def test_the_tab_key_stops_only_where_there_is_something_to_do(whole: str, tmp_path: Path) -> None:
    script = """return all(".box").map((e) => [e.matches(".plot"), e.scrollWidth > e.clientWidth, e.tabIndex])"""
    for width in (360, 1400):
        found = ask(tmp_path, whole, script, width=width)
        assert all((stop == 0) == (chart or scrolls) for chart, scrolls, stop in found)
        assert any(scrolls and not chart for chart, scrolls, _ in found) == (width == 360)


@pytest.mark.parametrize("width", [360, 320, 768, 1400])
def test_nothing_overflows_the_page(width: int, whole: str, tmp_path: Path) -> None:
    script = """
    const inner = page.documentElement.clientWidth;
    all("details").forEach((e) => e.open = true);
    const boxes = all(".box").filter((e) => e.scrollWidth > e.clientWidth + 1).length;
    const free = all("body *").filter((e) => !e.closest(".box, .sr, .skip"));
    const out = free.filter((e) => e.getBoundingClientRect().right > inner + 0.5);
    return [page.documentElement.scrollWidth, inner, out.map((e) => e.outerHTML.slice(0, 80)), boxes];
    """
    wide, inner, out, boxes = ask(tmp_path, whole, script, width=width)
    assert inner == width
    assert wide == width
    assert out == []
    assert boxes > 5 or width > 400  # wide things scroll inside their boxes


@pytest.mark.parametrize("options", [(), (DARK,)], ids=["light", "dark"])
def test_text_can_be_read_in_the_light_and_in_the_dark(options: tuple[str, ...], whole: str, tmp_path: Path) -> None:
    script = """
    const paper = style($("body")).backgroundColor;
    const words = all("h1, h2, p, a, .badge, th, td:not(.shade), .legend li, .note, summary, label, figcaption");
    const texts = all("svg text").map((e) => contrast(style(e).fill, paper));
    const lines = all(".s .m").map((e) => contrast(style(e).stroke, paper));
    const shades = all("td.shade").map((e) => {
      const [, r, g, b] = /srgb ([\\d.]+) ([\\d.]+) ([\\d.]+)/.exec(style(e).backgroundColor);
      return contrast(style(e).color, `rgb(${r * 255}, ${g * 255}, ${b * 255})`) });
    return [light(paper), Math.min(...words.map((e) => contrast(style(e).color, paper))), Math.min(...texts),
      Math.min(...lines), Math.min(...shades)];
    """
    paper, words, texts, marks, shades = ask(tmp_path, whole, script, *options)
    assert (paper < 0.1) == bool(options)
    assert words >= 4.5  # WCAG 2.1, AA
    assert texts >= 4.5
    assert marks >= 3.0
    assert shades >= 4.5


def test_everything_is_there_without_a_script(whole: str, tmp_path: Path) -> None:
    script = """return [all("button, input").length, all("tbody tr").every(shown), all(".plot svg").every(shown),
      all(".legend li").every(shown), all("tbody tr").length]"""
    controls, rows, charts, legends, count = ask(tmp_path, whole, script, more='sandbox="allow-same-origin"')
    assert (controls, rows, charts, legends) == (0, True, True, True)
    assert count > 120


def test_a_fragment_leaves_the_page_around_it_alone(tmp_path: Path) -> None:
    notebook = (
        "<style>body {{ background: rgb(1, 2, 3) }}</style><body><h3>mine</h3><table><tr><td>mine</td></tr></table>{}"
    )
    script = """
    const look = (e) => [style(e).color, style(e).fontSize, style(e).padding, style(e).backgroundColor];
    return [look($("body > h3")), look($("td")), look($("body")), all(".dualnet svg").some(shown)]
    """
    inside = ask(tmp_path, notebook.format(section(gallery.distillation())), script)
    outside = ask(tmp_path, notebook.format(""), script)
    assert inside[:3] == outside[:3]
    assert (inside[3], outside[3]) == (True, False)
