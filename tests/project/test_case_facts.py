"""What a table says about a case, without reading its image."""

from pathlib import Path

import pytest

from napari_transmedseg.project.case_facts import facts_of, format_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import paint


def test_slices_are_counted_by_how_they_became_known(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 0, 1))
    project.set_slice_state("a", 0, SliceState.ANNOTATED)
    project.set_slice_state("a", 1, SliceState.ACCEPTED)
    project.set_slice_state("a", 2, SliceState.EMPTY)
    facts = facts_of(project, project.case("a"))
    assert (facts.num_annotated, facts.num_accepted, facts.num_slices) == (2, 1, 6)
    assert (facts.state, facts.problem, facts.kind) == ("begun", "", "NIfTI")


@pytest.mark.parametrize(
    ("state", "word"),
    [
        pytest.param(SliceState.UNSEEN, "not begun", id="untouched"),
        pytest.param(SliceState.IN_PROGRESS, "in progress", id="painted"),
        pytest.param(SliceState.EMPTY, "complete", id="all known"),
    ],
)
def test_states_are_plain_words(project: Project, state: SliceState, word: str) -> None:
    if state is not SliceState.UNSEEN:
        project.set_slice_states("b", range(6), state)
    facts = facts_of(project, project.case("b"))
    assert facts.state == word
    assert (facts.problem == "No label yet.") == (state is SliceState.UNSEEN)


def test_a_missing_image_is_named(project: Project) -> None:
    project.image_path("c").unlink()
    facts = facts_of(project, project.case("c"))
    assert facts.is_missing
    assert str(project.image_path("c")) in facts.problem


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.nii.gz", "NIfTI"), ("a.NRRD", "NRRD"), ("a.mhd", "MetaImage"), ("series", "DICOM")],
)
def test_formats_have_names(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind
