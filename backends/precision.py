"""Precision: what a model's numbers are kept in, and what its layers compute in.

``mixed_*`` is mixed precision (Micikevicius et al. 2018) as each framework does it, ``torch.autocast`` and Keras's
policy of that name: parameters, optimizer and losses are float32, layers compute in 16 bits; which ops stay in float32
is the framework's choice. Losses are taken in float32 in every precision of 16 bits. Whatever crosses the protocol is
float32 or float64, which hold every 16-bit number.
"""

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from dualnet.errors import DeviceError

HALVES = ("bfloat16", "float16")


@dataclass(frozen=True)
class Precision:
    """A precision by name: the dtype of parameters, and that of what layers compute."""

    name: str
    stores: str
    computes: str

    @property
    def mixed(self) -> bool:
        """Whether layers compute in another dtype than their parameters have."""
        return self.stores != self.computes

    @property
    def roundoff(self) -> float:
        """The unit roundoff of what layers compute: half the distance from 1 to the next number."""
        about: Any = ml_dtypes.finfo  # it has no types
        return float(about(self.computes).eps) / 2

    def held(self, array: Any) -> Any:
        """Return an array as parameters of this precision hold it, rounded once, in a dtype of NumPy's own."""
        return plain(np.asarray(array).astype(np.dtype(self.stores)))

    def rounded(self, array: Any) -> Any:
        """Return a float64 array of the nearest numbers that parameters of this precision can be."""
        return self.held(array).astype(np.float64)


PRECISIONS = {
    each.name: each
    for each in (
        Precision("float32", "float32", "float32"),
        Precision("float64", "float64", "float64"),
        *(Precision(half, half, half) for half in HALVES),
        *(Precision(f"mixed_{half}", "float32", half) for half in HALVES),
    )
}


def precision(name: str) -> Precision:
    """Return the precision of a name. Raises ``DeviceError`` for one that is not offered."""
    if name not in PRECISIONS:
        msg = f"dtype must be one of {', '.join(PRECISIONS)}. Received: {name!r}"
        raise DeviceError(msg)
    return PRECISIONS[name]


def low(name: str) -> str:
    """Return the precision that is compared beside float64 where one asks for ``name``."""
    return "float32" if name == "float64" else name


def held(name: str) -> str:
    """Return the dtype of NumPy's own in which arrays of a precision cross the protocol."""
    return "float64" if precision(name).stores == "float64" else "float32"


def plain(array: Any) -> Any:
    """Return an array in a dtype of NumPy's own: 16-bit floats as float32."""
    return array.astype(np.float32) if str(array.dtype) in HALVES else array
