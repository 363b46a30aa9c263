"""What every test may rely on: one thread per process, a Keras home of its own, and real images where there are any."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Before any framework loads, because each reads these once. Two that spin on every core slow each other a hundredfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "KERAS_HOME" not in os.environ:
    os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="dualnet-keras-")
    atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data sets, or skip."""
    if not os.environ.get("DUALNET_DATA"):
        pytest.skip("needs real images: set DUALNET_DATA to a folder with fashion-mnist/ and mnist/")
    return Path(os.environ["DUALNET_DATA"])
