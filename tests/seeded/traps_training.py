"""Traps of training."""

from tests.seeded.trap import Trap

TRAPS: tuple[Trap, ...] = ()
