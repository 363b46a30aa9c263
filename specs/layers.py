"""Layers: what a network is made of. Each is a docstring and fields; behaviour lives in the backends' rules.

Tensors are named and ordered channels-first: (N, C, H, W) images, (N, F) features. N never appears in a spec's shapes;
``dim`` counts it, as in PyTorch, so dim 1 is the channel axis. Sizes of what comes in are inferred.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import (
    Axis,
    Dims,
    Fraction,
    Kind,
    Names,
    NonNegative,
    Padding,
    Positive,
    Share,
    Size,
    Sizes,
)
from dualnet.specs.node import Node
from dualnet.specs.refused import REFUSED


@dataclass(frozen=True)
class Layer(Node, family=True):
    """Base of all layers.

    ``name`` is unique in its block (chosen from the class name when left out). ``inputs`` names the wires it reads;
    left out, it reads the layer above it.
    """

    refused: ClassVar[dict[str, str]] = REFUSED

    name: str = field(default="", kw_only=True)
    inputs: Names = field(default=(), kw_only=True)


@dataclass(frozen=True)
class _Spatial(Layer):
    """Base of what reads channels and places: [C, L], [C, H, W] or [C, D, H, W]."""

    spatial: ClassVar[int] = 2  # how many axes of places; 0: any


@dataclass(frozen=True)
class Linear(Layer):
    """y = x Wᵀ + b over the last axis. ``weight`` (features, in), ``bias`` (features,).

    ``trainable`` False keeps both where they start: fixed weights, drawn by their initializers.
    """

    features: Size
    _: KW_ONLY
    bias: bool = True
    trainable: bool = True
    weight_init: Initializer | None = None
    bias_init: Initializer | None = None


@dataclass(frozen=True)
class _Conv(_Spatial):
    channels: Size
    kernel: Sizes
    _: KW_ONLY
    stride: Sizes = 1
    padding: Padding = 0
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    dilation: Sizes = 1
    groups: Size = 1
    bias: bool = True
    trainable: bool = True
    fans: Literal["grouped", "depthwise"] = "grouped"
    weight_init: Initializer | None = None
    bias_init: Initializer | None = None


@dataclass(frozen=True)
class Conv2d(_Conv):
    """2-D cross-correlation, ``weight`` (channels, in / groups, kernel height, width), ``bias`` (channels,).

    Explicit padding is the same on both ends. ``"same"`` gives ceil(size / stride) and puts the odd place at the end
    (TensorFlow's rule; at stride 1 PyTorch's too); 0 is Keras's "valid". ``padding_mode`` says what is padded with:
    zeros, the mirror image, the edge, or the other end. Depthwise: groups = in-channels. ``trainable`` as in Linear.

    ``fans`` are those by which initializers scale: "grouped" (in / groups · area, channels · area), or "depthwise"
    (in · area, channels / in · area), as ``keras.layers.DepthwiseConv2D`` has them.
    """


@dataclass(frozen=True)
class _Pool(_Spatial):
    kernel: Sizes
    stride: Sizes | None = None
    padding: Padding = 0
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding == "same" and self.ceil_mode:
            msg = f"{self.place()}: padding='same' makes every window whole. Leave ceil_mode out."
            raise SpecError(msg)


@dataclass(frozen=True)
class _MaxPool(_Pool):
    dilation: Sizes = 1


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """Maximum over windows; padding counts as minus infinity. ``stride`` left out is the kernel's size.

    ``"same"`` as in Conv2d. ``dilation`` is the step from one value of a window to the next.
    """


@dataclass(frozen=True)
class _AvgPool(_Pool):
    count_include_pad: bool = True


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """Mean over windows. ``count_include_pad`` False divides by the number of real pixels (Keras's "same").

    ``divisor_override`` is divided by instead, whatever the window holds.
    """

    divisor_override: Size | None = None


@dataclass(frozen=True)
class _Adaptive(_Spatial):
    size: Sizes


@dataclass(frozen=True)
class AdaptiveAvgPool2d(_Adaptive):
    """Mean over windows ⌊i·H/size⌋ … ⌈(i+1)·H/size⌉, so that the output is ``size`` for any input.

    Size 1 is global pooling; Keras's ``GlobalAveragePooling2D`` is that and Flatten.
    """


@dataclass(frozen=True)
class _BatchNorm(Layer):
    epsilon: Positive = 1e-5
    momentum: Share = 0.1
    running_variance: Literal["unbiased", "biased"] = "unbiased"
    affine: bool = True


@dataclass(frozen=True)
class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) (Ioffe & Szegedy 2015).

    running ← (1 - momentum)·running + momentum·batch: PyTorch's sense, 1 minus Keras's. ``running_variance``
    "unbiased" multiplies the batch variance by n/(n-1) before it enters the running one (PyTorch), "biased" does not
    (Keras).
    """


@dataclass(frozen=True)
class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W); the fields mean what they mean in ``BatchNorm1d``."""


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalisation over the last ``axes`` axes (Ba et al. 2016), ``weight`` and ``bias`` of their shape."""

    axes: Size = 1
    epsilon: Positive = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Normalisation over groups of channels (Wu & He 2018), ``weight`` and ``bias`` (C,)."""

    groups: Size
    epsilon: Positive = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class Dropout(Layer):
    """Inverted dropout: zero with probability ``rate`` and scale the rest by 1 / (1 - rate), in training only."""

    rate: Fraction = 0.5


@dataclass(frozen=True)
class Flatten(Layer):
    """(N, C, H, W) → (N, C·H·W) in channels-first order, on every backend."""


@dataclass(frozen=True)
class Reshape(Layer):
    """(N, …) → (N, *shape), reading and writing in channels-first order; one entry may be -1."""

    shape: Dims


@dataclass(frozen=True)
class _Join(Layer):
    pass


@dataclass(frozen=True)
class Add(_Join):
    """Sum of two or more inputs of equal rank, broadcast."""


@dataclass(frozen=True)
class Subtract(_Join):
    """The first of two inputs of equal rank less the second, broadcast."""


@dataclass(frozen=True)
class Multiply(_Join):
    """Product of two or more inputs of equal rank, broadcast."""


@dataclass(frozen=True)
class Average(_Join):
    """Mean of two or more inputs of equal rank, broadcast."""


@dataclass(frozen=True)
class Maximum(_Join):
    """Largest of two or more inputs of equal rank, entry by entry, broadcast."""


@dataclass(frozen=True)
class Minimum(_Join):
    """Smallest of two or more inputs of equal rank, entry by entry, broadcast."""


@dataclass(frozen=True)
class Concat(_Join):
    """Inputs joined along ``dim``."""

    dim: Axis = 1


@dataclass(frozen=True)
class Sum(Layer):
    """Σ x along ``dim``, which stays as an axis of size 1."""

    dim: Axis = -1


@dataclass(frozen=True)
class Halve(Layer):
    """x / 2ᵏ, halved while Σ|x| of the whole batch is finite and above ``limit``: control flow that values decide.

    The examples of a batch are not independent behind it. k is a constant to gradients.
    """

    limit: Positive = 1.0


@dataclass(frozen=True)
class ReLU(Layer):
    """max(x, 0) - shift. The course's shifted ReLU has shift 0.5."""

    shift: float = 0.0


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x above 0, slope·x below. PyTorch's default slope is 0.01, Keras's layer has 0.3."""

    slope: NonNegative = 0.01


@dataclass(frozen=True)
class ELU(Layer):
    """x above 0, alpha·(eˣ - 1) below (Clevert et al. 2015)."""

    alpha: Positive = 1.0


@dataclass(frozen=True)
class GELU(Layer):
    """x·Φ(x) (Hendrycks & Gimpel 2016); ``approximate`` "tanh" is their formula with tanh."""

    approximate: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + e⁻ˣ)."""


