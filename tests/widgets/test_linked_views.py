"""Two linked slices by themselves: sizes, places, and what is drawn when."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest

from napari_transmedseg.widgets.linked_views import LinkedViews

pytestmark = pytest.mark.gui


@pytest.fixture
def linked(qtbot):
    """A case of 300 x 400 x 350 voxels of 2 x 1 x 1 mm; the canvas shows the axial plane."""
    linked = LinkedViews()
    qtbot.addWidget(linked)
    image = np.zeros((300, 400, 350), np.int16)
    image[100] = 1000
    linked.set_case(image, np.zeros(image.shape, np.uint8), (2.0, 1.0, 1.0))
    linked.set_window((0.0, 1000.0))
    linked.resize(420, 200)
    with qtbot.waitExposed(linked):
        linked.show()
    linked.refresh_now()
    return linked


def test_slices_lie_in_true_proportions(linked):
    coronal, sagittal = (view.frame() for view in linked.views)
    assert coronal.height() / coronal.width() == pytest.approx(600 / 350)
    assert sagittal.height() / sagittal.width() == pytest.approx(600 / 400)


def test_no_more_voxels_are_drawn_than_the_screen_has_pixels(qtbot, linked):
    view = linked.views[0]
    assert view.step() >= 2
    assert view.pixels().shape == (-(-300 // view.step()), -(-350 // view.step()))
    few = view.pixels().size
    linked.resize(1600, 900)
    qtbot.waitUntil(lambda: view.pixels().size > few)


def test_click_finds_the_voxel_under_it_or_the_nearest_one(qtbot, linked):
    view, told = linked.views[1], []
    linked.valueChanged.connect(told.append)
    frame = view.frame()
    at = frame.topLeft() + QPointF(0.5 * frame.width(), 0.25 * frame.height())
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=at.toPoint())
    i, p, left = told[-1]
    assert left == 0
    assert abs(i - 75) <= 3 and abs(p - 200) <= 3
    beside = QPointF(view.width() - 2, at.y()).toPoint()
    assert not frame.contains(QPointF(beside))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=beside)
    assert told[-1] == (i, 399, 0)


def test_crosshair_moves_without_drawing_a_slice_that_did_not_change(qtbot, linked):
    coronal, sagittal = linked.views
    before = coronal.pixels()
    linked.setValue((5, 0, 9))
    qtbot.waitUntil(lambda: sagittal.title().startswith("Sagittal 10"))
    assert coronal.pixels() is before
    assert coronal.value() == (5, 9)


def test_keys_go_through_slices_and_stop_at_the_ends(linked):
    view = linked.views[0]
    QTest.keyClick(view, Qt.Key.Key_PageUp)
    assert linked.value() == (0, 0, 0)
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert linked.value() == (1, 1, 0)
