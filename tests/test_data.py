"""Data sets are found in the stated order, checked, and never silently replaced."""

import dataclasses
import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from dualnet.data import datasets as datasets_page
from dualnet.data import find, load_dataset, mean_std, to_float
from dualnet.data.fetch import UnreachableError
from dualnet.data.idx import read_idx
from dualnet.data.sources import MNIST, SOURCES, File, Source
from dualnet.errors import DataError

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def idx(array: np.ndarray) -> bytes:
    """Return ``array`` as the bytes of a gzipped idx file."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def tiny_files(labels: int = 3) -> dict[str, bytes]:
    """Return the four files of a set of three training images and one test image, of 2 by 2 pixels."""
    images = np.arange(16).reshape(4, 2, 2)
    arrays = (images[:3], np.arange(labels), images[3:], np.array([3]))
    return {file.name: idx(array) for file, array in zip(MNIST.files, arrays, strict=True)}


def published_as(files: dict[str, bytes]) -> Source:
    """Return MNIST as if these files were the published ones."""
    known = tuple(File(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items())
    return dataclasses.replace(MNIST, files=known)


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def no_real_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Point every place of the search into an empty folder."""
    monkeypatch.delenv("DUALNET_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Publish the tiny set under the name "mnist"."""
    files = tiny_files()
    monkeypatch.setitem(SOURCES, "mnist", published_as(files))
    return files


@pytest.mark.parametrize(
    ("name", "counts", "moments", "first"),
    [
        ("fashion_mnist", ([6000] * 10, [1000] * 10), (0.286041, 0.353024), [9, 0, 0, 3, 0]),
        ("mnist", (MNIST_TRAIN, MNIST_TEST), (0.130660, 0.308108), [5, 0, 4, 1, 9]),
    ],
)
def test_the_real_sets_are_the_published_ones(data_dir, name, counts, moments, first) -> None:
    data = load_dataset(name, root=data_dir)
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    assert (np.bincount(data.train_labels).tolist(), np.bincount(data.test_labels).tolist()) == counts
    assert data.train_labels[:5].tolist() == first
    assert mean_std(to_float(data.train_images, data.levels)) == pytest.approx(moments, abs=5e-7)
    assert data.source.startswith(SOURCES[name].title)


def test_the_classic_moments_of_mnist_divide_by_256(data_dir) -> None:
    """0.1304 and 0.3073 stem from a copy of MNIST that held pixel / 256, over its 50,000 training images."""
    images = load_dataset("mnist", root=data_dir).train_images[:50_000]
    assert mean_std(to_float(images, 256)) == pytest.approx((0.1304, 0.3073), abs=5e-5)
    assert mean_std(to_float(images, 255)) == pytest.approx((0.130961, 0.308495), abs=5e-7)


def test_digits_need_nothing() -> None:
    data = load_dataset("digits")
    assert data.train_images.shape == (1437, 1, 8, 8)
    assert data.test_images.shape == (360, 1, 8, 8)
    assert (data.train_images.max(), data.levels) == (16, 16)
    everything = np.concatenate([data.train_labels, data.test_labels])
    assert np.bincount(everything).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert find("digits").path.is_file()


def test_arrays_come_in_their_order(tiny, tmp_path) -> None:
    lay(tmp_path / "mnist", tiny)
    data = load_dataset("mnist", root=tmp_path)
    assert data.train_images[:, 0].ravel().tolist() == list(range(12))
    assert data.test_images.tolist() == [[[[12, 13], [14, 15]]]]
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 2], [3])
    assert data.source == f"MNIST, 3 train / 1 test, from {tmp_path / 'mnist'} (the folder given)"


def test_the_search_goes_from_the_nearest_place_to_the_farthest(tiny, tmp_path, monkeypatch) -> None:
    assert find("mnist").how == "download"
    lay(tmp_path / "cache" / "dualnet" / "mnist", tiny)
    assert find("mnist").how == "the dualnet cache"
    lay(tmp_path / "keras" / "datasets" / "mnist", tiny)
    assert find("mnist").how == "the Keras cache"
    torchvision = lay(tmp_path / "data" / "MNIST" / "raw", tiny)
    monkeypatch.setenv("DUALNET_DATA", str(tmp_path / "data"))
    assert find("mnist").path == torchvision
    own = lay(tmp_path / "data" / "mnist", tiny)
    assert (find("mnist").path, find("mnist").how) == (own, "DUALNET_DATA")
    lay(tmp_path / "root" / "mnist", tiny)
    assert find("mnist", root=tmp_path / "root").how == "the folder given"


