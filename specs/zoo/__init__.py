"""The zoo: specs that come with dualnet, as files beside this page."""

from pathlib import Path

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs import text
from dualnet.specs.spec import Spec

HERE = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the zoo's specs, sorted."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def load(name: str | Path) -> Spec:
    """Return a spec of the zoo by name, or of a file by path. Raises ``SpecError`` if there is none."""
    if str(name) in names():
        return text.read(HERE / f"{name}.toml")
    path = Path(name)
    if path.suffix or len(path.parts) > 1:
        return text.read(path)
    hint = did_you_mean(str(name), names()) or f" The zoo has: {', '.join(names())}."
    msg = f"There is no spec {str(name)!r} in the zoo.{hint} A file is named by its path, which ends in .toml or .json."
    raise SpecError(msg)
