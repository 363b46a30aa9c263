"""The wire between processes: JSON and raw array bytes. Nothing is pickled, so nothing that arrives can run code.

A message is 8 bytes of length, that many bytes of JSON, and then the arrays that the JSON refers to, in order.
"""

import json
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dualnet.errors import WorkerError
from dualnet.specs import text
from dualnet.specs.losses import Loss
from dualnet.specs.node import Node
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec

# Bytes of JSON in a message, at most: a program that is no worker is known by its first bytes, not by a full memory.
LONGEST = 1 << 30

FAMILIES: dict[str, type[Node]] = {family.__name__: family for family in (Spec, Loss, Optimizer, Clip)}


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message: nested dictionaries, lists, numbers, texts, NumPy arrays and nodes of a spec."""
    arrays: list[NDArray[Any]] = []
    head = json.dumps(_pack(message, arrays)).encode()
    stream.write(struct.pack("<Q", len(head)) + head)
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message. Raises ``WorkerError`` if the other end is gone, or no worker."""
    (size,) = struct.unpack("<Q", _exactly(stream, 8))
    if size > LONGEST:
        msg = "the other process sent something that is no message"
        raise WorkerError(msg)
    return _unpack(json.loads(_exactly(stream, size)), stream)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        msg = "the other process closed the connection"
        raise WorkerError(msg)
    return data


def _pack(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            msg = f"Expected an array of numbers. Received: dtype {value.dtype}, whose bytes are addresses."
            raise TypeError(msg)
        arrays.append(value)
        return {"$array": [value.dtype.str, list(value.shape)]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Node):
        family = next(name for name, cls in FAMILIES.items() if isinstance(value, cls))
        return {"$node": family, "data": text.to_data(value) if isinstance(value, Spec) else text.plain(value)}
    if isinstance(value, dict):
        return {str(name): _pack(item, arrays) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, arrays) for item in value]
    return value


def _unpack(value: Any, stream: IO[bytes]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, stream) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        dtype, shape = np.dtype(value["$array"][0]), value["$array"][1]
        data = _exactly(stream, dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
        return np.frombuffer(bytearray(data), dtype).reshape(shape)
    if "$node" in value:
        data = value["data"]
        return (
            text.from_data(data) if value["$node"] == "Spec" else text.node(FAMILIES[value["$node"]], data, "message")
        )
    return {name: _unpack(item, stream) for name, item in value.items()}
