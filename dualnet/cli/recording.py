"""The verb ``record``: what a live model out of a user's file does, to be compared elsewhere."""

from argparse import Namespace
from functools import partial

from dualnet import api
from dualnet.cli.checking import inputs_of, recorded
from dualnet.cli.common import speaker
from dualnet.cli.results import write
from dualnet.errors import SpecError
from dualnet.run import pairing, source
from dualnet.run.recording import SUFFIX, Recording, load


def record(arguments: Namespace) -> int:
    """Record what a live model does, to be compared elsewhere; return 0."""
    say = speaker(arguments.quiet)
    _asked(arguments)
    like = load(arguments.like) if arguments.like else None
    pairs = pairing.read(arguments.table) if arguments.table else None
    say(f"running {arguments.model}")
    again = partial(source.model_of, arguments.model, arguments.kwargs)
    model = again()
    if arguments.weights:
        source.fill(model, arguments.weights)
    inputs = None if like else inputs_of(arguments.input, model, arguments.model, again)
    say("recording it, in float32 and float64, in both modes")
    made = api.record(model, inputs, like=like, table=pairs, as_is=arguments.as_is)
    made.save(arguments.out_file)
    _tell(made)
    print(f"written: {arguments.out_file} ({arguments.out_file.stat().st_size / 1000:,.0f} kB)")
    found = {"name": made.name, "framework": made.framework, "versions": made.versions, "matching": made.matching}
    write(arguments.json, found)
    return 0


def _asked(arguments: Namespace) -> None:
    """Raise ``SpecError`` for words that do not go together."""
    if recorded(arguments.model) or not recorded(str(arguments.out_file)):
        msg = f"record takes a model, and --out FILE{SUFFIX}. Received: {arguments.model}, --out {arguments.out_file}"
        raise SpecError(msg)
    if arguments.like and (arguments.input or arguments.as_is):
        msg = "--from takes inputs and start from that recording. Leave out: --input, --as-is."
        raise SpecError(msg)
    if arguments.table and not arguments.like:
        msg = "--table pairs weights of --from with those of the model. Give --from too, or leave it out."
        raise SpecError(msg)


def _tell(made: Recording) -> None:
    told = f" like {made.of}, {made.note}" if made.of else ""
    print(f"{made.name} ({made.framework}){told}: {len(made.passes)} passes, {made.steps} updates")
    for path, said in made.passes.items():
        for what in (*([said.failed] if said.failed else []), *said.lost):
            print(f"note: {path}: {what}")
