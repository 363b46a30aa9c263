"""State: BatchNorm's statistics and other buffers after batches in training mode, nothing else moving."""

from functools import partial

from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage, judged
from dualnet.compare.trial import examples, refusal, standing


def state(pair: Pair, steps: int = 5) -> Stage:
    """Compare buffers after ``steps`` batches."""
    buffers = [name for name, parameter in pair.spec.parameters.items() if not parameter.trainable]
    if not buffers or refusal(pair.spec):
        return Stage("state", skipped=refusal(pair.spec) or "the model has no buffers")
    made = pair.each(partial(standing, pair, examples(pair, steps), steps))
    kept = {key: {name: found[name] for name in buffers} for key, found in made.items()}
    stage = Stage("state", judged(pair, kept, f"{steps} batches: "))
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.note = f"{len(buffers)} buffers after {steps} batches"
    return stage
