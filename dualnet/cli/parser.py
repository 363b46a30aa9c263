"""The words of the command line."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Verbs: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from dualnet import __version__
    from dualnet.cli.words import EXPERIMENTS

    top = argparse.ArgumentParser(prog="dualnet", description="One model, two frameworks, and proof that they agree.")
    top.add_argument("--version", action="version", version=f"dualnet {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND")
    for add in (_parity, _check, _record, _port, _emit, *EXPERIMENTS, _show, _list, _doctor, _demo, _report):
        add(verbs)
    return top


def verb_of(verbs: "Verbs", name: str, text: str, run: str) -> argparse.ArgumentParser:
    """Return a verb's parser with the options that every command takes."""
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    common = verb.add_argument_group("options of every command")
    common.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    common.add_argument("--seed", type=int, default=0, help="of weights, batches and dropout masks (default 0)")
    common.add_argument("--device", default="cpu", help="cpu, gpu or cuda:N (default cpu)")
    common.add_argument(
        "--dtype",
        default="float32",
        help="float32 (default), float64, bfloat16, float16, mixed_bfloat16 or mixed_float16",
    )
    common.add_argument("--threads", type=count, default=1, metavar="N", help="threads of each worker (default 1)")
    common.add_argument("--torch-python", metavar="PATH", help="the interpreter of the torch worker")
    common.add_argument("--keras-python", metavar="PATH", help="the interpreter of the keras worker")
    common.add_argument("--quiet", action="store_true", help="show no progress")
    return verb


def spec_of(
    verb: argparse.ArgumentParser, name: str = "spec", text: str = "a spec of the zoo, or a .toml or .json file"
) -> None:
    """Add a spec as an argument by place."""
    verb.add_argument(name, help=text)


def _parity(verbs: "Verbs") -> None:
    verb = verb_of(
        verbs, "parity", "climb the parity ladder: exit 0 if both sides are one function, 1 if not", "climbing:parity"
    )
    spec_of(verb)
    verb.add_argument("--against", metavar="SPEC", help="the right side's spec, if it is another one")
    verb.add_argument("--stages", default="all", help="all, quick (no data set), or names with commas (default all)")
    verb.add_argument("--steps", type=count, default=20, help="optimizer steps of the step stage (default 20)")
    verb.add_argument("--seeds", type=count, default=3, help="seeds of the accuracy stage (default 3)")
    verb.add_argument("--epochs", type=count, help="epochs of the stages on data (default: the spec's; accuracy 1)")
    verb.add_argument("--limit", type=count, metavar="N", help="use the first N examples of each part only")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write parity.json and the page report.html there")


SHAPE = (
    "of one sample, without the batch axis (where the model refuses that, the shape is taken as it stands, batch and "
    "all): 1x28x28, ids=16:int64:1000 (below 1000), mask=16:bool; repeat it"
)


def _check(verbs: "Verbs") -> None:
    verb = verb_of(
        verbs, "check", "compare two live models, whoever wrote them: exit 0 if they agree", "checking:check"
    )
    verb.add_argument(
        "left", metavar="LEFT.py:NAME", help="a model, or a class or function that makes one; or LEFT.trace"
    )
    verb.add_argument("right", metavar="RIGHT.py:NAME", help="the other, of either framework; or RIGHT.trace")
    verb.add_argument("--input", action="append", default=[], metavar="SHAPE", help=f"in the left one's order, {SHAPE}")
    verb.add_argument("--kwargs-left", default="", metavar="JSON", help="arguments of the left class or function")
    verb.add_argument("--kwargs-right", default="", metavar="JSON", help="arguments of the right class or function")
    verb.add_argument("--weights-from", choices=("left", "right"), help="both get the weights of one (default: own)")
    verb.add_argument("--table", type=Path, metavar="FILE", help="left name to right name of weights: .json or .toml")
    verb.add_argument("--save-table", type=Path, metavar="FILE", help="write the matching used, to be edited and given")
    verb.add_argument("--matching", action="store_true", help="print which weight was taken for which")
    verb.add_argument("--stages", default="all", help="all, quick (no training), or names with commas (default all)")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write check.json and the page report.html there")


