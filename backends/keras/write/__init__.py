"""Writing: a program as Keras source, the order of its weights, and a live model made by running that source."""

import ast
import inspect
import json
import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from dualnet.backends.keras import device as devices  # first: it decides how TensorFlow starts

import keras  # isort: skip

from dualnet.backends.keras import parts
from dualnet.backends.keras.write.activations import ACTIVATIONS
from dualnet.backends.keras.write.attention import ATTENTION
from dualnet.backends.keras.write.calls import CALLS
from dualnet.backends.keras.write.choose import CHOOSE
from dualnet.backends.keras.write.complexes import guarded
from dualnet.backends.keras.write.convs import CONVS
from dualnet.backends.keras.write.draws import RANDOM
from dualnet.backends.keras.write.elementwise import ELEMENTWISE
from dualnet.backends.keras.write.embeddings import EMBEDDINGS
from dualnet.backends.keras.write.images import IMAGES
from dualnet.backends.keras.write.index import INDEX
from dualnet.backends.keras.write.join import JOIN
from dualnet.backends.keras.write.layers import LAYERS
from dualnet.backends.keras.write.losses import LOSSES
from dualnet.backends.keras.write.make import MAKE
from dualnet.backends.keras.write.norms import NORMS
from dualnet.backends.keras.write.order import ORDER
from dualnet.backends.keras.write.orders import orders
from dualnet.backends.keras.write.places import PLACES
from dualnet.backends.keras.write.pool import POOL
from dualnet.backends.keras.write.products import PRODUCTS
from dualnet.backends.keras.write.recurrent import RECURRENT
from dualnet.backends.keras.write.reduce import MATH
from dualnet.backends.keras.write.refused import REFUSALS
from dualnet.backends.keras.write.slice import SLICE
from dualnet.backends.source.classes import Words
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.document import Document, document, holes
from dualnet.backends.source.form import Axes, Storage, shape_of
from dualnet.backends.source.printing import Style
from dualnet.backends.source.rules import assigned
from dualnet.backends.source.views import VIEWS
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Program, Sym, usual

assert devices is not None  # imported for what it does


@cache
def _reserved() -> frozenset[str]:
    return frozenset(dir(keras.Model)) | {"layers"}


@dataclass
class KerasTarget:
    """Keras's words."""

    origin: str = "torch"
    name: str = "keras"
    rules: dict[str, Any] = field(
        default_factory=lambda: guarded(
            {
                **VIEWS,
                "assign": assigned("{}.assign({})"),
                **ELEMENTWISE,
                **ACTIVATIONS,
                **CHOOSE,
                **MATH,
                **PRODUCTS,
                **ORDER,
                **INDEX,
                **JOIN,
                **SLICE,
                **MAKE,
                **PLACES,
                **LAYERS,
                **CONVS,
                **NORMS,
                **EMBEDDINGS,
                **ATTENTION,
                **POOL,
                **IMAGES,
                **RANDOM,
                **RECURRENT,
                **LOSSES,
                **CALLS,
                **REFUSALS,
            }
        )
    )
    reserved: frozenset[str] = field(default_factory=_reserved)
    containers: frozenset[str] = frozenset({"Sequential"})
    words: Words = Words("keras.Sequential([", "])", ".layers[{}]")  # noqa: RUF009 - frozen
    style: Style = Style(  # noqa: RUF009 - frozen
        "layers.Layer",
        "call",
        mode="training=False",
        joined=True,
        above="@keras.saving.register_keras_serializable()",
        rest="**options",
    )
    root_base: str = "keras.Model"
    flattened: Any = field(default_factory=lambda: code("layers.Flatten()"))

    def images(self, rank: int) -> tuple[int, ...]:
        """Return the order in which an image of the program lies in Keras."""
        return (0, *range(2, rank), 1) if self.origin == "torch" else tuple(range(rank))

    def reshape(self, frame: Frame, storage: Storage, axes: Axes) -> Any:
        """``ops.reshape``; ``ops.expand_dims`` and ``ops.squeeze`` where they say it."""
        before, after = shape_of(storage.physical), shape_of(axes)
        x = frame.code(storage)
        for index in range(len(after)):
            if after[index] == 1 and (*after[:index], *after[index + 1 :]) == before:
                return invoke("ops.expand_dims", x, axis=index)
        for index in range(len(before)):
            if before[index] == 1 and (*before[:index], *before[index + 1 :]) == after:
                return invoke("ops.squeeze", x, axis=index)
        return code("ops.reshape({}, {})", x, frame.sizes(after))

    def transpose(self, frame: Frame, storage: Storage, order: tuple[int, ...]) -> Any:
        """``ops.transpose``."""
        return code("ops.transpose({}, {})", frame.code(storage), Lit(order, "order"))

    def shuffle(self, frame: Frame, storage: Storage, axis: int, places: list[int]) -> Any:
        """``ops.take`` with the places as a list; the channel shuffle of a few groups as what it is."""
        made = steady(places)
        text = f"np.arange({len(places)}).reshape({made[0]}, {made[1]}).T.ravel()" if made else None
        return code("ops.take({}, {}, axis={})", frame.code(storage), text or Lit(places, "places"), Lit(axis, "axis"))

    def weight(self, frame: Frame, name: str, storage: Storage, axes: Axes) -> Any:
        """``self.add_weight``."""
        weight = frame.program.weights[storage.held]
        floats = weight.tensor.dtype.startswith("float")
        options: dict[str, Any] = {} if floats else {"dtype": weight.tensor.dtype}
        if weight.tensor.dtype.startswith("complex"):
            frame.writer.parts.add("complex_kind")
            options["dtype"] = code("complex_kind(self.compute_dtype)")
        if not floats or not weight.trainable:
            options["initializer"] = "zeros"
        return invoke(
            "self.add_weight",
            shape=Lit(shape_of(axes), "shape"),
            **options,
            trainable=Default(weight.trainable, True),
            name=name,
        )

    def size(self, storage: Storage, axis: int, frame: Frame) -> Any:
        """``ops.shape(x)[axis]``."""
        return code(f"ops.shape({{}})[{axis}]", frame.code(storage))

    def literal(self, value: Any, dtype: str) -> Any:
        """A number."""
        return Lit(value)


