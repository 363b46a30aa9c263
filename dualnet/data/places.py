"""Where a data set may lie on this machine, in the order of search, and whether its files are the published ones."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dualnet.data.sources import File, Source, published
from dualnet.errors import DataError

DIGITS = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True)
class Place:
    """A folder or file that data comes from, and in words how it was found.

    ``path`` need not exist yet when ``how`` is "download".
    """

    path: Path
    how: str


def cache_folder() -> Path:
    """Return dualnet's own cache folder, which need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dualnet"


def find(name: str, *, root: Path | None = None) -> Place:
    """Say where ``load_dataset(name)`` would look, without reading, checking or downloading anything.

    Raises DataError for an unknown name, and for a given folder (``root``, else DUALNET_DATA) that lacks the set.
    """
    if name == "digits":
        return Place(DIGITS, "embedded in dualnet")
    source = published(name)
    if root is not None:
        return _given(source, root, "the folder given")
    if os.environ.get("DUALNET_DATA"):
        return _given(source, Path(os.environ["DUALNET_DATA"]), "DUALNET_DATA")
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets" / source.folder
    own = cache_folder() / source.folder
    cached = (Place(keras, "the Keras cache"), Place(own, "the dualnet cache"))
    return next((place for place in cached if not missing(source, place.path)), Place(own, "download"))


def missing(source: Source, folder: Path) -> list[File]:
    """Return the files of ``source`` that are not in ``folder``."""
    return [file for file in source.files if not (folder / file.name).is_file()]


def verify(path: Path, file: File) -> None:
    """Raise DataError unless ``path`` holds the published bytes of ``file``; change nothing either way."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        msg = (
            f"{path}: expected the published file, {file.size:,} bytes with SHA-256 {file.sha256}. "
            f"Received: {len(content):,} bytes with SHA-256 {digest}. Replace it, or delete it to have it downloaded."
        )
        raise DataError(msg)


def _given(source: Source, root: Path, how: str) -> Place:
    folders = [root / source.folder, root / source.torchvision]
    for folder in folders:
        if not missing(source, folder):
            return Place(folder, how)
    best = min(folders, key=lambda folder: len(missing(source, folder)))
    lacks = ", ".join(file.name for file in missing(source, best))
    found = f"a folder without {lacks}" if best.is_dir() else "no such folder"
    msg = (
        f"Expected {source.title} in {best} ({how}: {root}). Received: {found}. "
        "Put the four published .gz files there, or leave DUALNET_DATA unset to have them downloaded."
    )
    raise DataError(msg)
