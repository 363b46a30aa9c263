"""Every error that dualnet raises on purpose, drawn as a tree.

DualnetError                    caught by the command line: one message, exit code 2
├── SpecError (ValueError)      a spec that is malformed or whose shapes cannot flow
├── UnsupportedError            a backend that refuses a value of a spec, by name
├── TraceError                  live code that cannot be read as a program
├── DataError                   a data set that is missing, truncated or corrupt
├── WeightsError                a weight file or a set of arrays that does not fit the spec
├── DeviceError                 a device or precision that this machine does not have
└── WorkerError                 a worker process that failed or went away
"""

import difflib
from collections.abc import Iterable


class DualnetError(Exception):
    """Base of all errors that are part of the interface."""


class SpecError(DualnetError, ValueError):
    """A spec that is malformed, or whose shapes cannot flow."""


class UnsupportedError(DualnetError):
    """A backend refuses a value of a spec, by name."""


class TraceError(DualnetError):
    """Live code that cannot be read as a program."""


class DataError(DualnetError):
    """A data set that is missing, truncated or corrupt."""


class WeightsError(DualnetError):
    """A weight file, or a set of arrays, that does not fit the spec."""


class DeviceError(DualnetError):
    """A device or precision that this machine does not have."""


class WorkerError(DualnetError):
    """A worker process that failed or went away."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known word, else the empty string."""
    known = list(known)
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""
