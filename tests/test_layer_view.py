"""Plane, letters, window and crosshair of the case on screen; no Qt needed."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from napari_transmedseg.layer_view import CaseView
from napari_transmedseg.layers import CaseLayers

COLORS = {1: "#e69f00", 2: "#56b4e9"}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def layers(viewer, tiny_volume, tiny_labels):
    layers = CaseLayers(viewer)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS)
    return layers


@pytest.fixture
def view(viewer, layers):
    view = CaseView(viewer, layers)
    view.refresh()
    return view


@pytest.mark.parametrize(
    ("axis", "letters"),
    [pytest.param(0, "APRL", id="axial"), pytest.param(1, "SIRL", id="coronal"),
     pytest.param(2, "SIAP", id="sagittal")],
)  # fmt: skip
def test_letters_follow_the_plane(view, axis, letters):
    view.plane = axis
    assert view.plane == axis
    assert "".join(view.letters[edge] for edge in ("top", "bottom", "left", "right")) == letters


@pytest.mark.filterwarnings("ignore:Contours are not displayed during 3D rendering")
def test_letters_follow_the_camera_and_hide_in_three_dimensions(viewer, view):
    viewer.scene.camera.orientation2d = ("up", "left")
    assert view.letters == {"top": "P", "bottom": "A", "left": "L", "right": "R"}
    viewer.dims.ndisplay = 3
    assert view.letters == {}
    viewer.dims.ndisplay = 2
    view.set_letters(False)
    assert view.letters == {}


def test_plane_is_changed_through_the_same_point(viewer, view):
    view.index = (5, 7, 11)
    before = viewer.dims.point
    for axis in (2, 1, 0):
        view.plane = axis
        assert viewer.dims.point == before
        assert view.index == (5, 7, 11)


def test_crosshair_opens_in_the_middle_and_tells_of_moves(view, viewer, layers):
    assert view.index == (4, 12, 10)
    moves = []
    view.moved.connect(lambda: moves.append(view.index))
    view.index = (2, 3, 4)
    assert moves[-1] == (2, 3, 4)
    assert layers.slice_index == 2
    viewer.dims.set_point(0, -1e4)
    assert view.index == (0, 3, 4)


def test_limits_may_lie_outside_of_the_intensities(view, layers):
    view.limits = (-160.0, 5000.0)
    assert view.limits == (-160.0, 5000.0)
    view.set_smooth(True)
    assert str(layers.image_layer.interpolation2d) == "linear"
    assert view.is_smooth


def test_next_case_is_looked_at_like_the_one_before(view, layers, tiny_volume, tiny_labels):
    view.plane = 2
    layers.labels_layer.opacity, layers.labels_layer.brush_size = 0.25, 9
    layers.show(tiny_volume, tiny_labels, case_id="next", slice_axis=0, colors=COLORS)
    view.refresh()
    assert view.plane == 2
    assert layers.labels_layer.opacity == 0.25
    assert layers.labels_layer.brush_size == 9


def test_undo_in_another_plane_is_noticed(view, layers):
    view.plane = 2
    layers.paint_with(1)
    edited = []
    layers.edited.connect(edited.append)
    rows = np.array([2, 3, 4])
    with layers.labels_layer.block_history():
        layers.labels_layer.data_setitem((rows, np.full(3, 1), np.full(3, 10)), 1)
    assert sorted(set(edited)) == [2, 3, 4]
    edited.clear()
    layers.labels_layer.undo()
    assert sorted(set(edited)) == [2, 3, 4]


def test_nothing_stays_on_the_viewer_after_closing(viewer, layers):
    callbacks, overlays = list(viewer.mouse_move_callbacks), set(viewer.canvas.overlays)
    view = CaseView(viewer, layers)
    view.close()
    assert list(viewer.mouse_move_callbacks) == callbacks
    assert set(viewer.canvas.overlays) == overlays
