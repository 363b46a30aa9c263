"""The verbs that are experiments: each reads its words, runs one experiment in workers, and shows its result."""

from argparse import Namespace

from dualnet.cli.common import fresh_or_resumed, shown, trained
from dualnet.experiments.bench import Bench
from dualnet.report.result import Result
from dualnet.specs import zoo


def train(arguments: Namespace) -> int:
    """Train on the chosen backends, and show curves, confusions and weights."""
    from dualnet.experiments.training import train as experiment
    from dualnet.run.several import launched
    from dualnet.run.train import unwatched

    launched()
    spec = trained(zoo.load(arguments.spec), arguments)
    fresh_or_resumed(arguments)
    board = None
    if arguments.tensorboard:
        from dualnet.report.tensorboard import TensorBoard

        board = TensorBoard(arguments.tensorboard)

    def run(bench: Bench) -> Result:
        options = {name: getattr(arguments, name) for name in ("limit", "out", "resume", "workers", "explain_speed")}
        return experiment(spec, watch=board or unwatched, bench=bench, **options)

    code = shown(arguments, run)
    if board:
        board.close()
        print(f"written: {arguments.tensorboard}, one run for each backend; see it by: tensorboard --logdir DIR")
    return code


def distill(arguments: Namespace) -> int:
    """Distil over a grid of temperatures and shares."""
    from dualnet.experiments.distillation import distill as experiment

    teacher, student = (trained(zoo.load(name), arguments) for name in (arguments.teacher, arguments.student))
    fresh_or_resumed(arguments)

    def run(bench: Bench) -> Result:
        return experiment(
            teacher,
            student,
            method=arguments.method,
            temperatures=arguments.temperature,
            alphas=arguments.alpha,
            reduction=arguments.reduction,
            seeds=arguments.seeds,
            taught_by=arguments.teacher_backend,
            hint=arguments.hint,
            guide=arguments.guide,
            hint_epochs=arguments.hint_epochs,
            sample=arguments.sample,
            limit=arguments.limit,
            out=arguments.out,
            resume=arguments.resume,
            bench=bench,
        )

    return shown(arguments, run)


def init(arguments: Namespace) -> int:
    """Draw weights and test them; with --train, train from each start too."""
    from dualnet.experiments.initialisation import COURSE
    from dualnet.experiments.initialisation import init as experiment
    from dualnet.experiments.starting import COURSE as TRAINED
    from dualnet.experiments.starting import starts

    spec = trained(zoo.load(arguments.spec), arguments)
    if arguments.train:
        names = arguments.initializers or ",".join(TRAINED)
        return shown(arguments, lambda bench: starts(spec, names, limit=arguments.limit, bench=bench))
    names = arguments.initializers or ",".join(COURSE)
    return shown(arguments, lambda bench: experiment(spec, names, arguments.seeds, bench=bench))


def signal(arguments: Namespace) -> int:
    """Follow activations and gradients through depth."""
    from dualnet.experiments.signals import signal as experiment

    options = {"limit": arguments.limit}
    return shown(
        arguments,
        lambda bench: experiment(arguments.spec, arguments.activation, arguments.depth, **options, bench=bench),
    )


def clip(arguments: Namespace) -> int:
    """Set learning rates against clipping."""
    from dualnet.experiments.clipping import clip as experiment

    options = {name: getattr(arguments, name) for name in ("steps", "activation", "initializer", "depth")}
    limits = {"norms": arguments.clip_norm, "values": arguments.clip_value}
    return shown(
        arguments,
        lambda bench: experiment(arguments.spec, arguments.learning_rate, **limits, **options, bench=bench),
    )


def explain(arguments: Namespace) -> int:
    """Show where decisions come from."""
    from dualnet.experiments.explanation import explain as experiment

    spec = trained(zoo.load(arguments.spec), arguments)
    options = {"weights": arguments.weights, "by": arguments.by, "label": arguments.label, "limit": arguments.limit}
    return shown(arguments, lambda bench: experiment(spec, arguments.sample, arguments.method, **options, bench=bench))


def predict(arguments: Namespace) -> int:
    """Show soft and hard decisions."""
    from dualnet.experiments.prediction import predict as experiment

    spec = trained(zoo.load(arguments.spec), arguments)
    options = {name: getattr(arguments, name) for name in ("temperature", "weights", "by", "limit")}
    return shown(arguments, lambda bench: experiment(spec, arguments.sample, **options, bench=bench))


def fit(arguments: Namespace) -> int:
    """Fit a curve."""
    from dualnet.experiments.fitting import fit as experiment

    options = {name: getattr(arguments, name) for name in ("activation", "dropout", "epochs", "learning_rate")}
    return shown(arguments, lambda bench: experiment(arguments.curve, arguments.hidden, **options, bench=bench))


def blocks(arguments: Namespace) -> int:
    """Take the building blocks of convolutional nets apart, a topic at a time."""
    from dualnet.experiments.building import blocks as experiment

    options = {"epochs": arguments.epochs, "limit": arguments.limit}
    return shown(arguments, lambda bench: experiment(arguments.topic, **options, bench=bench))
