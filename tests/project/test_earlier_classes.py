"""Values of an earlier state mean the classes that they meant then, whatever happened since."""

import numpy as np
import pytest

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.earlier_classes import with_classes_of_now
from napari_transmedseg.project.ledger import Ledger
from napari_transmedseg.project.schema import MAX_CLASSES, SegmentationClass, make_classes
from napari_transmedseg.project.slice_file import StoredSlices

PLANE = np.array([[0, 1], [2, 3]], np.uint8)


def stored(num_removed: int | None = 0, plane=PLANE, names="ABC") -> StoredSlices:
    return StoredSlices({0: plane}, Ledger.untouched(1), True, "", "", tuple(names), num_removed)


def gone(*classes: tuple[int, str]) -> list[SegmentationClass]:
    return [SegmentationClass(value=value, name=name, color="#123456") for value, name in classes]


def outcome(
    earlier: StoredSlices, now: str, removed: list[SegmentationClass]
) -> tuple[list[str], list[str]]:
    """Names of what the voxels 1, 2, … are now, and of the classes to add."""
    classes = make_classes(now)
    moved, back = with_classes_of_now(earlier, classes, removed)
    assert [one.value for one in back] == [len(now) + 1 + n for n in range(len(back))]
    names = ["background", *(one.name for one in classes), *(one.name for one in back)]
    before, after = earlier.slices[0].ravel(), moved.slices[0].ravel()
    assert {int(after[before == 0].max(initial=0))} == {0}
    found = [names[value] for value in after[before > 0].tolist()]
    return found, [one.name for one in back]


@pytest.mark.parametrize(
    ("now", "removed", "found", "back"),
    [
        pytest.param("ABC", [], "ABC", "", id="nothing happened"),
        pytest.param("XYZ", [], "XYZ", "", id="all renamed"),
        pytest.param("BAC", [], "BAC", "", id="two swapped their names"),
        pytest.param("ABCD", [], "ABC", "", id="one added"),
        pytest.param("BCA", [(1, "A")], "ABC", "", id="removed and added again"),
        pytest.param("BCa", [(1, "A")], "aBC", "", id="added again in small letters"),
        pytest.param("BX", [(1, "A"), (2, "C")], "ABC", "AC", id="another in its place"),
        pytest.param("BC", [(1, "X")], "XBC", "X", id="renamed, then removed"),
        pytest.param("C", [(2, "B"), (1, "A")], "ABC", "AB", id="two removed"),
        pytest.param("ABC", [(4, "D")], "ABC", "", id="a later one removed"),
    ],
)
def test_values_follow_the_history_of_the_classes(now, removed, found, back) -> None:
    assert outcome(stored(), now, gone(*removed)) == ([*found], [*back])


def test_a_class_that_took_the_name_of_a_removed_one_is_not_taken_for_it() -> None:
    """And what is added for it is found when the same state is restored again."""
    removed = gone((1, "A"))
    assert outcome(stored(), "AC", removed) == (["A (2)", "A", "C"], ["A (2)"])
    assert outcome(stored(), ["A", "C", "A (2)"], removed) == (["A (2)", "A", "C"], [])


def test_two_removed_classes_of_one_name_stay_apart() -> None:
    removed = gone((1, "A"), (1, "A"))
    assert outcome(stored(), "C", removed) == (["A", "A (2)", "C"], ["A", "A (2)"])


def test_a_class_comes_back_in_its_colour() -> None:
    _, (back,) = with_classes_of_now(stored(), make_classes("BC"), gone((1, "A")))
    assert (back.name, back.color) == ("A", "#123456")


def test_only_removals_after_the_state_count() -> None:
    removed = gone((1, "before"), (4, "after"))
    assert outcome(stored(1), "ABC", removed) == (["A", "B", "C"], [])


def test_classes_without_voxels_are_not_brought_back() -> None:
    blank = stored(plane=np.zeros((2, 2), np.uint8))
    assert outcome(blank, "B", gone((1, "A"), (2, "C"))) == ([], [])


@pytest.mark.parametrize(
    ("now", "found", "back"),
    [
        pytest.param("CAB", "ABC", "", id="moved"),
        pytest.param("AXCD", "AXC", "", id="one renamed"),
        pytest.param("AC", "ABC", "B", id="one removed"),
    ],
)
@pytest.mark.parametrize("num_removed", [None, 7], ids=["older file", "of a later description"])
def test_without_a_history_names_decide(now, found, back, num_removed) -> None:
    assert outcome(stored(num_removed), now, []) == ([*found], [*back])


@pytest.mark.parametrize("num_removed", [0, None])
def test_voxels_of_a_class_that_nobody_named_are_not_lost(num_removed) -> None:
    odd = stored(num_removed, plane=np.array([[0, 9]], np.uint8))
    assert outcome(odd, "ABC", []) == (["class 9"], ["class 9"])


def test_more_classes_than_there_are_values_are_refused() -> None:
    names = [f"class {n}" for n in range(1, MAX_CLASSES + 1)]
    with pytest.raises(ProjectError, match="at most 255 classes"):
        with_classes_of_now(stored(), make_classes(names), gone((1, "A")))
