"""The community's layouts, written tiny and read back."""

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_slice
from numpy.testing import assert_array_equal
from small_files import write_nifti

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets import DataSet, read_data_set
from napari_transmedseg.imaging.data_sets.acdc import acdc_group
from napari_transmedseg.imaging.data_sets.case import group_by_pattern
from napari_transmedseg.imaging.data_sets.dataset_json import read_dataset_json
from napari_transmedseg.imaging.data_sets.folder_pair import read_folder_pair, stored_type
from napari_transmedseg.imaging.data_sets.h5 import read_h5
from napari_transmedseg.imaging.data_sets.png_slices import read_png_pairs, sunnybrook_patient
from napari_transmedseg.imaging.data_sets.split_lists import read_split_list


def write_png(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=array.ndim == 3), str(path))


def write_h5(path: Path, image: np.ndarray, label: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["image"], file["label"] = image, label


def ids(data: DataSet) -> list[str]:
    return [case.case_id for case in data.cases]


def test_folder_pair_says_what_is_unpaired(tmp_path):
    for name in ("a", "b"):
        write_nifti(tmp_path / f"images/{name}.nii.gz")
    for name in ("b", "c"):
        write_nifti(tmp_path / f"labels/{name}.nii.gz", label=True)
    data = read_data_set(tmp_path)
    assert ids(data) == ["a", "b"]
    assert data.cases[0].load_labels is None
    assert data.cases[1].load_labels().array.max() == 2
    assert data.notes == (
        "1 image without a label map: a.",
        "1 label map without an image, left out: c.",
    )


def test_folder_pair_takes_the_domain_from_what_it_is_told(tmp_path):
    write_nifti(tmp_path / "images/a.nii.gz")
    write_nifti(tmp_path / "images/b.nii.gz", label=True)
    (tmp_path / "labels").mkdir()
    data = read_folder_pair(tmp_path, domain_of=stored_type)
    assert [case.domain for case in data.cases] == ["float32", "uint8"]


@pytest.mark.parametrize(
    ("case_id", "group"),
    [
        pytest.param("patient007_frame01", "patient007", id="frame"),
        pytest.param("patient074_frame02", "patient074", id="first twin"),
        pytest.param("patient076_frame02", "patient074", id="second twin"),
        pytest.param("other", "other", id="no patient"),
    ],
)
def test_frames_of_one_heart_are_one_group(case_id, group):
    assert acdc_group(case_id) == group


def test_group_by_pattern_falls_back_to_the_case():
    group_of = group_by_pattern(r"sub-\d+")
    assert [group_of("sub-07_T1"), group_of("x")] == ["sub-07", "x"]


@pytest.mark.parametrize(
    ("labels", "channels"),
    [
        pytest.param({"0": "background", "1": "liver", "2": "tumour"}, {"modality": {"0": "CT"}},
                     id="MSD"),
        pytest.param({"background": 0, "tumour": 2, "liver": 1}, {"channel_names": {"0": "CT"}},
                     id="nnU-Net 2"),
    ],
)  # fmt: skip
def test_both_forms_of_dataset_json_are_read(tmp_path, labels, channels):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, **channels}))
    write_nifti(tmp_path / "imagesTr/case_1.nii.gz")
    write_nifti(tmp_path / "labelsTr/case_1.nii.gz", label=True)
    write_nifti(tmp_path / "imagesTs/case_2.nii.gz")
    data = read_data_set(tmp_path)
    assert data.class_names == ("liver", "tumour")
    assert [(case.case_id, case.split) for case in data.cases] == [
        ("case_1", "train"),
        ("case_2", "test"),
    ]
    assert data.cases[1].load_labels is None


