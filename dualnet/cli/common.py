"""What the verbs share: calling one, the workers it runs in, the spec and settings that its words ask for."""

import importlib
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dualnet import backends
from dualnet.cli.early import pythons_of
from dualnet.errors import DataError, SpecError
from dualnet.experiments.bench import Bench
from dualnet.report.progress import progress
from dualnet.report.result import Result
from dualnet.run.hosts import Workers
from dualnet.specs import augment, text
from dualnet.specs.optimizers import Clip
from dualnet.specs.spec import Spec


def call(arguments: Namespace) -> int:
    """Run the verb that the arguments name as ``page:function``, and return its exit code. Only its page is loaded."""
    page, _, name = arguments.run.partition(":")
    code: int = getattr(importlib.import_module(f"dualnet.cli.{page}"), name)(arguments)
    return code


def workers(arguments: Namespace) -> Workers:
    """Return the host that the arguments ask for."""
    return Workers(pythons_of(arguments), arguments.threads)


def speaker(quiet: bool) -> Callable[[str], None]:
    """Return what tells a person what is being done: some steps take seconds."""

    def say(text: str) -> None:
        if not quiet:
            print(f"{text} …", file=sys.stderr, flush=True)

    return say


def shown(arguments: Namespace, experiment: Callable[[Bench], Result]) -> int:
    """Run an experiment in workers, print its result and keep it where asked; return 1 for a divergent verdict."""
    from dualnet.cli.results import keep, write
    from dualnet.report.environment import environment

    def say(words: str) -> None:
        if not arguments.quiet:
            print(words, file=sys.stderr, flush=True)

    names = tuple(chosen_backends(arguments.backend))
    with workers(arguments) as host, progress(arguments.quiet) as show:
        bench = Bench(names, host, arguments.seed, arguments.dtype, arguments.device, show, say)
        result = experiment(bench)
        result.environment = environment(bench.facts())
    print(result)
    write(arguments.json, result.to_data())
    keep(result, arguments.out)
    return 1 if result.verdict == "divergent" else 0


def chosen_backends(name: str) -> list[str]:
    """Return the backends that ``--backend`` names. Raises ``SpecError``."""
    if name == "both":
        return ["torch", "keras"]
    if name not in backends.names():
        msg = f"--backend must be both or one of {', '.join(backends.names())}. Received: {name!r}"
        raise SpecError(msg)
    return [name]


def fresh_or_resumed(arguments: Namespace) -> None:
    """Raise ``DataError`` for --resume without a folder, and for a folder that holds another run's checkpoints."""
    if arguments.resume and not arguments.out:
        msg = "--resume needs --out, the folder of the checkpoints."
        raise DataError(msg)
    if arguments.out and not arguments.resume and any(arguments.out.rglob("*.safetensors")):
        msg = f"{arguments.out} holds checkpoints of an earlier run. Add --resume to go on, or name another folder."
        raise DataError(msg)


def trained(spec: Spec, arguments: Namespace) -> Spec:
    """Return a spec with the settings of data and training that the command line overrules."""
    given = vars(arguments)
    changed = {name: given[name] for name in ("epochs", "batch_size") if given.get(name) is not None}
    if given.get("learning_rate") is not None:
        changed["optimizer"] = replace(spec.training.optimizer, learning_rate=arguments.learning_rate)
    clip = clipping(given.get("clip_norm"), given.get("clip_value"))
    changed |= {"clip": clip} if clip else {}
    spec = text.with_fields(spec, **changed)
    if given.get("augment"):
        how = tuple(augment.named(word.strip()) for word in arguments.augment.split(","))
        spec = replace(spec, data=replace(spec.data, augment=how))
    return spec


def clipping(norm: float | None, value: float | None) -> Clip | None:
    """Return the clipping that the words ask for. Raises ``SpecError`` for both at once."""
    if norm is not None and value is not None:
        msg = "Give --clip-norm or --clip-value, not both: each is a way of its own to clip."
        raise SpecError(msg)
    by: Any = "global_norm" if norm is not None else "value"
    limit = norm if norm is not None else value
    return None if limit is None else Clip(by, limit)
