"""Fractions lie on exactly their image, one byte a voxel, and are never taken for classes."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import (
    read_fractions,
    read_geometry,
    read_labels,
    read_volume,
    write_fractions,
)


@pytest.mark.parametrize("oblique", [False, True], ids=["aligned", "oblique"])
def test_fractions_come_back_on_the_grid_of_their_image(
    orientation: str, oblique: bool, make_nifti: Callable[..., Path], tmp_path: Path, rng
) -> None:
    source, out = make_nifti(orientation, oblique=oblique), tmp_path / "f.nii.gz"
    geometry = read_geometry(source)
    fractions = rng.random(geometry.display_shape, dtype=np.float32)

    write_fractions(out, fractions, geometry)

    image, written = nib.load(source), nib.load(out)
    assert written.shape == image.shape
    assert_array_equal(written.affine, image.affine)
    assert written.get_data_dtype() == np.uint8
    found = read_fractions(out, geometry)
    assert found.dtype == np.uint8
    assert_allclose(found / 255, fractions, atol=0.5 / 255 + 1e-6)
    assert_allclose(geometry.to_display(written.get_fdata()), found / 255, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.2, 1.0])
def test_fractions_may_all_be_the_same(tmp_path: Path, value: float) -> None:
    geometry = Geometry.from_spacing((5, 4, 3))
    write_fractions(tmp_path / "f.nii.gz", np.full((3, 4, 5), value, np.float32), geometry)
    assert (read_fractions(tmp_path / "f.nii.gz", geometry) == round(255 * value)).all()


def test_nobody_reads_fractions_as_classes(tmp_path: Path, rng) -> None:
    geometry, path = Geometry.from_spacing((5, 4, 3)), tmp_path / "f.nii.gz"
    write_fractions(path, rng.random((3, 4, 5), dtype=np.float32), geometry)
    with pytest.raises(ImageReadError, match="not whole numbers"):
        read_labels(path)
    assert 0 <= read_volume(path).array.min() < read_volume(path).array.max() <= 1
    assert nib.load(path).header["intent_code"] != 1002


def test_fractions_that_lie_elsewhere_are_no_fractions_of_the_image(tmp_path: Path) -> None:
    here = Geometry.from_spacing((5, 4, 3))
    write_fractions(tmp_path / "f.nii.gz", np.zeros((3, 4, 5), np.float32), here)
    for there in (
        Geometry.from_spacing((5, 4, 4)),
        Geometry.from_spacing((5, 4, 3), origin=(9, 0, 0)),
    ):
        with pytest.raises(GeometryError):
            read_fractions(tmp_path / "f.nii.gz", there)


@pytest.mark.parametrize("value", [-1.0, 2.0, np.nan])
def test_other_numbers_are_no_fractions(tmp_path: Path, value: float) -> None:
    array = np.full((5, 4, 3), 0.5, np.float32)
    array[0, 0, 0] = value
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "f.nii.gz")
    with pytest.raises(ImageReadError, match="numbers from 0 to 1"):
        read_fractions(tmp_path / "f.nii.gz", read_geometry(tmp_path / "f.nii.gz"))
