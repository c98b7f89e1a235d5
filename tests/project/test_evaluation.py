"""Dice counts what it should and leaves out what it should."""

import json
import math

import numpy as np
import pytest
from cohorts import SHAPE_IPL, disc_classes, make_project, save_classes

from napari_transmedseg.errors import GeometryError, ImageReadError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.evaluation import evaluate
from napari_transmedseg.project.ledger import SliceState


def columns(*values):
    """Label map whose first columns hold the given classes, one column each."""
    array = np.zeros(SHAPE_IPL, np.uint8)
    for index, value in enumerate(values):
        array[:, :, index] = value
    return array


@pytest.mark.parametrize(
    ("predicted", "reference", "expected"),
    [
        pytest.param((1, 1), (1, 1), {"class 1": 1.0}, id="equal"),
        pytest.param((1, 0), (1, 1), {"class 1": 2 / 3}, id="half"),
        pytest.param((1, 0), (0, 1), {"class 1": 0.0}, id="disjoint"),
        pytest.param((0, 0), (1, 1), {"class 1": 0.0}, id="predicts nothing"),
        pytest.param((1, 1), (0, 0), {"class 1": 0.0}, id="reference holds nothing"),
        pytest.param((1, 2), (1, 1), {"class 1": 2 / 3, "class 2": 0.0}, id="one class too many"),
        pytest.param((0, 0), (0, 0), {}, id="both empty"),
    ],
)
def test_dice_of_one_pair(tmp_path, predicted, reference, expected):
    first = save_classes(tmp_path / "a/case.nii.gz", columns(*predicted))
    second = save_classes(tmp_path / "b/case.nii.gz", columns(*reference))
    table = evaluate(first, second)
    assert table.cases[0].dice == pytest.approx(expected)
    assert table.cases[0].num_voxels == np.prod(SHAPE_IPL)


def test_class_that_both_lack_is_left_out_of_the_means(tmp_path):
    for name, values in (("case_1", (1, 2)), ("case_2", (1, 0))):
        save_classes(tmp_path / f"a/{name}.nii.gz", columns(*values))
        save_classes(tmp_path / f"b/{name}.nii.gz", columns(1, 2 if name == "case_1" else 0))
    table = evaluate(tmp_path / "a", tmp_path / "b")
    assert math.isnan(table.cases[1].dice["class 2"])
    assert table.class_means() == {"class 1": 1.0, "class 2": 1.0}
    assert table.mean() == 1.0


def test_mean_goes_over_cases_first_then_over_classes(tmp_path):
    for name, predicted, reference in (
        ("case_1", (1, 2), (1, 2)),
        ("case_2", (1, 0), (1, 0)),
        ("case_3", (0, 0), (1, 0)),
    ):
        save_classes(tmp_path / f"a/{name}.nii.gz", columns(*predicted))
        save_classes(tmp_path / f"b/{name}.nii.gz", columns(*reference))
    table = evaluate(tmp_path / "a", tmp_path / "b")
    assert table.class_means() == pytest.approx({"class 1": 2 / 3, "class 2": 1.0})
    assert table.mean() == pytest.approx(5 / 6)


def test_annotated_voxels_do_not_count(tmp_path):
    project, labels = make_project(tmp_path)
    annotate_from_labels(project, labels, case_ids=["case_1"], slices_per_case=3)
    known = project.annotation("case_1").known
    truth = disc_classes(1)
    save_classes(tmp_path / "out/case_1.nii.gz", np.where(known, 0, truth))
    save_classes(tmp_path / "out/case_2.nii.gz", disc_classes(2))
    table = evaluate(tmp_path / "out", labels, only_unannotated=project)
    annotated, other = table.cases
    assert (annotated.annotated, other.annotated) == (True, False)
    assert annotated.dice == {"ring": 1.0, "core": 1.0}
    assert annotated.num_voxels == np.count_nonzero(~known)
    assert other.num_voxels == np.prod(SHAPE_IPL)
    assert list(table.groups) == ["annotated", "unannotated", "all"]
    assert table.without_prediction == ("case_3", "case_4")


def test_painted_voxels_of_a_slice_in_progress_do_not_count(tmp_path):
    project, labels = make_project(tmp_path, 1)
    annotation = project.annotation("case_1")
    annotation.array[3] = disc_classes(1)[3]
    project.save_annotation("case_1", annotation)
    assert project.ledger("case_1").states[3] is SliceState.IN_PROGRESS
    table = evaluate(labels, labels, only_unannotated=project)
    painted = np.count_nonzero(disc_classes(1)[3])
    assert table.cases[0].num_voxels == np.prod(SHAPE_IPL) - painted


