"""Seeded faults: eight pairs that a person wrote in both frameworks, and every known trap planted in each."""
