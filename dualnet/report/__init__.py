"""Showing what was found: tables, charts, pages, progress."""
