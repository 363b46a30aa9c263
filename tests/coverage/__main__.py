"""Measure every row, and write ``docs/coverage.md``."""

import time

from tests.coverage.measure import measured
from tests.coverage.page import PATH, cell, figure, written
from tests.coverage.rows import rows


def main() -> None:
    """Write the page, with a line of progress for each row."""
    made, start = {}, time.monotonic()
    for at, row in enumerate(rows(), 1):
        found = made[row] = measured(row)
        said = " | ".join([*row.names, cell(found.torch), cell(found.keras), *map(figure, found.gaps)])
        print(f"{time.monotonic() - start:4.0f} s  {at} of {len(rows())}  {said}", flush=True)
    PATH.write_text(written(made), encoding="utf-8")


if __name__ == "__main__":
    main()
