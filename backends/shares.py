"""Shares: which rows of a batch each worker sees."""


def bounds(rows: int, number: int, workers: int) -> tuple[int, int]:
    """Return the first row of a worker's slice and the one behind its last; slices differ by a row at most."""
    return number * rows // workers, (number + 1) * rows // workers