def test_half_a_cache_is_passed_over(tiny, tmp_path) -> None:
    folder = lay(tmp_path / "keras" / "datasets" / "mnist", tiny)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert find("mnist").how == "download"


def test_a_folder_that_was_named_must_hold_the_set(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DUALNET_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no such folder"):
        load_dataset("mnist")
    folder = lay(tmp_path / "nowhere" / "mnist", tiny)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"a folder without t10k-labels-idx1-ubyte\.gz"):
        load_dataset("mnist")


@pytest.mark.parametrize("damage", [lambda content: content[:-5], lambda content: b"\x00" + content[1:]])
@pytest.mark.parametrize("place", ["data", "cache/dualnet"])
def test_a_damaged_file_is_named_and_left_alone(tiny, tmp_path, monkeypatch, damage, place) -> None:
    path = lay(tmp_path / place / "mnist", tiny) / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    if place == "data":
        monkeypatch.setenv("DUALNET_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: expected the published file") as caught:
        load_dataset("mnist")
    assert f"Received: {len(before):,} bytes" in str(caught.value)
    assert path.read_bytes() == before


def test_without_network_the_digits_say_that_they_are_not_the_set(monkeypatch) -> None:
    def unreachable(*_: object) -> None:
        msg = "the network is down"
        raise UnreachableError(msg)

    monkeypatch.setattr(datasets_page, "fetch", unreachable)
    data = load_dataset("fashion_mnist")
    assert data.name == "digits"
    assert data.source.startswith("NOT Fashion-MNIST: ")
    assert data.source.endswith("because the network is down")


def test_downloads_can_be_refused(monkeypatch) -> None:
    monkeypatch.setattr(datasets_page, "fetch", lambda *_: pytest.fail("downloaded all the same"))
    assert "downloads are off" in load_dataset("mnist", download=False).source


def test_an_unknown_name_is_met_with_a_suggestion() -> None:
    with pytest.raises(DataError, match="Did you mean 'fashion_mnist'"):
        load_dataset("fashion-mnist")


def test_images_and_labels_must_be_as_many(tmp_path, monkeypatch) -> None:
    files = tiny_files(labels=2)
    monkeypatch.setitem(SOURCES, "mnist", published_as(files))
    lay(tmp_path / "mnist", files)
    with pytest.raises(DataError, match=r"a label for each of 3 images. Received: 2 labels"):
        load_dataset("mnist", root=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.zeros((3, 2)))[:-9], "whole gzip file"),
        (b"not gzip", "whole gzip file"),
        (idx(np.zeros((3, 2)))[:10] + b"\xff" * 30, "whole gzip file"),
        (gzip.compress(b"", mtime=0), "an empty file"),
        (idx(np.zeros(3)), "with 2 axes .* Received: 00 00 08 01"),
        (gzip.compress(b"\0\0\x0d\2" + bytes(8), mtime=0), "unsigned bytes .* Received: 00 00 0d 02"),
        (gzip.compress(b"\0\0\x08\2\0\0", mtime=0), r"shape \(0, 0\) in its header. Received: 6"),
        (gzip.compress(gzip.decompress(idx(np.zeros((3, 2))))[:-1], mtime=0), r"expected 18 bytes .* Received: 17"),
        (gzip.compress(gzip.decompress(idx(np.zeros((3, 2)))) + b"!", mtime=0), r"expected 18 bytes .* Received: 19"),
    ],
)
def test_a_file_that_is_not_idx_is_refused(tmp_path, content, message) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(path, axes=2)


def test_an_idx_file_reads_back(tmp_path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    (tmp_path / "file.gz").write_bytes(idx(array))
    assert np.array_equal(read_idx(tmp_path / "file.gz", axes=3), array)
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "other.gz", axes=3)
