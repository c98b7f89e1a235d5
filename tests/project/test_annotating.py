"""What people say of slices changes labels and states together, and undo takes both back."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.annotating import (
    EditHistory,
    Gap,
    SliceEdit,
    accepted_labels,
    filled_labels,
    gap_around,
    gaps,
    labels_from_neighbour,
    labels_with_class,
    labels_with_object,
    require_rejectable,
    state_after_painting,
)
from napari_transmedseg.project.filling import fill_between
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project

from .conftest import paint

OPEN = SliceState.UNSEEN


def square(value: int, low: int, high: int) -> np.ndarray:
    labels = np.zeros((12, 12), np.uint8)
    labels[low:high, low:high] = value
    return labels


PREDICTED = np.maximum(square(1, 1, 4), square(2, 7, 10))
PAINTED = square(3, 2, 3)


def test_one_class_comes_in_under_the_paint() -> None:
    labels = labels_with_class(PAINTED, PREDICTED, OPEN, 1, "ring")
    assert labels[2, 2] == 3
    assert labels[1, 1] == 1
    assert not (labels == 2).any()


def test_one_object_comes_in_under_the_paint() -> None:
    labels = labels_with_object(PAINTED, PREDICTED, OPEN, (8, 8))
    assert_array_equal(labels, PAINTED + square(2, 7, 10))


def test_a_neighbour_comes_in_under_the_paint() -> None:
    labels = labels_from_neighbour(PAINTED, PREDICTED, SliceState.IN_PROGRESS, 4)
    assert labels[2, 2] == 3
    assert_array_equal(labels[PAINTED == 0], PREDICTED[PAINTED == 0])


@pytest.mark.parametrize(
    ("command", "says"),
    [
        pytest.param(lambda: labels_with_class(PAINTED, PREDICTED, OPEN, 3, "core"),
                     "Expected core in the prediction", id="class that is not predicted"),
        pytest.param(lambda: labels_with_object(PAINTED, PREDICTED, OPEN, (5, 5)),
                     "under the mouse", id="no object there"),
        pytest.param(lambda: labels_from_neighbour(PAINTED, PAINTED * 0, OPEN, 4),
                     "slice 5, found it empty", id="empty neighbour"),
        pytest.param(lambda: labels_from_neighbour(PAINTED, PREDICTED, SliceState.EMPTY, 4),
                     "found one that is empty", id="labeled slice"),
        pytest.param(lambda: require_rejectable(PAINTED, OPEN), "found painted voxels",
                     id="reject what is painted"),
        pytest.param(lambda: require_rejectable(PAINTED * 0, SliceState.ACCEPTED),
                     "found one that is accepted", id="reject what is accepted"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_explained(command, says: str) -> None:
    with pytest.raises(ProjectError, match=says):
        command()


def test_gaps_lie_between_labeled_slices() -> None:
    ledger = Ledger.untouched(12).with_states([2, 3, 6, 9], SliceState.ANNOTATED)
    ledger = ledger.with_states([4], SliceState.IN_PROGRESS)
    assert gaps(ledger) == [Gap(3, 6), Gap(6, 9)]
    assert gap_around(ledger, 8) == Gap(6, 9)
    with pytest.raises(ProjectError, match="on one side"):
        gap_around(ledger, 10)
    with pytest.raises(ProjectError, match="annotated; go to an open slice"):
        gap_around(ledger, 6)


def test_filling_keeps_what_is_painted() -> None:
    stack = np.zeros((5, 12, 12), np.uint8)
    stack[0], stack[4] = square(1, 2, 10), square(1, 3, 9)
    stack[2, 5, 5] = 2
    filled = filled_labels(lambda index: stack[index], Gap(0, 4), (1.0, 1.0))
    assert sorted(filled) == [1, 2, 3]
    assert filled[2][5, 5] == 2
    areas = [np.count_nonzero(filled[index]) for index in (1, 2, 3)]
    assert 64 >= areas[0] >= areas[1] >= areas[2] >= 36


def test_a_case_is_filled_without_a_window(project: Project) -> None:
    label_map = project.annotation("a")
    label_map.array[0, 2:8, 2:8], label_map.array[3, 3:7, 3:7] = 1, 1
    label_map.known = None
    project.import_labels("a", label_map, [0, 3])
    project.save_annotation("a", paint(project, "a", 1, value=2))
    assert fill_between(project, "a", who="anna") == [1, 2]
    saved, ledger = project.annotation("a"), project.ledger("a")
    assert [ledger.states[i] for i in (1, 2, 4)] == [SliceState.FILLED] * 2 + [OPEN]
    assert ledger.entries[1].who == "anna"
    assert (saved.array[1, 2:4, 2:4] == 2).all()
    assert 16 <= np.count_nonzero(saved.array[2]) <= 36
    assert saved.known[1:3].all()
    assert fill_between(project, "a") == []


def fill(history: EditHistory, stack: np.ndarray) -> dict[int, np.ndarray]:
    """Fill slice 1 with paint, slice 2 without a voxel."""
    after = {1: square(1, 2, 5), 2: stack[2].copy()}
    history.add(
        {
            index: SliceEdit(stack[index].copy(), labels, OPEN, SliceState.FILLED)
            for index, labels in after.items()
        }
    )
    return after


def test_undo_of_a_command_takes_all_its_states_back_and_redo_brings_them() -> None:
    history, stack = EditHistory(), np.zeros((4, 12, 12), np.uint8)
    after = fill(history, stack)
    filled = [OPEN, SliceState.FILLED, SliceState.FILLED, OPEN]
    assert history.states_for(1, stack[1], filled) == {1: OPEN, 2: OPEN}
    back = history.states_for(1, after[1], [OPEN] * 4)
    assert back == {1: SliceState.FILLED, 2: SliceState.FILLED}


def test_a_slice_that_went_on_meanwhile_is_left_alone() -> None:
    history, stack = EditHistory(), np.zeros((4, 12, 12), np.uint8)
    fill(history, stack)
    states = [OPEN, SliceState.FILLED, SliceState.ANNOTATED, OPEN]
    assert history.states_for(1, stack[1], states) == {1: OPEN}


def test_two_commands_on_a_slice_are_undone_one_after_the_other() -> None:
    history, stack = EditHistory(), np.zeros((4, 12, 12), np.uint8)
    after = fill(history, stack)
    states = [OPEN, SliceState.FILLED, SliceState.FILLED, OPEN]
    second = SliceEdit(after[1], square(2, 1, 8), SliceState.FILLED, SliceState.ACCEPTED)
    history.add({1: second})
    assert history.states_for(1, after[1], states)[1] is SliceState.FILLED
    assert history.states_for(1, stack[1], states)[1] is OPEN
    assert history.states_for(1, square(3, 0, 2), states) == {}


def test_a_state_that_a_person_sets_outlives_a_stroke_that_is_undone() -> None:
    history, stack = EditHistory(), np.zeros((4, 12, 12), np.uint8)
    after = fill(history, stack)
    states = [OPEN, SliceState.ANNOTATED, SliceState.FILLED, OPEN]
    history.restate(1, after[1], SliceState.ANNOTATED)
    assert history.states_for(1, after[1], states)[1] is SliceState.ANNOTATED
    assert history.states_for(1, stack[1], states)[1] is OPEN


def test_only_the_latest_commands_are_kept() -> None:
    history, before = EditHistory(keep=2), np.zeros((12, 12), np.uint8)
    for value in (1, 2, 3):
        edit = SliceEdit(before, square(value, 0, 4), OPEN, SliceState.ACCEPTED)
        history.add({0: edit})
        before = edit.labels_after
    assert history.states_for(0, np.zeros_like(before), [OPEN]) == {}
    assert history.states_for(0, square(2, 0, 4), [OPEN]) == {0: OPEN}


@pytest.mark.parametrize(
    ("before", "painted", "after"),
    [
        pytest.param("empty", True, "annotated", id="paint in an empty slice"),
        pytest.param("empty", False, "empty", id="empty stays"),
        pytest.param("accepted", True, "accepted", id="known stays"),
        pytest.param("annotated", False, "annotated", id="known stays without paint"),
        pytest.param("unseen", True, "in progress", id="begun"),
        pytest.param("suggested", True, "in progress", id="suggestion taken up"),
        pytest.param("rejected", False, "rejected", id="nothing painted"),
        pytest.param("in progress", False, "unseen", id="all erased"),
    ],
)
def test_painting_moves_the_state(before: str, painted: bool, after: str) -> None:
    state = state_after_painting(SliceState(before), has_painted_voxels=painted)
    assert state is SliceState(after)


def test_an_accepted_prediction_comes_in_under_the_paint() -> None:
    labels = accepted_labels(PAINTED, PREDICTED, OPEN)
    assert_array_equal(labels, np.where(PAINTED > 0, PAINTED, PREDICTED))
    with pytest.raises(ProjectError, match="un-annotate it first"):
        accepted_labels(PAINTED, PREDICTED, SliceState.ANNOTATED)


def test_a_state_of_its_own_for_what_was_there_before_comes_back_with_undo() -> None:
    before, after = square(1, 1, 3), square(1, 1, 5)
    history = EditHistory()
    history.add({2: SliceEdit(before, after, OPEN, SliceState.ANNOTATED)})
    history.restate(2, before, SliceState.EMPTY)
    assert history.states_for(2, before, [OPEN] * 4) == {2: SliceState.EMPTY}
    history.restate(2, after, SliceState.ACCEPTED)
    assert history.states_for(2, after, [OPEN] * 4) == {2: SliceState.ACCEPTED}
    history.clear()
    assert history.states_for(2, before, [OPEN] * 4) == {}
