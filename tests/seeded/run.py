"""Plant every trap, or run sound pairs; goes on where it was stopped. ``python -m tests.seeded --jobs 2``."""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def _fault(row: tuple[str, str, str, str]) -> dict[str, Any]:
    from tests.seeded.judge import tried
    from tests.seeded.trap import Fault

    return tried(Fault(*row))


def _alarm(row: tuple[str, int, int | None]) -> dict[str, Any]:
    from tests.seeded.judge import alarm

    return alarm(*row)


def _sites(name: str) -> list[tuple[str, str, str, str]]:
    """Return the faults of a pair; those of settings that ``check`` does not take cannot be asked for."""
    from tests.seeded.pair import KNOWN, SETTINGS, sound
    from tests.seeded.trap import sites
    from tests.seeded.traps import TRAPS

    made = sound(name)
    return [
        (f.trap, f.pair, f.side, f.site)
        for trap in TRAPS
        for f in sites(trap, made)
        if f.site not in SETTINGS or f.site in KNOWN
    ]


def told(row: dict[str, Any]) -> str:
    """Return what came of one piece in a line."""
    if "trap" in row:
        place = f"{row['trap']} in {row['pair']}, {row['side']}, {row['site'] or 'model'}"
        seen = " ".join(word for word in ("in stage", "located", "named") if row.get(word))
        return f"{place}: {row['outcome']} {row.get('stage', '')} {seen}"
    return f"{row['pair']}, seed {row['seed']}, batch {row['batch']}: {row['verdict']} {'; '.join(row['blamed'])[:150]}"


def run(work: Callable[[Any], dict[str, Any]], pieces: list[Any], keys: Iterable[str], record: Path, jobs: int) -> Any:
    """Do the pieces that the record does not hold yet; return the rows of all that are asked for, in order."""
    keys = list(keys)
    record.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    done = {tuple(row[key] for key in keys): row for row in rows}
    left, start = [piece for piece in pieces if tuple(piece) not in done], time.monotonic()
    if not left:
        return [done[tuple(piece)] for piece in pieces]
    context = multiprocessing.get_context("spawn")  # neither framework survives a fork
    with record.open("a") as file, context.Pool(jobs, maxtasksperchild=100) as pool:
        for at, row in enumerate(pool.imap_unordered(work, left, chunksize=4), 1):
            done[tuple(row[key] for key in keys)] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            minutes = (time.monotonic() - start) / at * (len(left) - at) / 60
            print(f"{at} of {len(left)}, {minutes:.0f} min left: {told(row)}", flush=True)
    return [done[tuple(piece)] for piece in pieces]


def main(words: list[str] | None = None) -> int:
    """Run; return 1 if a fault was missed, or a sound pair blamed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", help="names, with commas (default: all)")
    parser.add_argument("--traps", help="names, with commas (default: all)")
    parser.add_argument(
        "--sound", type=int, metavar="N", help="run N seeds of each pair without a fault instead, and of drawn ones"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--record", type=Path, help="what is done (build/seeded.jsonl, build/sound.jsonl)")
    given = parser.parse_args(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tests.seeded import page
    from tests.seeded.pair import DRAWN, NAMES

    names = given.pairs.split(",") if given.pairs else [*NAMES, *([DRAWN] if given.sound else [])]
    if given.sound:
        wanted: list[Any] = [(name, seed, (None, 2, 6)[seed % 3]) for seed in range(given.sound) for name in names]
        record = given.record or Path("build/sound.jsonl")
        rows = run(_alarm, wanted, ("pair", "seed", "batch"), record, given.jobs)
        print(page.alarms(rows))
        return int(any(row["blamed"] for row in rows))
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        wanted = [piece for found in pool.map(_sites, names) for piece in found]
    traps = set(given.traps.split(",")) if given.traps else {piece[0] for piece in wanted}
    wanted = [piece for piece in wanted if piece[0] in traps]
    record = given.record or Path("build/seeded.jsonl")
    rows = run(_fault, wanted, ("trap", "pair", "side", "site"), record, given.jobs)
    if not (given.pairs or given.traps):
        page.write(rows)
    print(page.totals(rows))
    return int(any(row["outcome"] == "missed" for row in rows))
