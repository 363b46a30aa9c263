"""Read the idx format of MNIST: a header of big-endian integers, then unsigned bytes.

The header is ``00 00 08 n`` (08: unsigned byte; n: number of axes), then the length of each axis in four bytes.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dualnet.errors import DataError

LARGEST = 1 << 26  # bytes unzipped: MNIST's images are 47 million; a few zipped kilobytes may hold gigabytes
PIECE = 1 << 20


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Return the array in a gzipped idx file of unsigned bytes, which must have ``axes`` axes and not a byte to spare.

    Raises DataError for a file that is missing, damaged, of another type, or of another length than its header says.
    """
    content = _unzip(path)
    if len(content) > LARGEST:
        msg = f"{path}: expected an idx file of at most {LARGEST >> 20} MB. Received: more. Replace it."
        raise DataError(msg)
    expected = bytes([0, 0, 8, axes])
    if content[:4] != expected:
        msg = (
            f"{path}: expected an idx file of unsigned bytes with {axes} axes (first bytes {expected.hex(' ')}). "
            f"Received: {content[:4].hex(' ') or 'an empty file'}. Replace it with the published file."
        )
        raise DataError(msg)
    start = 4 + 4 * axes
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    if len(content) != start + math.prod(shape):
        msg = (
            f"{path}: expected {start + math.prod(shape):,} bytes for the shape {tuple(shape)} in its header. "
            f"Received: {len(content):,}. Replace it with the published file."
        )
        raise DataError(msg)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _unzip(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            pieces, size = [], 0
            while size <= LARGEST and (piece := file.read(PIECE)):
                pieces.append(piece)
                size += len(piece)
            return b"".join(pieces)
    except FileNotFoundError:
        msg = f"Expected an idx file at {path}. Received: no such file. Point DUALNET_DATA at the folder that holds it."
        raise DataError(msg) from None
    except (OSError, EOFError, zlib.error) as problem:
        msg = f"{path}: expected a whole gzip file. Received: {problem}. Replace it with the published file."
        raise DataError(msg) from problem
