"""The wheel holds every page of the three folders, and every file that they read."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("dualnet", "backends", "specs", "pyproject.toml", "README.md", "LICENSE")
BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


def expected() -> set[str]:
    """Return the path in the wheel of every module, spec file and data file of the checkout."""
    found = set()
    for folder, prefix in (("dualnet", ""), ("backends", "dualnet/"), ("specs", "dualnet/")):
        for kind in ("*.py", "*.toml", "*.npz", "*.html", "*.css", "*.js", "py.typed"):
            paths = [path for path in (ROOT / folder).rglob(kind) if not any(p.is_symlink() for p in path.parents)]
            found |= {prefix + path.relative_to(ROOT).as_posix() for path in paths}
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build checkout -> sdist -> wheel, away from the checkout and with the setuptools that is installed."""
    work = tmp_path_factory.mktemp("package")
    checkout = work / "checkout"
    checkout.mkdir()
    for part in (ROOT / name for name in PARTS):
        if part.is_dir():
            shutil.copytree(part, checkout / part.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, checkout)
    run(checkout, "-c", BUILD_SDIST, str(work))
    (sdist,) = work.glob("dualnet-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(work, filter="data")
    unpacked = work / sdist.name.removesuffix(".tar.gz")
    run(unpacked, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(work), ".")
    (built,) = work.glob("*.whl")
    return built


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_is_complete(wheel) -> None:
    assert {"dualnet/errors.py", "dualnet/py.typed", "dualnet/data/digits.npz", "dualnet/report/page.css"} <= expected()
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert expected() - packed == set()
    assert packed - expected() == set()


@pytest.mark.slow
def test_the_wheel_joins_its_entry_points(wheel) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        text = archive.read(name).decode()
    assert "[dualnet.backends]\nkeras = dualnet.backends.keras\ntorch = dualnet.backends.torch" in text
    assert "dualnet = dualnet.cli:main" in text
