"""The words of the verbs that are experiments."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from dualnet.cli.parser import SHAPE, count, spec_of, verb_of

if TYPE_CHECKING:
    from dualnet.cli.parser import Verbs


def experiment(verbs: "Verbs", name: str, text: str) -> ArgumentParser:
    """Return an experiment's verb with the words that every one takes."""
    verb = verb_of(verbs, name, text, f"experimenting:{name}")
    verb.add_argument("--backend", default="both", help="torch, keras or both (default both)")
    verb.add_argument("--out", type=Path, metavar="DIR", help="keep the result, its plots and a page report.html there")
    return verb


def limited(verb: ArgumentParser, default: int | None = None) -> None:
    """Add --limit."""
    told = f" (default {default})" if default else ""
    text = f"use the first N examples of each part only{told}"
    verb.add_argument("--limit", type=count, default=default, metavar="N", help=text)


def resumable(verb: ArgumentParser) -> None:
    """Add --resume."""
    verb.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")


def _train(verbs: "Verbs") -> None:
    verb = experiment(verbs, "train", "train a spec on both backends, on the same batches in the same order")
    spec_of(verb)
    verb.add_argument("--epochs", type=count, help="default: the spec's")
    verb.add_argument("--batch-size", type=count, help="default: the spec's")
    verb.add_argument("--learning-rate", type=float, help="default: the spec's")
    verb.add_argument("--clip-norm", type=float, metavar="LIMIT", help="clip gradients by their global norm")
    verb.add_argument("--clip-value", type=float, metavar="LIMIT", help="clip each entry of the gradients")
    verb.add_argument("--augment", metavar="HOW", help="such as flip,crop:2,rotate:15,cutout:8; the same on both sides")
    many = "processes or devices that share every batch, on each backend; equal to one (default 1)"
    verb.add_argument("--workers", type=count, default=1, metavar="N", help=many)
    verb.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard logs, a run for each backend")
    verb.add_argument("--explain-speed", action="store_true", help="say by which recipe each side trained, and why")
    limited(verb)
    resumable(verb)


def _distill(verbs: "Verbs") -> None:
    verb = experiment(verbs, "distill", "distil a teacher into a student on both backends (Hinton et al. 2015)")
    spec_of(verb, "teacher")
    spec_of(verb, "student")
    verb.add_argument("--method", default="response", help="response, or hints (Romero et al. 2014; default response)")
    verb.add_argument(
        "--temperature", default="10", metavar="T,…", help="of the soft targets, one or more (default 10)"
    )
    verb.add_argument(
        "--alpha", default="0.1", metavar="A,…", help="share of the labels' loss, one or more (default 0.1)"
    )
    verb.add_argument("--reduction", default="batchmean", help="of the KL term: batchmean or mean (default batchmean)")
    verb.add_argument("--seeds", type=count, default=1, help="starts of the students (default 1; 5 give intervals)")
    verb.add_argument("--teacher-backend", default="", help="whose teacher teaches both sides (default: each its own)")
    verb.add_argument(
        "--hint", default="", help="the student's layer of --method hints (default: its middle activation)"
    )
    verb.add_argument(
        "--guide", default="", help="the teacher's layer that it foretells (default: its middle activation)"
    )
    verb.add_argument("--hint-epochs", type=count, default=1, help="epochs of foretelling (default 1)")
    verb.add_argument("--epochs", type=count, help="default: each spec's")
    verb.add_argument("--sample", type=int, default=0, help="test example whose soft targets are shown (default 0)")
    limited(verb)
    resumable(verb)


def _init(verbs: "Verbs") -> None:
    verb = experiment(verbs, "init", "how weights start: theory beside what both frameworks draw, or where it leads")
    spec_of(verb)
    verb.add_argument(
        "--initializers", default="", help="names with commas, such as xavier_normal,he_normal,normal:0.01"
    )
    verb.add_argument("--seeds", type=count, default=50, help="draws of each (default 50)")
    verb.add_argument("--train", action="store_true", help="train from each start instead, and show where it leads")
    verb.add_argument("--epochs", type=count, help="of --train (default: the spec's)")
    limited(verb)


