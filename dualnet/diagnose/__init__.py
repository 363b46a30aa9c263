"""Diagnosis: what the numbers of a network's layers and curves say about its health."""