def test_channels_in_file_names_are_one_case(tmp_path):
    content = {"labels": {"background": 0, "liver": 1}, "channel_names": {"0": "T1", "1": "T2"}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    for channel in range(2):
        write_nifti(tmp_path / f"imagesTr/case_1_000{channel}.nii.gz", seed=channel)
    write_nifti(tmp_path / "labelsTr/case_1.nii.gz", label=True)
    first, second = (read_dataset_json(tmp_path, channel=channel) for channel in range(2))
    assert ids(first) == ids(second) == ["case_1"]
    assert second.notes == ("Of 2 channels only 'T2' is used.",)
    assert not np.array_equal(first.cases[0].load_image().array, second.cases[0].load_image().array)


def test_channels_in_one_file_are_taken_by_frame(tmp_path):
    content = {"labels": {"0": "background", "1": "a"}, "modality": {"0": "T2", "1": "ADC"}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    path = write_nifti(tmp_path / "imagesTr/p.nii.gz", frames=2)
    write_nifti(tmp_path / "labelsTr/p.nii.gz", label=True)
    (case,) = read_dataset_json(tmp_path, channel=1).cases
    image = case.load_image()
    wanted = image.geometry.to_display(nib.load(path).get_fdata()[..., 1])
    assert_array_equal(image.array, wanted)


def test_acdc_as_its_authors_lay_it_out(tmp_path):
    folder = tmp_path / "training" / "patient003"
    write_nifti(folder / "patient003_frame01.nii.gz")
    write_nifti(folder / "patient003_frame01_gt.nii.gz", label=True)
    write_nifti(folder / "patient003_4d.nii.gz", frames=2)
    write_nifti(tmp_path / "testing/patient101/patient101_frame14.nii.gz")
    (folder / "Info.cfg").write_text("ED: 1\nGroup: DCM\n")
    data = read_data_set(tmp_path)
    assert [(c.case_id, c.group, c.domain, c.split) for c in data.cases] == [
        ("patient003_frame01", "patient003", "DCM", "train"),
        ("patient101_frame14", "patient101", "", "test"),
    ]
    assert data.class_names == ("RV", "Myo", "LV")
    assert data.notes == ("1 image without a label map: patient101_frame14.",)


def test_png_masks_of_0_and_255_are_one_class_and_the_spacing_is_nominal(tmp_path):
    for index, name in enumerate(("SC-N-03-IM-0001-0048", "SC-N-03-IM-0001-0068")):
        pixels = np.arange(30, dtype=np.uint8).reshape(5, 6) + index
        write_png(tmp_path / f"Train/Images/Part1/{name}.dcm.png", np.stack([pixels] * 3, -1))
        write_png(
            tmp_path / f"Train/Labels/Part1/{name}.dcm.png", (pixels > 9).astype(np.uint8) * 255
        )
    slices = read_png_pairs(tmp_path, group_of=sunnybrook_patient)
    (stack,) = read_png_pairs(tmp_path, group_of=sunnybrook_patient, stack=True).cases
    assert [case.group for case in slices.cases] == ["SC-N-03"] * 2
    assert stack.case_id == "SC-N-03"
    assert stack.load_image().array.shape == stack.load_labels().array.shape == (2, 5, 6)
    assert set(np.unique(stack.load_labels().array)) == {0, 1}
    assert slices.spacing == "nominal"
    assert "assumed" in slices.notes[-1]


def test_coloured_png_is_refused(tmp_path):
    pixels = np.arange(90, dtype=np.uint8).reshape(5, 6, 3)
    write_png(tmp_path / "images/a.png", pixels)
    write_png(tmp_path / "labels/a.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(DataSetError, match="found colours"):
        read_data_set(tmp_path).cases[0].load_image()


def test_h5_volumes_win_over_their_slices(tmp_path):
    image, label = np.random.default_rng(0).random((3, 4, 5)), np.zeros((3, 4, 5), np.uint8)
    label[1, 2, 3] = 2
    write_h5(tmp_path / "data/patient001_frame01.h5", image, label)
    write_h5(tmp_path / "data/slices/patient001_frame01_slice_1.h5", image[1], label[1])
    (case,) = read_data_set(tmp_path, group_of=acdc_group).cases
    assert case.group == "patient001"
    assert_array_equal(case.load_image().array, image)
    assert case.load_labels().array[1, 2, 3] == 2


def test_h5_of_ua_mt_is_named_after_its_folder_and_a_slice_is_a_volume_of_one(tmp_path):
    write_h5(
        tmp_path / "0RZD/mri_norm2.h5", np.random.default_rng(0).random((4, 5)), np.ones((4, 5))
    )
    (case,) = read_h5(tmp_path).cases
    assert case.case_id == "0RZD"
    assert case.load_image().array.shape == (1, 4, 5)


def test_missing_h5py_is_said_with_the_way_out(tmp_path, monkeypatch):
    write_h5(tmp_path / "a.h5", np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataSetError, match=r"napari-transmedseg\[experiments\]"):
        read_h5(tmp_path)


def test_bids_joins_two_binary_files_and_takes_the_vendor(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    name = "sub-07Ses2_T2starw"
    write_nifti(tmp_path / f"sub-07Ses2/anat/{name}.nii.gz")
    (tmp_path / f"sub-07Ses2/anat/{name}.json").write_text('{"Manufacturer": "Philips"}')
    below = tmp_path / "derivatives/labels/sub-07Ses2/anat"
    cord = write_nifti(below / f"{name}_seg-manual.nii.gz", label=True, seed=1)
    grey = write_nifti(below / f"{name}_gmseg-manual.nii.gz", label=True, seed=2)
    (case,) = read_data_set(tmp_path).cases
    labels = case.load_labels()
    wanted = np.where(nib.load(grey).get_fdata() > 0, 2, nib.load(cord).get_fdata() > 0)
    assert (case.group, case.domain) == ("sub-07", "Philips")
    assert_array_equal(labels.array, labels.geometry.to_display(wanted))


def test_pancreas_pairs_a_dicom_series_with_its_label(tmp_path):
    folder = tmp_path / "Pancreas-CT/PANCREAS_0001/study/series"
    array = np.random.default_rng(0).integers(-100, 200, (4, 5, 6)).astype(np.int16)
    write_dicom(folder, array)
    label = np.zeros((6, 5, 4), np.uint8)
    label[2, 3, 1] = 1
    # The axes of an LPS series, as ITK counts them, in NIfTI's RAS+.
    nib.save(nib.Nifti1Image(label, np.diag([-1.0, -1, 2, 1])), tmp_path / "label0001.nii.gz")
    (case,) = read_data_set(tmp_path).cases
    image, labels = case.load_image(), case.load_labels()
    assert case.case_id == "image0001"
    assert image.geometry.orientation == "LPS"
    assert_array_equal(image.geometry.to_source(image.array), array.transpose(2, 1, 0))
    assert labels.geometry.to_source(labels.array)[2, 3, 1] == 1


def write_dicom(folder: Path, array_zyx: np.ndarray) -> None:
    """An axial series of 1×1×2 mm. Not with ITK: its writer sets the locale of the process."""
    folder.mkdir(parents=True)
    for index, pixels in enumerate(array_zyx):
        write_slice(
            folder / f"{index:03d}.dcm", pixels, PixelSpacing=[1.0, 1.0], RescaleIntercept=0,
            ImagePositionPatient=[0.0, 0.0, 2.0 * index], InstanceNumber=index + 1,
        )  # fmt: skip


def test_split_lists_name_cases_or_slices(tmp_path):
    cases, slices = tmp_path / "cases.txt", tmp_path / "slices.txt"
    cases.write_text("# three\nb\na\n\nc.h5\n")
    slices.write_text("p1_frame01_slice_2\np1_frame01_slice_1\np2_slice_10\n")
    assert read_split_list(cases) == {"b": None, "a": None, "c": None}
    assert read_split_list(slices) == {"p1_frame01": (1, 2), "p2": (10,)}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param({}, "Expected 'labels'", id="no classes"),
        pytest.param({"labels": {"1": "a", "3": "b"}}, "found 1, 3", id="gap"),
        pytest.param({"labels": {"background": 0, "a": [1, 2]}}, "region 'a'", id="region"),
        pytest.param({"labels": {"0": "background", "1": "a"}}, "Expected images", id="no images"),
    ],
)
def test_bad_dataset_json_is_refused(tmp_path, content, sentence):
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DataSetError, match=sentence):
        read_data_set(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "Expected cases", id="empty"),
        pytest.param("a\na_slice_1\n", "found both", id="whole and by slice"),
    ],
)
def test_bad_split_list_is_refused(tmp_path, text, sentence):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(DataSetError, match=sentence):
        read_split_list(path)


def test_unknown_layout_is_refused_with_all_that_are_known(tmp_path):
    with pytest.raises(DataSetError, match=r"dataset\.json .* images/ and labels/"):
        read_data_set(tmp_path)
    with pytest.raises(DataSetError, match="found none"):
        read_data_set(tmp_path / "none")
