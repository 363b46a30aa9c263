"""Any exhibit at all, well made or not: hypothesis draws its numbers and texts."""

from typing import Any

from hypothesis import strategies as st

from dualnet.report import exhibits as E


def charts(floats: st.SearchStrategy[float], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return every kind of exhibit but tables, of parts whose lengths need not match."""
    numbers, words = tuples(floats, 5), tuples(texts, 3)
    rows, colours = tuples(numbers, 3), st.integers(0, 9)
    series = st.builds(E.Series, texts, numbers, numbers, numbers, numbers, colours, st.booleans())
    groups = tuples(st.builds(E.Group, texts, numbers, numbers, numbers, colours, st.booleans()), 2)
    pictures = st.builds(E.Picture, rows, st.sampled_from(["grey", "heat", "signed", "other"]), texts)
    logs = st.sampled_from(["", "x", "y", "xy"])
    return st.one_of(
        st.builds(E.Lines, texts, texts, texts, tuples(series, 3), logs, texts, words),
        st.builds(E.Bars, texts, words, texts, groups, st.integers(-1, 3), texts),
        st.builds(E.Histogram, texts, texts, numbers, groups, numbers, texts),
        st.builds(E.Matrix, texts, words, words, rows, texts, texts, texts),
        st.builds(E.Pictures, texts, words, words, tuples(tuples(st.none() | pictures, 2), 2), texts),
    )


def tables(texts: st.SearchStrategy[str]) -> st.SearchStrategy[E.Table]:
    """Return tables whose rows need not be as long as their heads."""
    words = tuples(texts, 3)
    return st.builds(E.Table, texts, words, tuples(words, 3), texts)


def tuples(parts: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return tuples of up to so many parts."""
    return st.lists(parts, max_size=most).map(tuple)
