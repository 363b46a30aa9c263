"""Hostile: files that were damaged or forged, read under a limit of memory; as a script, it prints what came of each.

Each outcome is a row: kind, mutation, "refused" with the message, or "read" where what was read is what was written.
"""

import gzip
import hashlib
import json
import random
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends.fact import Fact
from dualnet.backends.watch import Seen
from dualnet.compare.record import check_recordings
from dualnet.data.idx import read_idx
from dualnet.errors import DualnetError
from dualnet.report import result
from dualnet.run import calls, pairing, recording
from dualnet.run.recording import PAGE, SEAL, Pass, Recording
from dualnet.specs import zoo

ROOM = 1 << 28  # bytes of address space beyond what is taken when the reading begins: the files are of some kilobytes
PEAK = 1 << 26  # bytes that Python and NumPy may take for one file at a time
CODE = ("exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen", "marshal.loads", "os.exec", "ctypes")
RAN: list[str] = []


def heard(event: str, arguments: Any) -> None:
    """Note what runs code."""
    own = (
        arguments[:1] in ((b"Node",), ("Node",)) or getattr(arguments[0], "co_names", ()) == ("Node",)
        if arguments
        else 0
    )
    if event.startswith(CODE) and not own:  # the specs' own annotations, of which one is a string
        RAN.append(f"{event} {str(arguments)[:80]}")


def tiny() -> Recording:
    """Return a recording of one weight, as a live model's is made."""
    w = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    x = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    made = Recording("tiny", "torch", True, 5, 0.1, inputs={0: recording.Named("input/0")})
    made.facts = [Fact("w", "dense", "weight", (2, 3), (0, 1), (2, 3))]
    made.trainable, made.versions = ["w"], {"torch": "2"}
    made.arrays = {"input/0": x, "own/w": w, "start/weights/w": w}
    off = {"w": w.astype(np.float64) + 1e-16}
    for place, v in (("start/float64", w.astype(np.float64)), ("start/float32", w), ("nudged/float64", off["w"])):
        for mode in ("eval", "train"):
            path = f"{place}/{mode}"
            made.passes[path] = Pass()
            made.arrays |= {f"{path}/outputs/0": x.astype(v.dtype) @ v.T, f"{path}/inputs/0": x.astype(v.dtype),
                            f"{path}/parameters/w": v}  # fmt: skip
        made.arrays |= {f"{place}/after 1/w": v, f"{place}/after 5/w": v}
    for mode in ("eval", "train"):
        seen = Seen("w", "dense", {"bias": False}, {"weight": "w"}, [x], [x @ w.T], [None])
        made.calls[mode], arrays = calls.told([seen], f"calls/{mode}")
        made.arrays |= arrays
    made.origin = made.digest()
    return made


def compared(path: Path) -> Any:
    """Read a recording, and compare it with itself."""
    found = recording.load(path)
    check_recordings(found, found).to_json()
    page = {name: value for name, value in vars(found).items() if name != "arrays"}
    return {name: array.tobytes() for name, array in found.arrays.items()} | {"page": repr(page)}


def weights(path: Path) -> Any:
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in store.load(path)[0].items()}


READ: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "weights": ("net.safetensors", weights),
    "recording": ("net.trace", compared),
    "spec": ("net.toml", lambda path: zoo.load(path).name),
    "spec as json": ("net.json", lambda path: zoo.load(path).name),
    "table": ("pairs.json", pairing.read),
    "data": ("images.gz", lambda path: read_idx(path, 3).tobytes()),
    "result": ("result.json", lambda path: result.load(path).title),
}
WHOLE = ("weights", "recording", "data")  # read otherwise than written, these would be a lie


