"""Intensities of another grid: constants and planes stay what they are, and so does the mean."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.resample import (
    grid_difference,
    resample_intensities,
    share_covered,
)
from napari_transmedseg.imaging.volume import Volume

SHAPE, SPACING = (8, 10, 12), (1.0, 2.0, 3.0)


def world_of(geometry: Geometry) -> np.ndarray:
    """Display world (I, P, L) of each voxel, (…, 3)."""
    index = np.stack(np.indices(geometry.display_shape), axis=-1)
    return index @ geometry.display_affine[:3, :3].T + geometry.display_affine[:3, 3]


def ramp(geometry: Geometry) -> Volume:
    """Intensity that rises linearly in the patient."""
    return Volume(array=world_of(geometry) @ (1.0, -2.0, 0.5) + 7, geometry=geometry)


def test_the_same_grid_gives_the_same_intensities(rng):
    geometry = Geometry.from_spacing(SHAPE, SPACING, orientation="PIR")
    array = rng.random(geometry.display_shape).astype(np.float32)
    found = resample_intensities(Volume(array=array, geometry=geometry), geometry)
    assert_allclose(found, array, atol=1e-6)


def test_the_order_of_the_files_axes_does_not_matter(orientation):
    image = ramp(Geometry.from_spacing((9, 9, 9), orientation="RAS"))
    letters = sorted(orientation, key="RLAPSI".index)
    origin = [0 if letter in "RAS" else 8 for letter in letters]
    other = Geometry.from_spacing((9, 9, 9), orientation=orientation, origin=origin)
    assert grid_difference(image.geometry, other) == ""
    assert_allclose(resample_intensities(image, other), image.array, atol=1e-5)


@pytest.mark.parametrize(
    "spacing",
    [
        pytest.param((0.5, 0.7, 0.9), id="finer"),
        pytest.param((2.0, 3.0, 4.0), id="coarser"),
        pytest.param((0.5, 2.0, 4.5), id="mixed"),
    ],
)
def test_a_ramp_stays_the_ramp_of_the_patient(spacing):
    image = ramp(Geometry.from_spacing((20, 20, 20), (1, 1, 1), orientation="RAS"))
    grid = Geometry.from_spacing((3, 3, 3), spacing, orientation="LPI", origin=(13, 13, 13))
    wanted = world_of(grid) @ (1.0, -2.0, 0.5) + 7
    assert_allclose(resample_intensities(image, grid), wanted, atol=1e-4)


def test_a_tilted_grid_of_a_ramp_is_the_ramp_too():
    image = ramp(Geometry.from_spacing((20, 20, 20), orientation="RAS"))
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    affine[:3, 3] = (8, 6, 9)
    grid = Geometry(shape=(4, 5, 6), affine=affine)
    wanted = world_of(grid) @ (1.0, -2.0, 0.5) + 7
    assert_allclose(resample_intensities(image, grid), wanted, atol=1e-4)


def test_a_coarser_voxel_is_the_mean_of_those_within_it(rng):
    fine = Geometry.from_spacing((12, 12, 12), orientation="IPL")
    coarse = Geometry.from_spacing(
        (6, 6, 6), (2, 2, 2), orientation="IPL", origin=(-0.5, -0.5, -0.5)
    )
    array = rng.random((12, 12, 12)).astype(np.float32)
    found = resample_intensities(Volume(array=array, geometry=fine), coarse)
    assert_allclose(found, array.reshape(6, 2, 6, 2, 6, 2).mean((1, 3, 5)), atol=1e-5)


def test_beyond_the_image_stands_its_lowest_intensity():
    image = ramp(Geometry.from_spacing((6, 6, 6), orientation="IPL"))
    far = Geometry.from_spacing((6, 6, 6), orientation="IPL", origin=(-3, 0, 0))
    found = resample_intensities(image, far)
    assert_allclose(found[..., :3], image.array[..., 3:], atol=1e-5)
    assert_allclose(found[..., 3:], image.array.min())
    assert share_covered(image.geometry, far) == 0.5


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param({"shape": (8, 10, 13)}, "13×10×8 voxels instead of 12×10×8", id="shape"),
        pytest.param(
            {"spacing": (1.0, 2.0, 3.5)}, "voxels of 3.5×2×1 mm instead of 3×2×1 mm", id="spacing"
        ),
        pytest.param({"origin": (0, 0, 2)}, "voxels up to 2 mm away", id="place"),
        pytest.param({"origin": (0, 0, 0.04)}, "", id="rounding"),
        pytest.param({"spacing": (1.0, 2.0, 3.004)}, "", id="rounded spacing"),
    ],
)
def test_a_difference_of_grids_is_told_in_words(other, words):
    usual = {"shape": SHAPE, "spacing": SPACING}
    expected, found = Geometry.from_spacing(**usual), Geometry.from_spacing(**usual | other)
    assert grid_difference(expected, found) == words
