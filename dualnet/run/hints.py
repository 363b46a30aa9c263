"""Hints: a student's lower half first learns to foretell a hidden layer of its teacher (FitNets, Romero et al. 2014).

A regressor on top of the student's hint layer gives the shape of the teacher's. Both halves are specs cut off at a
layer, so teacher and student may be of different frameworks.
"""

from dataclasses import replace

from dualnet.backends.protocol import Array, Arrays
from dualnet.errors import SpecError
from dualnet.run import several
from dualnet.run.feed import Feed
from dualnet.run.hosts import Host
from dualnet.run.plan import Progress, Settings, saying, silent
from dualnet.run.train import Trained, train_session
from dualnet.specs import layers as L
from dualnet.specs import vary
from dualnet.specs.spec import Spec


def middle(spec: Spec) -> str:
    """Return the path of the middle activation of a network. Raises ``SpecError`` if it has none."""
    paths = [step.path for step in spec.graph.leaves() if isinstance(step.layer, vary.KINDS)]
    if not paths:
        msg = f"{spec.name}: it has no activation to take as a hint layer. Name a layer of it."
        raise SpecError(msg)
    return paths[(len(paths) - 1) // 2]


def regressing(teacher: Spec, guide: str, student: Spec, hint: str, epochs: int) -> Spec:
    """Return the student up to its hint layer with a regressor to the shape of the teacher's guide layer.

    The regressor is a Linear layer, or a 1x1 convolution between images of one size. Raises ``SpecError`` where neither
    fits.
    """
    wanted = vary.upto(teacher, guide).output_shapes[0]
    lower = vary.upto(student, hint)
    made = lower.output_shapes[0]
    if len(wanted) == len(made) == 1:
        regressor: L.Layer = L.Linear(wanted[0], name="regressor")
    elif len(wanted) == len(made) == 3 and wanted[1:] == made[1:]:
        regressor = L.Conv2d(wanted[0], 1, name="regressor")
    else:
        msg = (
            f"{student.name}: no regressor leads from {hint} {list(made)} to {teacher.name}'s {guide} {list(wanted)}: "
            "it takes features to features, or images to images of the same size. Name other layers."
        )
        raise SpecError(msg)
    model = replace(lower.model, layers=(*lower.model.layers, regressor))
    return replace(lower, model=model, training=replace(lower.training, epochs=epochs))


def features(host: Host, name: str, teacher: Spec, guide: str, weights: Arrays, feed: Feed, settings: Settings) -> Feed:
    """Return a feed whose targets are the outputs of the teacher's guide layer."""
    cut = vary.upto(teacher, guide)
    session = host.open(name, cut, dtype=settings.dtype, device=settings.device, seed=settings.seed)
    session.load({own: weights[own] for own in cut.parameters})
    found: dict[str, Array] = {}
    for part, each in feed.parts().items():
        session.hold(part, each.inputs)
        found[part] = session.predict(part)
    given = {part: replace(each, given=found[part]) for part, each in feed.parts().items()}
    return replace(feed, train=given["train"], validation=given.get("validation"), test=given["test"])


def learn_hint(
    host: Host, name: str, spec: Spec, hinted: Feed, settings: Settings, progress: Progress = silent
) -> tuple[Trained, Arrays]:
    """Train a regressing student on a teacher's features; return it, and the weights below the regressor."""
    session = several.opened(host, name, spec, len(hinted.train.labels), settings)
    plain = replace(settings, out=None, resume=False)
    trained = train_session(name, session, spec, hinted, plain, saying(progress, "hint, {}"))
    weights = session.weights()
    return trained, {own: array for own, array in weights.items() if not own.startswith("regressor.")}
