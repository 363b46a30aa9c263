"""The verbs ``port`` and ``emit``: source out of live models and out of specs."""

import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from dualnet import api, store
from dualnet.backends.live import framework
from dualnet.cli.common import speaker
from dualnet.cli.results import write
from dualnet.compare.alone import alone
from dualnet.compare.certificate import certificate_of
from dualnet.errors import DataError
from dualnet.report import table
from dualnet.run import source
from dualnet.run.port import Ported, examples, other
from dualnet.run.port import port as port_model


def port(arguments: Namespace) -> int:
    """Port a model, write source, weights and certificate, and print the certificate; 0 if the two agree, else 1."""
    start = time.perf_counter()
    say = speaker(arguments.quiet)
    say(f"running {arguments.model}")
    again = partial(source.model_of, arguments.model, arguments.kwargs)
    model = again()
    if arguments.weights:
        source.fill(model, arguments.weights)
    inputs = source.inputs_of(arguments.input, model, arguments.model, again)
    to = arguments.to or other(framework(model))
    path = _out(arguments, to)
    say(f"reading it, and writing it for {to}")
    made = port_model(model, inputs, to, partial=arguments.partial)
    if made.model is not None and not arguments.no_check:
        say("comparing the two, in float32 and float64, in both modes")
        made.report = certificate_of(model, made, inputs)
    places = made.save(path)
    if made.report is not None:
        say("running the written file in a process of its own")
        made.report.stages.append(alone(made, _arrays(made, inputs), *places[:2]))
        made.save_report(places[2])
    _tell(made, time.perf_counter() - start, [str(place) for place in places])
    write(arguments.json, made.to_data())
    return 0 if made.report is None or made.report.agrees else 1


def _arrays(made: Ported, inputs: Any) -> list[Any]:
    if inputs is None:
        return examples(made.spec)
    if isinstance(inputs, dict):
        return [inputs[name] for name in made.spec.inputs]
    return list(inputs)


def _out(arguments: Namespace, to: str) -> Any:
    stem = arguments.model.rpartition(":")[0].removesuffix(".py")
    path = arguments.out_file or Path(f"{stem}_{to}.py")
    if path.suffix != ".py":
        msg = f"-o must name a .py file; weights and report get its name. Received: {path}"
        raise DataError(msg)
    if path.resolve() == Path(f"{stem}.py").resolve():
        msg = f"-o names the model's own file {path}, which would be overwritten. Name another."
        raise DataError(msg)
    if not path.parent.is_dir():
        msg = f"{path}: there is no folder {path.parent}."
        raise DataError(msg)
    written = [path, path.with_suffix(".safetensors"), path.with_suffix(".report.json")]
    if arguments.weights and arguments.weights.resolve() in [place.resolve() for place in written]:
        msg = f"{arguments.weights} would be overwritten by the port's own weights. Name another file by -o."
        raise DataError(msg)
    there = [str(place) for place in written if place.exists()]
    if there and not arguments.force:
        msg = f"{' and '.join(there)} would be overwritten. Add --force, or name another file by -o."
        raise DataError(msg)
    return path


def _tell(made: Ported, seconds: float, places: list[str]) -> None:
    if made.report is not None:
        print(table.parity(made.report))
    else:
        why = f"{len(made.document.gaps)} holes are to be filled first" if made.document.gaps else "--no-check"
        print(f"{made.spec.name}: not checked ({why})")
    layouts = "; ".join(made.document.layouts)
    print(f"\nported in {seconds:.1f} s in all: {len(made.weights)} weights; it takes {layouts}")
    print(f"transposes left: {len(made.moves)}")
    for move in made.moves[:10]:
        print(f"  {move}")
    for note in made.notes:
        print(f"note: {note}")
    print(f"written: {', '.join(places)}")


def emit(arguments: Namespace) -> int:
    """Print, or write, the source of a spec."""
    text = api.emit(arguments.spec, arguments.to)
    if arguments.out_file:
        store.write_text(arguments.out_file, text)
        print(f"written: {arguments.out_file}")
    else:
        print(text, end="")
    write(arguments.json, {"spec": arguments.spec, "to": arguments.to, "source": text})
    return 0
