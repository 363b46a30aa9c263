"""Parts: what a ported model needs that Keras has no word for. Each stands in the ported file as it stands here."""

import json

import numpy as np

# whatever stands in these is a part
from dualnet.backends.keras.parts.convs import *  # noqa: F403
from dualnet.backends.keras.parts.elementwise import *  # noqa: F403
from dualnet.backends.keras.parts.images import *  # noqa: F403
from dualnet.backends.keras.parts.index import *  # noqa: F403
from dualnet.backends.keras.parts.losses import *  # noqa: F403
from dualnet.backends.keras.parts.norms import *  # noqa: F403
from dualnet.backends.keras.parts.order import *  # noqa: F403
from dualnet.backends.keras.parts.recurrent import *  # noqa: F403
from dualnet.backends.keras.parts.signal import *  # noqa: F403
from dualnet.backends.keras.parts.sums import *  # noqa: F403


def load_weights(model, path):
    """Put the arrays of a .safetensors file, by name, into a built model; all of them, and into all of it."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "BOOL": "?"}
    filled = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        array = np.frombuffer(data[first:last], types[entry["dtype"]]).reshape(entry["shape"])
        filled.append(variable(model, name, path))
        filled[-1].assign(array)
    known = {id(each) for each in filled}
    left = [each.path for each in model.weights if id(each) not in known]
    if left:
        raise ValueError(f"{path} has no values for {', '.join(left)}")


def variable(model, name, path="the file"):
    """Return what stands under a name such as "layer1.0.conv1.kernel"."""
    found = model
    for part in name.split("."):
        listed = found if isinstance(found, (list, tuple)) else getattr(found, "layers", [])
        if part.isdigit() and int(part) < len(listed):
            found = listed[int(part)]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            raise ValueError(f"{path} has {name}, and the model has no such weight")
    return found
