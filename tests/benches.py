"""What tests of experiments run on: small networks on digits, a bench that remembers what is said, planted faults."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dualnet import specs as S
from dualnet.experiments.bench import Bench
from dualnet.report.exhibits import Table
from dualnet.report.page import section
from dualnet.report.result import Result, from_data
from dualnet.run.hosts import Here

DIGITS = S.Data(set="digits")
MLP = S.Spec(
    "mlp",
    S.Sequential(
        S.Flatten(name="flat"),
        S.Linear(12, name="hidden"),
        S.Tanh(name="tanh"),
        S.Linear(8, name="second"),
        S.Tanh(name="top"),
        S.Linear(10, name="logits"),
    ),
    (1, 28, 28),
    data=DIGITS,
    training=S.Training(optimizer=S.Adam(0.01), batch_size=50, epochs=2),
    init="keras_default",
)
CNN = S.Spec(
    "cnn",
    S.Sequential(
        S.Conv2d(6, 5, stride=2, name="conv"),
        S.ReLU(name="relu"),
        S.AdaptiveAvgPool2d(1, name="pool"),
        S.Flatten(),
        S.Linear(10, name="head"),
    ),
    (1, 28, 28),
    data=DIGITS,
    training=S.Training(batch_size=50, epochs=1),
)


class Inside(Here):
    """Workers that are this process: a framework takes seconds to start, and here it has started already."""

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *error: object) -> None: ...


class Changed:
    """A session of which one verb answers otherwise; ``change`` is given the session and the verb's own answer."""

    def __init__(self, session: Any, verb: str, change: Callable[..., Any]) -> None:
        self.session, self.verb, self.change = session, verb, change

    def __getattr__(self, name: str) -> Any:
        own = getattr(self.session, name)
        if name != self.verb:
            return own
        return lambda *arguments, **options: self.change(self.session, own(*arguments, **options))


class Planted(Here):
    """A host whose keras sessions have a fault."""

    def __init__(self, verb: str, change: Callable[..., Any]) -> None:
        self.verb, self.change = verb, change

    def open(self, name: str, spec: S.Spec, **options: Any) -> Any:
        session = super().open(name, spec, **options)
        return Changed(session, self.verb, self.change) if name == "keras" else session


class Idle(Here):
    """A host on which no work may begin."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        msg = "work was begun"
        raise AssertionError(msg)


IDLE = Bench(host=Idle())


def telling(said: list[str], **options: Any) -> Bench:
    """Return a bench that writes down what is said."""
    return Bench(say=said.append, **options)


def whole(result: Result) -> None:
    """Hold a result to its promises: JSON and back, a table, a figure, a section of a page."""
    text = result.to_json()
    again = from_data(json.loads(text, parse_constant=pytest.fail))  # NaN is no JSON
    assert again.to_json() == text
    tables = [each for each in result.exhibits if isinstance(each, Table)]
    shown = result.table()
    assert all(each.title in shown and all(len(row) == len(each.heads) for row in each.rows) for each in tables)
    assert all(line in shown for line in result.says)
    figure = result.plot()
    titles = [part.get_suptitle() for part in figure.subfigs]
    titles += [axes.get_title(loc="left") for axes in figure.axes]
    assert {each.title for each in result.exhibits} - {each.title for each in tables} <= set(titles)
    assert result._repr_html_() == section(result)
    assert "<table" in result._repr_html_()


def table_of(result: Result, title: str) -> Table:
    (found,) = [each for each in result.exhibits if isinstance(each, Table) and each.title == title]
    return found
