"""Arrays come back as they were saved, and a file that is not whole is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save_file

from dualnet.errors import WeightsError
from dualnet.store import load, save, write_text

DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"]
ARRAYS = arrays_of.arrays(
    st.sampled_from(DTYPES), arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
)
WEIGHTS = {"dense.kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


@given(st.dictionaries(st.text(min_size=1), ARRAYS, max_size=3), st.dictionaries(st.text(), st.text(), max_size=2))
def test_everything_comes_back(tmp_path_factory, arrays, metadata) -> None:
    path = tmp_path_factory.mktemp("store") / "weights.safetensors"
    arrays.pop("__metadata__", None)
    save(path, arrays, metadata)
    loaded, text = load(path)
    assert text == metadata
    assert loaded.keys() == arrays.keys()
    assert all(same(loaded[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    "view", [lambda a: a.T, lambda a: a[:, ::-1], lambda a: a[::2], np.asfortranarray, lambda a: a[1, 1]]
)
def test_memory_order_does_not_matter(tmp_path, view) -> None:
    array = view(np.arange(12.0).reshape(3, 4))
    save(tmp_path / "w", {"w": array})
    loaded = load(tmp_path / "w")[0]["w"]
    assert loaded.shape == np.shape(array)
    assert np.array_equal(loaded, array)


def test_big_endian_arrays_keep_their_values(tmp_path) -> None:
    save(tmp_path / "w", {"w": np.arange(4, dtype=">f4")})
    assert load(tmp_path / "w")[0]["w"].tolist() == [0, 1, 2, 3]


def test_loaded_arrays_may_be_written_to(tmp_path) -> None:
    save(tmp_path / "w", WEIGHTS)
    assert all(array.flags.writeable for array in load(tmp_path / "w")[0].values())


def test_files_of_others_are_read(tmp_path) -> None:
    save_file({"w": np.ones(2)}, tmp_path / "w", {"by": "someone else"})
    assert load(tmp_path / "w")[1] == {"by": "someone else"}


def test_equal_arrays_make_equal_files(tmp_path) -> None:
    notes = {word: word for word in "abcdefgh"}
    save(tmp_path / "a", WEIGHTS, notes)
    save(tmp_path / "b", dict(reversed(WEIGHTS.items())), dict(reversed(notes.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors. Received: no such file"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="a folder"):
        load(tmp_path)


def test_every_truncation_is_noticed(tmp_path) -> None:
    path = tmp_path / "w"
    save(path, WEIGHTS)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match="expected a whole safetensors file"):
            load(path)


def test_a_flipped_bit_in_an_array_is_noticed(tmp_path) -> None:
    path = tmp_path / "w"
    save(path, WEIGHTS)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="the file was changed"):
        load(path)


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\xff" * 100, bytes(100), b"\x02\0\0\0\0\0\0\0{}tail"])
def test_garbage_is_refused(tmp_path, garbage) -> None:
    (tmp_path / "w").write_bytes(garbage)
    with pytest.raises(WeightsError, match="expected a whole safetensors file"):
        load(tmp_path / "w")


@pytest.mark.parametrize("array", [np.array([None]), np.array(["text"]), np.array([1], dtype="datetime64[s]")])
def test_what_is_not_a_number_is_refused(tmp_path, array) -> None:
    with pytest.raises(WeightsError, match="Cast them first"):
        save(tmp_path / "w", {"w": array})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_whole(tmp_path, monkeypatch, step) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    save(tmp_path / "w", WEIGHTS)
    write_text(tmp_path / "t", "old")
    monkeypatch.setattr(os if step == "fsync" else Path, step, full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "w", {"w": np.zeros(9)})
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "t", "new")
    assert same(load(tmp_path / "w")[0]["dense.kernel"], WEIGHTS["dense.kernel"])
    assert (tmp_path / "t").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "w"]


def test_text_is_written_as_it_is_into_a_new_folder(tmp_path) -> None:
    path = tmp_path / "deep" / "report.json"
    write_text(path, json.dumps({"name": "Läyer\n"}, ensure_ascii=False))
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Läyer\n"}
