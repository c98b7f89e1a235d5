"""Data sets that cannot be used end in one sentence: expected, found, way out."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from small_files import write_nifti

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets import quick_layout, read_data_set
from napari_transmedseg.imaging.data_sets.acdc import read_acdc
from napari_transmedseg.imaging.data_sets.bids import read_bids
from napari_transmedseg.imaging.data_sets.dataset_json import read_dataset_json
from napari_transmedseg.imaging.data_sets.flat import read_flat
from napari_transmedseg.imaging.data_sets.folder_pair import read_folder_pair
from napari_transmedseg.imaging.data_sets.h5 import read_h5
from napari_transmedseg.imaging.data_sets.pancreas import read_pancreas
from napari_transmedseg.imaging.data_sets.png_slices import read_png_pairs
from napari_transmedseg.imaging.data_sets.split_lists import read_split_list

VOLUME = np.random.default_rng(0).random((3, 4, 5))


def write_h5(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def write_png(path: Path, shape: tuple[int, int] = (5, 6), value: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = np.uint8 if value < 256 else np.uint16
    sitk.WriteImage(sitk.GetImageFromArray(np.full(shape, value, kind)), str(path))


@pytest.mark.parametrize(
    ("read", "words"),
    [
        pytest.param(read_folder_pair, "images/ and labels/", id="folder pair"),
        pytest.param(read_acdc, "patientXXX", id="ACDC"),
        pytest.param(read_flat, "label maps beside them", id="flat"),
        pytest.param(read_h5, r"\.h5 files", id="HDF5"),
        pytest.param(read_pancreas, "PANCREAS_NNNN", id="Pancreas-CT"),
        pytest.param(read_png_pairs, "Images/ and Labels/", id="PNG"),
        pytest.param(read_dataset_json, r"dataset\.json", id="dataset.json"),
    ],
)
def test_a_folder_of_another_layout_is_refused_with_what_was_expected(read, words, tmp_path):
    with pytest.raises(DataSetError, match=words):
        read(tmp_path)


def test_folders_without_images_and_cases_with_two_files_are_refused(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataSetError, match="Expected images in"):
        read_folder_pair(tmp_path)
    for name in ("a.nii", "a.nii.gz"):
        write_nifti(tmp_path / "images" / name)
    with pytest.raises(DataSetError, match=r"one file of case 'a'.*found a\.nii"):
        read_folder_pair(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("{", "cannot be read", id="broken"),
        pytest.param("[]", "found a list", id="list"),
        pytest.param('{"labels": {"background": 0, "a": "1"}}', "whole numbers.*'1'", id="text"),
    ],
)
def test_a_dataset_json_that_tells_no_classes_is_refused(content, words, tmp_path):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DataSetError, match=words):
        read_dataset_json(tmp_path)


def test_a_channel_that_there_is_not_is_refused_with_those_there_are(tmp_path):
    content = {"labels": {"background": 0, "a": 1}, "channel_names": {"0": "T1", "1": "T2"}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    for channel in (-1, 2):
        with pytest.raises(DataSetError, match=f"0 T1, 1 T2, found {channel}"):
            read_dataset_json(tmp_path, channel=channel)


def test_what_dataset_json_ignores_and_what_files_lack_is_told(tmp_path):
    content = {
        "labels": {"background": 0, "a": 1, "ignore": 2},
        "channel_names": {"0": "T1", "1": "T2"},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    for name in ("whole_0000", "whole_0001", "part_0000"):
        write_nifti(tmp_path / f"imagesTr/{name}.nii.gz")
    data = read_dataset_json(tmp_path, channel=None)
    assert (data.class_names, data.ignored) == (("a",), 2)
    assert [case.case_id for case in data.cases] == ["whole"]
    assert data.notes == (
        "1 image without a label map: whole.",
        "1 case (part) of which files are missing for some of the 2 channels, left out.",
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        pytest.param({"label": np.zeros((3, 4, 5))}, "'image'.*found label", id="no image"),
        pytest.param({}, "'image'.*found none", id="empty"),
        pytest.param({"image": VOLUME[None]}, "found 4 axes", id="4-D"),
        pytest.param({"image": VOLUME[0, 0]}, "found 1 axes", id="1-D"),
    ],
)
def test_h5_files_without_one_volume_are_refused(arrays, words, tmp_path):
    write_h5(tmp_path / "a.h5", **arrays)
    with pytest.raises(DataSetError, match=words):
        read_h5(tmp_path).cases[0].load_image()


@pytest.mark.parametrize("value", [-1, 256, 0.5])
def test_h5_labels_that_are_no_classes_are_refused(value, tmp_path):
    write_h5(tmp_path / "a.h5", image=VOLUME, label=np.full((3, 4, 5), value))
    with pytest.raises(DataSetError, match=f"from {value} to {value}"):
        read_h5(tmp_path).cases[0].load_labels()


def test_a_file_that_is_no_h5_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"text")
    with pytest.raises(DataSetError, match=r"HDF5 file at .*a\.h5"):
        read_h5(tmp_path).cases[0].load_image()


def test_png_folders_of_other_names_share_nothing(tmp_path):
    write_png(tmp_path / "images/a.png")
    write_png(tmp_path / "labels/b.png")
    with pytest.raises(DataSetError, match="of the same names"):
        read_png_pairs(tmp_path)


def test_png_masks_above_255_slices_of_two_sizes_and_damaged_files_are_refused(tmp_path):
    for name in ("p-1", "p-2"):
        write_png(tmp_path / f"images/{name}.png", (5, 6) if name == "p-1" else (6, 5))
        write_png(tmp_path / f"labels/{name}.png", value=300)
    (case,) = read_png_pairs(tmp_path, group_of=lambda _: "p", stack=True).cases
    with pytest.raises(DataSetError, match="found 300"):
        case.load_labels()
    with pytest.raises(DataSetError, match=r"slices of \(5, 6\) pixels.*\(6, 5\)"):
        case.load_image()
    (tmp_path / "images/p-1.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataSetError, match=r"PNG image at .*p-1\.png"):
        case.load_image()


def test_pancreas_as_nifti_pairs_by_number_and_refuses_labels_of_another_size(tmp_path):
    write_nifti(tmp_path / "image0001.nii.gz")
    write_nifti(tmp_path / "notes.nii.gz")
    write_nifti(tmp_path / "label0001.nii.gz", label=True)
    write_nifti(tmp_path / "image0002.nii.gz")
    write_nifti(tmp_path / "label0003.nii.gz", label=True)
    data = read_pancreas(tmp_path)
    first, second = data.cases
    assert (first.case_id, second.load_labels) == ("image0001", None)
    assert first.load_labels().array.shape == first.load_image().array.shape
    smaller = sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8))
    sitk.WriteImage(smaller, str(tmp_path / "label0001.nii.gz"))
    with pytest.raises(DataSetError, match=r"label0001\.nii\.gz to have the \(4, 5, 6\) voxels"):
        first.load_labels()


def test_bids_without_labels_and_with_damaged_tables_is_refused(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    image = write_nifti(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    (tmp_path / "derivatives").mkdir()
    with pytest.raises(DataSetError, match="_dseg, _seg-manual or the like"):
        read_bids(tmp_path)
    write_nifti(tmp_path / "derivatives/labels/sub-01/anat/sub-01_T1w_dseg.nii.gz", label=True)
    table = tmp_path / "derivatives/dseg.tsv"
    table.write_text("index\tname\n1\tliver\n2\tspleen\n")
    assert read_data_set(tmp_path).class_names == ("liver", "spleen")
    table.write_text("number\ttitle\n1\tliver\n")
    with pytest.raises(DataSetError, match=r"'index' and 'name' in .*dseg\.tsv"):
        read_data_set(tmp_path)
    table.unlink()
    image.with_name("sub-01_T1w.json").write_text("[]")
    with pytest.raises(DataSetError, match=r"JSON file at .*sub-01_T1w\.json"):
        read_data_set(tmp_path)


def test_an_acdc_case_without_its_diagnosis_has_no_domain(tmp_path):
    write_nifti(tmp_path / "patient001/patient001_frame01.nii.gz")
    (tmp_path / "patient001/Info.cfg").write_text("ED: 1\n")
    assert read_acdc(tmp_path).cases[0].domain == ""


def test_a_list_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataSetError, match=r"gone\.txt"):
        read_split_list(tmp_path / "gone.txt")


def test_a_layout_is_told_by_what_the_folder_says_of_itself(tmp_path):
    assert quick_layout(tmp_path) is None
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    assert quick_layout(tmp_path) == "images-labels"
    (tmp_path / "dataset.json").write_text("{}")
    assert quick_layout(tmp_path) == "dataset.json"
