"""The verb ``bench``: what is fast by which recipe, side by side, or what changed between two results."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from dualnet.bench import plan, recipes
from dualnet.bench.compare import changes
from dualnet.bench.run import Run
from dualnet.cli.common import chosen_backends, speaker
from dualnet.cli.results import keep, write
from dualnet.errors import SpecError
from dualnet.report.progress import progress
from dualnet.report.result import Result, load
from dualnet.run import pairing

LIVE = ("input", "kwargs_left", "kwargs_right", "table")


def bench(arguments: Namespace) -> int:
    """Time and show; return 1 if a pair did not pass parity, or, comparing, if something got slower."""
    if arguments.compare:
        return _compare(arguments)
    live = [word for word in arguments.subjects if ".py:" in word]
    if not arguments.subjects:
        msg = "Name specs to time, or two live models as file.py:name, or --compare OLD NEW."
        raise SpecError(msg)
    if live and len(arguments.subjects) != 2:
        msg = f"Live models are timed in pairs: LEFT.py:NAME RIGHT.py:NAME. Received: {' '.join(arguments.subjects)}"
        raise SpecError(msg)
    if live and len(live) != 2:
        msg = f"A live model is timed beside another, not beside a spec. Received: {' '.join(arguments.subjects)}"
        raise SpecError(msg)
    _fits(arguments, bool(live))
    with progress(arguments.quiet) as show:
        pythons = {"torch": arguments.torch_python, "keras": arguments.keras_python}
        run = Run(
            settings(arguments),
            pythons={name: path for name, path in pythons.items() if path},
            out=arguments.out,
            unchecked=arguments.unchecked,
            progress=show,
            say=speaker(arguments.quiet),
        )
        words = {name: getattr(arguments, name) for name in (*LIVE, "weights_from")}
        words["table"] = pairing.read(arguments.table) if arguments.table else {}
        try:
            result = (
                run.models(arguments.subjects, words)
                if live
                else run.specs(arguments.subjects, chosen_backends(arguments.backend))
            )
        except KeyboardInterrupt:
            if arguments.out:
                speaker(arguments.quiet)(f"finished cells are kept in {arguments.out}: the same words go on from them")
            raise
    code = _shown(result, arguments)
    run.finish()
    return code


def settings(arguments: Namespace) -> plan.Settings:
    """Return the settings that the words ask for. Raises ``SpecError``."""
    same = ("processes", "tight", "seconds", "samples", "threads", "dtype", "device", "seed")
    return plan.Settings(
        whats=plan.whats(arguments.what),
        batches=plan.batches(arguments.batch),
        recipes=recipes.chosen(arguments.recipes),
        **{name: getattr(arguments, name) for name in same},
    )


def _fits(arguments: Namespace, live: bool) -> None:
    """Raise ``SpecError`` for words that are of the other kind of subject."""
    told = {f"--{name.replace('_', '-')}": getattr(arguments, name) for name in LIVE}
    if live:
        told = {"--backend": arguments.backend != "both", "--dtype": arguments.dtype != "float32"}
        told |= {"--device": arguments.device != "cpu"}
    for name, value in told.items():
        if value:
            kind = "specs, and these are live models, timed as they are" if live else "live models, and these are specs"
            msg = f"{name} is for {kind}. Leave it out."
            raise SpecError(msg)


def _shown(result: Result, arguments: Namespace) -> int:
    print(result)
    write(arguments.json, result.to_data())
    keep(result, arguments.out)
    return 1 if result.verdict == "divergent" else 0


def _compare(arguments: Namespace) -> int:
    if arguments.subjects:
        msg = f"--compare reads two results and times nothing. Leave out: {' '.join(arguments.subjects)}"
        raise SpecError(msg)
    old, new = (load(_file(path)) for path in arguments.compare)
    found: Any = changes(old, new, tuple(map(str, arguments.compare)), anyway=arguments.anyway)
    print(found.result)
    write(arguments.json, found.result.to_data())
    keep(found.result, arguments.out)
    return 1 if found.slower else 0


def _file(path: Path) -> Path:
    """Return the result in a folder of --out, or the file itself."""
    return path / "bench.json" if path.is_dir() else path
