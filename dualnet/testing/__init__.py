"""Parity in a test suite: what the pytest plugin loads once a test compares two models."""
