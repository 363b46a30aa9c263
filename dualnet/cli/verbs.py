"""The verbs: each reads its arguments, runs one public capability in workers, and prints its tables."""

import math
from argparse import Namespace
from dataclasses import replace
from typing import Any

from tabulate import tabulate

from dualnet import api, backends, data
from dualnet.cli.pages import report_page, write_page
from dualnet.cli.porting import emit, port
from dualnet.cli.results import write
from dualnet.compare.ladder import stages as chosen
from dualnet.errors import DataError, SpecError, UnsupportedError
from dualnet.report import ladder, table
from dualnet.report.environment import environment
from dualnet.report.progress import progress
from dualnet.run import distil as distillation
from dualnet.run import train as training
from dualnet.run.feed import feed
from dualnet.run.hosts import Workers
from dualnet.run.plan import Settings
from dualnet.specs import Distillation, Spec, text, zoo


def parity(arguments: Namespace) -> int:
    """Climb the ladder; return 0 if both sides are one function, else 1."""
    with _workers(arguments) as workers, progress(arguments.quiet) as show:
        options = {"steps": arguments.steps, "seeds": arguments.seeds, "epochs": arguments.epochs}
        report = api.check(
            arguments.spec,
            arguments.against,
            stages=chosen(arguments.stages),
            seed=arguments.seed,
            device=arguments.device,
            dtype=arguments.dtype,
            host=workers,
            climb_options=options | {"limit": arguments.limit, "progress": show},
        )
        facts = {name: workers.facts(name) for name in ("torch", "keras")} if arguments.out else {}
    print(table.parity(report))
    if arguments.out:
        found = ladder.result(report, environment(facts))
        found.save(arguments.out / "parity.json")
        write_page(arguments.out / "report.html", [found], f"dualnet: {report.name}")
        print(f"written: {arguments.out}/parity.json, report.html")
    write(arguments.json, report.to_data())
    return 0 if report.agrees else 1


def train(arguments: Namespace) -> int:
    """Train on the chosen backends and print the epochs side by side."""
    spec = _trained(api.load(arguments.spec), arguments)
    names, settings = _backends(arguments.backend), _settings(arguments)
    fed = feed(spec, dtype=arguments.dtype, seed=arguments.seed, limit=arguments.limit)
    print(fed.source)
    with _workers(arguments) as workers, progress(arguments.quiet) as show:
        results = training.train(workers, names, spec, fed, settings, show)
        histories = {name: result.history for name, result in results.items()}
    print(f"\n{spec.name}: {spec.training.optimizer.brief()}\n\n{table.histories(histories)}")
    gap = training.final_gap(results)
    if gap is not None:
        print(f"\nlargest gap between the backends' training accuracies: {100 * gap:.3f} points")
    found = {"spec": spec.name, "source": fed.source, "seed": arguments.seed, "history": training.summary(results)}
    write(arguments.json, found)
    if arguments.out:
        from dualnet.report.plots import curves

        write(arguments.out / "history.json", found)
        curves(histories, spec.name, arguments.out / "curves.png")
        print(f"written: {arguments.out}/history.json, curves.png, checkpoints")
    return 0


def distill(arguments: Namespace) -> int:
    """Distil on the chosen backends and print accuracies and one sample's soft targets."""
    teacher, student = (_trained(api.load(name), arguments) for name in (arguments.teacher, arguments.student))
    names, settings = _backends(arguments.backend), _settings(arguments)
    loss = Distillation(arguments.temperature, arguments.alpha, arguments.reduction)
    fed = feed(teacher, dtype=arguments.dtype, seed=arguments.seed, limit=arguments.limit)
    if not 0 <= arguments.sample < len(fed.test.labels):
        msg = f"--sample must be from 0 to {len(fed.test.labels) - 1}. Received: {arguments.sample}"
        raise DataError(msg)
    print(fed.source)
    with _workers(arguments) as workers, progress(arguments.quiet) as show:
        results = distillation.distil(workers, names, teacher, student, loss, fed, settings, show)
    terms = f"T={loss.temperature:g}, alpha={loss.alpha:g}, KL by {loss.reduction}, T² kept"
    print(f"\n{teacher.name} into {student.name}: {terms}\n")
    print(table.roles(results))
    label = int(fed.test.labels[arguments.sample])
    print(f"\nthe teacher's output for test example {arguments.sample}\n")
    print(table.softened(results, fed.classes, label, loss.temperature, arguments.sample))
    write(arguments.json, {"source": fed.source, "result": distillation.summary(results, fed)})
    return 0


def show(arguments: Namespace) -> int:
    """Print both live models layer by layer."""
    spec = api.load(arguments.spec)
    if arguments.text:
        print(text.dumps(spec), end="")
        write(arguments.json, text.to_data(spec))
        return 0
    with _workers(arguments) as workers:
        options = {"dtype": arguments.dtype, "device": arguments.device, "shared_masks": False}
        names = _backends(arguments.backend)
        facts = workers.each(names, lambda name: workers.open(name, spec, **options).structure())
    print(f"{spec.name}{': ' if spec.about else ''}{spec.about}\n\n{table.layers(facts)}")
    write(arguments.json, {"spec": spec.name, "layers": facts})
    return 0


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
    with _workers(arguments) as workers:
        found = {name: _facts(workers, name) for name in backends.names()}
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
        code: int = globals()[run.run](run)
        if code:
            return code
    return 0


__all__ = ["demo", "distill", "doctor", "emit", "list_zoo", "parity", "port", "report_page", "show", "train"]


def _workers(arguments: Namespace) -> Workers:
    pythons = {"torch": arguments.torch_python, "keras": arguments.keras_python}
    return Workers({name: path for name, path in pythons.items() if path}, arguments.threads)


def _settings(arguments: Namespace) -> Settings:
    if arguments.resume and not arguments.out:
        msg = "--resume needs --out, the folder of the checkpoints."
        raise DataError(msg)
    if arguments.out and not arguments.resume and any(arguments.out.rglob("*.safetensors")):
        msg = f"{arguments.out} holds checkpoints of an earlier run. Add --resume to go on, or name another folder."
        raise DataError(msg)
    return Settings(arguments.seed, arguments.dtype, arguments.device, arguments.out, arguments.resume)


def _trained(spec: Spec, arguments: Namespace) -> Spec:
    """Return a spec with the training settings that the command line overrules."""
    words = {"epochs": arguments.epochs, "batch_size": getattr(arguments, "batch_size", None)}
    changed = {name: value for name, value in words.items() if value is not None}
    rate = getattr(arguments, "learning_rate", None)
    if rate is not None:
        changed["optimizer"] = replace(spec.training.optimizer, learning_rate=rate)
    return text.with_fields(spec, **changed)


def _backends(name: str) -> list[str]:
    if name == "both":
        return ["torch", "keras"]
    if name not in backends.names():
        msg = f"--backend must be both or one of {', '.join(backends.names())}. Received: {name!r}"
        raise SpecError(msg)
    return [name]


def _facts(workers: Workers, name: str) -> dict[str, Any]:
    try:
        return workers.facts(name)
    except UnsupportedError as error:
        return {"missing": str(error)}


def _place(name: str) -> str:
    try:
        place = data.find(name)
    except DataError as error:
        return str(error)
    return f"{place.path} ({place.how})" if place.path else place.how
