"""Maps: saliency, SmoothGrad, CAM and Grad-CAM of one class score, each (N, H, W) float64, in evaluation mode."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.protocol import Array, Session
from dualnet.errors import SpecError
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs.draw import normal
from dualnet.specs.graph import Step
from dualnet.specs.spec import Spec

Maps = NDArray[np.float64]
AT_ONCE = 64  # noisy copies in one pass: enough to be quick, few enough for the memory that all layers' gradients take


@dataclass(frozen=True)
class Asked:
    """What is explained: images (N, C, H, W), and the class (N,) whose score is.

    ``copies`` and ``noise`` are SmoothGrad's; the noise is a standard deviation, as a share of an image's range
    (Smilkov et al. 2017 use 0.1 to 0.2). ``layer`` is Grad-CAM's (the last feature maps if empty).
    """

    spec: Spec
    images: Array
    classes: NDArray[np.int64]
    copies: int = 25
    noise: float = 0.15
    seed: int = 0
    layer: str = ""


def saliency(session: Session, asked: Asked) -> Maps:
    """Return |∂s_c/∂x|, the largest over channels (Simonyan et al. 2014)."""
    return _strongest(_slopes(session, asked, asked.images))


def smoothgrad(session: Session, asked: Asked) -> Maps:
    """Return the absolute mean of ∂s_c/∂x over noisy copies (Smilkov et al. 2017), the same noise on all sides."""
    axes = tuple(range(1, asked.images.ndim))
    images = asked.images.astype(np.float64)
    reach = asked.noise * (images.max(axis=axes, keepdims=True) - images.min(axis=axes, keepdims=True))
    total = np.zeros(images.shape)
    together = max(AT_ONCE // len(images), 1)
    for first in range(0, asked.copies, together):
        copies = range(first, min(first + together, asked.copies))
        noise = [normal(images.size, "smoothgrad", asked.seed, copy).reshape(images.shape) for copy in copies]
        many = replace(asked, classes=np.tile(asked.classes, len(noise)))
        slopes = _slopes(session, many, np.concatenate([images + reach * drawn for drawn in noise]))
        total += slopes.reshape(len(noise), *images.shape).sum(axis=0)
    return _strongest(total / asked.copies)


def gradcam(session: Session, asked: Asked) -> Maps:
    """Return ReLU(Σ_k α_k·A_k), α_k the mean of ∂s_c/∂A_k over pixels (Selvaraju et al. 2017), enlarged."""
    path = asked.layer or last_images(asked.spec)
    inputs = {next(iter(asked.spec.inputs)): asked.images}
    kept = session.forward(inputs)["layers"][path].astype(np.float64)
    slopes = session.gradients(inputs, None, _chosen(asked, len(asked.images)))["layers"][path].astype(np.float64)
    alphas = slopes.mean(axis=(2, 3), keepdims=True)
    return enlarged(np.maximum((alphas * kept).sum(axis=1), 0.0), asked.images.shape[2:])


def cam(session: Session, asked: Asked) -> Maps:
    """Return Σ_k w_ck·A_k for a net of features, global average pooling and one Linear (Zhou et al. 2016), enlarged.

    Raises ``SpecError`` for a net that is not so built.
    """
    features, linear = pooled_head(asked.spec)
    inputs = {next(iter(asked.spec.inputs)): asked.images}
    kept = session.forward(inputs)["layers"][features].astype(np.float64)
    weight = session.weights()[f"{linear}.weight"].astype(np.float64)[asked.classes]
    return enlarged((weight[:, :, None, None] * kept).sum(axis=1), asked.images.shape[2:])


METHODS: dict[str, Callable[[Session, Asked], Maps]] = {
    "saliency": saliency,
    "smoothgrad": smoothgrad,
    "cam": cam,
    "gradcam": gradcam,
}


def _strongest(slopes: Maps) -> Maps:
    """Return the largest magnitude over channels: (N, C, H, W) to (N, H, W)."""
    found: Maps = np.abs(slopes).max(axis=1)
    return found


def _slopes(session: Session, asked: Asked, images: Array) -> Maps:
    name = next(iter(asked.spec.inputs))
    return session.gradients({name: images}, None, _chosen(asked, len(images)))["inputs"][name].astype(np.float64)


def _chosen(asked: Asked, count: int) -> list[Array]:
    """Return what to weigh the outputs with, so that their sum is the chosen scores: 1 at each example's class."""
    shapes = asked.spec.output_shapes
    weights = [np.zeros((count, *shape)) for shape in shapes]
    weights[0][np.arange(count), asked.classes] = 1.0
    return weights


def last_images(spec: Spec) -> str:
    """Return the last layer that gives images of more than one pixel. Raises ``SpecError`` if there is none."""
    found = [step.path for step in spec.graph.leaves() if _image(step) and math.prod(step.out_shapes[0][1:]) > 1]
    if not found:
        msg = f"{spec.name}: Grad-CAM looks at a layer of feature maps, and it has none: it is no convolutional net."
        raise SpecError(msg)
    return found[-1]


def _image(step: Step) -> bool:
    return len(step.out_shapes[0]) == 3 and isinstance(step.layer, (*_MAKES_MAPS, *_KEEPS_MAPS))


_MAKES_MAPS = (L._Conv, V._ConvTranspose, L._Pool)
_KEEPS_MAPS = (L.BatchNorm2d, L.GroupNorm, L.ReLU, L.LeakyReLU, L.ELU, L.GELU, L.SiLU, L.Sigmoid, L.Tanh, L.Add)


def pooled_head(spec: Spec) -> tuple[str, str]:
    """Return the layer of features and the Linear of a net that ends in global average pooling and one Linear.

    Raises ``SpecError`` naming what stands there instead.
    """
    steps = [step for step in spec.graph.leaves() if not isinstance(step.layer, (L.Flatten, L.Dropout, L.Reshape))]
    pool, linear = [None, None, *steps][-2:]
    features = next((step for step in steps if pool and step.name == pool.inputs[0]), None)
    if not (
        linear
        and pool
        and features
        and isinstance(linear.layer, L.Linear)
        and isinstance(pool.layer, L.AdaptiveAvgPool2d)
        and tuple(pool.layer.size) == (1, 1)
    ):
        ends = " and ".join(step.path for step in steps[-2:])
        msg = (
            f"{spec.name}: CAM needs a net that ends in global average pooling (AdaptiveAvgPool2d of size 1) and one "
            f"Linear. It ends in {ends}. Grad-CAM takes any convolutional net."
        )
        raise SpecError(msg)
    return features.path, linear.path


def enlarged(maps: Array, size: tuple[int, ...]) -> Maps:
    """Return maps (N, h, w) at another size by bilinear interpolation between pixel centres, borders held."""
    for axis, (have, want) in enumerate(zip(maps.shape[1:], size, strict=True), start=1):
        at = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, have - 1)
        share = (at - low).reshape([-1 if each == axis else 1 for each in range(3)])
        maps = np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share
    return np.asarray(maps, dtype=np.float64)
