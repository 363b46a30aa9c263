"""Show a download: a bar on a terminal, one plain line elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with every number of bytes that arrived; all output goes to standard error."""
    if not sys.stderr.isatty():
        print(f"downloading {name} ({total / 1e6:.1f} MB)", file=sys.stderr, flush=True)
        yield lambda _arrived: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda arrived: bar.advance(task, arrived)