def _record(verbs: "Verbs") -> None:
    about = "record what a live model does, in a file that `dualnet check` compares without any framework"
    verb = verb_of(verbs, "record", about, "recording:record")
    verb.add_argument("model", metavar="FILE.py:NAME", help="a model, or a class or function that makes one")
    verb.add_argument("--out", dest="out_file", type=Path, required=True, metavar="FILE.trace", help="write it there")
    verb.add_argument("--input", action="append", default=[], metavar="SHAPE", help=SHAPE)
    like = "record it on the inputs, the weights and the random draws of that recording"
    verb.add_argument("--from", dest="like", type=Path, metavar="FILE.trace", help=like)
    verb.add_argument("--kwargs", default="", metavar="JSON", help="arguments of the class or function")
    verb.add_argument("--weights", type=Path, metavar="FILE", help="a state_dict as .safetensors, or .weights.h5")
    verb.add_argument(
        "--table", type=Path, metavar="FILE", help="names of --from to own names of weights: .json, .toml"
    )
    verb.add_argument("--as-is", action="store_true", help="both sides start from their own weights, as they are")


def _port(verbs: "Verbs") -> None:
    about = "write a live model as source of the other framework, with weights and certificate: exit 0 if they agree"
    verb = verb_of(verbs, "port", about, "porting:port")
    verb.add_argument("model", metavar="FILE.py:NAME", help="a model, or a class or function that makes one")
    verb.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SHAPE",
        help=SHAPE,
    )
    verb.add_argument("--to", choices=("torch", "keras"), help="default: the other framework")
    verb.add_argument("-o", "--out", dest="out_file", type=Path, metavar="FILE.py", help="default: FILE_keras.py")
    verb.add_argument("--kwargs", default="", metavar="JSON", help="arguments of the class or function")
    verb.add_argument("--weights", type=Path, metavar="FILE", help="a state_dict as .safetensors, or .weights.h5")
    verb.add_argument("--partial", action="store_true", help="leave a named hole where an op cannot be written")
    verb.add_argument("--force", action="store_true", help="overwrite files that are there")
    verb.add_argument("--no-check", action="store_true", help="draw no certificate")


def _emit(verbs: "Verbs") -> None:
    verb = verb_of(verbs, "emit", "print a spec as source that needs its framework alone", "porting:emit")
    spec_of(verb)
    verb.add_argument("--to", choices=("torch", "keras"), required=True, help="the framework")
    verb.add_argument("-o", "--out", dest="out_file", type=Path, metavar="FILE.py", help="write it there instead")


def _show(verbs: "Verbs") -> None:
    verb = verb_of(verbs, "show", "show both live models layer by layer", "verbs:show")
    spec_of(verb)
    verb.add_argument("--backend", default="both", help="torch, keras or both (default both)")
    verb.add_argument("--text", action="store_true", help="print the spec itself, as TOML, and load no framework")
    verb.add_argument("--out", type=Path, metavar="DIR", help="keep the result and a page report.html there")


def _list(verbs: "Verbs") -> None:
    verb_of(verbs, "list", "list the zoo", "verbs:list_zoo")


def _doctor(verbs: "Verbs") -> None:
    verb_of(verbs, "doctor", "versions, devices, threads, and where the data is", "verbs:doctor")


def _demo(verbs: "Verbs") -> None:
    verb = verb_of(
        verbs, "demo", "the main job: parity, training and distillation of the course's network", "verbs:demo"
    )
    verb.add_argument("--limit", type=count, metavar="N", help="use the first N examples of each part only")


def _report(verbs: "Verbs") -> None:
    verb = verb_of(verbs, "report", "write one HTML page of every result in a folder", "pages:report_page")
    verb.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder that commands were given by --out")
    verb.add_argument("--open", action="store_true", help="open the page in a browser")
    verb.add_argument("--out", dest="out_file", type=Path, metavar="FILE", help="default: RUN_DIR/report.html")


def count(text: str) -> int:
    """Return a number of at least 1, as an argument's type."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"expected a number of at least 1, received {text}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
