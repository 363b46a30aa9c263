"""Showing what was found: tables, progress, and learning curves."""
