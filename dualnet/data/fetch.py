"""Download published files: resumed where it stopped, checked before it counts, or nothing.

A download grows in ``NAME.part`` and takes its name only when its SHA-256 is the published one.
"""

import http.client
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

from dualnet.data.places import missing, verify
from dualnet.data.progress import progress
from dualnet.data.sources import File, Source
from dualnet.errors import DataError

TIMEOUT = 10.0  # seconds without a byte
CHUNK = 1 << 18
PARTIAL = 206  # the HTTP answer to a request for the rest


class UnreachableError(Exception):
    """No mirror answered with a single byte."""


def fetch(source: Source, folder: Path) -> None:
    """Download what ``folder`` lacks of ``source``.

    Raises UnreachableError if no mirror answers, DataError if a download stops midway (the next call resumes it) or is
    not the published file (then it is removed).
    """
    for file in missing(source, folder):
        part = folder / f"{file.name}.part"
        with progress(file.name, file.size) as advance:
            _fill(part, file, source.mirrors, advance)
        try:
            verify(part, file)
        except DataError:
            part.unlink()
            raise
        part.replace(folder / file.name)


def _fill(part: Path, file: File, mirrors: tuple[str, ...], advance: Callable[[int], None]) -> None:
    """Ask the mirrors in turn, for as long as a round of them brings something."""
    start = _size(part)
    advance(start)
    while (before := _size(part)) < file.size:
        problems = [_append(part, mirror + file.name, advance) for mirror in mirrors if _size(part) < file.size]
        if _size(part) <= before:
            break
    else:
        return
    why = "; ".join(problems)
    if before <= start:
        msg = f"{file.name} could not be downloaded: {why}"
        raise UnreachableError(msg)
    msg = (
        f"Expected {file.size:,} bytes of {file.name}. Received: {before:,}, then {why}. "
        "Run the command again: it goes on from there."
    )
    raise DataError(msg)


def _append(part: Path, url: str, advance: Callable[[int], None]) -> str:
    """Append what ``url`` has beyond the end of ``part``; return in words how it ended."""
    begin = _size(part)
    try:
        with urlopen(Request(url, headers={"Range": f"bytes={begin}-"}), timeout=TIMEOUT) as response:
            resumed = response.status == PARTIAL
            advance(0 if resumed else -begin)
            part.parent.mkdir(parents=True, exist_ok=True)  # not before: being offline leaves no trace
            with part.open("ab" if resumed else "wb") as sink:
                while chunk := response.read(CHUNK):
                    sink.write(chunk)
                    advance(len(chunk))
    except (OSError, http.client.HTTPException) as problem:
        return f"{url}: {problem}"
    return f"{url}: the connection closed"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