def steady(places: list[int]) -> tuple[int, int] | None:
    """Return the rows and columns of which reading by columns gives these places."""
    step = places[1] - places[0] if len(places) > 1 else 0
    rows = len(places) // step if step > 0 and len(places) % step == 0 else 0
    wanted = [row * step + column for column in range(step) for row in range(rows)]
    return (rows, step) if rows and wanted == places else None


def write(program: Program, *, partial: bool = False) -> Document:
    """Return a program as Keras source. Raises ``UnsupportedError`` listing every op that Keras cannot express."""
    program = usual(program)
    return document(program, KerasTarget(program.origin), orders(program), assemble, partial)


def assemble(program: Program, made: Document, classes: list[str]) -> str:
    """Return the whole file: imports, the parts it needs, its classes, and how to build it and load its weights."""
    needed = _parts(made.parts | {"load_weights"} if made.carries else made.parts)
    body = "\n\n\n".join([*needed, *holes(made), *classes, *_build(program, made), *_loading(made)])
    imports = [f"import {name}" for name in ("json", "math") if _reads(body, name)]
    framework = ["import keras", *(["import numpy as np"] if _reads(body, "np") else [])]
    framework += ["import tensorflow as tf"] if _reads(body, "tf") else []
    names = [name for name in ("layers", "ops") if _reads(body, name)]
    framework += [f"from keras import {', '.join(names)}"] if names else []
    head = f'"""{program.name}{_origin(program)}."""\n\n'
    top = "\n".join(imports) + "\n\n" if imports else ""
    return head + top + "\n".join(framework) + "\n\n\n" + body + "\n"


def _origin(program: Program) -> str:
    if program.about:
        return ", from a spec"
    return {"torch": ", ported from PyTorch", "keras": ", ported from Keras"}[program.origin]


def _reads(body: str, name: str) -> bool:
    tree = ast.parse(body)
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))


def _loading(made: Document) -> list[str]:
    return (
        [inspect.getsource(parts.load_weights).rstrip(), inspect.getsource(parts.variable).rstrip()]
        if made.carries
        else []
    )


def _parts(names: set[str]) -> list[str]:
    """Return the source of parts and of what they use, what is used first."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        if name in found or name in ("load_weights", "variable"):
            return
        source = inspect.getsource(getattr(parts, name)).rstrip()
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        local = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for word in dict.fromkeys(node.id for node in names):
            if word != name and word not in local and _own(word):
                add(word)
        found[name] = REGISTERED + source if source.startswith("class ") else source

    for name in sorted(names):
        add(name)
    return list(found.values())


REGISTERED = "@keras.saving.register_keras_serializable()\n"


def _own(name: str) -> bool:
    return getattr(getattr(parts, name, None), "__module__", "").startswith(parts.__name__)


def _concrete(program: Program, size: Any) -> int:
    """Return a size for the zeros that a model is built on: one sample, other sizes as in the example."""
    if not isinstance(size, Sym):
        return int(size)
    return math.prod([size.factor, *(program.sizes.get(name, 1) for name in size.symbols if name != "N")])


def _build(program: Program, made: Document) -> list[str]:
    """Return the function that builds the model."""
    given = []
    for tensor, order in zip(program.inputs.values(), made.in_orders, strict=True):
        sizes = [_concrete(program, size) for size in tensor.shape]
        shape = tuple(sizes[axis] for axis in order)
        dtype = "" if tensor.dtype.startswith("float") else f', dtype="{tensor.dtype}"'
        given.append(f"keras.Input(batch_shape={shape}{dtype})" if made.one_mode else f"ops.zeros({shape}{dtype})")
    mode = ", training=True" if made.one_mode else ""
    lines = ["def build(weights=None):"]
    layout = "; ".join(made.layouts)
    lines += [f'    """Return the model, with the weights of a .safetensors file if given. It takes {layout}."""']
    lines += [f"    model = {made.root}()"]
    inputs = given[0] if len(given) == 1 else f"[{', '.join(given)}]"
    why = "makes every variable" + ("; fill the holes first" if made.gaps else "")
    lines += [f"    model({inputs}{mode})  # {why}"]
    if made.frozen and not made.gaps:
        lines += [f"    for name in {json.dumps(made.frozen)}:", "        variable(model, name).trainable = False"]
    if made.carries:
        lines += ["    if weights is not None:", "        load_weights(model, weights)"]
    return ["\n".join([*lines, "    return model"])]