def _signal(verbs: "Verbs") -> None:
    verb = experiment(verbs, "signal", "activations and gradients through depth, beside theory")
    spec_of(verb)
    verb.add_argument("--activation", default="", help="one or more with commas, such as sigmoid,tanh,relu")
    verb.add_argument("--depth", type=count, help="hidden layers (default: the spec's)")
    limited(verb, 256)


def _clip(verbs: "Verbs") -> None:
    verb = experiment(verbs, "clip", "learning rates against clipping: explosions, where they begin, and their cure")
    spec_of(verb)
    verb.add_argument("--learning-rate", default="0.03,0.1,0.3", help="of SGD, one or more (default 0.03,0.1,0.3)")
    verb.add_argument("--clip-norm", default="1", help="limits of the global norm (default 1)")
    verb.add_argument("--clip-value", default="0.1", help="limits of each entry (default 0.1)")
    verb.add_argument("--steps", type=count, default=200, help="of each training (default 200)")
    verb.add_argument("--activation", default="", help="instead of the spec's")
    verb.add_argument("--initializer", default="", help="instead of the spec's, such as he_normal or normal:0.2")
    verb.add_argument("--depth", type=count, help="hidden layers (default: the spec's)")


def looking(verb: ArgumentParser, by: str) -> None:
    """Add the words of an experiment that looks at a trained network."""
    spec_of(verb)
    verb.add_argument("--sample", default="0", help="test images: 3, or 0,4,7, or 0..9 (default 0)")
    verb.add_argument(
        "--weights", type=Path, metavar="PATH", help="a folder of `dualnet train --out`, or a .safetensors"
    )
    told = f"whose training gives the weights: torch, keras or each its own (default {by or 'the first backend'})"
    verb.add_argument("--trained-by", dest="by", default=by, help=told)
    verb.add_argument("--epochs", type=count, help="of that training (default: the spec's)")
    limited(verb)


def _explain(verbs: "Verbs") -> None:
    verb = experiment(verbs, "explain", "where a decision comes from: saliency and activation maps, side by side")
    looking(verb, "")
    verb.add_argument("--method", default="saliency,smoothgrad,cam,gradcam", help="one or more (default: all four)")
    verb.add_argument("--label", action="store_true", help="explain the true class, not the one that is predicted")


def _predict(verbs: "Verbs") -> None:
    verb = experiment(verbs, "predict", "soft decisions by class, and the hard decision")
    looking(verb, "each")
    verb.add_argument("--temperature", type=float, default=1.0, help="of the softmax (default 1)")


def _fit(verbs: "Verbs") -> None:
    verb = experiment(verbs, "fit", "function approximation: both sides' curves over the target")
    verb.add_argument("curve", nargs="?", default="nielsen", help="nielsen, sine or step (default nielsen)")
    verb.add_argument("--hidden", default="64,64,64", help="widths of the hidden layers (default 64,64,64)")
    verb.add_argument("--activation", default="tanh", help="behind each hidden layer (default tanh)")
    rate = "drop units in training, at RATE (0.1 if left out)"
    verb.add_argument("--dropout", type=float, nargs="?", const=0.1, default=0.0, metavar="RATE", help=rate)
    verb.add_argument("--epochs", type=count, default=200, help="over 2,000 samples (default 200)")
    verb.add_argument("--learning-rate", type=float, default=0.01, help="of Adam at the start (default 0.01)")


def _blocks(verbs: "Verbs") -> None:
    verb = experiment(verbs, "blocks", "building blocks of convolutional nets, measured: shapes, separable, norm, …")
    verb.add_argument("topic", nargs="?", default="shapes", help="see `dualnet blocks list` (default shapes)")
    verb.add_argument("--epochs", type=count, default=1, help="of the topics that train (default 1)")
    limited(verb)


