"""A download resumes where it stopped, counts only when its checksum is right, and gives up in plain words."""

import hashlib
import threading
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dualnet.data import fetch as fetch_page
from dualnet.data.fetch import UnreachableError, fetch
from dualnet.data.sources import MNIST, File, Source
from dualnet.errors import DataError

CONTENT = {file.name: bytes([number]) * 1000 for number, file in enumerate(MNIST.files)}
IMAGES, *REST = CONTENT


class Mirror(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; ``stops`` holds after how many bytes each answer breaks off."""

    asked: list[tuple[str, str]]
    stops: list[int]
    content: dict[str, bytes]
    knows_ranges: bool

    def do_GET(self) -> None:
        name, span = self.path.lstrip("/"), self.headers["Range"]
        self.asked.append((name, span))
        start = int(span.removeprefix("bytes=").rstrip("-")) if self.knows_ranges else 0
        body = self.content[name][start:]
        self.send_response(206 if self.knows_ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.stops.pop(0)] if self.stops else body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Fresh", (Mirror,), {"asked": [], "stops": [], "content": dict(CONTENT), "knows_ranges": True})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_port}/"
        yield handler
        server.shutdown()
        thread.join()


def source(*mirrors: str) -> Source:
    files = tuple(File(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in CONTENT.items())
    return replace(MNIST, mirrors=mirrors, files=files)


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_whole_set_arrives(mirror, tmp_path, capsys) -> None:
    fetch(source(mirror.url), tmp_path / "new" / "mnist")
    assert read(tmp_path / "new" / "mnist") == CONTENT
    assert f"downloading {IMAGES} (0.0 MB)" in capsys.readouterr().err


def test_only_what_lacks_is_asked_for(mirror, tmp_path) -> None:
    (tmp_path / IMAGES).write_bytes(CONTENT[IMAGES])
    fetch(source(mirror.url), tmp_path)
    assert [name for name, _ in mirror.asked] == REST


def test_a_broken_connection_is_taken_up_again(mirror, tmp_path) -> None:
    mirror.stops = [300, 200]
    fetch(source(mirror.url), tmp_path)
    assert mirror.asked[:3] == [(IMAGES, "bytes=0-"), (IMAGES, "bytes=300-"), (IMAGES, "bytes=500-")]
    assert read(tmp_path) == CONTENT


def test_an_interrupted_download_resumes_on_the_next_call(mirror, tmp_path) -> None:
    mirror.stops = [300, 0]
    with pytest.raises(DataError, match=f"Expected 1,000 bytes of {IMAGES}. Received: 300.* goes on from there"):
        fetch(source(mirror.url), tmp_path)
    assert read(tmp_path) == {f"{IMAGES}.part": CONTENT[IMAGES][:300]}
    mirror.asked.clear()
    fetch(source(mirror.url), tmp_path)
    assert mirror.asked[0] == (IMAGES, "bytes=300-")
    assert read(tmp_path) == CONTENT


def test_a_mirror_without_ranges_starts_over(mirror, tmp_path) -> None:
    mirror.knows_ranges = False
    (tmp_path / f"{IMAGES}.part").write_bytes(b"?" * 300)
    fetch(source(mirror.url), tmp_path)
    assert read(tmp_path) == CONTENT


def test_the_second_mirror_steps_in(mirror, tmp_path) -> None:
    fetch(source("http://127.0.0.1:1/", mirror.url), tmp_path)
    assert read(tmp_path) == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(mirror, tmp_path) -> None:
    mirror.content[IMAGES] = b"!" * 1000
    with pytest.raises(DataError, match="expected the published file"):
        fetch(source(mirror.url), tmp_path)
    assert read(tmp_path) == {}


def test_no_network_leaves_no_trace(monkeypatch, tmp_path) -> None:
    def down(*_: object, timeout: float) -> None:
        assert timeout <= 10
        msg = "no route to host"
        raise urllib.error.URLError(msg)

    monkeypatch.setattr(fetch_page, "urlopen", down)
    with pytest.raises(UnreachableError, match="no route to host"):
        fetch(source("http://a/", "http://b/"), tmp_path / "mnist")
    assert not (tmp_path / "mnist").exists()


def test_a_mirror_that_has_lost_the_file_counts_as_no_answer(mirror, tmp_path) -> None:
    with pytest.raises(UnreachableError, match="closed connection without response"):
        mirror.content.clear()
        fetch(source(mirror.url), tmp_path)
    assert read(tmp_path) == {}
