"""Place: a step of a spec with the orders of axes in which Keras reads and gives."""

from dataclasses import dataclass

from dualnet.backends.keras.layout import Layout
from dualnet.specs.graph import Step


@dataclass(frozen=True)
class Place:
    """A step and the layouts it reads and gives."""

    step: Step
    reads: tuple[Layout, ...]
    gives: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """The spec's shape of its first input."""
        return self.step.in_shapes[0]
