"""Display order is an invertible view of source order in which patients agree."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import (
    Geometry,
    acquisition_axis,
    require_same_space,
)

SHAPE = (5, 6, 7)
SPACING = (0.8, 1.1, 2.5)


def test_display_order_is_a_view_that_comes_back_bit_for_bit(orientation: str) -> None:
    geometry = Geometry.from_spacing(SHAPE, SPACING, orientation=orientation)
    source = np.arange(np.prod(SHAPE)).reshape(SHAPE)

    display = geometry.to_display(source)

    assert geometry.orientation == orientation
    assert np.shares_memory(display, source)
    assert display.shape == geometry.display_shape
    assert_array_equal(geometry.to_source(display), source)
    assert np.shares_memory(geometry.to_source(display), source)


def test_display_axes_run_to_inferior_posterior_left(orientation: str) -> None:
    geometry = Geometry.from_spacing(SHAPE, SPACING, orientation=orientation, origin=(3, -4, 5))

    affine = geometry.display_affine

    assert_allclose(affine[:3, :3], np.diag(geometry.display_spacing))
    assert_allclose(affine[:3, 3], geometry.display_translate)


def test_a_voxel_keeps_its_world_position_in_display_order(orientation: str) -> None:
    geometry = Geometry.from_spacing(SHAPE, SPACING, orientation=orientation, origin=(3, -4, 5))
    source = np.zeros(SHAPE)
    source[1, 2, 4] = 1

    found = np.argwhere(geometry.to_display(source) == 1)[0]

    right, anterior, superior = (geometry.affine @ [1, 2, 4, 1])[:3]
    assert_allclose((geometry.display_affine @ [*found, 1])[:3], (-superior, -anterior, -right))


def test_all_orientations_of_one_patient_look_the_same() -> None:
    images = {}
    for orientation in ("RAS", "LPS", "PIR", "SAL"):
        axes = [{"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}[c] for c in orientation]
        flips = tuple(slice(None, None, 1 if c in "RAS" else -1) for c in orientation)
        patient = np.arange(np.prod(SHAPE)).reshape(SHAPE)
        source = patient.transpose(axes)[flips]
        geometry = Geometry.from_spacing(source.shape, orientation=orientation)
        images[orientation] = geometry.to_display(source)
    for image in images.values():
        assert_array_equal(image, images["RAS"])


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        pytest.param((1.0, 1.0, 1.0), 0, id="isotropic is axial"),
        pytest.param((1.4, 1.0, 1.0), 0, id="nearly isotropic is axial"),
        pytest.param((1.0, 1.0, 8.0), 0, id="thick axial slices"),
        pytest.param((1.0, 8.0, 1.0), 1, id="thick coronal slices"),
        pytest.param((8.0, 1.0, 1.0), 2, id="thick sagittal slices"),
    ],
)
def test_acquisition_axis_is_that_of_the_thick_slices(
    spacing: tuple[float, float, float], axis: int
) -> None:
    assert acquisition_axis(Geometry.from_spacing(SHAPE, spacing)) == axis


def test_rounded_headers_are_the_same_space_and_shifted_ones_are_not() -> None:
    geometry = Geometry.from_spacing(SHAPE, SPACING)
    rounded = np.array(geometry.affine)
    rounded[:3] += 1e-4
    shifted = np.array(geometry.affine)
    shifted[0, 3] += 0.5

    assert geometry.same_space(Geometry(shape=SHAPE, affine=rounded))
    assert not geometry.same_space(Geometry(shape=SHAPE, affine=shifted))
    assert not geometry.same_space(Geometry.from_spacing((5, 6, 8), SPACING))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(Geometry.from_spacing((5, 6, 8), SPACING), "7×6×5", id="another shape"),
        pytest.param(
            Geometry.from_spacing(SHAPE, SPACING, orientation="LPS"), "LPS", id="another order"
        ),
        pytest.param(
            Geometry.from_spacing(SHAPE, SPACING, origin=(0, 0, 30)), "30 mm", id="another place"
        ),
    ],
)
def test_a_label_map_elsewhere_is_refused_with_what_was_found(other: Geometry, words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        require_same_space(Geometry.from_spacing(SHAPE, SPACING), other, "labels", "the image")


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        pytest.param(np.diag([1.0, 1.0, 0.0, 1.0]), SHAPE, id="collapsed axis"),
        pytest.param(np.full((4, 4), np.nan), SHAPE, id="NaN"),
        pytest.param(np.eye(3), SHAPE, id="3×3"),
        pytest.param(np.eye(4), (5, 6), id="2-D"),
        pytest.param(np.eye(4), (5, 0, 6), id="no voxels"),
    ],
)
def test_impossible_grids_are_refused(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(GeometryError, match="Expected"):
        Geometry(shape=shape, affine=affine)


def test_an_array_of_another_shape_is_refused() -> None:
    geometry = Geometry.from_spacing(SHAPE)
    with pytest.raises(GeometryError, match="Expected an array"):
        geometry.to_display(np.zeros((7, 6, 5)))


def test_tilted_grids_are_oblique_and_rounding_is_not() -> None:
    tilted = np.eye(4)
    tilted[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    rounded = np.eye(4)
    rounded[0, 1] = 1e-6

    assert Geometry(shape=SHAPE, affine=tilted).is_oblique
    assert not Geometry(shape=SHAPE, affine=rounded).is_oblique
