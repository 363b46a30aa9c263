"""Recipe: a row of the table."""

from dataclasses import dataclass

DENSE, CONV, LIVE = "dense", "conv", "live"
SPECS = (DENSE, CONV)


@dataclass(frozen=True)
class Recipe:
    """One way to do a piece of work.

    ``times`` is the work, ``make`` the function that makes it as ``page:function``, ``why`` what it shows. ``best``
    names the kinds of net for which it is the best way in public; ``nets`` the kinds that it can do. A recipe that is
    ``exact`` does the arithmetic of every other exact one on the same batches; the others bound them.
    """

    name: str
    times: str
    make: str
    why: str
    role: str = ""
    best: tuple[str, ...] = ()
    nets: tuple[str, ...] = SPECS
    exact: bool = True
    images: bool = False  # it is for one image a sample, of 1 or 3 channels
