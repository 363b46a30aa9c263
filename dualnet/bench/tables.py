"""Tables and charts of a bench: what was measured, and the ratios; the recipe's name beside every number."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dualnet.bench import statistics
from dualnet.bench.ratios import Held
from dualnet.bench.timing import Row, Timings
from dualnet.report.exhibits import Bars, Exhibit, Group, Table, numbers
from dualnet.report.look import short

RATIO_NOTE = (
    "Ratios of speed: above 1 the left one is faster (of memory: has less). In brackets the 95 % interval over other "
    "processes. The control is the same side against itself, one half of its processes against the other: a ratio "
    'within it, or whose interval holds 1, is "no difference".'
)
WALL_NOTE = (
    "Medians over processes of medians over rounds; ± is half the 95 % interval. CPU seconds (all threads) by wall "
    "seconds: far below 1, it waited. The first call compiles; first-step has it in a process of its own."
)


def exhibits(timings: Sequence[Timings], ratios: Sequence[Held], gates: Mapping[str, str]) -> list[Exhibit]:
    """Return everything that a run has to show, a pair at a time; the ratios say how its parity went."""
    found: list[Exhibit] = []
    for pair in dict.fromkeys(each.cell.pair for each in timings):
        own = [each for each in timings if each.cell.pair == pair]
        for what, table in (("first-step", _starts), ("memory", _memory)):
            found += [table(each) for each in own if each.cell.what == what]
        running = [each for each in own if each.cell.what not in ("first-step", "memory")]
        found = [*found, _running(pair, running), *_bars(pair, running)] if running else found
        found.append(_ratios(pair, gates[pair], [each for each in ratios if each.pair == pair]))
    return found


def _live(timings: Timings) -> Iterable[Row]:
    return (row for row in timings.rows if not row.refused)


def _running(pair: str, cells: Sequence[Timings]) -> Table:
    heads = ("work", "batch", "side", "recipe", "samples/s", "± %", "ms a call", "p95 ms", "CPU/wall", "first call s")
    rows = []
    for cell in cells:
        for row in _live(cell):
            own = statistics.own(row.times)
            cpu = statistics.middle(row.cpu) / own.value
            rows.append(
                (
                    cell.cell.what,
                    str(cell.cell.batch or "-"),
                    row.side,
                    f"{row.recipe} [{row.memory_format}]" if row.memory_format else row.recipe,
                    short(1 / own.value),
                    percent(own.width),
                    short(1e3 * statistics.middle(row.call)),
                    short(1e3 * statistics.middle(row.p95)) if all(row.p95) and row.p95 else "-",
                    f"{cpu:.2f}",
                    f"{np.median(row.first):.2f}",
                )
            )
    note = WALL_NOTE + (" Of a build, a sample is a model." if any(c.cell.what == "build" for c in cells) else "")
    return Table(f"{pair}: speed", heads, tuple(rows), note)


def percent(width: float) -> str:
    """Return half a width as a percentage, a dash where there is none."""
    return f"{100 * width:.1f}" if math.isfinite(width) else "-"


def _starts(timings: Timings) -> Table:
    heads = ("side", "recipe", "seconds to first step", "± %", "import", "model, data and optimizer", "first step")
    rows = []
    for row in _live(timings):
        own = statistics.own(row.times)
        parts = (np.median(row.more["import"]), np.median(row.made), np.median(row.first))
        rows.append((row.side, row.recipe, f"{own.value:.2f}", percent(own.width), *(f"{part:.2f}" for part in parts)))
    note = (
        "From the start of a fresh process to the end of the first training step, each recipe in processes of its own; "
        "the file cache is warm. A compiled loop's first step is its first piece."
    )
    return Table(f"{timings.cell.pair}: time to first step, batch {timings.cell.batch}", heads, tuple(rows), note)


def _memory(timings: Timings) -> Table:
    heads = ("side", "recipe", "MiB after import", "after build", "after training", "training adds", "on the device")
    rows = []
    for row in _live(timings):
        before, built = float(np.median(row.more["import"])), float(np.median(row.more["made"]))
        after = statistics.middle(row.times)
        device = [each for each in row.more["device"] if each is not None]
        cells = (mib(before), mib(built), mib(after), mib(after - before))
        rows.append((row.side, row.recipe, *cells, mib(float(np.median(device))) if device else "-"))
    note = "Largest resident set of the process so far, one batch of data, each recipe in processes of its own."
    return Table(f"{timings.cell.pair}: peak memory, batch {timings.cell.batch}", heads, tuple(rows), note)


def mib(size: float) -> str:
    """Return bytes as MiB."""
    return f"{size / 2**20:,.0f}"


def ratio_cells(ratio: statistics.Ratio) -> tuple[str, str, str]:
    """Return a ratio, its interval and its control as text."""
    return (
        f"{short(ratio.speed.value)}×",
        f"[{short(ratio.speed.low)}, {short(ratio.speed.high)}]",
        f"×÷ {short(ratio.control)}",
    )


def _ratios(pair: str, gate: str, held: Sequence[Held]) -> Table:
    heads = ("work", "batch", "left", "against", "ratio", "95 % interval", "control", "CPU ratio", "verdict")
    rows = tuple(
        (
            each.what,
            str(each.batch or "-"),
            each.left,
            each.right,
            *ratio_cells(each.ratio),
            "-" if each.cpu is None else f"{short(each.cpu)}×",
            each.verdict,
        )
        for each in held
    )
    return Table(f"{pair}: ratios ({gate})", heads, rows, RATIO_NOTE)


def _bars(pair: str, cells: Sequence[Timings]) -> list[Bars]:
    """Return a chart of throughput for each piece of work: a group of bars for each recipe, a colour for each batch."""
    found = []
    for what in dict.fromkeys(each.cell.what for each in cells):
        own = [each for each in cells if each.cell.what == what]
        names = list(dict.fromkeys(row.name for each in own for row in _live(each)))
        groups = [_group(each, names, colour) for colour, each in enumerate(own)]
        if names:
            found.append(Bars(f"{pair}: {what}", tuple(names), "samples/s", tuple(groups)))
    return found


def _group(timings: Timings, names: Sequence[str], colour: int) -> Group:
    known = {row.name: statistics.own(row.times) for row in _live(timings)}
    speeds: list[tuple[float, float, float]] = []
    for name in names:
        own = known.get(name)
        speeds.append((1 / own.value, 1 / own.high, 1 / max(own.low, 1e-12)) if own else (math.nan,) * 3)
    values, low, high = (numbers([each[at] for each in speeds]) for at in range(3))
    sure = all(math.isfinite(v) for v in (*low, *high))
    label = f"batch {timings.cell.batch}" if timings.cell.batch else timings.cell.what
    return Group(label, values, low if sure else (), high if sure else (), colour)


def left_out(timings: Sequence[Timings]) -> list[str]:
    """Return in words which recipes were left out, and why."""
    found: dict[str, list[str]] = {}
    for each in timings:
        for row in each.rows:
            if row.refused:
                found.setdefault(f"{each.cell.pair}: {row.name}: {row.refused}", []).append(each.cell.what)
    return [f"left out: {why} ({', '.join(dict.fromkeys(works))})" for why, works in found.items()]


def noise(timings: Sequence[Timings], tight: float) -> list[str]:
    """Return in words where the machine was too noisy for the interval asked for, and what would help."""
    found = []
    for each in timings:
        rows = [row for row in each.rows if not row.refused and each.cell.what not in ("first-step", "memory")]
        wide = [statistics.own(row.times).width for row in rows]
        if not rows or max(wide) <= tight:
            continue
        between, within = (max(s) for s in zip(*(statistics.spreads(row.times) for row in rows), strict=True))
        helps = "more --processes" if each.ended == "settled" else "more --seconds, or a quieter machine"
        found.append(
            f"{each.cell.key}: too noisy for ±{percent(tight)} %: the widest is ±{percent(max(wide))} % "
            f"(processes differ by {percent(between)} %, rounds by {percent(within)} %); {helps} would help"
        )
    return found


def facts(data: dict[str, Any]) -> list[str]:
    """Return in words where and how it was measured."""
    machine, settings, load = data["machine"], data["settings"], data["load"]
    versions = ", ".join(f"{name} {facts['version']}" for name, facts in data["frameworks"].items())
    return [
        f"{machine['processor']}, {machine['cpus']} cores, {machine['memory_gib']} GiB; "
        f"load average {load[0]} before, {load[1]} after" + (f"; {versions}" if versions else ""),
        f"{settings['processes']} fresh processes a side, {settings['threads']} threads each (torch, and TensorFlow "
        f"within and between ops), {settings['dtype']} on {settings['device']}",
    ]
