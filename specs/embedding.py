"""Embeddings: tables whose rows are looked up by integers. An input that they read holds integers, nothing else."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Axis, Size
from dualnet.specs.layers import Layer

_LACKS = {
    "max_norm": "torch rescales rows of the table in the forward pass, which no gradient sees and Keras cannot. "
    "Scale the rows before you load them.",
    "scale_grad_by_freq": "it divides gradients by counts of the batch, for which Keras has no word. Leave it out.",
    "sparse": "it says how torch stores a gradient, not what it is. Leave it out.",
    "mask_zero": "it hands a mask to the layers below, and a wire of a spec is one array. Use padding_idx=0 for a row "
    "that does not learn.",
}


@dataclass(frozen=True)
class _Table(Layer):
    lacks: ClassVar[dict[str, str]] = _LACKS

    num_embeddings: Size
    features: Size
    _: KW_ONLY
    padding_idx: Axis | None = None
    trainable: bool = True
    weight_init: Initializer | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding_idx is not None and not -self.num_embeddings <= self.padding_idx < self.num_embeddings:
            rows = f"num_embeddings={self.num_embeddings}"
            msg = f"{self.place()}: padding_idx must name a row of the table. Received: {self.padding_idx} of {rows}"
            raise SpecError(msg)

    @property
    def padding(self) -> int | None:
        """The row of ``padding_idx``, counted from the first one."""
        return None if self.padding_idx is None else self.padding_idx % self.num_embeddings


@dataclass(frozen=True)
class Embedding(_Table):
    """(N, …) integers → (N, …, features), the rows of ``weight`` (num_embeddings, features).

    The row ``padding_idx`` starts at zero and has no gradient; it may be counted from the end.
    """


@dataclass(frozen=True)
class EmbeddingBag(_Table):
    """(N, L) integers → (N, features), the sum, mean or maximum of L rows of ``weight`` (num_embeddings, features).

    The row ``padding_idx`` starts at zero, has no gradient and is left out, of the mean's count too; nothing is 0.
    """

    _: KW_ONLY
    mode: Literal["sum", "mean", "max"] = "mean"