def test_wholly_annotated_case_has_nothing_to_compare(tmp_path):
    project, labels = make_project(tmp_path, 2)
    annotate_from_labels(project, labels, case_ids=["case_1"])
    table = evaluate(labels, labels, only_unannotated=project)
    assert table.cases[0].num_voxels == 0
    assert math.isnan(table.cases[0].mean)
    assert table.mean() == 1.0


def test_voxels_outside_a_known_mask_do_not_count(tmp_path):
    reference = disc_classes()
    known = np.zeros(SHAPE_IPL, np.uint8)
    known[2] = 1
    prediction = np.where(known, reference, 0)
    save_classes(tmp_path / "out/case_1.nii.gz", prediction)
    save_classes(tmp_path / "out/case_1.known.nii.gz", known)
    save_classes(tmp_path / "ref/case_1.nii.gz", reference)
    table = evaluate(tmp_path / "out", tmp_path / "ref")
    assert len(table.cases) == 1
    assert table.cases[0].num_voxels == 20 * 24
    assert table.mean() == 1.0


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 5.0), orientation="LPS"),
                     id="other spacing"),
        pytest.param(Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), orientation="LPS",
                                           origin=(0, 9, 0)), id="other place"),
        pytest.param(Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), orientation="RPS"),
                     id="mirrored"),
    ],
)  # fmt: skip
def test_another_grid_is_refused_with_both_names(tmp_path, geometry):
    save_classes(tmp_path / "out/case_1.nii.gz", disc_classes())
    save_classes(tmp_path / "ref/case_1.nii.gz", disc_classes(), geometry)
    with pytest.raises(GeometryError) as error:
        evaluate(tmp_path / "out", tmp_path / "ref")
    assert str(tmp_path / "out/case_1.nii.gz") in str(error.value)
    assert str(tmp_path / "ref/case_1.nii.gz") in str(error.value)


def test_class_outside_the_projects_is_refused(tmp_path):
    project, _ = make_project(tmp_path, 1)
    save_classes(tmp_path / "out/case_1.nii.gz", columns(1, 7))
    with pytest.raises(ProjectError, match="found the value 7"):
        evaluate(tmp_path / "out", tmp_path / "out", only_unannotated=project)


def test_references_are_found_by_pattern(tmp_path):
    save_classes(tmp_path / "out/p_1.nii.gz", disc_classes())
    save_classes(tmp_path / "ref/p_1_gt.nii.gz", disc_classes())
    assert evaluate(tmp_path / "out", tmp_path / "ref", pattern="{case}_gt").mean() == 1.0
    with pytest.raises(ProjectError, match="same cases"):
        evaluate(tmp_path / "out", tmp_path / "ref")


def test_missing_folder_is_named(tmp_path):
    save_classes(tmp_path / "out/p_1.nii.gz", disc_classes())
    with pytest.raises(ImageReadError, match="nowhere"):
        evaluate(tmp_path / "out", tmp_path / "nowhere")


def test_json_form_holds_no_nan(tmp_path):
    first = save_classes(tmp_path / "a/case.nii.gz", columns(0, 2))
    table = evaluate(first, first)
    text = json.dumps(table.as_dict(), allow_nan=False)
    assert json.loads(text)["means"]["all"] == {"cases": 1, "dice": {"class 2": 1.0}, "mean": 1.0}


def test_a_known_mask_of_another_size_is_refused(tmp_path):
    save_classes(tmp_path / "out/case_1.nii.gz", disc_classes())
    other = Geometry.from_spacing((4, 5, 6), (1.5, 1.5, 6.0), orientation="LPS")
    known = np.ones(other.display_shape, np.uint8)
    save_classes(tmp_path / "out/case_1.known.nii.gz", known, other)
    save_classes(tmp_path / "ref/case_1.nii.gz", disc_classes())
    with pytest.raises(GeometryError, match="found another shape; remove it or write it anew"):
        evaluate(tmp_path / "out", tmp_path / "ref")


def test_a_case_that_is_none_of_the_projects_counts_whole(tmp_path):
    project, labels = make_project(tmp_path, 2)
    annotate_from_labels(project, labels, case_ids=["case_1"], slices_per_case=3)
    for name in ("case_1", "stranger"):
        save_classes(tmp_path / f"out/{name}.nii.gz", disc_classes())
        save_classes(tmp_path / f"ref/{name}.nii.gz", disc_classes())
    with project:
        table = evaluate(tmp_path / "out", tmp_path / "ref", only_unannotated=project)
    counted = {case.case_id: case.num_voxels for case in table.cases}
    assert counted["stranger"] == np.prod(SHAPE_IPL)
    assert counted["case_1"] < counted["stranger"]
