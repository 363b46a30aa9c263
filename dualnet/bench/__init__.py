"""Bench: how fast each framework is at one spec or pair of models, by which recipe, and how sure that is.

Each side is timed in fresh processes of its own, finely interleaved; ``statistics`` says what may be concluded.
"""
