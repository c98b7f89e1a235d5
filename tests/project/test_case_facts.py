"""What a table says about a case, without reading its image."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.project.case_facts import DAMAGED, facts_of, format_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.review_queue import review_queue
from napari_transmedseg.project.slice_scores import SliceScores
from napari_transmedseg.project.suggesting import project_slices

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


def test_a_sheared_grid_is_a_problem_of_its_case(project: Project, tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[1, 2] = 1.0
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.int16), affine), tmp_path / "tilted.nii.gz")
    (case,) = project.add_images([tmp_path / "tilted.nii.gz"])
    assert "off right angles" in facts_of(project, case).problem


def test_a_damaged_ledger_is_a_problem_of_its_case_only(project: Project) -> None:
    project.set_slice_state("a", 2, SliceState.EMPTY)
    project.set_slice_state("b", 2, SliceState.EMPTY)
    (file,) = (project.folder / "annotations").glob("a*.json")
    folder = project.folder
    project.close()
    file.write_text("{")
    with Project.open(folder) as opened:
        facts = facts_of(opened, opened.case("a"))
        assert (facts.state, facts.num_slices) == (DAMAGED, 6)
        assert "Expected" in facts.problem and file.name in facts.problem
        assert facts_of(opened, opened.case("b")).num_annotated == 1
        assert opened.readable_ledger("a") is None
        assert [one.case_id for one in project_slices(opened, {})] == ["b", "c"]
        scores = SliceScores(slice_uncertainty=(0.5,) * 6)
        queue = review_queue(opened, {"a": scores, "b": scores}, 20)
        assert {one.case_id for one in queue.head} == {"b"}


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
