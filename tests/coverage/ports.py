"""Ports: a stock object against what dualnet writes from it: outputs, gradients and one step, in float64."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from dualnet.backends.live import Run
from dualnet.backends.protocol import Array, Arrays
from dualnet.compare.couple import Couple
from dualnet.errors import TraceError, UnsupportedError
from dualnet.run.port import other, port, porter
from tests.coverage.example import Example
from tests.coverage.found import EXACT, Found, gap

SIDES = ("stock", "port")
RATE = 0.1
NEAR = 1e-5  # float32 rounds at 6e-8
NARROW = "measured in float32: TensorFlow on a CPU has no float64 of it"


def ported(side: str, name: str, example: Example) -> Found:
    """Return what a class of a framework comes to on the other."""
    model, inputs = made(side, name, example), dict(enumerate(example.inputs))
    narrow = {at: _narrow(array) for at, array in inputs.items()}
    try:
        there = port(model, narrow, other(side))
    except (TraceError, UnsupportedError) as error:
        return Found("refused", reason(error))
    document, right = there.document, porter(other(side))
    couple = Couple(
        (
            porter(side).original(model, narrow),
            lambda dtype: right.ported(document, there.model, dtype, document.carries),
        ),
        SIDES,
        inputs,
    )
    found = measured(couple, "float32" if example.narrow else "float64", _uncounted("; ".join(there.spec.notes)))
    return found if found.exact else replace(found, note=example.why or found.note)


def made(side: str, name: str, example: Example) -> Any:
    """Return the live stock model: of Keras's layers, the model around them."""
    return {"torch": _torch, "keras": _keras}[side](name, example)


def _torch(name: str, example: Example) -> Any:
    import torch

    torch.manual_seed(0)
    model = example.make(torch.nn, name)
    if name.startswith("Lazy"):  # they learn their sizes on the first call
        porter("torch").run(model, tuple(_narrow(each) for each in example.inputs))
    return model


def _keras(name: str, example: Example) -> Any:
    porter("keras")  # which decides how TensorFlow starts
    import keras

    keras.utils.set_random_seed(0)
    given = [keras.Input(x.shape[1:], dtype="int32" if x.dtype.kind == "i" else "float32") for x in example.inputs]
    layers = example.make(keras.layers, name)
    spread = name in ("MultiHeadAttention", "GroupQueryAttention")  # which take query and value one by one
    outputs = layers(*given) if spread else _through(layers, given if len(given) > 1 else given[0])
    return keras.Model(given, outputs)


def _through(layers: Any, value: Any) -> Any:
    for layer in layers if isinstance(layers, list) else [layers]:
        value = layer(value)
    return value


def _narrow(array: Array) -> Any:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def measured(couple: Couple, dtype: str, notes: str) -> Found:
    """Return the gaps of a pass in each mode, of its gradients, and of all weights after one step."""
    passes = [_pass(couple, dtype, False), _pass(couple, dtype, True)]
    own = ", ".join(dict.fromkeys(text for run in passes[1] for text in run["lost"]))
    lost = f"{own} draws its own numbers in training" if own else ""
    if notes and not lost and not couple.steady("stock"):
        lost = notes
    passes = passes[:1] if lost else passes
    remarks = [f"in evaluation mode alone: {lost}"] if lost else []
    remarks += [NARROW] if dtype == "float32" else []
    remarks += ["its weights are compared by what they give"] if couple.alone["stock"] and not lost else []
    return Found(
        "yes",
        "; ".join(remarks),
        forward=max(gap(_named(a["outputs"]), _named(b["outputs"])) for a, b in passes),
        gradient=_slopes(passes),
        step=_step(couple, dtype) if couple.paired and not lost else None,
        close=EXACT if dtype == "float64" else NEAR,
    )


def _uncounted(notes: str) -> str:
    """Return notes without Keras's count of the layers that it has named so."""
    return re.sub(r"_\d+/", "/", notes)


def _pass(couple: Couple, dtype: str, training: bool) -> tuple[Run, Run]:
    """Return a pass of each side from the same start, with the same random draws."""
    for side in SIDES:
        couple.started.discard((side, dtype))
        couple.fresh((side, dtype))
    first = couple.run(("stock", dtype), training)
    return first, couple.run(("port", dtype), training, first["draws"])


def _step(couple: Couple, dtype: str) -> float:
    """Return the gap of all weights after a step down the gradients of the last pass."""
    after = []
    for side in SIDES:
        couple.live(side, dtype).descend(RATE, 0.0)
        after.append(couple.live(side, dtype).weights())
    return gap(*({name: weights[name] for name in couple.paired} for weights in after))


def _slopes(passes: Iterable[tuple[Run, Run]]) -> float | None:
    """Return the largest gap of all gradients, relative to the largest gradient of the pass."""
    found = []
    for runs in passes:
        one, two = ({**run["inputs"], **{f"weight {n}": a for n, a in run["parameters"].items()}} for run in runs)
        alike = one.keys() & two.keys()
        if alike:
            found.append(gap({n: one[n] for n in alike}, {n: two[n] for n in alike}, together=True))
    return max(found, default=None)


def _named(outputs: list[Array]) -> Arrays:
    return {str(at): array for at, array in enumerate(outputs)}


def reason(error: Exception) -> str:
    """Return why something is refused, without the model's name, the place in its code and the general advice."""
    said = re.sub(r"\x1b\[\d*m", "", " ".join(str(error).split()))
    said = re.sub(r" at \w+\.py:\d+", "", said).partition(" A partial port ")[0]
    said = said.partition("What stands in the way: ")[2] or said.partition("cannot be read as a program: ")[2] or said
    return re.sub(r"^[\w.]+: ", "", said)
