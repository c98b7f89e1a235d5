"""Letters at the edges of a slice say where the patient's sides are."""

import numpy as np
import pytest

from napari_transmedseg.imaging.geometry import PLANE_AXES, Geometry
from napari_transmedseg.imaging.orientation import (
    edge_letters,
    oblique_degrees,
    orientation_in_words,
    plane_axes,
    plane_name,
    shear_degrees,
    shear_in_words,
)


def _letters(*axes, **ways):
    letters = edge_letters(*axes, **ways)
    return letters.top + letters.bottom + letters.left + letters.right


@pytest.mark.parametrize(
    ("plane", "letters"),
    [
        pytest.param("axial", "APRL", id="axial: seen from the feet"),
        pytest.param("coronal", "SIRL", id="coronal: seen from the front"),
        pytest.param("sagittal", "SIAP", id="sagittal: face to the left"),
    ],
)
def test_planes_are_radiological_and_head_up(plane, letters):
    axis = PLANE_AXES[plane]
    assert plane_name(axis) == plane
    assert _letters(*plane_axes(axis)) == letters


def test_letters_follow_a_turned_or_mirrored_view():
    assert _letters(2, 1) == "RLAP"
    assert _letters(1, 2, columns_run_right=False) == "APLR"
    assert _letters(0, 2, rows_run_down=False) == "ISRL"


def test_straight_images_need_no_words():
    geometry = Geometry.from_spacing((4, 5, 6), (1, 2, 3), orientation="PIR")
    assert orientation_in_words(geometry) == ""
    assert oblique_degrees(geometry) == 0


@pytest.mark.parametrize("degrees", [3.0, 12.0, 40.0])
def test_oblique_images_say_by_how_much(degrees):
    turn = np.radians(degrees)
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    affine[:3, :3] *= [2.0, 3.0, 4.0]
    geometry = Geometry(shape=(4, 5, 6), affine=affine)
    assert oblique_degrees(geometry) == pytest.approx(degrees)
    assert f"{degrees:.0f}° off" in orientation_in_words(geometry)


def test_guessed_orientation_is_called_a_guess():
    geometry = Geometry(shape=(4, 5, 6), affine=np.eye(4), known=False)
    assert "guess" in orientation_in_words(geometry)


@pytest.mark.parametrize(("degrees", "words"), [(0.01, ""), (7.0, "7° off right angles")])
def test_grids_without_right_angles_say_so(degrees, words):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[1, 2] = 4.0 * np.tan(np.radians(degrees))
    geometry = Geometry(shape=(4, 5, 6), affine=affine)
    assert shear_degrees(geometry) == pytest.approx(degrees)
    assert words in shear_in_words(geometry)
    assert bool(words) == bool(shear_in_words(geometry))


def test_oblique_grids_are_not_sheared():
    turn = np.radians(30)
    rotation = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(rotation) * [0.7, 1.3, 5.0]
    assert shear_in_words(Geometry(shape=(4, 5, 6), affine=affine)) == ""
