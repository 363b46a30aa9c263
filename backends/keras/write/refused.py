"""Refused: what Keras has no word for, and what would help."""

from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op

REFUSED = {
    "linalg_eigh": "eigenvectors have no sign of their own; take linalg.eigvalsh, or compute them outside of the model",
    "linalg_eig": "eigenvectors have no sign of their own; compute them outside of the model",
    "linalg_svd": "singular vectors have no sign of their own; take linalg.svdvals, or compute them outside",
    "linalg_qr": "its factors have no sign of their own; compute them outside of the model",
    "mode": "Keras has no mode of values; take median, or an argmax of counts",
    "masked_scatter": "where each value goes depends on values; torch.where keeps the shape",
    "masked_select": "its shape depends on values; torch.where keeps the shape",
    "argwhere": "its shape depends on values; torch.where keeps the shape",
    "bincount": "its shape depends on values; sum F.one_hot instead",
    "histc": "Keras counts in other bins; sum F.one_hot of torch.bucketize instead",
    "embedding_renorm": "max_norm of an embedding changes its weights when it is called; leave max_norm out",
    "item": "a number taken out of a tensor; keep it a tensor",
    "linalg_eigvals": "eigenvalues have no order of their own; take linalg.eigvalsh",
    "fractional_max_pool2d": "it draws its windows at random; take AdaptiveMaxPool2d",
    "fractional_max_pool3d": "it draws its windows at random; take AdaptiveMaxPool3d",
    "resize_as": "it writes into memory that it was given; of CrossMapLRN2d take LocalResponseNorm",
    "lgamma": "Keras has no gamma function",
    "digamma": "Keras has no gamma function",
    "unique_dim": "its shape depends on values",
    "_unique2": "its shape depends on values",
    "multinomial": "Keras draws from other categories than PyTorch; draw outside of the model",
    "_upsample_bilinear2d_aa": "antialias=True; resize without it, or before the model",
    "_upsample_bicubic2d_aa": "antialias=True; resize without it, or before the model",
    "stft": "take torch.fft.rfft of x.unfold(-1, n_fft, hop)",
    "istft": "Keras's differs at the edges",
}


def refused(reason: str) -> Rule:
    """Return the rule of what cannot be written, with what would help."""

    def rule(frame: Frame, op: Op) -> Value:
        raise UnsupportedError(reason)

    return rule


REFUSALS: dict[str, Rule] = {
    **{name: refused(reason) for name, reason in REFUSED.items()},
}
