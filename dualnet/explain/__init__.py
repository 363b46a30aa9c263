"""Explanation: which pixels a network's decision rests on. NumPy pages: a session gives gradients and activations."""
