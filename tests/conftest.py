"""What every test may rely on: one thread a process, a Keras home of its own, the backends, real images if any."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualnet.backends import Backend, names
from dualnet.backends import backend as backend_named

# Before any framework loads, because each reads these once. Two that spin on every core slow each other a hundredfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "KERAS_HOME" not in os.environ:
    os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="dualnet-keras-")
    atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)

BACKENDS = ("torch", "keras")  # the order in which they are imported: torch before TensorFlow


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backends", default=",".join(BACKENDS), help="the backends to test, such as: --backends torch")


def chosen(config: pytest.Config) -> list[str]:
    return [name for name in config.getoption("--backends").split(",") if name in names()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", chosen(metafunc.config), scope="session", indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what a file's own ``is_slow`` calls so by its parameters."""
    for item in items:
        judge, case = getattr(getattr(item, "module", None), "is_slow", None), getattr(item, "callspec", None)
        if judge and case and judge(case.params):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each chosen backend in turn."""
    names = chosen(request.config)
    loaded = {name: backend_named(name) for name in names}  # all, in order, whichever test comes first
    return loaded[request.param]


@pytest.fixture(scope="session")
def both(request: pytest.FixtureRequest) -> tuple[Backend, Backend]:
    """Return torch and keras, or skip where only one of them is tested."""
    if chosen(request.config) != list(BACKENDS):
        pytest.skip("compares torch with keras: --backends left one of them out")
    torch, keras = (backend_named(name) for name in BACKENDS)
    return torch, keras


@pytest.fixture(scope="module")
def eagerly(both: tuple[Backend, Backend]) -> Iterator[None]:
    """Run Keras's functions op by op: where each runs once or twice, to trace it takes most of the time."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data sets, or skip."""
    if not os.environ.get("DUALNET_DATA"):
        pytest.skip("needs real images: set DUALNET_DATA to a folder with fashion-mnist/ and mnist/")
    return Path(os.environ["DUALNET_DATA"])
