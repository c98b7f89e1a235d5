"""What is known follows from the ledger."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.ledger import Ledger, LedgerEntry, SliceState, known_mask
from napari_transmedseg.project.slices import spread_slices

LABELED = {SliceState.ANNOTATED, SliceState.EMPTY, SliceState.FILLED, SliceState.ACCEPTED}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("state", list(SliceState))
def test_labeled_slices_are_known_whole_and_slices_in_progress_where_painted(
    state: SliceState, axis: int
) -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1] = 2
    ledger = Ledger.untouched(labels.shape[axis]).with_states([1], state)

    known = np.moveaxis(known_mask(labels, ledger, axis), axis, 0)

    assert not known[0].any()
    assert not known[2:].any()
    if state in LABELED:
        assert state.is_labeled
        assert known[1].all()
    elif state is SliceState.IN_PROGRESS:
        assert_array_equal(known[1], np.moveaxis(labels, axis, 0)[1] > 0)
    else:
        assert not known[1].any()


@given(st.lists(st.sampled_from(list(SliceState)), min_size=1, max_size=30))
def test_a_ledger_comes_back_from_json(states: list[SliceState]) -> None:
    ledger = Ledger(tuple(LedgerEntry(state, "anna", "2025-01-02") for state in states))
    assert Ledger.from_json(len(states), ledger.as_json()) == ledger
    assert sum(ledger.counts().values()) == len(states)


def test_labeled_slices_are_found_in_both_directions() -> None:
    ledger = Ledger.untouched(10).with_states([2, 7], SliceState.ANNOTATED, who="anna", when="now")

    assert ledger.labeled_indices() == [2, 7]
    assert ledger.next_labeled(2) == 7
    assert ledger.next_labeled(7) is None
    assert ledger.previous_labeled(7) == 2
    assert ledger.previous_labeled(2) is None
    assert (ledger.entries[2].who, ledger.entries[2].when) == ("anna", "now")


@pytest.mark.parametrize("index", [-1, 10])
def test_a_slice_that_does_not_exist_is_refused(index: int) -> None:
    with pytest.raises(ProjectError, match="0 to 9"):
        Ledger.untouched(10).with_states([index], SliceState.EMPTY)


@given(count=st.integers(1, 12), num_slices=st.integers(1, 60), seed=st.integers(0, 5))
def test_spread_slices_are_one_from_each_part_of_the_stack(
    count: int, num_slices: int, seed: int
) -> None:
    chosen = spread_slices(count, num_slices, seed)

    wanted = min(count, num_slices)
    assert len(set(chosen)) == wanted
    assert chosen == sorted(chosen) == spread_slices(count, num_slices, seed)
    for part, index in enumerate(chosen):
        assert part * num_slices / wanted <= index < (part + 1) * num_slices / wanted


def test_spread_slices_reach_the_ends_over_many_cases() -> None:
    rng = np.random.default_rng(0)
    chosen = {index for _ in range(200) for index in spread_slices(3, 20, rng)}
    assert chosen == set(range(20))


def test_no_slices_cannot_be_spread() -> None:
    with pytest.raises(ProjectError, match="at least one slice"):
        spread_slices(0, 10)
