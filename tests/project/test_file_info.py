"""Facts about a file are those that its header and voxels hold, or say why it is unreadable."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import save_classes
from dicom_files import write_series

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.adopting import OpenArray, adopt
from napari_transmedseg.project.file_info import MAX_CLASSES, file_info

GEOMETRY = Geometry(shape=(10, 9, 8), affine=np.diag([-1.0, -2.0, 5.0, 1.0]))
"""Voxels of 10 mm³ that are counted 8, 9, 10 along I, P, L."""


def facts_of(folder: Path, array: np.ndarray) -> dict:
    return file_info(adopt(OpenArray(name="x", array=array, geometry=GEOMETRY), folder))


def test_a_label_map_is_told_by_its_few_whole_numbers(tmp_path: Path):
    array = np.zeros(GEOMETRY.display_shape, np.uint8)
    array[:2], array[4, 0] = 1, 7
    facts = file_info(save_classes(tmp_path / "labels.nii.gz", array, GEOMETRY))
    assert facts["size"] == [10, 9, 8]
    assert facts["spacing_mm"] == [1.0, 2.0, 5.0]
    assert facts["classes"] == [0, 1, 7]
    assert facts["volumes_ml"] == [5.3, 1.8, 0.1]
    assert facts["place_known"]


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(720).reshape(8, 9, 10) % 2 - 1, id="below zero"),
        pytest.param(np.arange(720).reshape(8, 9, 10) % (MAX_CLASSES + 1), id="too many values"),
        pytest.param((np.arange(720).reshape(8, 9, 10) % 3) / 2, id="fractions"),
        pytest.param(np.arange(720).reshape(8, 9, 10) % 2 * 100_000, id="large"),
    ],
)
def test_an_image_is_no_label_map(tmp_path: Path, array: np.ndarray):
    facts = facts_of(tmp_path, array)
    assert "classes" not in facts
    assert (facts["minimum"], facts["maximum"]) == (array.min(), array.max())


def test_a_blank_label_map_is_no_image_but_its_class_is_told(tmp_path: Path):
    path = tmp_path / "blank.nii.gz"
    write_labels(path, LabelMap.empty(GEOMETRY))
    facts = file_info(path)
    assert "error" in facts
    assert facts["classes"] == [0]


def test_what_is_no_image_is_told_with_its_reason(tmp_path: Path):
    path = tmp_path / "notes.nii"
    path.write_text("no image")
    assert set(file_info(path)) == {"file", "error"}


def test_the_series_of_a_folder_are_listed(tmp_path: Path):
    write_series(tmp_path / "thorax", [0.0, 2.0, 4.0], PatientName="Doe^Jane")
    facts = file_info(tmp_path / "thorax")
    (series,) = facts["series"]
    assert (series["modality"], series["files"], series["description"]) == ("CT", 3, "Thorax")
    assert series["spacing_mm"] == pytest.approx([0.7, 0.5, 2.0])
    assert not series["segmentation"] and not series["problem"]
    assert "Doe" not in str(facts)


def test_a_folder_without_series_is_told(tmp_path: Path):
    assert "found none" in file_info(tmp_path)["error"]
