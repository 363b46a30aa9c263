"""Building blocks of convolutional nets, a topic at a time, each measured on both live models."""

from collections.abc import Callable
from typing import Any

from dualnet.errors import SpecError, did_you_mean
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.topics import augment, equivariance, kernels, norm, parts, separable, shapes
from dualnet.report.exhibits import Table
from dualnet.report.result import Result

Topic = Callable[..., Result]

# What each topic shows, and the page that does. Those that train take epochs and a limit of examples.
TOPICS: dict[str, tuple[str, Topic]] = {
    "shapes": ("W_out of strides, paddings and dilations: the formula against both live models", shapes.shapes),
    "block": ("convolution, BatchNorm, activation, pooling: what each does to an image's statistics", parts.block),
    "kernels": ("fixed kernels on an image, and their feature maps", kernels.kernels),
    "equivariance": (
        "what a shift of the image does to convolutions, pooling and a whole net",
        equivariance.equivariance,
    ),
    "augment": ("flip, crop, rotation, cutout: the images that both sides train on", augment.augment),
    "separable": ("standard, bottleneck and depthwise separable nets: size, cost, accuracy, time", separable.separable),
    "norm": ("BatchNorm against GroupNorm by batch size", norm.norm),
}


def blocks(topic: str = "shapes", *, bench: Bench = HERE, **options: Any) -> Result:
    """Show one of ``TOPICS``; "list" names them. ``epochs`` and ``limit`` are for those that train.

    Raises ``SpecError`` for an unknown topic.
    """
    if topic == "list":
        rows = tuple((name, about) for name, (about, _) in TOPICS.items())
        return Result(
            "blocks", "Building blocks of convolutional nets", [], [Table("Topics", ("topic", "shows"), rows)]
        )
    if topic not in TOPICS:
        hint = did_you_mean(topic, TOPICS) or f" There are: {', '.join(TOPICS)}."
        msg = f"There is no topic {topic!r}.{hint}"
        raise SpecError(msg)
    return TOPICS[topic][1](bench=bench, **options)
