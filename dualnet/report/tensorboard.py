"""TensorBoard logs of both backends under one folder, a run for each, with the same tags.

Written by tensorboardX, which needs neither framework: the extra ``dualnet[tensorboard]``.
"""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.errors import DataError
from dualnet.run.train import Trained

LARGEST = 1e19  # tensorboardX's bins end at 1e20; weights beyond, and NaN, are those of a run that has burst


class TensorBoard:
    """Writes each side's curves and weight histograms after each epoch; call it as ``watch``.

    Raises ``DataError`` where tensorboardX is missing or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            msg = "--tensorboard needs tensorboardX: pip install 'dualnet[tensorboard]'."
            raise DataError(msg) from None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{folder}: the logs cannot be written: {error.strerror}."
            raise DataError(msg) from None
        self.make, self.folder, self.lock = SummaryWriter, folder, threading.Lock()
        self.writers: dict[str, Any] = {}
        self.written: dict[str, tuple[int, int]] = {}

    def __call__(self, side: str, trained: Trained) -> None:
        """Write what is new since the last call for this side."""
        writer = self._writer(side)
        epochs, steps = self.written.get(side, (0, 0))
        for step, loss in enumerate(trained.losses[steps:], start=steps + 1):
            writer.add_scalar("loss/step", loss, step)
        for epoch in trained.history[epochs:]:
            for part in ("train", "validation", "test"):
                loss = epoch.loss if part == "train" else getattr(epoch, f"{part}_loss")
                for tag, value in ((f"loss/{part}", loss), (f"accuracy/{part}", getattr(epoch, f"{part}_accuracy"))):
                    if value is not None:
                        writer.add_scalar(tag, value, epoch.epoch)
        for name, array in trained.session.weights().items():
            kept = array[np.abs(array) < LARGEST]
            if kept.size:
                writer.add_histogram(f"weights/{name}", kept, len(trained.history))
        writer.flush()
        self.written[side] = len(trained.history), len(trained.losses)

    def _writer(self, side: str) -> Any:
        with self.lock:  # the sides train at the same time, each in a thread that waits for its worker
            if side not in self.writers:
                try:
                    self.writers[side] = self.make(str(self.folder / side))
                except OSError as error:
                    msg = f"{self.folder / side}: the logs cannot be written: {error.strerror}."
                    raise DataError(msg) from None
            return self.writers[side]

    def close(self) -> None:
        """Close the files."""
        for writer in self.writers.values():
            writer.close()
