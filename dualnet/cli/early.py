"""Early: the workers that a command will ask for load their frameworks while the command loads its own pages."""

from argparse import Namespace
from collections.abc import Iterable

from dualnet.run.launch import Order, python_of

BOTH = ("torch", "keras")
NAMED = {"both": BOTH, "torch": ("torch",), "keras": ("keras",)}
PAGES = ("verbs:show", "experimenting:")  # their words say which backends
ALWAYS = ("climbing:parity", "verbs:doctor")


def orders(arguments: Namespace) -> Iterable[Order]:
    """Return the orders of the workers that a command's words ask for; none where it may need no framework, or others.

    A wrong guess costs a process that nobody asks, never a result.
    """
    given = vars(arguments)
    names: tuple[str, ...]
    if arguments.run in ALWAYS:
        names = BOTH
    elif not arguments.run.startswith(PAGES) or given.get("text") or given.get("workers", 1) > 1:
        names = ()
    else:
        names = NAMED.get(arguments.backend, ())
    pythons = pythons_of(arguments)
    return [Order(python_of(name, pythons), (name,), threads=arguments.threads) for name in names]


def pythons_of(arguments: Namespace) -> dict[str, str]:
    """Return the interpreters that the words name, by backend."""
    return {name: path for name in BOTH if (path := getattr(arguments, f"{name}_python"))}