def _sweep(verbs: "Verbs") -> None:
    about = "work through many cells: specs × seeds × precisions × settings, resumable, merged into one page"
    verb = verb_of(verbs, "sweep", about, "sweeping:sweep")
    verb.set_defaults(dtype="float32")
    verb.add_argument("what", metavar="VERB", help="what each cell does: parity, train, init, signal or clip")
    verb.add_argument("specs", nargs="+", metavar="SPEC", help="specs of the zoo, or .toml or .json files")
    verb.add_argument("--seeds", default="0", metavar="S,…", help="such as 0-9 or 0-4,20 (default 0)")
    verb.add_argument("--workers", type=count, default=1, metavar="N", help="cells at a time (default 1)")
    verb.add_argument("--out", type=Path, metavar="DIR", required=True, help="the record, sweep.json and report.html")
    verb.add_argument("--executor", choices=("local", "ray"), default="local", help="default local; ray: dualnet[ray]")
    verb.add_argument(
        "--shard", default="", metavar="i/n", help="do the i-th of n parts of the cells only, by their ids"
    )
    verb.add_argument("--stages", help="of parity: all, quick (no data set), or names with commas (default all)")
    verb.add_argument("--epochs", default="", metavar="N,…", help="one or more (default: the spec's)")
    verb.add_argument("--batch-size", default="", metavar="N,…", help="one or more (default: the spec's)")
    verb.add_argument("--learning-rate", default="", metavar="R,…", help="one or more (default: the spec's)")
    limited(verb)
    resumable(verb)


def _bench(verbs: "Verbs") -> None:
    about = "time both frameworks side by side, each recipe beside an A/A control: exit 1 if something got slower"
    verb = verb_of(verbs, "bench", about, "benching:bench")
    verb.add_argument(
        "subjects", nargs="*", metavar="SUBJECT", help="specs; or two live models, LEFT.py:NAME RIGHT.py:NAME"
    )
    verb.add_argument(
        "--what", default="train,infer", help="train, infer, build, first-step, memory (default train,infer)"
    )
    verb.add_argument("--batch", default="", help="sizes (default: the spec's to train, 1,32,256 to infer)")
    named = "usual (idiom, best public, dualnet), all, or names with semicolons between (default usual)"
    verb.add_argument("--recipes", default="usual", help=named)
    verb.add_argument("--backend", default="both", help="of specs: torch, keras or both (default both)")
    verb.add_argument("--processes", type=count, default=5, metavar="N", help="fresh ones of each side (default 5)")
    verb.add_argument("--seconds", type=positive, default=30.0, help="of each cell (default 30)")
    tight = "half an interval's width, as a fraction, at which a cell is done (default 0.05)"
    verb.add_argument("--tight", type=positive, default=0.05, help=tight)
    verb.add_argument("--samples", type=count, default=10_000, metavar="N", help="of the data set (default 10000)")
    verb.add_argument("--input", action="append", default=[], metavar="SHAPE", help=f"of live models, {SHAPE}")
    verb.add_argument("--kwargs-left", default="", metavar="JSON", help="arguments of the left class or function")
    verb.add_argument("--kwargs-right", default="", metavar="JSON", help="arguments of the right class or function")
    given = "whose weights both get where parity is checked (default left)"
    verb.add_argument("--weights-from", choices=("left", "right"), default="left", help=given)
    told = "of live models, left name to right name of weights where they cannot be matched: .json or .toml"
    verb.add_argument("--table", type=Path, metavar="FILE", help=told)
    verb.add_argument("--unchecked", action="store_true", help="time what has not passed parity too")
    verb.add_argument(
        "--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="say what changed between two results"
    )
    verb.add_argument("--anyway", action="store_true", help="compare results of different machines or settings too")
    told = "keep result, chart and page there; what is finished is kept at once, and a second run goes on from it"
    verb.add_argument("--out", type=Path, metavar="DIR", help=told)


def positive(text: str) -> float:
    """Return a number above 0, as an argument's type."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        msg = f"expected a number above 0, received {text}"
        raise ArgumentTypeError(msg)
    return found


EXPERIMENTS = (_train, _sweep, _distill, _init, _signal, _clip, _explain, _predict, _fit, _blocks, _bench)
