"""Real data sets become projects: their labels are the annotation, voxel for voxel."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.project.data_set_import import DataSetOptions, project_from_data_set
from napari_transmedseg.project.import_options import ImportOptions

RealData = Callable[[str], Path]


def linked(folder: Path, data_set: Path, *patterns: str) -> Path:
    """Some files of a data set, so that a test does not read all of them."""
    for pattern in patterns:
        for path in sorted(data_set.glob(pattern)):
            place = folder / path.relative_to(data_set)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
    return folder


def assert_annotation_is(project, case_id: str, label: Path) -> None:
    """What nibabel reads from the file is what the project says, in file order."""
    annotation = project.annotation(case_id)
    assert annotation.known.all()
    stored = annotation.geometry.to_source(annotation.array)
    assert_array_equal(stored, np.asarray(nib.load(label).dataobj))


def test_hippocampus_of_the_decathlon(real_data: RealData, tmp_path: Path) -> None:
    numbers = ("00*", "010", "118", "281")
    patterns = [
        f"{place}/hippocampus_{number}.nii.gz"
        for place in ("images", "labels")
        for number in numbers
    ]
    root = linked(tmp_path / "set", real_data("hippocampus"), *patterns)
    options = DataSetOptions(classes=("anterior", "posterior"))

    project, summary = project_from_data_set(tmp_path / "study", root, options)

    with project:
        assert "1 image without a label map: hippocampus_118." in summary.notes
        strays = next(note for note in summary.notes if "without an image" in note)
        assert all(name in strays for name in ("hippocampus_010", "hippocampus_281"))
        assert len(summary.annotated) == len(project.cases) - 1 == 3
        for case_id in summary.annotated:
            assert_annotation_is(project, case_id, root / f"labels/{case_id}.nii.gz")


def test_acdc_as_its_authors_lay_it_out(real_data: RealData, tmp_path: Path) -> None:
    """The volumes of images/ and labels/ put back into patient folders."""
    data_set = real_data("acdc")
    for name in ("patient002_frame01", "patient002_frame02", "patient003_frame01"):
        folder = tmp_path / "set/training" / name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.nii.gz").symlink_to(data_set / f"images/{name}.nii.gz")
        (folder / f"{name}_gt.nii.gz").symlink_to(data_set / f"labels/{name}.nii.gz")

    project, summary = project_from_data_set(tmp_path / "study", tmp_path / "set")

    with project:
        assert list(project.class_names.values()) == ["RV", "Myo", "LV"]
        assert len(summary.annotated) == 3
        for case_id in summary.annotated:
            assert_annotation_is(project, case_id, data_set / f"labels/{case_id}.nii.gz")
            assert project.ledger(case_id).entries[3].who == f"{case_id}_gt.nii.gz"


def test_the_spinal_cord_sample_in_bids(real_data: RealData, tmp_path: Path) -> None:
    root = real_data("gm-challenge")
    project, summary = project_from_data_set(tmp_path / "study", root)
    with project:
        assert list(project.class_names.values()) == ["cord", "grey matter"]
        assert len(summary.annotated) == 5
        assert {case.domain for case in project.cases} == {"Siemens", "Philips"}
        case_id = "sub-9418_run-1_T2starw"
        folder = root / "derivatives/labels/sub-9418/anat"
        cord, grey = (
            np.asarray(nib.load(folder / f"{case_id}_{part}-manual.nii.gz").dataobj) > 0
            for part in ("seg", "gmseg")
        )
        annotation = project.annotation(case_id)
        stored = annotation.geometry.to_source(annotation.array)
        assert_array_equal(stored, np.where(grey, 2, cord))


@pytest.mark.parametrize(
    ("folder", "case_id"),
    [
        pytest.param("ivadomed_data-testing/ct_scan", "sub-spleen2_ct", id="BIDS, one ending"),
        pytest.param("sct_testing_data/t2", "t2", id="flat, -manual"),
    ],
)
def test_folders_of_format_samples(
    real_data: RealData, tmp_path: Path, folder: str, case_id: str
) -> None:
    root = real_data("formats") / "nifti" / folder
    options = DataSetOptions(classes=("organ",), images=ImportOptions(confirm_spacing=True))
    project, summary = project_from_data_set(tmp_path / "study", root, options)
    with project:
        assert case_id in summary.annotated, summary.notes
        assert project.annotation(case_id).known.all()
