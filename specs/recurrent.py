"""Recurrent layers over (N, L, F): x is read step by step, h and c start at zero, σ is the gates' activation.

Weights are PyTorch's: ``weight_ih_l0`` (gates·hidden, in), ``weight_hh_l0`` (gates·hidden, out), ``bias_ih_l0``,
``bias_hh_l0`` (gates·hidden,), for each layer l0, l1 … and, the other way, ``_reverse``. ``bias`` "two" holds both
(PyTorch), "one" the first alone (Keras), which moves half as fast as two that always have one gradient.

``returns`` every step's output (N, L, out), or the "last" one (N, out), which of the way back is the one at step 0.
``backwards`` reads from the end, and gives outputs in the order of reading (Keras's go_backwards). Both ways of a
``bidirectional`` layer meet by ``merge``; ``dropout`` falls on what one layer hands to the next. A cell on its own is a
layer of one step: L = 1.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Count, Fraction, Size
from dualnet.specs.layers import Layer

Squash = Literal["tanh", "sigmoid", "relu", "hard_sigmoid", "linear"]

_STATES = "a layer gives one array and starts at zero. Train the model on whole sequences."
_LACKS = {
    "batch_first": "wires are (N, L, F) on both sides.",
    "recurrent_dropout": "Keras draws its masks inside the loop, apart for each gate, and torch has none. Use dropout, "
    "between layers.",
    "stateful": _STATES,
    "return_state": _STATES,
    "initial_state": _STATES,
    "input_dropout": "Keras's dropout of the inputs drops the same entries at every step, which torch has not. Put a "
    "Dropout in front, which drops them apart.",
    "unroll": "it says how Keras computes the loop, not what it gives. Leave it out.",
    "use_cudnn": "it says how Keras computes the loop, not what it gives. Leave it out.",
    "unit_forget_bias": "it is a start: Rows(Zeros(), hidden, 2·hidden, 1.0) as bias_init, and what the preset "
    "keras_default does.",
}


@dataclass(frozen=True)
class _Recurrent(Layer):
    lacks: ClassVar[dict[str, str]] = _LACKS

    hidden: Size
    _: KW_ONLY
    layers: Size = 1
    bias: Literal["two", "one", "none"] = "two"
    bidirectional: bool = False
    merge: Literal["concat", "sum", "mul", "ave"] = "concat"
    backwards: bool = False
    returns: Literal["sequence", "last"] = "sequence"
    dropout: Fraction = 0.0
    activation: Squash = "tanh"
    trainable: bool = True
    weight_init: Initializer | None = None
    recurrent_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.backwards:
            msg = f"{self.place()}: a bidirectional layer reads both ways already. Leave backwards out."
            raise SpecError(msg)
        if self.merge != "concat" and not self.bidirectional:
            msg = f"{self.place()}: there is one way, and nothing to merge. Leave merge={self.merge!r} out."
            raise SpecError(msg)

    @property
    def out(self) -> int:
        """The size of one way's output."""
        return self.hidden

    @property
    def width(self) -> int:
        """The size of a layer's output, both ways merged."""
        return self.out * (2 if self.bidirectional and self.merge == "concat" else 1)


@dataclass(frozen=True)
class RNN(_Recurrent):
    """h ← activation(x Wᵀ + b + h Uᵀ + b') (Elman 1990; Keras's ``SimpleRNN``)."""


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """c ← σ(f)·c + σ(i)·activation(g), h ← σ(o)·activation(c), of gates i, f, g, o (Hochreiter & Schmidhuber 1997).

    ``projection`` P > 0 projects h to size P, by ``weight_hr_l0`` (P, hidden) (Sak et al. 2014; PyTorch's proj_size).
    """

    _: KW_ONLY
    recurrent_activation: Squash = "sigmoid"
    projection: Count = 0

    @property
    def out(self) -> int:
        """The size of one way's output."""
        return self.projection or self.hidden


@dataclass(frozen=True)
class GRU(_Recurrent):
    """h ← z·h + (1 - z)·n, of the gates r, z and n (Cho et al. 2014).

    ``reset`` "after": n = activation(x W + b + σ(r)·(h U + b')) (PyTorch, Keras's default); "before":
    n = activation(x W + b + (σ(r)·h) U + b') (the paper, Keras's reset_after=False).
    """

    _: KW_ONLY
    recurrent_activation: Squash = "sigmoid"
    reset: Literal["after", "before"] = "after"
