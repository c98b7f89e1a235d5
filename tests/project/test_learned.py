"""A run remembers the slices that it learned from, and those of the run that it started from."""

import json

from napari_transmedseg.project.learned import LEARNED_FILE, learned_slices, note_learned
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project


def test_known_and_begun_slices_are_noted_and_those_of_the_start_stay(project: Project) -> None:
    project.set_slice_states("a", [1], SliceState.ANNOTATED)
    project.set_slice_states("a", [2], SliceState.IN_PROGRESS)
    project.set_slice_states("a", [3], SliceState.REJECTED)
    project.set_slice_states("b", [0], SliceState.EMPTY)
    first = project.new_run(project.config)
    note_learned(project, first)
    assert learned_slices(first, "a") == {1, 2}
    assert learned_slices(first, "b") == {0}
    assert learned_slices(first, "c") == frozenset()
    project.set_slice_states("a", [1], SliceState.UNSEEN)
    project.set_slice_states("a", [4], SliceState.ACCEPTED)
    second = project.new_run(project.config)
    note_learned(project, second, first)
    assert learned_slices(second, "a") == {1, 2, 4}
    assert learned_slices(first, "a") == {1, 2}


def test_a_missing_or_damaged_note_says_nothing(project: Project) -> None:
    run = project.new_run(project.config)
    assert learned_slices(run, "a") == frozenset()
    for text in ("{", "[]", json.dumps({"a": "all"}), json.dumps({"a": ["x", None]})):
        (run.folder / LEARNED_FILE).write_text(text)
        assert learned_slices(run, "a") == frozenset()
    note_learned(project, run)
    assert json.loads((run.folder / LEARNED_FILE).read_text()) == {"a": []}
