"""What one process sends is what the other receives: every value, array and node, and never code."""

import ast
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dualnet import specs as S
from dualnet.errors import WorkerError
from dualnet.run import wire
from dualnet.specs import zoo
from tests import strategies

ROOT = Path(__file__).parents[1]
CARELESS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}

dtypes = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="="),
    npst.unsigned_integer_dtypes(endianness="="),
    npst.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
    npst.floating_dtypes(endianness=">", sizes=(32, 64)),
    npst.complex_number_dtypes(endianness="="),
)
arrays = dtypes.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, min_side=0, max_side=4)))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdefg", min_size=1), inner, max_size=3),
    max_leaves=8,
)


def passed(message: Any) -> Any:
    """Return a message after a trip over the wire, of which nothing is left unread."""
    stream = io.BytesIO()
    wire.send(stream, message)
    stream.seek(0)
    found = wire.receive(stream)
    assert stream.read() == b""
    return found


def same(found: Any, sent: Any) -> bool:
    """Return whether two values are equal down to the bits: NaN is NaN, -0.0 is not 0.0, True is not 1."""
    if isinstance(sent, np.ndarray):
        return (found.dtype, found.shape, found.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())
    if isinstance(sent, float):
        return (
            math.isnan(found)
            if math.isnan(sent)
            else (found, math.copysign(1, found)) == (sent, math.copysign(1, sent))
        )
    if isinstance(sent, dict):
        return list(found) == list(sent) and all(same(found[name], item) for name, item in sent.items())
    if isinstance(sent, (list, tuple)):
        return len(found) == len(sent) and all(map(same, found, sent))
    return type(found) is type(sent) and bool(found == sent)


@settings(deadline=None)  # the first example pays for imports
@given(values)
def test_nested_values_arrive_as_they_were(value: Any) -> None:
    assert same(passed(value), value)


BASE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "array",
    [BASE.T, BASE[:, ::2], BASE[::-1], np.asfortranarray(BASE), np.broadcast_to(BASE[:1], BASE.shape), BASE[:0].T],
    ids=["transposed", "strided", "reversed", "fortran", "broadcast", "empty"],
)
def test_memory_order_is_no_part_of_an_array(array) -> None:
    np.testing.assert_array_equal(passed(array), array, strict=True)


def test_what_arrives_is_the_receivers_own() -> None:
    found = passed({"weights": BASE})["weights"]
    found += 1  # not a read-only view of the stream
    assert (found - BASE == 1).all()


def test_tuples_arrive_as_lists_and_numpy_scalars_as_numbers() -> None:
    assert passed((1, (np.float64(0.5), np.int64(3), np.bool_(True)))) == [1, [0.5, 3, True]]


nodes = st.one_of(strategies.losses, strategies.optimizers, strategies.clips)


@settings(deadline=None)  # the first example pays for imports
@given(nodes)
def test_losses_optimizers_and_clips_arrive_equal(node: Any) -> None:
    found = passed({"verb": "prepare", "arguments": [node]})["arguments"][0]
    assert found == node
    assert type(found) is type(node)


@settings(deadline=None, max_examples=25)  # a spec is resolved again where it arrives
@given(strategies.specs())
def test_random_specs_arrive_equal(spec: S.Spec) -> None:
    assert passed(spec) == spec


def test_the_zoo_arrives_equal() -> None:
    assert all(passed(zoo.load(name)) == zoo.load(name) for name in zoo.names())


def test_messages_follow_each_other_on_one_stream() -> None:
    stream = io.BytesIO()
    sent = [{"a": BASE}, [1, 2], None, {"b": [BASE.T, {"c": np.array(7)}]}]
    for message in sent:
        wire.send(stream, message)
    stream.seek(0)
    assert all(same(wire.receive(stream), message) for message in sent)


def test_a_stream_cut_anywhere_is_a_worker_error() -> None:
    stream = io.BytesIO()
    wire.send(stream, {"verb": "load", "weights": np.arange(3.0), "more": np.array([1], np.int8)})
    whole = stream.getvalue()
    for size in range(len(whole)):
        with pytest.raises(WorkerError, match="the other process closed the connection"):
            wire.receive(io.BytesIO(whole[:size]))


def test_a_program_that_is_no_worker_is_found_out_by_its_first_bytes() -> None:
    with pytest.raises(WorkerError, match="something that is no message"):
        wire.receive(io.BytesIO(b"Hello, this is another program speaking."))


@pytest.mark.parametrize("message", [{"f": print}, np.array([print, None]), {1, 2}], ids=["function", "objects", "set"])
def test_what_cannot_be_told_is_refused_before_a_byte_is_sent(message) -> None:
    stream = io.BytesIO()
    with pytest.raises(TypeError):
        wire.send(stream, message)
    assert stream.getvalue() == b""


def careless(page: str) -> set[str]:
    """Return what a page names that would run code it is handed."""
    found = set()
    for node in ast.walk(ast.parse(page)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names} & CARELESS
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module).split(".")[0]} & CARELESS
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & {"eval", "exec"}
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.add("allow_pickle")
    return found


def test_no_page_unpickles_or_evaluates_anything() -> None:
    pages = [page for folder in ("dualnet", "backends", "specs") for page in (ROOT / folder).rglob("*.py")]
    assert len(pages) > 50
    found = {str(page.relative_to(ROOT)): names for page in pages if (names := careless(page.read_text()))}
    # the writer runs the source that it wrote itself from live code, never anything it was given as data
    assert found == {"backends/source/load.py": {"exec"}}


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("import pickle", {"pickle"}),
        ("from marshal import loads", {"marshal"}),
        ("eval('1')", {"eval"}),
        ("np.load(f, allow_pickle=True)", {"allow_pickle"}),
        ("model.eval()", set()),
    ],
)
def test_this_test_can_fail(page, found) -> None:
    assert careless(page) == found
