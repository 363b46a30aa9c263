"""What a person reads: tables to the letter, a picture that is whole or not there, progress that a log can hold."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Finding
from dualnet.report import exhibits as E
from dualnet.report import ladder, progress, table
from dualnet.report.environment import environment
from dualnet.report.plots import figure_of, write
from dualnet.run.plan import silent
from tests import anything, gallery

STRUCTURE = Stage("structure", [Finding("a", "equal")] * 3, note="3 layers", seconds=1.25)
FORWARD = Stage(
    "forward",
    [Finding("conv", "equal", 2e-7, 1e-15), Finding("norm", "divergent", 3e-3, 2.5e-3, note="read 2 tensors")],
    note="3 layers, eval and train mode",
    where="norm",
    origin="it begins there: what norm read agrees",
    cause="epsilon is 1e-05 on the left, 0.001 on the right",
    seconds=0.04,
)


def lines(text: str) -> list[str]:
    """Return the lines of a table without the blanks at their ends."""
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")


def test_a_pair_that_agrees() -> None:
    report = Report("small", ["torch", "keras"], [STRUCTURE, Stage("init", skipped="not asked for")], source="digits")
    assert lines(table.parity(report)) == [
        "small: torch and keras",
        "digits",
        "",
        "stage      verdict      compared    float32 gap    float64 gap    seconds  what",
        "---------  ---------  ----------  -------------  -------------  ---------  --------",
        "structure  equal               3              -              -        1.2  3 layers",
        "",
        "not checked: init: not asked for",
        "verdict: equal (both sides agree within their own rounding noise)",
    ]


def test_a_pair_that_does_not_says_where_whence_and_why() -> None:
    report = Report("small", ["torch (left)", "torch (right)"], [STRUCTURE, FORWARD])
    assert lines(table.parity(report)) == [
        "small: torch (left) and torch (right)",
        "",
        "stage      verdict      compared    float32 gap    float64 gap    seconds  what",
        "---------  ---------  ----------  -------------  -------------  ---------  -----------------------------",
        "structure  equal               3              -              -        1.2  3 layers",
        "forward    divergent           2        3.0e-03        2.5e-03        0.0  3 layers, eval and train mode",
        "",
        "forward: first at norm, gap 2.5e-03 in float64",
        "  it begins there: what norm read agrees",
        "  read 2 tensors",
        "  likely cause: epsilon is 1e-05 on the left, 0.001 on the right",
        "verdict: divergent (two functions: what differs is no rounding)",
    ]


def test_a_report_without_stages_is_not_green() -> None:
    report = Report("small", ["torch", "keras"], [Stage("loss", skipped="no loss")])
    assert lines(table.parity(report))[-2:] == [
        "not checked: loss: no loss",
        "verdict: not checked (nothing was compared)",
    ]
    assert not report.agrees


def test_a_gap_without_bound_is_shown_as_such() -> None:
    worst = Stage("forward", [Finding("a", "divergent", np.inf, np.inf, note="shapes (1,) and (2,)")], where="a")
    shown = table.parity(Report("small", ["torch", "keras"], [worst]))
    assert "forward: first at a, gap inf in float64\n  shapes (1,) and (2,)" in shown


def test_a_table_exhibit_has_numbers_to_the_right_and_long_cells_wrapped() -> None:
    rows = (("forward", "1.2e-07", "83.69 %", "word " * 20), ("loss", "-", "2 %", ""), ("short row",))
    shown = E.Table("What was found", ("stage", "gap", "share", "what"), rows, "A note.")
    assert lines(table.exhibit(shown)) == [
        "What was found",
        "",
        "stage          gap    share  what",
        "---------  -------  -------  -----------------------------------------------------------",
        "forward    1.2e-07  83.69 %  word word word word word word word word word word word word",
        "                             word word word word word word word word",
        "loss             -      2 %",
        "short row",
        "",
        "A note.",
    ]
    assert lines(table.exhibit(E.Table("Empty", ("a", "b"), ()))) == ["Empty", "", "a    b", "---  ---"]


def test_a_report_becomes_a_result_with_its_stages_and_gaps_in_graph_order() -> None:
    forward = [Finding(f"eval: {name}", "equal", gap, gap / 1e9) for name, gap in (("conv", 0.0), ("norm", 3e-7))]
    backward = [Finding(f"layer {name}", "equal", 1e-7, 1e-16) for name in ("norm", "conv")]
    stages = [
        STRUCTURE,
        Stage("forward", [*forward, Finding("eval: outputs", "unstable")], where="norm", origin="it begins there"),
        Stage("gradients", [*backward, Finding("parameter w", "divergent", np.inf, np.inf)]),
        Stage("state", skipped="no buffers"),
    ]
    found = ladder.result(Report("small", ["torch", "keras"], stages, "digits"), {"python": "3.11"})
    assert (found.name, found.title, found.verdict) == ("parity", "small: torch and keras", "divergent")
    assert (found.source, found.environment) == ("digits", {"python": "3.11"})
    assert found.says == ["First divergence: forward: first at norm. it begins there."]
    table_, outputs, gradients, parameters = found.exhibits
    assert isinstance(table_, E.Table)
    assert [row[:2] for row in table_.rows][1:] == [
        ("forward", "unstable"),
        ("gradients", "divergent"),
        ("state", "not checked"),
    ]
    assert table_.rows[-1][-1] == "no buffers"
    assert isinstance(outputs, E.Lines)
    assert isinstance(gradients, E.Lines)
    assert isinstance(parameters, E.Lines)
    assert (outputs.names, gradients.names, outputs.log) == (("conv", "norm"), ("conv", "norm"), "y")
    assert [each.y for each in outputs.series if each.name.endswith("gap")] == [(0.0, 3e-7), (0.0, 3e-16)]
    assert parameters.note == "Infinite, and not drawn: parameter w."
    assert found.data["stages"][0]["name"] == "structure"


def test_a_report_that_agrees_says_so_and_shows_its_trainings() -> None:
    epochs = [{"epoch": 1, "train_accuracy": 0.5, "test_accuracy": None}]
    training = {"losses": {"torch": [2.0, 1.0], "keras": [2.0, None]}, "history": {"torch": epochs, "keras": epochs}}
    accuracy = {"test_accuracy": {"torch": [0.9, None], "keras": [0.9, 0.8]}, "seeds": [4, 5]}
    roles = {"teacher": {"test_accuracy": 0.9}, "student alone": {"test_accuracy": 0.8}}
    stages = [
        Stage("training", [Finding("loss", "equal")], figures=training),
        Stage("accuracy", [Finding("test", "equal")], figures=accuracy),
        Stage("distillation", [Finding("test", "equal")], figures={"result": {"torch": roles, "keras": roles}}),
    ]
    found = ladder.result(Report("small", ["torch", "keras"], stages), {})
    assert found.says == ["No stage diverges: both sides agree within their own rounding noise."]
    _, losses, scores, seeds, distilled = found.exhibits
    assert isinstance(losses, E.Lines)
    assert [(each.x, str(each.y), each.dashed) for each in losses.series] == [
        ((1.0, 2.0), "(2.0, 1.0)", False),
        ((1.0, 2.0), "(2.0, nan)", True),
    ]
    assert isinstance(scores, E.Lines)
    assert [(each.name, each.y) for each in scores.series] == [("torch, train", (50.0,)), ("keras, train", (50.0,))]
    assert isinstance(seeds, E.Bars)
    assert seeds.categories == ("seed 4", "seed 5")
    assert str(seeds.groups[0].values) == "(90.0, nan)"
    assert isinstance(distilled, E.Bars)
    assert distilled.groups[1] == E.Group("keras", (90.0, 80.0), dashed=True)


def test_an_environment_is_plain_data() -> None:
    found = environment({"torch": {"version": "2.6", "devices": ["cpu"]}})
    assert found["torch"] == {"version": "2.6", "devices": ["cpu"]}
    assert {"date", "dualnet", "python", "numpy", "platform", "machine", "cpus"} <= set(found)
    assert found["numpy"] == np.__version__
    assert json.loads(json.dumps(found)) == found
    assert "torch" not in environment()


def test_a_result_is_read_in_a_terminal() -> None:
    shown = lines(str(gallery.layers()))
    assert shown[0] == "Layer by layer in a deep net"
    assert "forward  equal" in shown
    assert shown[-3:] == ["first at stage3.block1.norm.", "", "verdict: divergent"]


# Of the seven grids of pictures one will do: each takes a second to draw.
RESULTS = [replace(each, exhibits=each.exhibits[: 1 if each.name == "saliency" else None]) for each in gallery.run()]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_a_figure_draws_every_exhibit_but_the_tables(result: Any) -> None:
    figure = result.plot()
    shown = [each for each in result.exhibits if not isinstance(each, E.Table)]
    titles = [axes.get_title(loc="left") for axes in figure.axes] + [part.get_suptitle() for part in figure.subfigs]
    assert {each.title for each in shown} <= {title.replace(r"\$", "$") for title in titles}
    figure.canvas.draw()


@settings(max_examples=40, deadline=None)
@given(
    anything.charts(
        st.floats(-1e9, 1e9) | st.sampled_from([np.nan, np.inf, -np.inf]),
        st.text(st.characters(max_codepoint=126), max_size=6),  # letters that every font has
    )
)
def test_any_exhibit_makes_a_figure(shown: E.Exhibit) -> None:
    figure_of("title", [shown]).canvas.draw()


def panel(shown: E.Exhibit) -> Any:
    (axes,) = figure_of("title", [shown]).axes
    return axes


def test_the_second_framework_is_dashed_and_thin_over_the_first() -> None:
    one = E.Series("torch", (0, 1), (1, 2), (0, 1), (2, 3), colour=1)
    axes = panel(E.Lines("t", "x", "y", (one, replace(one, name="keras", dashed=True))))
    first, second = axes.lines
    assert first.get_color() == second.get_color() == "#D55E00"
    assert first.get_linewidth() > 2 * second.get_linewidth()
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert len(axes.collections) == 2  # the bands


def test_a_logarithmic_panel_shows_zeros_at_its_foot_and_one_without_positive_values_is_none() -> None:
    axes = panel(E.Lines("t", "x", "y", (E.Series("a", (0, 1, 2), (0.0, 1.0, np.nan)),), "y", names=("p", "q", "r")))
    assert axes.get_yscale() == "log"
    assert list(axes.lines[-1].get_xdata()) == [0]
    assert list(axes.lines[-1].get_ydata()) == [0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["p", "q", "r"]
    assert panel(E.Lines("t", "x", "y", (E.Series("a", (0, 1), (0.0, -1.0)),), "y")).get_yscale() == "linear"


def test_a_matrix_panel_has_its_numbers() -> None:
    axes = panel(E.Matrix("t", ("a", "b"), ("c", "d"), ((900.0, 1.0), (0.0, np.nan)), "predicted", "true"))
    assert [text.get_text() for text in axes.texts] == ["900", "1", "0", "nan"]
    assert [text.get_color() for text in axes.texts] == ["white", "black", "black", "black"]


def test_a_figure_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    figure = gallery.distillation().plot(path)
    assert isinstance(figure, Figure)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[-8:-4] == b"IEND"
    assert [other.name for other in path.parent.iterdir()] == ["a.png"]
    write(figure_of("nothing", []), path)  # replaced
    assert path.stat().st_size < 20_000


def test_a_picture_that_fails_leaves_the_old_one_and_no_piece(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def half(figure: Figure, to: Path, **options: Any) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="No space left"):
        gallery.sweep().plot(path)
    assert [(other.name, other.read_bytes()) for other in tmp_path.iterdir()] == [("a.png", b"old")]


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys, monkeypatch) -> None:
    clock = iter([0.0, 1.0, 25.0, 30.0, 31.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.progress() as show:
        for side, done in (("torch", 0), ("torch", 10), ("torch", 500), ("keras", 1), ("torch", 1000)):
            show(side, done, 1000, "epoch 1")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "  torch  epoch 1                                     500 of 1,000 steps\n"
        "  torch  epoch 1                                   1,000 of 1,000 steps\n"
    )


def test_quiet_shows_nothing(capsys) -> None:
    with progress.progress(quiet=True) as show:
        assert show is silent
        show("torch", 10, 10, "epoch 1")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_bars_that_start_over_with_the_next_work(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.progress() as show:
        for side, done in (("torch", 0), ("keras", 0), ("torch", 10), ("torch", 0)):
            show(side, done, 10, "epoch 1")
    assert capsys.readouterr().out == ""
