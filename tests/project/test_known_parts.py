"""Of a label map that is brought in, only what a person says is known."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import GEOMETRY, disc_classes, make_project, save_classes

from napari_transmedseg.cli.main import main
from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.alignment import onto_same_grid, resample_labels
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.export import ExportOptions, export
from napari_transmedseg.project.known_parts import known_as
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

A, E, P, U = (
    SliceState.ANNOTATED, SliceState.EMPTY, SliceState.IN_PROGRESS, SliceState.UNSEEN
)  # fmt: skip


@pytest.mark.parametrize(
    ("known", "states"),
    [
        pytest.param("all", [E, *[A] * 6, E], id="all"),
        pytest.param("slices", [U, *[A] * 6, U], id="slices"),
        pytest.param("voxels", [U, *[P] * 6, U], id="voxels"),
    ],
)
def test_states_follow_from_what_is_known(tmp_path: Path, known: str, states: list) -> None:
    project, labels = make_project(tmp_path, 1)
    with project:
        annotate_from_labels(project, labels, known=known, who={"case_1": "bert"})
        assert project.ledger("case_1").states == states
        entries = project.ledger("case_1").entries
        assert {entry.who for entry in entries if entry.state is not U} == {"bert"}
        np.testing.assert_array_equal(project.annotation("case_1").array, disc_classes(1))
        by_command = tmp_path / "by_command"
        main(["new", str(by_command), "--images", str(tmp_path / "images"), "--classes",
              "ring,core"])  # fmt: skip
        main(["annotate", str(by_command), "--from-labels", str(labels), "--known", known])
        with Project.open(by_command) as other:
            assert other.ledger("case_1").states == states


def test_reviewed_masks_come_back_without_background_that_nobody_saw(tmp_path: Path) -> None:
    project, labels = make_project(tmp_path, 1)
    with project:
        annotate_from_labels(project, labels, slices_per_case=3)
        before = project.annotation("case_1")
        states = project.ledger("case_1").states
        export(project, tmp_path / "masks", ExportOptions(reviewed_only=True))
    with Project.create(
        tmp_path / "other", images=[tmp_path / "images"], classes=["ring", "core"]
    ) as other:
        annotate_from_labels(other, tmp_path / "masks")
        assert other.ledger("case_1").states == states
        np.testing.assert_array_equal(other.annotation("case_1").known, before.known)


def test_a_known_mask_of_other_voxels_is_refused(tmp_path: Path) -> None:
    project, labels = make_project(tmp_path, 1)
    with project:
        shifted = Geometry.from_spacing(GEOMETRY.shape, (1.5, 1.5, 5.0), orientation="LPS")
        save_classes(labels / "case_1.known.nii.gz", disc_classes(), shifted)
        with pytest.raises(ImageReadError, match="known.nii.gz on the voxels of"):
            annotate_from_labels(project, labels)
        assert set(project.ledger("case_1").states) == {U}


def test_no_more_is_known_than_a_mask_says() -> None:
    array = np.zeros(GEOMETRY.display_shape, dtype=np.uint8)
    array[2, 3:5, 3:5] = 1
    mask = np.zeros(array.shape, dtype=bool)
    mask[:, 4:] = True
    label_map = LabelMap(array=array, geometry=GEOMETRY, known=mask)
    assert known_as(label_map, "voxels", 0).known.sum() == 2
    slices = known_as(label_map, "slices", 0).known
    assert slices[2, 4:].all() and slices.sum() == slices[2, 4:].size


@pytest.mark.parametrize("way", ["resampled", "sparse"])
def test_unknown_voxels_stay_unknown_on_the_grid_of_the_image(way: str) -> None:
    array = disc_classes()
    known = array != 2
    if way == "sparse":
        affine = GEOMETRY.affine.copy()
        affine[:3, 3] = (affine @ (0, 0, 1, 1))[:3]
        part = Geometry(shape=(*GEOMETRY.shape[:2], 6), affine=affine)
        cut = LabelMap(array=array[1:7], geometry=part, known=known[1:7])
        moved = onto_same_grid(cut, GEOMETRY, "labels", "image", sparse=True)
    else:
        shape, spacing = GEOMETRY.shape, GEOMETRY.spacing
        fine = Geometry.from_spacing(shape, (spacing[0] * 0.999, *spacing[1:]), orientation="LPS")
        cut = LabelMap(array=array, geometry=GEOMETRY, known=known)
        moved, _ = resample_labels(cut, fine, "labels", "image")
    np.testing.assert_array_equal(moved.known, moved.array != 2)
