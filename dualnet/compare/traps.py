"""Traps: the known ways in which two versions of one model part, each with the line that mends it."""

from dataclasses import dataclass
from typing import Any

TRAPS: dict[str, str] = {
    "epsilon": "PyTorch's norms add 1e-5, Keras's 1e-3: give both the same epsilon",
    "epsilon placement": "both frameworks add epsilon to the variance, inside the root",
    "batch-norm momentum": "momentum of PyTorch is 1 - momentum of Keras: 0.1 there is 0.9 here",
    "biased variance": "PyTorch's running variance divides by n - 1, Keras's by n: correct one of them",
    "normalised axes": "normalise the same axes: normalized_shape in PyTorch, axis in Keras",
    "gate order": "LSTM gates are i, f, g, o in both, GRU's r, z, n in PyTorch, z, r, n in Keras",
    "double bias": "PyTorch adds two biases, Keras one: give it their sum, and train one of them",
    "reset placement": "PyTorch's GRU resets after the product: reset_after=True in Keras",
    "flatten order": "PyTorch flattens (C, H, W), Keras (H, W, C): permute one, or the next kernel's rows",
    "kernel transposed": "a Linear weight is [out, in], a Dense kernel [in, out]: transpose square ones too",
    "spatial kernel transposed": "a Conv2d weight is [O, I, H, W], Keras's [H, W, I, O]: transpose(2, 3, 1, 0)",
    "channels swapped": "the two channel axes of the kernel are exchanged: transpose(2, 3, 1, 0) from PyTorch to Keras",
    "kernel flipped": "the kernel is mirrored: both frameworks correlate, neither flips",
    "padding side": '"same" pads more behind than before where the stride is above 1: pad by a layer, then "valid"',
    "padding amount": "pad by the same number of cells on each side",
    "padding mode": "pad by the same values: zeros, reflect, replicate or circular",
    "ceil mode": "PyTorch's ceil_mode keeps a last, partial window: pad behind in Keras, or turn it off",
    "pad counted": "PyTorch counts the padding in a mean unless count_include_pad=False, Keras does not",
    "align corners": "Keras samples as align_corners=False",
    "interpolation": "interpolate by the same method on both sides",
    "GELU form": 'give both the same form: approximate="tanh" in PyTorch is approximate=True in Keras',
    "negative slope": "the slope of PyTorch's LeakyReLU is 0.01 by default, of Keras's 0.3",
    "activation": "apply the same activation",
    "softmax axis": "give softmax the axis of the classes on both sides",
    "dropout rate": "both frameworks take the share that is dropped",
    "mode": "pass training= on, or call .train() and .eval(), on both sides alike",
    "groups": "give both the same number of groups",
    "stride": "give both the same stride",
    "dilation": "give both the same dilation",
    "bias dropped": "give both a bias, or neither",
    "attention scale": "divide the scores by the root of the size of a head",
    "attention mask": "mask the same places: a True hides in PyTorch, and shows in Keras",
    "tied weights split": "let both uses read one variable",
    "buffer trained": "make it a buffer in PyTorch, trainable=False in Keras",
    "parameter frozen": "let it train on both sides, or on neither",
    "dtype cast": "leave out the cast, or make it on both sides",
    "input scale": "scale the input once, by the same number, on both sides",
    "channel order": "feed the channels in the same order",
    "pooling kind": "pool by the same reduction",
    "residual missing": "add the way around on both sides",
    "embedding scale": "multiply the embedding by the root of its width on both sides, or on neither",
    "layer missing": "call the layer on both sides",
    "layer kind": "use the same kind of layer",
    "kernel size": "give both the same window",
    "weight edited": "give both the same weights",
    "label smoothing": "give both losses the same label smoothing",
    "reduction": "reduce by the same rule: a mean in PyTorch's losses, sum_over_batch_size in Keras's",
    "batchmean": 'PyTorch\'s KLDivLoss takes the mean over all entries: reduction="batchmean" is what Keras computes',
    "temperature squared": "multiply the soft term by T²",
    "from logits": "apply softmax once: from_logits=True in Keras where the model gives logits",
    "loss epsilon": "both clip probabilities, by other constants: compute the loss from logits",
    "learning rate": "give both the same learning rate",
    "decay coupling": "Adam of PyTorch adds the decay to the gradient, Keras's to the weight: use AdamW on both sides",
    "weight decay": "give both the same weight decay",
    "nesterov": "turn Nesterov on, or off, on both sides",
    "momentum": "give both the same momentum; PyTorch's dampening is 0 in Keras",
    "amsgrad": "turn amsgrad on, or off, on both sides",
    "Adam epsilon": "Keras adds 1e-7, before the correction; PyTorch 1e-8, after it",
    "bias correction": "correct the moments on both sides",
    "initial accumulator": "Keras's Adagrad starts from 0.1, PyTorch's from 0",
    "clip kind": "clip the same norm: of all gradients together, of each by itself, or each entry",
    "clip epsilon": "PyTorch divides by the norm plus 1e-6, Keras by the norm",
    "schedule": "step the schedule as often on both sides: once an update, or once an epoch",
}


@dataclass(frozen=True)
class Claim:
    """A trap by name, and the evidence that it is this one."""

    trap: str
    evidence: str

    def __str__(self) -> str:
        mend = TRAPS.get(self.trap, "")
        return f"{self.trap}: {self.evidence}" + (f"; {mend}" if mend else "")


# A setting of a layer → the trap that it is; by kind of layer where that matters.
SETTINGS: dict[str, str] = {
    "epsilon": "epsilon",
    "momentum": "batch-norm momentum",
    "slope": "negative slope",
    "alpha": "negative slope",
    "form": "GELU form",
    "axis": "softmax axis",
    "rate": "dropout rate",
    "axes": "normalised axes",
    "groups": "groups",
    "stride": "stride",
    "dilation": "dilation",
    "kernel": "kernel size",
    "padding mode": "padding mode",
    "ceil": "ceil mode",
    "pad counted": "pad counted",
    "bias": "bias dropped",
    "reset after": "reset placement",
    "mode": "interpolation",
    "align corners": "align corners",
}


def named_by_setting(kind: str, key: str, left: Any, right: Any) -> str:
    """Return the trap that a setting of two values is."""
    if key != "padding":
        return SETTINGS.get(key, key)
    sums = [[sum(pair) for pair in value] if isinstance(value, tuple) else value for value in (left, right)]
    if "pool" in kind and sums[0] != sums[1]:
        return "ceil mode"
    return "padding side" if sums[0] == sums[1] else "padding amount"
