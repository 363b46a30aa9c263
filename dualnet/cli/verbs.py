"""The small verbs: what there is, what it is made of, where it runs, and the demo that calls the others."""

import math
from argparse import Namespace
from typing import Any

from tabulate import tabulate

from dualnet import backends, data
from dualnet.cli.common import call, shown, workers
from dualnet.cli.results import write
from dualnet.errors import DataError, UnsupportedError
from dualnet.report import table
from dualnet.run.hosts import Workers
from dualnet.specs import text, zoo


def show(arguments: Namespace) -> int:
    """Print both live models layer by layer."""
    spec = zoo.load(arguments.spec)
    if arguments.text:
        print(text.dumps(spec), end="")
        write(arguments.json, text.to_data(spec))
        return 0
    from dualnet.experiments.summaries import summary

    return shown(arguments, lambda bench: summary(spec, bench=bench))


def list_zoo(arguments: Namespace) -> int:
    """Print the zoo."""
    specs = [zoo.load(name) for name in zoo.names()]
    counts = [sum(math.prod(p.shape) for p in spec.parameters.values() if p.trainable) for spec in specs]
    rows = [(spec.name, f"{count:,}", spec.about) for spec, count in zip(specs, counts, strict=True)]
    print(
        tabulate(
            rows,
            ("spec", "parameters", "about"),
            tablefmt=table.STYLE,
            colalign=("left", "right", "left"),
            maxcolwidths=[None, None, 90],
        )
    )
    write(
        arguments.json,
        {spec.name: {"parameters": count, "about": spec.about} for spec, count in zip(specs, counts, strict=True)},
    )
    return 0


def doctor(arguments: Namespace) -> int:
    """Print versions, devices, threads, and where each data set would come from."""
    with workers(arguments) as host:
        found = {name: _facts(host, name) for name in backends.names()}
    rows = [
        (
            name,
            facts.get("version", ""),
            ", ".join(facts.get("devices", [])),
            facts.get("threads", ""),
            facts.get("missing", ""),
        )
        for name, facts in found.items()
    ]
    print(tabulate(rows, ("backend", "version", "devices", "threads", "missing"), tablefmt=table.STYLE))
    places = {name: _place(name) for name in ("fashion_mnist", "mnist", "digits")}
    print("\n" + tabulate(list(places.items()), ("data set", "where"), tablefmt=table.STYLE))
    write(arguments.json, {"backends": found, "data": places})
    return 0


def demo(arguments: Namespace) -> int:
    """Run the main job: show, parity with training and distillation, and a teacher distilled into a student."""
    from dualnet.cli.parser import parser

    limit = ["--limit", str(arguments.limit)] if arguments.limit else []
    for words in (
        ["doctor"],
        ["show", "fashion_mlp"],
        ["parity", "fashion_mlp", *limit],
        ["train", "fashion_mlp", *limit],
        ["distill", "fashion_teacher", "fashion_student", *limit],
    ):
        print(f"\n$ dualnet {' '.join(words)}\n", flush=True)
        run = parser().parse_args([*words, "--seed", str(arguments.seed), *(["--quiet"] if arguments.quiet else [])])
        for name in ("device", "dtype", "threads", "torch_python", "keras_python"):
            setattr(run, name, getattr(arguments, name))
        run.json = arguments.json and arguments.json.with_stem(f"{arguments.json.stem}_{words[0]}")
        code = call(run)
        if code:
            return code
    return 0


def _facts(host: Workers, name: str) -> dict[str, Any]:
    try:
        return host.facts(name)
    except UnsupportedError as error:
        return {"missing": str(error)}


def _place(name: str) -> str:
    try:
        place = data.find(name)
    except DataError as error:
        return str(error)
    return f"{place.path} ({place.how})" if place.path else place.how
