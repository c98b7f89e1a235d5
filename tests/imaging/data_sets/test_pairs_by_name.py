"""Label maps told by the ends of their names: beside their images, in BIDS, in two folders."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from small_files import write_nifti

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets import read_data_set
from napari_transmedseg.imaging.data_sets.bids import read_bids


def pairs(data) -> dict[str, list[str]]:
    return {case.case_id: [path.name for path in case.labels] for case in data.cases}


@pytest.mark.parametrize("suffix", ["_seg", "_gt", "_label", "-manual", ".seg"])
def test_a_flat_folder_is_paired_by_suffix(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_nifti(tmp_path / f"{name}.nii.gz")
    wanted = write_nifti(tmp_path / f"a{suffix}.nii.gz", label=True)
    write_nifti(tmp_path / f"c{suffix}.nii.gz", label=True)

    data = read_data_set(tmp_path)

    assert pairs(data) == {"a": [wanted.name], "b": []}
    assert data.cases[0].load_labels().array.max() == 2
    assert data.notes == (
        "1 image without a label map: b.",
        f"1 label map without an image, left out: c{suffix}.",
    )


def test_folders_of_equal_names_go_before_the_names(tmp_path: Path) -> None:
    for person in ("p1", "p2"):
        write_nifti(tmp_path / person / "scan.nii.gz")
        write_nifti(tmp_path / person / "scan_seg.nii.gz", label=True)
    write_nifti(tmp_path / "p2/other.nii.gz")
    assert pairs(read_data_set(tmp_path)) == {
        "other": [], "p1_scan": ["scan_seg.nii.gz"], "p2_scan": ["scan_seg.nii.gz"],
    }  # fmt: skip


def test_two_label_maps_of_one_image_are_refused(tmp_path: Path) -> None:
    for name in ("a", "a_seg", "a_gt"):
        write_nifti(tmp_path / f"{name}.nii.gz", label=name != "a")
    with pytest.raises(DataSetError, match=r"one label map of 'a', found a_gt.* and a_seg"):
        read_data_set(tmp_path)


def test_suffixes_count_in_two_folders_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nifti(tmp_path / f"images/{name}.nii.gz")
    for name in ("a_gt", "b", "b_gt"):
        write_nifti(tmp_path / f"labels/{name}.nii.gz", label=True)
    assert pairs(read_data_set(tmp_path)) == {"a": ["a_gt.nii.gz"], "b": ["b.nii.gz"]}


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("sub-1/anat/sub-1_T1w", "sub-2/anat/sub-2_T1w", "sub-10/anat/sub-10_T1w"):
        write_nifti(tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_bids_as_its_specification_has_it(bids: Path) -> None:
    folder = bids / "derivatives/manual"
    for subject in (1, 10):
        name = f"sub-{subject}/anat/sub-{subject}_space-orig_desc-manual_dseg.nii.gz"
        write_nifti(folder / name, label=True)
    write_nifti(folder / "sub-3/anat/sub-3_dseg.nii.gz", label=True)
    (folder / "desc-manual_dseg.tsv").write_text("index\tname\n0\tair\n2\tcore\n1\tring\n")

    data = read_data_set(bids)

    assert {name for name, files in pairs(data).items() if files} == {"sub-1_T1w", "sub-10_T1w"}
    assert data.class_names == ("ring", "core")
    assert data.notes == (
        "1 image without a label map: sub-2_T1w.",
        "1 label map without an image, left out: sub-3_dseg.",
    )


def test_bids_endings_become_classes(bids: Path) -> None:
    parts = {}
    for seed, end in enumerate(("_lesion-manual", "_brain-manual")):
        for subject in (1, 2):
            name = f"derivatives/labels/sub-{subject}/anat/sub-{subject}_T1w{end}.nii.gz"
            parts[end] = write_nifti(bids / name, label=True, seed=seed)

    data = read_data_set(bids)

    assert data.class_names == ("brain", "lesion")
    assert [case.case_id for case in data.cases if case.labels] == ["sub-1_T1w", "sub-2_T1w"]
    labels = data.cases[1].load_labels()
    (brain, lesion) = (
        labels.geometry.to_display(np.asarray(read(parts[end]) > 0))
        for end in ("_brain-manual", "_lesion-manual")
    )
    assert_array_equal(labels.array, np.where(lesion, 2, brain))


def read(path: Path) -> np.ndarray:
    import nibabel as nib

    return np.asarray(nib.load(path).dataobj)


def test_bids_label_maps_of_two_raters_are_refused(bids: Path) -> None:
    for rater in ("one", "two"):
        write_nifti(bids / f"derivatives/{rater}/sub-1/anat/sub-1_dseg.nii.gz", label=True)
    with pytest.raises(DataSetError, match="one label map called sub-1_dseg"):
        read_bids(bids)


def test_a_layout_may_be_named(bids: Path) -> None:
    write_nifti(bids / "sub-1/anat/sub-1_T1w_seg.nii.gz", label=True)
    data = read_data_set(bids, layout="flat")
    assert pairs(data)["sub-1_T1w"] == ["sub-1_T1w_seg.nii.gz"]
    with pytest.raises(DataSetError, match=r"layout of dataset\.json, .*found 'zip'"):
        read_data_set(bids, layout="zip")
