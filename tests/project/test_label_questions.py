"""What foreign label maps hold is shown before it is taken, and taken as a person says."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import GEOMETRY, disc_classes, make_project, save_classes, write_layers

from napari_transmedseg.errors import ImageReadError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.label_questions import look_into_labels
from napari_transmedseg.project.project import Project


@pytest.fixture
def cohort(tmp_path: Path):
    project, labels = make_project(tmp_path, num_cases=2)
    with project:
        yield project, labels


def save_named(path: Path, values: dict[int, str], array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, LabelMap(array=array.astype(np.uint8), geometry=GEOMETRY, names=values))
    return path


def test_values_are_counted_and_taken_for_the_classes_of_their_number(
    cohort: tuple[Project, Path],
) -> None:
    project, labels = cohort
    found = look_into_labels(project, labels)
    assert sorted(found.files) == ["case_1", "case_2"]
    assert [(one.key, one.suggestion, one.num_cases) for one in found.labels] == [
        ("1", "ring", 2), ("2", "core", 2),
    ]  # fmt: skip
    total = sum(int((disc_classes(n % 3) == 1).sum()) for n in (1, 2))
    assert found.labels[0].num_voxels == total
    assert (found.off_grid, found.annotated) == ((), ())


def test_names_count_where_values_differ_from_file_to_file(
    cohort: tuple[Project, Path], tmp_path: Path
) -> None:
    project, _ = cohort
    disc = disc_classes()
    folder = tmp_path / "slicer"
    save_named(folder / "case_1.seg.nrrd", {1: "Core", 2: "liver"}, np.where(disc == 2, 1, 0))
    save_named(folder / "case_2.seg.nrrd", {1: "liver", 2: "Core"}, disc)
    found = look_into_labels(project, folder)
    suggested = {one.key: one.suggestion for one in found.labels}
    assert suggested == {"Core": "core", "liver": "background"}
    annotate_from_labels(
        project, found.files, mapping=suggested | {"liver": "ring"}, allow_unused=True
    )
    np.testing.assert_array_equal(project.annotation("case_2").array, disc)
    np.testing.assert_array_equal(project.annotation("case_1").array, np.where(disc == 2, 2, 0))


def test_a_file_of_any_name_belongs_to_the_case_that_is_asked_for(
    cohort: tuple[Project, Path], tmp_path: Path
) -> None:
    project, _ = cohort
    file = save_classes(tmp_path / "Segmentation.nii.gz", disc_classes())
    assert dict(look_into_labels(project, file, case_id="case_2").files) == {"case_2": file}


def test_other_grids_and_labels_that_are_there_are_told(
    cohort: tuple[Project, Path], tmp_path: Path
) -> None:
    project, labels = cohort
    annotate_from_labels(project, labels, case_ids=["case_1"])
    fine = Geometry.from_spacing((24, 20, 16), (1.5, 1.5, 3.0), orientation="LPS",
                                 origin=(0, 0, 1.5))  # fmt: skip
    twice = np.repeat(disc_classes(), 2, axis=0)
    save_classes(tmp_path / "fine" / "case_1.nii.gz", twice, fine)
    found = look_into_labels(project, tmp_path / "fine")
    assert (found.off_grid, found.annotated) == (("case_1",), ("case_1",))
    assert "No label map for the cases case_2" in " ".join(found.advice)


def test_by_default_a_mapping_may_name_only_what_there_is(
    cohort: tuple[Project, Path],
) -> None:
    project, labels = cohort
    with pytest.raises(ProjectError, match="Expected 'liver'"):
        annotate_from_labels(project, labels, mapping={"liver": "ring"})


def test_overlapping_segments_are_asked_about_and_counted_by_the_rule(
    cohort: tuple[Project, Path], tmp_path: Path
) -> None:
    project, _ = cohort
    disc = disc_classes()
    core, ring = np.count_nonzero(disc == 2), np.count_nonzero(disc)
    layers = [GEOMETRY.to_source(part.astype(np.uint8)) for part in (disc == 2, disc > 0)]
    folder = tmp_path / "slicer"
    folder.mkdir()
    write_layers(folder / "case_1.seg.nrrd", np.stack(layers), ("core", "ring"))
    save_named(folder / "case_2.seg.nrrd", {1: "ring"}, disc > 0)  # has no core at all

    found = look_into_labels(project, folder)
    assert [(one.names, one.num_voxels) for one in found.overlaps] == [(("core", "ring"), core)]
    assert {one.key: one.num_voxels for one in found.labels} == {"ring": 2 * ring}

    rule = OverlapRule(first=("core",), passes_over=True)
    found = look_into_labels(project, folder, overlap=rule)
    assert found.overlaps
    assert {one.key: one.num_voxels for one in found.labels} == {
        "core": core, "ring": 2 * ring - core,
    }  # fmt: skip
    annotate_from_labels(project, found.files, overlap=rule)
    np.testing.assert_array_equal(project.annotation("case_1").array, disc)
    with pytest.raises(ImageReadError, match="found 'core' in the order of"):
        annotate_from_labels(project, folder, overlap=OverlapRule(first=("core",)), replace=True)
