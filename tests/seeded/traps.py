"""Traps: the whole table."""

from tests.seeded import traps_layers, traps_training, traps_weights, traps_wiring
from tests.seeded.trap import Trap

TRAPS: tuple[Trap, ...] = (
    *traps_layers.TRAPS,
    *traps_weights.TRAPS,
    *traps_wiring.TRAPS,
    *traps_training.TRAPS,
)
BY_NAME = {trap.name: trap for trap in TRAPS}
