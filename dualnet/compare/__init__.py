"""Comparing a pair: is it the same function, and if not, which layer, in which pass, and why."""
