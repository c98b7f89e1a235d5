"""Labels of other tools: paired by usual names, mapped by name or by hand, resampled if asked."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import (
    GEOMETRY,
    SHAPE_IPL,
    disc_classes,
    make_cohort,
    make_project,
    save_classes,
    write_layers,
)
from numpy.testing import assert_array_equal

from napari_transmedseg.cli.main import main
from napari_transmedseg.errors import ConfigError, GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.label_tables import snap_table
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.label_classes import map_classes, parse_mapping
from napari_transmedseg.project.label_files import LABEL_SUFFIXES, pair_label_maps, split_labels
from napari_transmedseg.project.project import Project

CLASSES = {1: "ring", 2: "core"}


def labels(*values: int, names: dict[int, str] | None = None) -> LabelMap:
    array = np.zeros(SHAPE_IPL, np.uint8)
    array.flat[: len(values)] = values
    return LabelMap(array=array, geometry=GEOMETRY, names=names or {})


def mapped(label_map: LabelMap, *pairs: str) -> list[int]:
    found = map_classes(label_map, CLASSES, parse_mapping(pairs), "labels")
    return found.array.flat[:4].tolist()


@pytest.mark.parametrize(
    ("names", "pairs", "expected"),
    [
        pytest.param({}, (), [1, 2, 0, 0], id="numbers are classes"),
        pytest.param({1: "Core", 2: "RING"}, (), [2, 1, 0, 0], id="names win over numbers"),
        pytest.param({1: "Segment_1", 2: "2"}, (), [1, 2, 0, 0], id="names that say nothing"),
        pytest.param({}, ("1=core", "2=1"), [2, 1, 0, 0], id="by hand"),
        pytest.param({1: "x", 2: "y"}, ("x=2,y=background",), [2, 0, 0, 0], id="by hand, by name"),
    ],
)
def test_values_become_classes(names, pairs, expected) -> None:
    assert mapped(labels(1, 2, names=names), *pairs) == expected


def test_other_structures_are_background_once_every_class_has_a_name() -> None:
    named = {1: "ring", 5: "core", 9: "stomach"}
    assert mapped(labels(1, 5, 9, names=named)) == [1, 2, 0, 0]
    with pytest.raises(ProjectError, match="9 'stomach'.*--map 9=1"):
        mapped(labels(1, 9, names={1: "ring", 9: "stomach"}))


def test_unknown_values_say_nothing_of_their_voxels() -> None:
    found = map_classes(labels(1, 7), CLASSES, {"7": "unknown"}, "labels")
    assert found.known is not None
    assert found.known.flat[:3].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("pairs", "error", "words"),
    [
        pytest.param(("1",), ConfigError, "liver=1", id="no pair"),
        pytest.param(("1=nose",), ProjectError, "found 'nose'", id="no such class"),
        pytest.param(("nose=1",), ProjectError, "Expected 'nose'", id="no such label"),
    ],
)
def test_impossible_mappings_are_refused(pairs, error, words) -> None:
    with pytest.raises(error, match=words):
        mapped(labels(1, 2), *pairs)


@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
def test_usual_suffixes_are_found_by_themselves(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"case_1{suffix}.nii.gz").touch()
    (tmp_path / "other.nii.gz").touch()
    pairing = pair_label_maps(tmp_path, ["case_1", "case_2"])
    assert pairing.found["case_1"].name == f"case_1{suffix}.nii.gz"
    assert pairing.sentences() == (
        "No case for the label maps other.", "No label map for the cases case_2.",
    )  # fmt: skip


def test_the_exact_name_goes_before_suffixes_and_two_suffixes_are_refused(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a_seg.nii.gz", "b_seg.nii.gz", "b_gt.nii.gz"):
        (tmp_path / name).touch()
    assert pair_label_maps(tmp_path, ["a"]).found["a"].name == "a.nii.gz"
    with pytest.raises(ProjectError, match="found two for 'b'"):
        pair_label_maps(tmp_path, ["a", "b"])


def test_nnunets_channel_numbers_are_no_part_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "liver_001.nii.gz").touch()
    assert set(pair_label_maps(tmp_path, ["liver_001_0000"]).found) == {"liver_001_0000"}


@pytest.mark.parametrize(
    ("files", "images"),
    [
        pytest.param(["a.nii", "a_seg.nii", "b.nii"], ["a.nii", "b.nii"], id="flat"),
        pytest.param(["x/a.nii", "labels/a.nii"], ["x/a.nii"], id="two folders"),
        pytest.param(["sub-1/s.nii", "derivatives/labels/sub-1/s_seg-manual.nii"], ["sub-1/s.nii"],
                     id="BIDS"),
        pytest.param(["a_seg.nii", "b_seg.nii"], ["a_seg.nii", "b_seg.nii"], id="no twins"),
    ],
)  # fmt: skip
def test_label_maps_beside_images_are_no_cases(files: list[str], images: list[str]) -> None:
    found, left = split_labels([Path(file) for file in files])
    assert [path.as_posix() for path in found] == images
    assert len(left) == len(files) - len(images)


def test_a_flat_folder_of_images_and_label_maps_is_paired(tmp_path: Path) -> None:
    images, masks = make_cohort(tmp_path, 2, suffix="_gt")
    for mask in masks.glob("*.nii.gz"):
        mask.rename(images / mask.name)
    (images / "case_2_gt.nii.gz").unlink()
    with Project.create(tmp_path / "p", images=[images], classes=["ring", "core"]) as project:
        assert [case.case_id for case in project.cases] == ["case_1", "case_2"]
        summary = annotate_from_labels(project, images)
        assert [case.case_id for case in summary.cases] == ["case_1"]
        assert "No label map for the cases case_2." in summary.advice
        assert_array_equal(project.annotation("case_1").array, disc_classes(1))


def test_bids_derivatives_are_paired(real_data, tmp_path: Path) -> None:
    folder = real_data("formats") / "nifti/ivadomed_data-testing/ct_scan"
    with Project.create(tmp_path / "p", images=[folder], classes=["spleen"]) as project:
        assert [case.case_id for case in project.cases] == ["sub-spleen2_ct"]
        annotate_from_labels(project, folder / "derivatives")
        assert project.annotation("sub-spleen2_ct").array.any()


def test_a_segmentation_in_another_voxel_order_is_taken_exactly(tmp_path: Path) -> None:
    project, _ = make_project(tmp_path, 1)
    turned = Geometry(
        shape=(8, 24, 20),
        affine=GEOMETRY.affine
        @ np.array([[0, -1, 0, 23], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
    )
    found = LabelMap(array=disc_classes(2), geometry=turned, names={1: "Core", 2: "Ring"})
    write_labels(tmp_path / "case_1.seg.nrrd", found)

    annotate_from_labels(project, tmp_path / "case_1.seg.nrrd")

    swapped = np.array([0, 2, 1])[disc_classes(2)]
    assert_array_equal(project.annotation("case_1").array, swapped)


def test_names_may_stand_in_a_file_beside(tmp_path: Path) -> None:
    project, labels_folder = make_project(tmp_path, 1)
    (tmp_path / "names.txt").write_text(snap_table({1: "core", 2: "ring"}, {}))
    annotate_from_labels(project, labels_folder, names=tmp_path / "names.txt")
    assert_array_equal(project.annotation("case_1").array, np.array([0, 2, 1])[disc_classes(1)])


def test_another_grid_is_resampled_only_when_asked_and_then_told(tmp_path: Path) -> None:
    project, _ = make_project(tmp_path, 1)
    fine = Geometry(
        shape=(48, 40, 8),
        affine=GEOMETRY.affine @ np.array(
            [[0.5, 0, 0, -0.25], [0, 0.5, 0, -0.25], [0, 0, 1, 0], [0, 0, 0, 1]]
        ),
    )  # fmt: skip
    array = disc_classes(1).repeat(2, axis=1).repeat(2, axis=2)
    save_classes(tmp_path / "fine" / "case_1.nii.gz", array, fine)

    with pytest.raises(GeometryError, match="case_1"):
        annotate_from_labels(project, tmp_path / "fine")
    summary = annotate_from_labels(project, tmp_path / "fine", resample=True)

    assert_array_equal(project.annotation("case_1").array, disc_classes(1))
    assert "Resampled (majority), ml: ring" in summary.advice[0]


def test_overlapping_segments_come_in_by_a_rule_and_are_told(tmp_path: Path, capsys) -> None:
    project, _ = make_project(tmp_path, 1)
    project.close()
    ring = GEOMETRY.to_source((disc_classes(1) > 0).astype(np.uint8))
    core = GEOMETRY.to_source((disc_classes(1) == 2).astype(np.uint8))
    path = tmp_path / "case_1.seg.nrrd"
    write_layers(path, np.stack([core, ring]), ("core", "ring"))
    command = ["annotate", str(project.folder), "--from-labels", str(path)]

    assert main(command) == 2
    voxels = np.count_nonzero(core)
    refusal = " ".join(capsys.readouterr().err.split())
    assert f"'ring' over 'core' on {voxels} voxels" in refusal
    assert main([*command, "--overlap", "core,ring"]) == 0

    assert f"'core' over 'ring' on {voxels} voxels" in " ".join(capsys.readouterr().err.split())
    with Project.open(project.folder, read_only=True) as found:
        assert_array_equal(found.annotation("case_1").array, disc_classes(1))
