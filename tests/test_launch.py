"""Workers start ahead of being asked for: which ones, each asked for once, and none outlives the command."""

import sys

import pytest

from dualnet.cli.early import orders
from dualnet.cli.parser import parser
from dualnet.errors import WorkerError
from dualnet.run import launch as page
from dualnet.run.launch import Order, ahead, launch, python_of
from dualnet.run.process import Process

WAITS = Order(sys.executable, ("torch",), module="this")  # a module of the standard library, soon read


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("show x", ("torch", "keras")),
        ("show x --backend torch", ("torch",)),
        ("show x --backend keras", ("keras",)),
        ("show x --backend no-such", ()),
        ("show x --text", ()),
        ("train x --backend keras", ("keras",)),
        ("train x --workers 2", ()),
        ("parity x", ("torch", "keras")),
        ("doctor", ("torch", "keras")),
        ("bench x", ()),
        ("check a.py:A b.py:B", ()),
        ("list", ()),
        ("report folder", ()),
    ],
)
def test_a_command_starts_the_workers_that_it_will_ask(words: str, names: tuple[str, ...]) -> None:
    assert [order.words[0] for order in orders(parser().parse_args(words.split()))] == list(names)


def test_an_order_is_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALNET_KERAS_PYTHON", "/of/the/environment")
    words = "show x --threads 3 --torch-python /of/the/words"
    torch, keras = orders(parser().parse_args(words.split()))
    assert (torch, keras) == (
        Order("/of/the/words", ("torch",), threads=3),
        Order("/of/the/environment", ("keras",), threads=3),
    )
    assert python_of("jax", {}) == sys.executable


def test_what_was_started_ahead_is_given_once_and_the_rest_is_ended() -> None:
    other = Order(WAITS.python, WAITS.words, WAITS.module, threads=2)
    with ahead([WAITS, other]):
        started = [launch(WAITS), launch(WAITS), launch(other)]
    assert len({each.process.pid for each in started}) == 3
    for each in started:
        each.end()
    with ahead([WAITS]):
        waiting = page._AHEAD[WAITS]
    assert waiting.process.returncode is not None and waiting.log.closed
    anew = launch(WAITS)  # none that has ended is given
    assert anew.process.pid != waiting.process.pid
    anew.end()


def test_an_interpreter_that_cannot_be_started_is_told_when_it_is_asked_for() -> None:
    missing = Order("/no/such/python", ("torch",))
    with ahead([missing]), pytest.raises(WorkerError, match=r"torch: its Python '/no/such/python' cannot be started"):
        Process(missing)
