"""Sweeps: many cells, each a pure function of its description, worked through by several processes, and one page."""
