"""Slices lie in another plane only while nobody said anything about those of this one."""

from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.cli.main import main
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import CLASSES, SHAPE, assert_is_one_sentence, paint

AXIAL, CORONAL, SAGITTAL = range(3)


def plant(project: Project, case_id: str = "a") -> LabelMap:
    """Paint the voxels 2 to 3 of slice 1 and mark it done."""
    project.save_annotation(case_id, paint(project, case_id, 1))
    project.set_slice_state(case_id, 1, SliceState.ANNOTATED)
    return project.annotation(case_id)


def test_an_untouched_project_takes_another_plane_and_keeps_it(project: Project) -> None:
    heard = []
    project.ledger_changed.connect(heard.append)
    project.set_slice_state("a", 2, SliceState.SUGGESTED)  # says nothing of the slice
    assert project.slice_axis == AXIAL
    backup = project.set_plane("coronal")
    assert (project.slice_axis, project.num_slices("a")) == (CORONAL, SHAPE[1])
    assert project.ledger("a").counts()[SliceState.UNSEEN] == SHAPE[1]
    assert heard[-3:] == ["a", "b", "c"]
    assert {path.name for path in backup.iterdir()} >= {"project.json", "annotations"}
    plant(project)
    project.close()
    with Project.open(project.folder) as again:
        assert again.slice_axis == CORONAL
        assert again.ledger("a").labeled_indices() == [1]


def test_the_same_plane_is_no_change(project: Project) -> None:
    plant(project)
    assert project.set_plane("axial") is None
    assert project.set_plane("auto") is None
    assert not (project.folder / "backups").exists()


@pytest.mark.parametrize(
    ("state", "slices"),
    [
        pytest.param(SliceState.EMPTY, [0, 4], id="empty"),
        pytest.param(SliceState.REJECTED, [3], id="rejected"),
        pytest.param(None, [1], id="painted"),
    ],
)
def test_whatever_a_person_said_keeps_the_plane(project: Project, state, slices) -> None:
    if state is None:
        project.save_annotation("b", paint(project, "b", *slices))
    else:
        project.set_slice_states("b", slices, state)
    states = project.ledger("b").states
    with pytest.raises(ProjectError, match=rf"found {len(slices)} annotated slice.*\(b\)") as stop:
        project.set_plane("sagittal")
    assert_is_one_sentence(stop.value)
    assert project.slice_axis == AXIAL
    assert project.ledger("b").states == states


def test_labels_of_a_removed_case_keep_the_plane_too(project: Project) -> None:
    plant(project, "b")
    project.remove_case("b")
    with pytest.raises(ProjectError, match=r"1 annotated slice \(b\)"):
        project.set_plane("coronal")


def test_snapshots_of_the_plane_before_cannot_be_restored_into_this_one(project: Project) -> None:
    plant(project)
    nothing = LabelMap(array=np.zeros_like(project.annotation("a").array),
                       geometry=project.geometry("a"))  # fmt: skip
    project.import_labels("a", nothing, [1], overwrite=True)
    project.set_slice_state("a", 1, SliceState.UNSEEN)
    assert project.snapshots("a")
    backup = project.set_plane("coronal")
    assert project.snapshots("a") == ()
    assert list((backup / "snapshots" / "a").glob("*.slices"))


def test_an_unknown_plane_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="found 'oblique'"):
        project.set_plane("oblique")


def test_the_way_out_keeps_what_is_known_and_makes_nothing_up(
    project: Project, images: list[Path], tmp_path: Path
) -> None:
    """What the refusal advises: a new project, and the labels brought in."""
    before = plant(project)
    project.close()
    with Project.create(
        tmp_path / "other", images=images, classes=CLASSES, plane="sagittal"
    ) as other:
        annotate_from_labels(other, project.folder / "annotations")
        after = other.annotation("a")
        np.testing.assert_array_equal(after.array, before.array)
        assert set(other.ledger("a").states) == {SliceState.IN_PROGRESS, SliceState.UNSEEN}
        assert other.ledger("a").counts()[SliceState.IN_PROGRESS] == 2
        assert not (after.known & ~before.known).any()  # unknown did not become background
        np.testing.assert_array_equal(after.known, before.array > 0)


def test_the_command_changes_the_plane_or_says_why_not(project: Project, capsys) -> None:
    project.close()
    folder = str(project.folder)
    assert main(["plane", folder, "sagittal"]) == 0
    assert f"has another plane now: {3 * SHAPE[0]} sagittal slices." in capsys.readouterr().out
    with Project.open(folder) as again:
        assert again.slice_axis == SAGITTAL
        plant(again)
    assert main(["plane", folder, "axial"]) == 2
    assert "make a new project" in capsys.readouterr().err
    assert main(["plane", folder, "sagittal"]) == 0
    assert "lies in that plane already" in capsys.readouterr().out
