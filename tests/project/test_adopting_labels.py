"""Open labels lie on their case's voxels, or are refused."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import GEOMETRY, SHAPE_IPL, disc_classes, make_project

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.adopting import OpenLabels
from napari_transmedseg.project.adopting_labels import label_files
from napari_transmedseg.project.label_questions import look_into_labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_labels_are_written_on_the_voxels_of_their_case(tmp_path: Path, dtype: type) -> None:
    project, _ = make_project(tmp_path, 2)
    with project:
        array = disc_classes().astype(dtype)
        labels = {"case_2": OpenLabels(name="mine", array=array)}
        files = label_files(project, labels, tmp_path / "out")
        found = read_labels(files["case_2"])
        assert found.geometry.same_space(GEOMETRY)
        np.testing.assert_array_equal(found.array, array.astype(np.uint8))
        asked = look_into_labels(project, files)
        assert (list(asked.files), asked.off_grid) == (["case_2"], ())


@pytest.mark.parametrize(
    ("array", "error", "sentence"),
    [
        pytest.param(np.zeros((8, 20, 23), int), GeometryError, "8×20×23", id="shape"),
        pytest.param(np.full(SHAPE_IPL, -1), ImageReadError, "from -1 to -1", id="negative"),
        pytest.param(np.full(SHAPE_IPL, 70_000), ImageReadError, "70000", id="large"),
        pytest.param(np.full(SHAPE_IPL, 0.5), ImageReadError, "float64", id="fractions"),
    ],
)
def test_what_is_no_label_map_of_the_case_is_refused(
    tmp_path: Path, array: np.ndarray, error: type, sentence: str
) -> None:
    project, _ = make_project(tmp_path, 1)
    with project, pytest.raises(error, match=sentence):
        label_files(project, {"case_1": OpenLabels(name="odd", array=array)}, tmp_path / "out")
