"""Named arrays on disk, as safetensors files that are whole or not there at all."""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from dualnet.errors import WeightsError

DIGEST = "dualnet.sha256"  # safetensors itself would not notice a flipped bit in an array
NO_METADATA: Mapping[str, str] = {}


def save(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] = NO_METADATA) -> None:
    """Write arrays of any shape and memory order, with text beside them; an old file stays whole if this fails.

    Raises WeightsError for a dtype that safetensors cannot hold, such as object or complex128.
    """
    # Of an array that is not contiguous, safetensors writes the bytes in memory order: w.T would come back scrambled.
    # Not ascontiguousarray, which gives a scalar an axis.
    plain = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    try:
        content = to_bytes(plain, {**metadata, DIGEST: _digest(plain)})
    except (SafetensorError, KeyError, TypeError, ValueError) as problem:
        kinds = ", ".join(sorted({str(array.dtype) for array in plain.values()}))
        msg = f"{path}: expected arrays of plain numbers. Received: dtypes {kinds} ({problem}). Cast them first."
        raise WeightsError(msg) from problem
    _replace(path, _in_order(content))


def load(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a file and the text beside them.

    Raises WeightsError for a file that is missing, truncated, corrupt or not safetensors.
    """
    if not path.is_file():
        msg = f"Expected a safetensors file at {path}. Received: {'a folder' if path.is_dir() else 'no such file'}."
        raise WeightsError(msg)
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as problem:
        msg = f"{path}: expected a whole safetensors file. Received: {problem}. Save or copy it again."
        raise WeightsError(msg) from problem
    if metadata.pop(DIGEST, None) not in (None, _digest(arrays)):
        msg = f"{path}: expected the arrays that were saved. Received: others: the file was changed. Save it again."
        raise WeightsError(msg)
    return arrays, metadata


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8; an old file stays whole if this fails."""
    _replace(path, text.encode())


def save_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as NumPy's own archive, which needs NumPy alone to be read; whole or not at all."""
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
    _replace(path, held.getvalue())


def _in_order(content: bytes) -> bytes:
    """Sort the metadata of a safetensors file, which come in any order, so that equal arrays make equal files."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format wants the arrays aligned
    return len(text).to_bytes(8, "little") + text + content[start:]


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to disk, then take its name in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
