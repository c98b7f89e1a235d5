"""Exported masks: people's labels where they are, predictions elsewhere, on the image's grid."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_files import write_series
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ConfigError, ProjectError
from napari_transmedseg.imaging.alignment import onto_same_grid
from napari_transmedseg.imaging.io import read_labels, write_labels
from napari_transmedseg.imaging.label_tables import read_label_table
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.export import ExportOptions, export
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import CLASSES, paint


def predict_all(project: Project, value: int = 3) -> str:
    run = project.new_run(TrainingConfig())
    for case in project.cases:
        predicted = LabelMap.empty(project.geometry(case.case_id), known=True)
        predicted.array[:] = value
        project.save_prediction(run.run_id, case.case_id, predicted)
    return run.run_id


@pytest.fixture
def annotated(project: Project) -> Project:
    """Case a: slice 1 annotated, slice 2 in progress."""
    project.save_annotation("a", paint(project, "a", 1, 2))
    project.set_slice_state("a", 1, SliceState.ANNOTATED)
    return project


def test_people_win_where_they_labeled_and_the_prediction_fills_the_rest(
    annotated: Project, tmp_path: Path
) -> None:
    run_id = predict_all(annotated)

    done = export(annotated, tmp_path / "out")

    assert [case.case_id for case in done] == ["a", "b", "c"]
    mask = read_labels(tmp_path / "out" / "a.nii.gz").array
    known = annotated.annotation("a").known
    assert_array_equal(mask[known], annotated.annotation("a").array[known])
    assert (mask[~known] == 3).all()
    assert mask[1].max() == 1
    assert done[0].run_id == run_id
    assert done[0].slice_states[1] == "annotated"
    for case in done:
        image, written = nib.load(annotated.image_path(case.case_id)), nib.load(case.path)
        assert written.shape == image.shape
        assert_array_equal(written.affine, image.affine)
        assert written.header["sform_code"] == image.header["sform_code"]
        assert case.known_path is None


def test_reviewed_only_writes_what_people_vouch_for_and_says_what_that_is(
    annotated: Project, tmp_path: Path
) -> None:
    predict_all(annotated)

    done = export(annotated, tmp_path / "out", ExportOptions(reviewed_only=True))

    assert [case.case_id for case in done] == ["a"]
    assert done[0].known_path == tmp_path / "out" / "a.known.nii.gz"
    mask = read_labels(done[0].path).array
    known = read_labels(done[0].known_path).array
    assert set(np.unique(mask)) == {0, 1}
    assert_array_equal(known > 0, annotated.annotation("a").known)
    assert not mask[known == 0].any()


def test_the_summary_tells_volumes_provenance_and_model(annotated: Project, tmp_path: Path) -> None:
    run_id = predict_all(annotated)
    export(annotated, tmp_path / "out")

    summary = json.loads((tmp_path / "out" / "export.json").read_text())

    voxel_ml = 1.5 * 1.5 * 8 / 1000
    first = summary["cases"][0]
    assert_allclose(first["volumes_ml"]["RV"], 8 * voxel_ml)
    assert first["path"] == "a.nii.gz"
    assert summary["runs"][run_id]["seed"] == 0
    assert "numpy" in summary["versions"]
    assert summary["classes"] == {"1": "RV", "2": "myocardium", "3": "LV"}


def test_a_case_that_is_annotated_as_a_whole_needs_no_prediction(
    project: Project, tmp_path: Path
) -> None:
    for case in project.cases:
        labels = LabelMap.empty(project.geometry(case.case_id), known=True)
        labels.array[3] = 2
        project.import_labels(case.case_id, labels)

    done = export(project, tmp_path / "out")

    assert [case.run_id for case in done] == [None] * 3
    assert (read_labels(done[2].path).array[3] == 2).all()


def test_a_missing_prediction_is_named_and_nothing_is_written(
    annotated: Project, tmp_path: Path
) -> None:
    with pytest.raises(ProjectError, match="3 of 3 .a, b, c.; predict first"):
        export(annotated, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_reviewed_is_said(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="annotated slices"):
        export(project, tmp_path / "out", ExportOptions(reviewed_only=True))


def test_images_are_never_overwritten(annotated: Project) -> None:
    predict_all(annotated)
    folder = annotated.image_path("a").parent
    before = annotated.image_path("a").read_bytes()

    with pytest.raises(ProjectError, match="no earlier export"):
        export(annotated, folder)
    (folder / "export.json").write_text("{}")
    with pytest.raises(ProjectError, match="no earlier export"):
        export(annotated, folder)

    assert annotated.image_path("a").read_bytes() == before


def test_labels_of_others_are_never_overwritten(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    (tmp_path / "references").mkdir()
    reference = tmp_path / "references" / "b.nii.gz"
    reference.write_bytes(b"somebody's work")

    with pytest.raises(ProjectError, match=r"b\.nii\.gz"):
        export(annotated, tmp_path / "references")

    assert reference.read_bytes() == b"somebody's work"
    assert not (tmp_path / "references" / "a.nii.gz").exists()


@pytest.mark.parametrize("name", ["annotations", "predictions", "predictions/x", "runs"])
def test_the_projects_own_folders_are_no_place_for_export(annotated: Project, name: str) -> None:
    predict_all(annotated)
    with pytest.raises(ProjectError, match="choose another folder"):
        export(annotated, annotated.folder / name)


def test_an_earlier_export_is_replaced(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated, 3)
    export(annotated, tmp_path / "out")
    predict_all(annotated, 2)

    export(annotated, tmp_path / "out")

    assert read_labels(tmp_path / "out" / "b.nii.gz").array.max() == 2


def test_an_older_run_can_be_exported_from_a_project_opened_read_only(
    annotated: Project, tmp_path: Path
) -> None:
    first = predict_all(annotated, 3)
    predict_all(annotated, 2)
    reader = Project.open(annotated.folder, read_only=True)

    export(reader, tmp_path / "out", ExportOptions(run_id=first))

    assert read_labels(tmp_path / "out" / "b.nii.gz").array.max() == 3


@pytest.mark.parametrize("file_format", ["nii", "nrrd", "seg.nrrd"])
def test_masks_come_in_the_format_that_is_asked_for(
    annotated: Project, tmp_path: Path, file_format: str
) -> None:
    predict_all(annotated)
    export(annotated, tmp_path / "nifti")
    done = export(annotated, tmp_path / "out", ExportOptions(file_format=file_format))
    for case in done:
        assert case.path.name == f"{case.case_id}.{file_format}"
        mask, twin = read_labels(case.path), read_labels(tmp_path / f"nifti/{case.case_id}.nii.gz")
        assert_array_equal(mask.array, twin.array)
        assert mask.geometry.same_space(twin.geometry)
        if file_format == "seg.nrrd":
            assert mask.names == annotated.class_names
            assert mask.colors == {item.value: item.color for item in annotated.classes}


def test_each_class_has_a_file_of_its_own(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    whole = export(annotated, tmp_path / "whole")
    done = export(annotated, tmp_path / "out", ExportOptions(per_class=True))
    for case, other in zip(done, whole, strict=True):
        mask = read_labels(other.path).array
        for value, name in zip(annotated.class_names, case.files, strict=True):
            part = read_labels(tmp_path / "out" / name).array
            assert_array_equal(part, mask == value)


def test_names_and_colours_lie_beside_the_masks(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    export(annotated, tmp_path)
    colors = {item.value: item.color for item in annotated.classes}
    for suffix in (".itksnap.txt", ".ctbl", ".labels.json"):
        names, found = read_label_table(tmp_path / f"classes{suffix}")
        assert list(names) == list(annotated.class_names)
        assert found == colors


def test_an_export_that_fails_leaves_the_earlier_one_whole(
    annotated: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_all(annotated)
    export(annotated, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    predict_all(annotated, value=2)
    written = []

    def full_at_the_second(path: Path, mask: LabelMap) -> None:
        written.append(path)
        if len(written) == 2:
            raise ProjectError("Expected room, found a full disk; free some space.")
        write_labels(path, mask)

    monkeypatch.setattr("napari_transmedseg.project.mask_files.write_labels", full_at_the_second)
    with pytest.raises(ProjectError, match="full disk"):
        export(annotated, tmp_path / "out")

    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_dicom_seg_needs_cases_of_dicom_series(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    with pytest.raises(ProjectError, match="DICOM series.*choose another format"):
        export(annotated, tmp_path / "out", ExportOptions(file_format="dicom-seg"))
    assert not (tmp_path / "out").exists()


def test_probabilities_need_a_run(annotated: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="predict first"):
        export(annotated, tmp_path / "out", ExportOptions(reviewed_only=True, probabilities=True))


def test_only_the_chosen_cases_are_exported(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    done = export(annotated, tmp_path / "out", ExportOptions(cases=("c", "a", "c")))
    assert [case.case_id for case in done] == ["c", "a"]
    with pytest.raises(ProjectError, match="found 'x'"):
        export(annotated, tmp_path / "out", ExportOptions(cases=("x",)))


def test_cleaning_changes_predicted_voxels_only(annotated: Project, tmp_path: Path) -> None:
    run = annotated.new_run(TrainingConfig())
    for case in annotated.cases:
        predicted = LabelMap.empty(annotated.geometry(case.case_id), known=True)
        predicted.array[3:6, :5, :5] = 3
        predicted.array[4, 2, 2] = 0
        predicted.array[5, 8, 7] = 3
        annotated.save_prediction(run.run_id, case.case_id, predicted)

    export(annotated, tmp_path / "raw")
    export(annotated, tmp_path / "out", ExportOptions(cleanup="largest-holes"))

    for name in ("a", "b"):
        raw, clean = (read_labels(tmp_path / place / f"{name}.nii.gz") for place in ("raw", "out"))
        changed = np.argwhere(raw.array != clean.array).tolist()
        assert changed == [[4, 2, 2], [5, 8, 7]]
        assert clean.array[4, 2, 2] == 3
        known = annotated.annotation(name).known
        assert_array_equal(clean.array[known], annotated.annotation(name).array[known])


def test_tables_tell_volumes_and_who_labeled_each_slice(annotated: Project, tmp_path: Path) -> None:
    run_id = predict_all(annotated)
    annotated.set_slice_state("a", 4, SliceState.EMPTY, who="=Ann")
    export(annotated, tmp_path / "out")

    cases, slices = (
        list(csv.DictReader((tmp_path / "out" / name).read_text().splitlines()))
        for name in ("export.csv", "slices.csv")
    )

    assert [(row["case"], row["run"], row["slices annotated"]) for row in cases] == [
        ("a", run_id, "1"), ("b", run_id, "0"), ("c", run_id, "0"),
    ]  # fmt: skip
    assert float(cases[1]["LV ml"]) == pytest.approx(8 * 9 * 6 * 1.5 * 1.5 * 8 / 1000)
    of_a = [(row["labels by"], row["run"], row["who"]) for row in slices[:6]]
    assert [(row["slice"], row["slice_index"]) for row in slices[:6]] == [
        (str(index + 1), str(index)) for index in range(6)
    ]
    page = (tmp_path / "out" / "export.html").read_text()
    assert f"Slice {slices[4]['slice']}: {slices[4]['state']}" in page
    assert of_a[1] == ("a person", "", "")
    assert of_a[2] == ("a person and the model", run_id, "")
    assert of_a[3] == ("the model", run_id, "")
    assert of_a[4] == ("a person", "", "'=Ann")


@pytest.mark.parametrize("run_id", [None, "run-001"], ids=["latest", "chosen"])
def test_predictions_of_other_classes_are_not_exported(
    annotated: Project, tmp_path: Path, run_id: str | None
) -> None:
    predict_all(annotated)
    annotated.remove_class(3)
    with pytest.raises(ProjectError, match="Expected a prediction for every case"):
        export(annotated, tmp_path / "out", ExportOptions(run_id=run_id))


def test_a_page_sums_the_export_up(annotated: Project, tmp_path: Path) -> None:
    annotated.rename_class(1, "RV <right>")
    run_id = predict_all(annotated)
    export(annotated, tmp_path / "out", ExportOptions(cleanup="holes"))

    page = (tmp_path / "out" / "export.html").read_text(encoding="utf-8")

    for part in (f"Model {run_id}", "fill holes", "RV &lt;right&gt;, ml", "tsa_weight", "numpy",
                 "Slice 2: annotated, by a person"):  # fmt: skip
        assert part in page
    assert "<right>" not in page


def test_summaries_of_others_are_never_overwritten(annotated: Project, tmp_path: Path) -> None:
    predict_all(annotated)
    (tmp_path / "slices.csv").write_text("mine")
    with pytest.raises(ProjectError, match=r"slices\.csv would be overwritten"):
        export(annotated, tmp_path)
    assert (tmp_path / "slices.csv").read_text() == "mine"


@pytest.mark.parametrize("wrong", [{"file_format": "png"}, {"cleanup": "polish"}])
def test_what_no_export_knows_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="choose one"):
        ExportOptions(**wrong)


def test_dicom_seg_lies_on_its_series(tmp_path: Path) -> None:
    """One file with all classes, or one per class that has voxels."""
    write_series(tmp_path / "ct", (0.0, 2.0, 4.0, 6.0), shape=(16, 12))
    with Project.create(tmp_path / "study", images=[tmp_path / "ct"], classes=CLASSES) as project:
        project.save_annotation("ct", paint(project, "ct", 1, value=2))
        project.set_slice_states("ct", range(4), SliceState.ANNOTATED)
        options = ExportOptions(file_format="dicom-seg", reviewed_only=True)
        (case,) = export(project, tmp_path / "all", options)
        written = read_labels(case.path)  # only slices with labels, as is usual in DICOM SEG
        found = onto_same_grid(written, project.geometry("ct"), "mask", "ct", sparse=True)
        assert_array_equal(found.array > 0, project.annotation("ct").array == 2)
        (case,) = export(project, tmp_path / "each", replace(options, per_class=True))
        assert [name for name in case.files if name.endswith(".dcm")] == ["ct_myocardium.dcm"]
        assert read_labels(tmp_path / "each" / "ct_myocardium.dcm").names == {1: "myocardium"}


def test_a_rejected_prediction_is_in_no_mask_until_a_later_run_predicts_anew(project, tmp_path):
    predicted = LabelMap.empty(project.geometry("a"))
    predicted.array[:] = 1
    for run_id in ("run-001", "run-002"):
        project.new_run(project.config)
        project.save_prediction(run_id, "a", predicted)
        if run_id == "run-001":
            project.set_slice_state("a", 2, SliceState.REJECTED)
            details = project.run(run_id).details()
            project.run(run_id).write_details(details | {"created": "2020-01-01T00:00:00+00:00"})
    later = project.run("run-002").details() | {"created": "2999-01-01T00:00:00+00:00"}
    project.run("run-002").write_details(later)
    for run_id, by_model in (("run-001", False), ("run-002", True)):
        options = ExportOptions(cases=("a",), run_id=run_id)
        (done,) = export(project, tmp_path / run_id, options)
        mask = np.moveaxis(read_labels(done.path).array, project.slice_axis, 0)
        assert mask[2].any() == by_model
        assert mask[1].all()
        assert done.slice_sources[2] == ("the model" if by_model else "nobody")
