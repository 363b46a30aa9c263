"""The data that is timed: the spec's own images where they are at hand, else numbers of its inputs' shapes."""

from typing import Any

import numpy as np

from dualnet.backends.precision import held
from dualnet.bench.job import Job
from dualnet.bench.plan import Settings, largest
from dualnet.data import find, load_dataset, mean_std, to_float
from dualnet.data.transforms import normalise
from dualnet.errors import DataError, SpecError
from dualnet.run.feed import Part, resized
from dualnet.specs.losses import classifies, dense
from dualnet.specs.spec import Spec

# Bytes of data that each worker holds, at most: ten workers and two frameworks must fit into a small machine.
BYTES = 64 << 20


def job_of(spec: Spec, settings: Settings) -> tuple[Job, str]:
    """Return what workers are given for a spec, and in a sentence where the data is from."""
    need = largest(spec.name, spec.training.batch_size, settings)
    each = 4 * sum(int(np.prod(shape)) for shape in spec.inputs.values())
    count = max(need, min(settings.samples, BYTES // each))
    images, labels, mean, std, source = _images(spec, count)
    how = {name: getattr(settings, name) for name in ("dtype", "device", "threads", "seed")}
    if images is not None:
        pixels = normalise(to_float(images, 255), mean, std).astype(held(settings.dtype))
        inputs: dict[str, Any] = {next(iter(spec.inputs)): pixels}
        how |= {"images": images, "mean": mean, "std": std}
    else:
        inputs = {name: _drawn(spec, name, count, settings) for name in spec.inputs}
    return Job(
        spec, inputs, _targets(spec, inputs, labels, settings), labels if _labelled(spec) else None, **how
    ), source


def _images(spec: Spec, count: int) -> tuple[Any, Any, float, float, str]:
    """Return uint8 images, labels, their moments, and where they are from; made up where there are none at hand."""
    shape, shapes = next(iter(spec.inputs.values())), list(spec.inputs.values())
    generator = np.random.default_rng(0)
    labels = generator.integers(0, spec.output_shapes[0][0], count)
    made_up = f"made-up numbers, {count:,} samples: the time does not depend on what they are"
    if len(shapes) != 1 or len(shape) != 3 or shape[0] not in (1, 3):
        return None, labels, 0.0, 1.0, made_up
    images = generator.integers(0, 256, (count, *shape), np.uint8)
    if shape[0] == 1 and min(shape[1:]) >= 28 and spec.output_shapes[0] == (10,) and _at_hand(spec.data.set):
        dataset = load_dataset(spec.data.set, download=False)
        if dataset.levels == 255 and len(dataset.train_images) >= count:
            images, labels = resized(dataset.train_images[:count], shape), dataset.train_labels[:count]
            made_up = f"{dataset.source}; the first {count:,} of the training part"
    moments = mean_std(to_float(images, 255)) if spec.data.normalise == "standard" else (0.0, 1.0)
    return images, labels, *moments, made_up


def _at_hand(name: str) -> bool:
    try:
        return find(name).how != "download"
    except DataError:
        return False


def _drawn(spec: Spec, name: str, count: int, settings: Settings) -> Any:
    shape = (count, *spec.inputs[name])
    generator = np.random.default_rng(settings.seed)
    if name in spec.integers:
        return generator.integers(0, spec.integers[name], shape)
    return generator.standard_normal(shape).astype(held(settings.dtype))


def _labelled(spec: Spec) -> bool:
    return classifies(spec.training.loss)


def _targets(spec: Spec, inputs: dict[str, Any], labels: Any, settings: Settings) -> Any:
    loss = spec.training.loss
    kind = held(settings.dtype)
    count = len(labels)
    given = None
    if dense(loss) and loss.target == "given":
        given = np.random.default_rng(settings.seed).random((count, *spec.output_shapes[0])).astype(kind)
    classes = spec.output_shapes[0][0]
    found = Part(inputs, labels, given).targets(loss, classes)
    if found.ndim > 1 and found.shape[1:] != spec.output_shapes[0]:
        msg = f"{spec.name}: its loss compares {list(spec.output_shapes[0])} with targets of {list(found.shape[1:])}."
        raise SpecError(msg)
    return found
