"""The words of the command line."""

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from dualnet import __version__

    top = argparse.ArgumentParser(prog="dualnet", description="One model, two frameworks, and proof that they agree.")
    top.add_argument("--version", action="version", version=f"dualnet {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND")
    for add in (_parity, _port, _emit, _train, _distill, _show, _list, _doctor, _demo, _report):
        add(verbs)
    return top


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: str
) -> argparse.ArgumentParser:
    """Return a verb's parser with the options that every command takes."""
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    common = verb.add_argument_group("options of every command")
    common.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    common.add_argument("--seed", type=int, default=0, help="of weights, batches and dropout masks (default 0)")
    common.add_argument("--device", default="cpu", help="cpu, gpu or cuda:N (default cpu)")
    common.add_argument("--dtype", default="float32", help="float32 or float64 (default float32)")
    common.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of each worker (default 1)")
    common.add_argument("--torch-python", metavar="PATH", help="the interpreter of the torch worker")
    common.add_argument("--keras-python", metavar="PATH", help="the interpreter of the keras worker")
    common.add_argument("--quiet", action="store_true", help="show no progress")
    return verb


def _spec(
    verb: argparse.ArgumentParser, name: str = "spec", text: str = "a spec of the zoo, or a .toml or .json file"
) -> None:
    verb.add_argument(name, help=text)


def _parity(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "parity", "climb the parity ladder: exit 0 if both sides are one function, 1 if not", "parity")
    _spec(verb)
    verb.add_argument("--against", metavar="SPEC", help="the right side's spec, if it is another one")
    verb.add_argument("--stages", default="all", help="all, quick (no data set), or names with commas (default all)")
    verb.add_argument("--steps", type=_count, default=20, help="optimizer steps of the step stage (default 20)")
    verb.add_argument("--seeds", type=_count, default=3, help="seeds of the accuracy stage (default 3)")
    verb.add_argument("--epochs", type=_count, help="epochs of the stages on data (default: the spec's; accuracy 1)")
    verb.add_argument("--limit", type=_count, metavar="N", help="use the first N examples of each part only")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write parity.json and the page report.html there")


def _port(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "write a live model as source of the other framework, with weights and certificate: exit 0 if they agree"
    verb = _verb(verbs, "port", about, "port")
    verb.add_argument("model", metavar="FILE.py:NAME", help="a model, or a class or function that makes one")
    verb.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SHAPE",
        help="of one sample, without the batch axis: 1x28x28, ids=16:int64:1000 (below 1000), mask=16:bool; repeat it",
    )
    verb.add_argument("--to", choices=("torch", "keras"), help="default: the other framework")
    verb.add_argument("-o", "--out", dest="out_file", type=Path, metavar="FILE.py", help="default: FILE_keras.py")
    verb.add_argument("--kwargs", default="", metavar="JSON", help="arguments of the class or function")
    verb.add_argument("--weights", type=Path, metavar="FILE", help="a state_dict as .safetensors, or .weights.h5")
    verb.add_argument("--partial", action="store_true", help="leave a named hole where an op cannot be written")
    verb.add_argument("--force", action="store_true", help="overwrite files that are there")
    verb.add_argument("--no-check", action="store_true", help="draw no certificate")


def _emit(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "emit", "print a spec as source that needs its framework alone", "emit")
    _spec(verb)
    verb.add_argument("--to", choices=("torch", "keras"), required=True, help="the framework")
    verb.add_argument("-o", "--out", dest="out_file", type=Path, metavar="FILE.py", help="write it there instead")


def _train(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "train", "train a spec on both backends, on the same batches in the same order", "train")
    _spec(verb)
    verb.add_argument("--backend", default="both", help="torch, keras or both (default both)")
    verb.add_argument("--epochs", type=_count, help="default: the spec's")
    verb.add_argument("--batch-size", type=_count, help="default: the spec's")
    verb.add_argument("--learning-rate", type=float, help="default: the spec's")
    verb.add_argument("--limit", type=_count, metavar="N", help="use the first N examples of each part only")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write checkpoints, history.json and curves.png there")
    verb.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")


def _distill(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "distill", "distil a teacher into a student on both backends (Hinton et al. 2015)", "distill")
    _spec(verb, "teacher")
    _spec(verb, "student")
    verb.add_argument("--backend", default="both", help="torch, keras or both (default both)")
    verb.add_argument("--temperature", type=float, default=10.0, help="T of the soft targets (default 10)")
    verb.add_argument("--alpha", type=float, default=0.1, help="share of the labels' loss (default 0.1)")
    verb.add_argument("--reduction", default="batchmean", help="of the KL term: batchmean or mean (default batchmean)")
    verb.add_argument("--epochs", type=_count, help="default: each spec's")
    verb.add_argument("--sample", type=int, default=0, help="test example whose soft targets are shown (default 0)")
    verb.add_argument("--limit", type=_count, metavar="N", help="use the first N examples of each part only")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write checkpoints there")
    verb.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")


def _show(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "show", "show both live models layer by layer", "show")
    _spec(verb)
    verb.add_argument("--backend", default="both", help="torch, keras or both (default both)")
    verb.add_argument("--text", action="store_true", help="print the spec itself, as TOML, and load no framework")


def _list(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _verb(verbs, "list", "list the zoo", "list_zoo")


def _doctor(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _verb(verbs, "doctor", "versions, devices, threads, and where the data is", "doctor")


def _demo(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "demo", "the main job: parity, training and distillation of the course's network", "demo")
    verb.add_argument("--limit", type=_count, metavar="N", help="use the first N examples of each part only")


def _report(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "report", "write one HTML page of every result in a folder", "report_page")
    verb.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder that commands were given by --out")
    verb.add_argument("--open", action="store_true", help="open the page in a browser")
    verb.add_argument("--out", dest="out_file", type=Path, metavar="FILE", help="default: RUN_DIR/report.html")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        msg = f"expected a number of at least 1, received {text}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