def write(folder: Path) -> None:
    """Write a sound file of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    store.save(folder / "net.safetensors", {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "n": np.array(7)})
    tiny().save(folder / "net.trace")
    spec = zoo.load("fashion_cnn")
    from dualnet.specs import text

    (folder / "net.toml").write_text(text.dumps(spec))
    (folder / "net.json").write_text(json.dumps(text.to_data(spec)))
    pairing.write(folder / "pairs.json", {"a.weight": "b/kernel", "a.bias": "b/bias"})
    images = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (5, 4, 3)) + bytes(range(60))
    (folder / "images.gz").write_bytes(gzip.compress(images, mtime=0))
    result.Result("check", "title", ["said"], data={"a": [1, 2.5, None]}).save(folder / "result.json")


def damaged(content: bytes, generator: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield a file with bits flipped, cut short, with bytes put in, and with a length in its head forged."""
    for index in range(max(12, len(content) // 150)):
        at, bit = generator.randrange(len(content)), generator.randrange(8)
        yield f"flip {index}: byte {at} bit {bit}", content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]
    for at in sorted({0, 1, 7, 8, 9, len(content) // 2, len(content) - 1}):
        yield f"cut at {at}", content[:at]
    for size in (0, 7, 1 << 31, 100_000_001, (1 << 63) - 1, (1 << 64) - 1, len(content)):
        yield f"length {size}", size.to_bytes(8, "little") + content[8:]
    yield "more behind", content + b"\0" * 64
    yield "deep", (b"[" if content[:1] != b"{" else b'{"a":') * 200_000
    yield "noise", generator.randbytes(1000)


def headed(header: Any, rest: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def forged_weights() -> Iterator[tuple[str, bytes]]:
    """Yield safetensors whose header lies."""
    for shape in ([1 << 40], [1 << 62, 4], [0, 1 << 62], [-1], [1] * 70, [1 << 64], ["3"], [2.5]):
        for end in (0, 4, 1 << 42):
            yield (
                f"shape {str(shape)[:30]} to {end}",
                headed({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}, b"\0" * 4),
            )
    yield "deep header", headed(b'{"w":' * 50_000 + b"1" + b"}" * 50_000)
    yield (
        "wide header",
        headed({str(i): {"dtype": "F32", "shape": [], "data_offsets": [0, 4]} for i in range(20_000)}, b"0" * 4),
    )
    yield "object", headed({"w": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8)
    yield "pickle", b"cos\nsystem\n(S'touch ran'\ntR."


def forged_recordings(content: bytes, generator: random.Random, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield recordings whole and sealed, in whose page one value is another."""
    path = folder / "sound.trace"
    path.write_bytes(content)
    arrays, beside = store.load(path)
    page = json.loads(beside[PAGE])
    values: list[Any] = [None, -1, True, 1e308, 10**30, "x", "", [], {}, [[]], {"a": 1}, "[" * 5000, [1 << 62, 1 << 62],
                         [{"plain": 1}], "input/0", 0]  # fmt: skip
    spots = list(_spots(page))
    for index in range(80):
        spot = spots[index % len(spots)] if index < len(spots) else generator.choice(spots)
        value = generator.choice(values)
        copy = json.loads(beside[PAGE])
        inner = copy
        for key in spot[:-1]:
            inner = inner[key]
        inner[spot[-1]] = value
        yield f"{'.'.join(map(str, spot))} = {str(value)[:30]}", _sealed(arrays, json.dumps(copy), folder)
    yield "another name", content.replace(b"tiny", b"tinx")
    yield "deep page", _sealed(arrays, '{"a":' * 100_000, folder)
    yield (
        "deep inputs",
        _sealed(
            arrays,
            json.dumps(page).replace('{"array": "input/0"}', '{"list": [' * 900 + '{"plain": 1}' + "]}" * 900),
            folder,
        ),
    )
    yield "many steps", _sealed(arrays, json.dumps({**page, "steps": 10**9}), folder)
    yield "many steps of a second", _sealed(arrays, json.dumps({**page, "of": "x", "steps": 10**9}), folder)
    yield "other arrays", _sealed({**arrays, "own/w": np.zeros((3, 2), np.float32)}, json.dumps(page), folder)
    yield "no arrays", _sealed({}, json.dumps(page), folder)


def _spots(page: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    rows = page.items() if isinstance(page, dict) else enumerate(page) if isinstance(page, list) else ()
    for key, value in rows:
        yield (*above, key)
        yield from _spots(value, (*above, key))


def _sealed(arrays: Any, page: str, folder: Path) -> bytes:
    path = folder / "sealed.trace"
    store.save(path, arrays, {PAGE: page, SEAL: hashlib.sha256(page.encode()).hexdigest()})
    return path.read_bytes()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield idx files that unzip to far more than they should, or whose header says so."""
    yield "two gigabytes of zeros", gzip.compress(bytes([0, 0, 8, 3]) + bytes(1 << 20), 1) * 2000
    for sizes in ((1 << 31,) * 3, (1 << 31, 0, 1), (5, 4, 4)):
        yield (
            f"sizes {sizes}",
            gzip.compress(bytes([0, 0, 8, 3]) + b"".join(s.to_bytes(4, "big") for s in sizes) + bytes(60)),
        )


def files(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield every hostile file: its kind, what was done to it, its content."""
    for number, (kind, (name, _)) in enumerate(READ.items()):
        content = (folder / name).read_bytes()
        generator = random.Random(number)
        made = list(damaged(content, generator))
        made += list(forged_weights()) if kind == "weights" else []
        made += list(forged_recordings(content, generator, folder)) if kind == "recording" else []
        made += list(bombs()) if kind == "data" else []
        for what, mutant in made:
            yield kind, what, mutant


def outcome(kind: str, path: Path, sound: Any) -> tuple[str, str]:
    """Read a file, and say what came of it."""
    try:
        found = READ[kind][1](path)
    except DualnetError as error:
        return "refused", str(error)
    except BaseException as error:
        return "failed", f"{type(error).__name__}: {str(error)[:200]}"
    forged = path.parent.name == "forged"  # another page, sealed anew, may be a sound recording of another model
    return ("read", "") if kind not in WHOLE or forged or found == sound[kind] else ("misread", "")


def main(folder: Path) -> None:
    """Read all of them and print a row for each as JSON."""
    write(folder)
    made = list(files(folder))
    sound = {kind: read(folder / name) for kind, (name, read) in READ.items()}
    for kind, (name, _) in READ.items():  # what refusing needs is loaded before the limits are set
        (folder / "bad").mkdir(exist_ok=True)
        (folder / "bad" / name).write_bytes(b"{")
        outcome(kind, folder / "bad" / name, sound)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, resource.RLIM_INFINITY))
    sys.addaudithook(heard)
    tracemalloc.start()
    rows = []
    for kind, what, content in made:
        path = folder / ("forged" if " = " in what else "bad") / READ[kind][0]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        RAN.clear()
        tracemalloc.reset_peak()
        before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
        came, said = outcome(kind, path, sound)
        peak = tracemalloc.get_traced_memory()[1] - before
        rows.append([kind, what, came, said, peak, time.perf_counter() - start, list(RAN)])
    print(json.dumps(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
