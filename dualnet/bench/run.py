"""A run of the bench: gate, cells one after the other, and the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.bench import gate, ratios, tables, timing
from dualnet.bench.data import job_of
from dualnet.bench.fleet import Fleet
from dualnet.bench.job import Job
from dualnet.bench.machine import load, machine, software
from dualnet.bench.plan import INFERRED, Cell, Pair, Settings, Side, cells
from dualnet.bench.record import Record
from dualnet.errors import SpecError
from dualnet.report.environment import environment
from dualnet.report.result import Result
from dualnet.run.plan import Progress, silent
from dualnet.specs import zoo
from dualnet.specs.optimizers import FLAVOURS
from dualnet.specs.spec import Spec
from dualnet.specs.text import to_data

Say = Callable[[str], None]
STARTS = ("first-step", "memory")


class Run:
    """One run: its settings, interpreters, folder, and whom to tell."""

    def __init__(
        self,
        settings: Settings,
        *,
        pythons: Mapping[str, str] | None = None,
        out: Path | None = None,
        unchecked: bool = False,
        progress: Progress = silent,
        say: Say = lambda text: None,
    ) -> None:
        self.settings, self.pythons, self.out, self.unchecked = settings, dict(pythons or {}), out, unchecked
        self.progress, self.say = progress, say
        self.frameworks: dict[str, Any] = {}
        self.failed: list[str] = []
        self.finish: Callable[[], None] = lambda: None  # forgets the record, once the result is written

    def specs(self, names: Sequence[str | Spec], backends: Sequence[str]) -> Result:
        """Time specs, each on the backends named. Raises ``SpecError``."""
        found = [name if isinstance(name, Spec) else zoo.load(name) for name in names]
        twice = [spec.name for spec in found if [each.name for each in found].count(spec.name) > 1]
        if twice:
            msg = f"{twice[0]} is named twice: rows are told apart by a spec's name."
            raise SpecError(msg)
        pairs = []
        for spec in found:
            job, source = job_of(spec, self.settings)
            pair = Pair(spec.name, tuple(Side(name, name, job) for name in backends), source=source)
            cells(pair, self.settings)  # every fault of the words is found before any work
            pairs.append(pair)
        identity = {spec.name: to_data(spec) for spec in found} | {"backends": list(backends)}
        return self._timed(pairs, identity, self._spec_gate)

    def _spec_gate(self, pair: Pair) -> gate.Passed:
        spec = pair.sides[0].job.net
        if len(pair.sides) < 2:
            return gate.Passed("one framework, so nothing was compared", True)
        if self.unchecked:
            return gate.Passed(gate.UNCHECKED, True)
        self.say(f"{pair.name}: climbing the ladder to stage step")
        return gate.spec_passed(spec, self.settings, self.pythons)

    def models(self, places: Sequence[str], words: Mapping[str, Any]) -> Result:
        """Time two live models, named as file.py:name. Raises ``SpecError`` or ``TraceError``."""
        left, right = places
        self.say(f"opening {left} and {right}")
        opened = gate.models_passed((left, right), words, self.settings, not self.unchecked)
        settings = self.settings
        count = len(next(iter(opened.inputs.values())))
        if opened.free:
            count = max(settings.batches or (*INFERRED, 32)) * 4
        # the few samples that were compared, over and over: the time does not depend on what they are
        inputs = {name: np.resize(array, (count, *array.shape[1:])) for name, array in opened.inputs.items()}
        how = {name: getattr(settings, name) for name in ("dtype", "device", "threads", "seed")}
        labels = ("left", "right")
        sides = tuple(
            Side(
                label,
                backend,
                Job(
                    None,
                    inputs,
                    place=place,
                    kwargs=words[f"kwargs_{label}"],
                    option=f"--kwargs-{label}",
                    orders=opened.orders if label == "right" else {},
                    **how,
                ),
            )
            for label, backend, place in zip(labels, opened.backends, (left, right), strict=True)
        )
        name = f"{left} and {right}"
        source = f"left is {left} ({opened.backends[0]}), right {right} ({opened.backends[1]}); made-up inputs"
        pair = Pair(name, sides, opened.passed.words, source, 0 if opened.free else count)
        cells(pair, settings)
        identity = {"left": left, "right": right, **words}
        return self._timed([pair], identity, lambda _: opened.passed)

    def _timed(self, pairs: Sequence[Pair], identity: Any, check: Callable[[Pair], gate.Passed]) -> Result:
        before = load()
        record = Record(
            self.out, {"what": identity, "settings": asdict(self.settings), "machine": machine() | software()}
        )
        found: list[timing.Timings] = []
        gates: dict[str, str] = {}
        for number, pair in enumerate(pairs):
            todo = cells(pair, self.settings)
            known = [record.get(cell.key) for cell in todo]
            noted = record.notes.get(f"gate {pair.name}")
            passed = gate.Passed(**noted) if noted else check(pair)
            if passed.agrees:
                record.note(f"gate {pair.name}", vars(passed))
            gates[pair.name] = passed.words
            if not passed.agrees:
                self.failed.append(pair.name)
                continue
            fresh = [cell for cell, old in zip(todo, known, strict=True) if old is None]
            made = {t.cell.key: t for t in self._cells(pair, fresh, record, number, len(pairs))}
            found += [old or made[cell.key] for cell, old in zip(todo, known, strict=True)]
        self.frameworks = record.notes.get("frameworks", {}) | self.frameworks
        result = self._result(pairs, found, gates, [before, load()])
        self.finish = record.done
        return result

    def _cells(
        self, pair: Pair, fresh: Sequence[Cell], record: Record, number: int, pairs: int
    ) -> list[timing.Timings]:
        found: list[timing.Timings] = []
        starting = [cell for cell in fresh if cell.what in STARTS]
        running = [cell for cell in fresh if cell.what not in STARTS]
        pieces = len(running) + bool(starting)

        def telling(at: int, what: str) -> Callable[[float], None]:
            total, base = 100 * pieces * pairs, 100 * (number * pieces + at)
            # a cell may take a round longer than its time: only the next one says that it is over
            return lambda share: self.progress("bench", base + int(99 * share), total, f"{pair.name}: {what}")

        with Fleet(self.pythons, self.settings.threads) as fleet:
            if starting:
                self.say(f"{pair.name}: starting fresh processes, {self.settings.processes} for each recipe")
                tell = telling(0, "starts")
                for each in timing.started(fleet, list(pair.sides), starting, self.settings, tell):
                    found.append(each)
                    record.keep(each)
            if running:
                self._staff(fleet, pair)
            self.frameworks |= fleet.facts
            record.note("frameworks", self.frameworks)
            for at, cell in enumerate(running):
                self.say(f"{cell.key}: {len(cell.rows)} recipes, up to {self.settings.seconds:g} s")
                tell = telling(at + bool(starting), f"{cell.what} {cell.batch or ''}")
                found.append(timing.timed(fleet, cell, self.settings, tell))
                record.keep(found[-1])
        return found

    def _staff(self, fleet: Fleet, pair: Pair) -> None:
        """Start the workers of all sides, the sides in turn."""
        self.say(f"{pair.name}: starting {self.settings.processes} processes for each side")
        turns = [side for _ in range(self.settings.processes) for side in pair.sides]
        fleet.each(lambda side: fleet.start(side.label, side.backend, side.job), turns)

    def _result(
        self, pairs: Sequence[Pair], found: list[timing.Timings], gates: dict[str, str], loads: list[float]
    ) -> Result:
        held = [each for timings in found for each in ratios.held(timings, self.settings.seed)]
        data = {
            "timings": [each.to_data() for each in found],
            "ratios": [each.to_data() for each in held],
            "gates": gates,
            "machine": machine(),
            "load": loads,
            "frameworks": self.frameworks,
            "settings": asdict(self.settings),
        }
        says = [f"{pair.name}: {gates[pair.name]}; {pair.source}" for pair in pairs]
        says += [
            f"{name}: NOT TIMED, for it has not passed parity. --unchecked times it all the same."
            for name in self.failed
        ]
        says += [*tables.facts(data), *_flavours(pairs, self.settings), *tables.left_out(found)]
        says += tables.noise(found, self.settings.tight)
        return Result(
            "bench",
            f"bench: {', '.join(pair.name for pair in pairs)}",
            says,
            tables.exhibits(found, held, gates),
            data,
            verdict="divergent" if self.failed else "",
            settings=asdict(self.settings),
            environment=environment(self.frameworks) | machine() | {"load": loads},
        )


def _flavours(pairs: Sequence[Pair], settings: Settings) -> list[str]:
    """Return in words where a stock optimizer is not quite the spec's."""
    found = []
    for pair in pairs:
        spec = pair.sides[0].job.spec
        own: Any = spec.training.optimizer if spec else None
        for side in pair.sides if "train" in settings.whats and own is not None else ():
            usual: Any = FLAVOURS[side.backend].get(type(own).__name__)
            place = getattr(usual, "epsilon_placement", None)
            if place and place != own.epsilon_placement:
                found.append(
                    f"{pair.name}: {side.label}'s own {type(own).__name__} puts epsilon elsewhere than the spec, which "
                    "dualnet follows: the same operations, weights apart by epsilon"
                )
    return found