@dataclass(frozen=True)
class Hardsigmoid(Layer):
    """min(max(x + 3, 0), 6) / 6."""


@dataclass(frozen=True)
class Tanh(Layer):
    """Hyperbolic tangent."""


@dataclass(frozen=True)
class SiLU(Layer):
    """x·σ(x)."""


@dataclass(frozen=True)
class Softmax(Layer):
    """eˣ / Σ eˣ along ``dim``."""

    dim: Axis = -1


@dataclass(frozen=True)
class LogSoftmax(Layer):
    """x - log Σ eˣ along ``dim``."""

    dim: Axis = -1


@dataclass(frozen=True)
class Shared(Layer):
    """The layer or block named ``of``, used once more with the same parameters (tied).

    ``of`` is looked up in the block that holds this layer, then in the blocks around it; "block.layer" reaches inside.
    """

    of: str


def _layers(value: object) -> tuple[Layer, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, Layer) for item in value):
        raise ValueError
    return tuple(value)


@dataclass(frozen=True)
class Block(Layer):
    """Named layers with their own wiring, nested to any depth.

    ``ports`` are the names by which the layers inside call what the block is given; ``outputs`` the layers whose
    outputs it gives back (left out: the last one). A block of several outputs is read as "block.layer".
    """

    layers: Annotated[tuple[Layer, ...], Kind("a list of one layer or more", _layers)]
    ports: Names = ("input",)
    outputs: Names = ()


def Sequential(*layers: Layer, name: str = "") -> Block:
    """Return a block whose layers follow one another."""
    return Block(layers, name=name)
