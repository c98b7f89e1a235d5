"""Open arrays become images: exactly placed where that is known, of a confirmed size elsewhere."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.errors import GeometryError, ImageReadError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import read_volume
from napari_transmedseg.project.adopting import OpenArray, adopt, check_array
from napari_transmedseg.project.import_options import ImportOptions
from napari_transmedseg.project.project import Project

from .test_image_sources import save_nifti


@pytest.fixture
def oblique() -> Geometry:
    turn = nib.eulerangles.euler2mat(0.3, 0.1, -0.2)
    affine = nib.affines.from_matvec(turn @ np.diag([-1.5, -1.5, 6.0]), [12.5, -7.0, 30.0])
    return Geometry(shape=(5, 6, 4), affine=affine)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.int64])
def test_a_known_place_is_kept_exactly(tmp_path: Path, oblique: Geometry, dtype: type) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 200, oblique.display_shape).astype(dtype)
    path = adopt(OpenArray(name="T1: a/b", array=array, geometry=oblique), tmp_path)
    assert path == tmp_path / "images" / "T1_ a_b.nii.gz"
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.geometry.affine, oblique.affine, rtol=1e-6, atol=1e-5)
    assert volume.geometry.orientation == oblique.orientation


def test_the_file_of_a_layer_stands_for_it(tmp_path: Path) -> None:
    file = save_nifti(tmp_path / "a.nii.gz")
    volume = read_volume(file)
    opened = OpenArray(name="a", array=volume.array, geometry=volume.geometry, source=file)
    assert adopt(opened, tmp_path / "project") == file
    assert not (tmp_path / "project").exists()


def test_a_frame_is_not_its_whole_file(tmp_path: Path) -> None:
    file = save_nifti(tmp_path / "cine.nii.gz", (6, 5, 4, 3))
    volume = read_volume(file, frame=1)
    opened = OpenArray(name="f", array=volume.array, geometry=volume.geometry, source=file)
    np.testing.assert_array_equal(read_volume(adopt(opened, tmp_path)).array, volume.array)


def test_without_a_place_the_confirmed_size_is_all_that_is_said(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    opened = OpenArray(name="plain", array=array, scale=(2.0, 1.0, 1.0))
    assert "not known" in opened.sentence()
    with pytest.raises(GeometryError, match="voxel size"):
        adopt(opened, tmp_path)
    path = adopt(opened, tmp_path / "p", spacing=(6.0, 1.5, 1.25))
    with pytest.raises(GeometryError, match="confirm"):
        Project.create(tmp_path / "p", images=[path], classes=["x"])
    confirmed = ImportOptions(confirm_spacing=True)
    with Project.create(tmp_path / "p", images=[path], classes=["x"], options=confirmed) as project:
        volume = project.volume("plain")
        np.testing.assert_array_equal(volume.array, array)
        np.testing.assert_allclose(volume.geometry.display_spacing, (6.0, 1.5, 1.25))
        assert project.cases[0].image == "images/plain.nii.gz"


def test_an_image_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    opened = OpenArray(name="a", array=np.eye(3)[None])
    adopt(opened, tmp_path, spacing=(1, 1, 1))
    with pytest.raises(ProjectError, match="rename the layer 'a'"):
        adopt(opened, tmp_path, spacing=(1, 1, 1))


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        pytest.param(np.zeros((5, 4)), (1, 5, 4), id="single slice"),
        pytest.param(np.zeros((3, 5, 4)), (3, 5, 4), id="volume"),
        pytest.param(np.zeros((2, 3, 5, 4)), None, id="4-D"),
        pytest.param(np.zeros((3, 5, 4), complex), None, id="complex"),
    ],
)
def test_only_volumes_of_real_numbers_are_taken(array: np.ndarray, shape: tuple | None) -> None:
    if shape is not None:
        assert check_array("x", array).shape == shape
        return
    with pytest.raises(ImageReadError, match="volume of real numbers"):
        check_array("x", array)


def test_what_is_known_of_an_array_is_said(oblique: Geometry) -> None:
    array = np.zeros(oblique.display_shape, np.int16)
    placed = OpenArray(name="a", array=array, geometry=oblique)
    assert placed.sentence() == "4×6×5 voxels of 6 × 1.5 × 1.5 mm; its place is known exactly."


def test_numbers_beyond_any_whole_type_are_kept_as_they_are(tmp_path: Path) -> None:
    array = np.arange(120).reshape(4, 6, 5) * 2**40
    path = adopt(OpenArray(name="far", array=array), tmp_path, spacing=(6.0, 1.5, 1.25))
    found = nib.load(path).get_fdata(dtype=np.float64)
    assert found.max() == array.max()


def test_an_image_that_is_gone_or_lies_elsewhere_does_not_stand_for_its_layer(
    tmp_path: Path, oblique: Geometry
) -> None:
    file = save_nifti(tmp_path / "a.nii.gz")
    volume = read_volume(file)
    opened = OpenArray(name="a", array=volume.array, geometry=volume.geometry, source=file)
    file.unlink()
    made = adopt(opened, tmp_path / "project")
    assert made.parent == tmp_path / "project" / "images"
    np.testing.assert_array_equal(read_volume(made).array, volume.array)
