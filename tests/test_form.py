"""Forms: views only regroup atoms, and what is carried over in memory is what the program means."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.backends.source.form import Axes, Storage, Value, axes_of, distinct, fine, flat, lying, regroup, shape_of
from dualnet.specs.carry import Carry
from dualnet.specs.program import Sym, product, quotient


def seen(value: Value, memory: np.ndarray) -> np.ndarray:
    """Return the array that a value means, from what memory holds."""
    atoms = flat(value.storage.physical)
    apart = memory.reshape([int(atom.size) for atom in atoms])
    wanted = flat(value.logical)
    place = {id(atom): index for index, atom in enumerate(atoms)}
    return apart.transpose([place[id(atom)] for atom in wanted]).reshape(value.shape)


@given(st.data())
def test_chains_of_views_mean_what_numpy_says(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.permutations((2, 3, 4, 5))))
    order = tuple(data.draw(st.permutations(range(4))))
    array = np.arange(math.prod(shape)).reshape(shape)
    axes = axes_of(shape)
    value = Value(axes, Storage("x", tuple(axes[axis] for axis in order), "float32"))
    memory = array.transpose(order)
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            turn = data.draw(st.permutations(range(value.rank)))
            value, array = Value(tuple(value.axes[axis] for axis in turn), value.storage), array.transpose(turn)
        else:
            sizes = data.draw(st.sampled_from([(120,), (2, 60), (6, 20), (8, 15), (4, 5, 6), (3, 1, 40), (10, 12)]))
            regrouped = regroup(value.logical, sizes)
            if regrouped is None:
                continue  # such a view has to be written out
            value, array = Value(regrouped, value.storage), array.reshape(sizes)
        assert np.array_equal(seen(value, memory), array)


def test_a_view_that_cuts_across_atoms_is_none() -> None:
    assert regroup(axes_of((4, 3)), (6, 2)) is None
    assert regroup(axes_of((3, 4)), (6, 2)) is not None
    assert regroup(axes_of((3, 5)), (5, 3)) is None


def test_a_failed_view_leaves_the_atoms_whole() -> None:
    axes = axes_of((6, 5))
    assert regroup(axes, (2, 7)) is None
    assert len(flat(fine(axes))) == 2


def test_symbolic_sizes_split_and_merge() -> None:
    n = Sym(("N",))
    merged = regroup(axes_of((n, 4, 8)), (Sym(("N",), 4), 8))
    assert merged is not None
    assert shape_of(merged) == (Sym(("N",), 4), 8)
    again = regroup(merged, (n, 2, 2, 8))
    assert again is not None
    assert shape_of(again) == (n, 2, 2, 8)


def test_lying_names_whole_axes_only() -> None:
    axes = axes_of((2, 3, 4))
    last = Value(axes, Storage("x", (axes[0], axes[2], axes[1]), "float32"))
    assert lying(last) == [0, 2, 1]
    joined = regroup(axes, (2, 12))
    assert joined is not None
    assert lying(Value(joined, last.storage)) is None


def test_one_axis_twice_gets_atoms_of_its_own() -> None:
    (axis,) = axes_of((5,))
    both: Axes = (axis, axis)
    logical, physical = distinct(both, both)
    assert logical[0] is not logical[1]
    assert [atom.size for atom in flat(logical)] == [5, 5]
    assert len({id(atom) for atom in flat(physical)}) == 2


@pytest.mark.parametrize(("size", "by", "expected"), [(12, 4, 3), (12, 5, None), (Sym(("N",), 4), 2, Sym(("N",), 2))])
def test_quotients(size: int | Sym, by: int, expected: object) -> None:
    assert quotient(size, by) == expected
    if expected is not None:
        assert product((by, expected)) == size  # type: ignore[arg-type]


def test_a_quotient_by_the_symbol_is_a_number() -> None:
    assert quotient(Sym(("N",), 6), Sym(("N",))) == 6
    assert quotient(6, Sym(("N",))) is None


@given(st.data())
def test_a_carry_comes_back(data: st.DataObject) -> None:
    split = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    order = tuple(data.draw(st.permutations(range(len(split)))))
    lies = tuple(split[axis] for axis in order)
    carry = Carry("a", "b", (math.prod(split),), split, order, (*lies[:-1], lies[-1]))
    array = np.random.default_rng(0).normal(size=carry.shape)
    assert np.array_equal(carry.back(carry.forth(array)), array)
    assert np.array_equal(carry.inverse().forth(carry.forth(array)), array)
    assert np.array_equal(carry.inverse().back(array), carry.forth(array))


def test_a_carry_keeps_scalars_scalar() -> None:
    carry = Carry("a", "b", (), (), (), ())
    assert carry.forth(np.array(3.0)).shape == ()
