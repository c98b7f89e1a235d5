"""Display order is an invertible view of source order in which patients agree."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import (
    AXIS_LETTERS,
    PLANE_AXES,
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


@pytest.mark.parametrize(("plane", "letter"), [("axial", "I"), ("coronal", "P"), ("sagittal", "L")])
def test_slices_of_a_plane_follow_each_other_across_it(plane: str, letter: str) -> None:
    assert AXIS_LETTERS[PLANE_AXES[plane]] == letter


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        pytest.param((1.0, 1.0, 1.0), 0, id="isotropic is axial"),
        pytest.param((1.4, 1.0, 1.0), 0, id="nearly isotropic is axial"),
        pytest.param((1.5, 1.0, 1.0), 0, id="thicker by half is axial"),
        pytest.param((5.6, 4.0, 4.0), 0, id="large and nearly isotropic is axial"),
        pytest.param((0.16, 0.1, 0.1), 2, id="small and not isotropic"),
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


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("share", [0.04, 0.06])
def test_a_twentieth_of_the_smallest_voxel_is_rounding_at_whichever_corner(
    axis: int, share: float
) -> None:
    geometry = Geometry.from_spacing(SHAPE, SPACING)
    for column in (axis, 3):  # at the far corners only, and at all of them
        affine = np.array(geometry.affine)
        steps = 1 if column == 3 else SHAPE[axis] - 1
        affine[axis, column] += share * min(SPACING) / steps
        other = Geometry(shape=SHAPE, affine=affine)
        assert geometry.same_space(other) is (share < 0.05)
        assert geometry.same_space(other, atol=0.1)


def test_of_voxels_that_are_smaller_than_headers_tell_a_micrometre_is_rounding() -> None:
    geometry = Geometry.from_spacing(SHAPE, (0.01, 0.01, 0.01))
    near, far = (
        Geometry.from_spacing(SHAPE, (0.01, 0.01, 0.01), origin=(shift, 0, 0))
        for shift in (0.9e-3, 1.1e-3)
    )
    assert geometry.same_space(near)
    assert not geometry.same_space(far)


def test_corners_are_the_places_of_the_outermost_voxels() -> None:
    geometry = _tilted()
    corners = [(geometry.affine @ [i, j, k, 1])[:3] for i in (0, 4) for j in (0, 5) for k in (0, 6)]
    assert_allclose(geometry.corners(), corners)


def test_a_tilted_voxel_keeps_its_size_and_place_in_display_order() -> None:
    geometry = _tilted()
    assert_allclose(geometry.spacing, SPACING)
    i, p, left = geometry.display_axes
    assert_allclose(geometry.display_spacing, (SPACING[i], SPACING[p], SPACING[left]))
    source = np.zeros(SHAPE)
    source[1, 2, 4] = 1
    found = np.argwhere(geometry.to_display(source) == 1)[0]
    right, anterior, superior, one = geometry.affine @ [1, 2, 4, 1]
    assert_allclose(geometry.display_affine @ [*found, 1], (-superior, -anterior, -right, one))


def _tilted() -> Geometry:
    """Anisotropic voxels whose axes run near L, S, A, tilted about two of them."""
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    tip = np.eye(3)
    tip[1:, 1:] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    affine = np.array(Geometry.from_spacing(SHAPE, SPACING, orientation="LSA").affine)
    affine[:3, :3] = turn @ tip @ affine[:3, :3]
    affine[:3, 3] = (3, -4, 5)
    return Geometry(shape=SHAPE, affine=affine)


def test_without_more_words_a_grid_has_voxels_of_1_mm_from_the_scanners_origin_on() -> None:
    geometry = Geometry.from_spacing(SHAPE)
    assert_array_equal(geometry.affine, np.eye(4))
    assert (geometry.known, geometry.units, geometry.header) == (True, "mm", None)
    assert (geometry.qform_code, geometry.sform_code) == (1, 1)  # NIfTI's "scanner"


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
        pytest.param(np.diag([1e-5, 1e-5, 1e-5, 1.0]), SHAPE, id="voxels of no size"),
        pytest.param(np.diag([1.0, 1.0, 2e9, 1.0]), SHAPE, id="voxels beyond any measure"),
        pytest.param(np.eye(3), SHAPE, id="3×3"),
        pytest.param(np.eye(4), (5, 6), id="2-D"),
        pytest.param(np.eye(4), (5, 6, 7, 8), id="4-D"),
        pytest.param(np.eye(4), (5, 0, 6), id="no voxels"),
    ],
)
def test_impossible_grids_are_refused(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(GeometryError, match="Expected"):
        Geometry(shape=shape, affine=affine)


def test_grids_of_one_voxel_and_of_the_smallest_voxels_are_possible() -> None:
    assert Geometry.from_spacing((1, 1, 1)).display_shape == (1, 1, 1)
    assert Geometry.from_spacing(SHAPE, (2e-4, 2e-4, 2e-4)).spacing == (2e-4, 2e-4, 2e-4)


def test_a_grid_cannot_be_changed_and_does_not_follow_the_matrix_that_it_came_from() -> None:
    matrix = np.eye(4)
    geometry = Geometry(shape=SHAPE, affine=matrix)
    matrix[0, 3] = 7
    assert geometry.affine[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 3] = 7


def test_an_array_of_another_shape_is_refused() -> None:
    geometry = Geometry.from_spacing(SHAPE)
    with pytest.raises(GeometryError, match=r"shape \(5, 6, 7\) \(the file's order\)"):
        geometry.to_display(np.zeros((7, 6, 5)))
    with pytest.raises(GeometryError, match=r"shape \(7, 6, 5\) \(I, P, L order\)"):
        geometry.to_source(np.zeros((5, 6, 7)))


def test_tilted_grids_are_oblique_and_rounding_is_not() -> None:
    tilted = np.eye(4)
    tilted[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    rounded = np.eye(4)
    rounded[0, 1] = 1e-6

    assert Geometry(shape=SHAPE, affine=tilted).is_oblique
    assert not Geometry(shape=SHAPE, affine=rounded).is_oblique


@pytest.mark.parametrize(("tilt", "oblique"), [(0.9e-3, False), (1.1e-3, True)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.2, 3.0, 9.0)])
def test_a_tilt_of_a_thousandth_is_rounding_whatever_the_voxels_size(
    tilt: float, oblique: bool, spacing: tuple[float, float, float], orientation: str
) -> None:
    affine = np.array(Geometry.from_spacing(SHAPE, spacing, orientation=orientation).affine)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    affine[:3, :3] = turn @ affine[:3, :3]
    assert Geometry(shape=SHAPE, affine=affine).is_oblique is oblique
