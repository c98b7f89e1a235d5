"""Two label slices parted by a line on the canvas; no Qt needed."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from napari_transmedseg.layer_swipe import Side, SwipeLayer, SwipeLook, drawn
from napari_transmedseg.layer_view import CaseView
from napari_transmedseg.layers import CaseLayers

COLORS = {1: "#e69f00", 2: "#56b4e9"}
FILLED = SwipeLook(is_filled=True)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def layers(viewer, tiny_volume, tiny_labels):
    layers = CaseLayers(viewer)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS)
    return layers


@pytest.fixture
def swipe(viewer, layers):
    return SwipeLayer(viewer, layers)


def sides(shape_YX, left: int = 1, right: int = 2) -> tuple[Side, Side]:
    return tuple(
        Side(labels_YX=np.full(shape_YX, value, np.uint8), words=words)
        for value, words in ((left, "before"), (right, "now"))
    )


def show(swipe, layers, plane: int = 0, look: SwipeLook = FILLED) -> None:
    shape = tuple(size for axis, size in enumerate(layers.labels.shape) if axis != plane)
    swipe.show(*sides(shape), plane=plane, look=look)


def share_on_the_left(swipe) -> float:
    return float((swipe.shown == 1).mean())


def test_the_line_parts_the_two_sides(viewer, layers, swipe):
    show(swipe, layers)
    assert share_on_the_left(swipe) == pytest.approx(0.5, abs=0.05)
    assert (np.diff(swipe.shown.astype(int), axis=1) >= 0).all()
    assert swipe.words == ("◀ before", "now ▶")
    swipe.share = 0.02
    assert (swipe.shown == 2).all()
    swipe.share = -3.0
    assert swipe.share == 0.02


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_the_layer_shows_the_sides_in_every_plane_on_the_case(viewer, layers, swipe, plane):
    view = CaseView(viewer, layers)
    show(swipe, layers)
    view.plane = plane
    show(swipe, layers, plane)
    layer = viewer.layers["before | after (swipe)"]
    assert layer.data.shape == layers.labels.shape
    np.testing.assert_array_equal(layer.extent.world, layers.labels_layer.extent.world)
    np.testing.assert_array_equal(np.moveaxis(layer.data, plane, 0)[3], swipe.shown)
    np.testing.assert_array_equal(layer._slice.image.raw, swipe.shown)


def test_a_case_takes_memory_for_one_slice(viewer, layers, swipe):
    show(swipe, layers)
    data = viewer.layers["before | after (swipe)"].data
    assert data.strides[0] == 0
    assert np.shares_memory(data, swipe.shown)


def test_the_line_stays_on_the_canvas_when_the_image_moves(viewer, layers, swipe):
    show(swipe, layers)
    camera = viewer.scene.camera
    before = share_on_the_left(swipe)
    center = camera.center
    camera.center = (*center[:-1], center[-1] + 5 * layers.labels_layer.scale[2])
    assert share_on_the_left(swipe) > before + 0.1
    assert swipe.share == 0.5
    camera.center = center
    camera.orientation2d = ("down", "left")
    assert (np.diff(swipe.shown.astype(int), axis=1) <= 0).all()


def test_outlines_of_either_side_meet_without_a_seam(layers, swipe):
    show(swipe, layers, look=SwipeLook(is_filled=False))
    assert not swipe.shown.any(), "an area without a border has no outline, at the line neither"
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = 1
    assert drawn(labels, True) is labels
    assert drawn(labels, False).sum() == 16


def test_nothing_predicted_is_nothing_drawn(layers, swipe):
    shape = layers.labels.shape[1:]
    left = Side(labels_YX=None, words="nothing predicted")
    swipe.show(left, sides(shape)[1], plane=0, look=FILLED)
    assert set(np.unique(swipe.shown)) == {0, 2}


def test_closing_leaves_nothing_behind(viewer, layers, swipe):
    def traces():
        return (
            list(viewer.layers), viewer.layers.selection.active, sorted(viewer.canvas.overlays),
            list(viewer.mouse_drag_callbacks), list(viewer.mouse_move_callbacks),
            len(viewer.layers.events.removed.callbacks),
            len(viewer.scene.camera.events.center.callbacks),
            len(viewer.scene.camera.events.zoom.callbacks),
        )  # fmt: skip

    before = traces()
    for _ in range(2):
        show(swipe, layers)
        assert swipe.is_open and traces() != before
        assert viewer.layers.selection.active is before[1], "the brush stays in the hand"
        assert viewer.layers.index(layers.labels_layer) == len(viewer.layers) - 1
        swipe.close()
        assert not swipe.is_open and traces() == before
    swipe.close()


def test_a_deleted_layer_closes_it(viewer, layers, swipe):
    gone = []
    swipe.removed.connect(lambda: gone.append(True))
    show(swipe, layers)
    viewer.layers.remove("before | after (swipe)")
    assert gone == [True] and not swipe.is_open
    assert not any(name.startswith("transmedseg_swipe") for name in viewer.canvas.overlays)
    show(swipe, layers)
    assert swipe.is_open
