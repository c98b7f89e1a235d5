"""How the case is looked at, by mouse and keyboard: planes, windows, letters, linked views."""

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QPushButton, QToolButton, QWidget

from napari_transmedseg.imaging.rendering import color_table
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.canvas_words import EDGES, CanvasWords, canvas_around
from napari_transmedseg.widgets.display_box import CUSTOM
from napari_transmedseg.widgets.linked_views import LinkedViews

pytestmark = pytest.mark.gui

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def ct_project(tmp_path):
    """Two CT-like cases: air, tissue, bone."""
    images = tmp_path / "ct"
    images.mkdir()
    array = np.full((16, 16, 12), 40, np.int16)
    array[:3], array[3:5] = -1000, 900
    for name in ("c", "d"):
        nib.save(nib.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), images / f"{name}.nii.gz")
    folder = tmp_path / "ct project"
    Project.create(folder, images=[images], classes=["lesion"]).close()
    return folder


@pytest.fixture
def linked_driver(open_driver):
    """The tiny project with its linked views open."""
    open_driver.click(open_driver.widget.loop.display.linked)
    return open_driver


def linked_of(driver) -> LinkedViews:
    return driver.widget.display.linked


def edge_letters(driver) -> CanvasWords:
    words = canvas_around(driver.widget).findChildren(CanvasWords)
    (found,) = (one for one in words if one.places is EDGES)
    return found


def letters(driver) -> str:
    """Those on the canvas, which must be those that the view wants."""
    shown = edge_letters(driver).value()
    assert shown == driver.widget.display.view.letters
    return "".join(shown[edge] for edge in ("top", "bottom", "left", "right"))


def test_planes_by_button_and_key_keep_the_point(open_driver):
    driver, box = open_driver, open_driver.widget.loop.display
    view = driver.widget.display.view
    view.index = (5, 7, 11)
    assert letters(driver) == "APRL"
    driver.click(box.plane_buttons[1])
    assert (view.plane, view.index, letters(driver)) == (1, (5, 7, 11), "SIRL")
    driver.press(Qt.Key.Key_3, CONTROL)
    assert (view.plane, view.index, letters(driver)) == (2, (5, 7, 11), "SIAP")
    assert box.value().plane == 2
    driver.screenshot("display-sagittal")
    driver.press(Qt.Key.Key_1, CONTROL)
    assert (view.plane, view.index) == (0, (5, 7, 11))
    driver.click(box.letters)
    assert edge_letters(driver).value() == driver.widget.display.view.letters == {}


def test_letters_stand_at_the_edges_of_the_canvas_and_let_the_mouse_through(open_driver):
    canvas = canvas_around(open_driver.widget)
    for size in (canvas.size(), canvas.size() - QSize(60, 40)):
        canvas.resize(size)
        QApplication.processEvents()
        shown = [one for one in canvas.findChildren(QWidget) if one.isVisible()]
        middles = {one.text: one.geometry().center() for one in shown}
        assert middles["A"].y() < 20 and middles["P"].y() > canvas.height() - 20
        assert middles["R"].x() < 20 and middles["L"].x() > canvas.width() - 20
        assert abs(middles["A"].x() - canvas.width() / 2) <= 2
    transparent = Qt.WidgetAttribute.WA_TransparentForMouseEvents
    assert all(one.testAttribute(transparent) for one in shown)
    pixels = shown[0].grab().toImage()
    colors = {
        pixels.pixelColor(x, y).name()
        for x in range(pixels.width())
        for y in range(pixels.height())
    }
    assert "#ffffff" in colors


def test_letters_go_with_the_widget(open_driver):
    canvas = canvas_around(open_driver.widget)
    before = len(canvas.findChildren(QWidget))
    assert canvas.findChildren(CanvasWords)
    open_driver.widget.shut_down()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    assert len(canvas.findChildren(QWidget)) == before - len(EDGES)
    assert not canvas.findChildren(CanvasWords)


def test_plane_opacity_and_window_stay_with_the_next_case(open_driver):
    driver, box = open_driver, open_driver.widget.loop.display
    driver.press(Qt.Key.Key_2, CONTROL)
    box.windows.setCurrentText("1–99 %")
    driver.widget.annotator.layers.labels_layer.opacity = 0.3
    driver.choose_case(1)
    layers, display = driver.widget.annotator.layers, driver.widget.display
    assert display.view.plane == 1
    assert layers.labels_layer.opacity == 0.3
    assert box.value().window == "1–99 %"
    assert display.view.limits == pytest.approx(np.percentile(layers.image_layer.data, (1, 99)))


def test_ct_opens_in_a_window_and_a_key_takes_the_next(driver, ct_project):
    driver.widget.projects.open(ct_project)
    QApplication.processEvents()
    box, view = driver.widget.loop.display, driver.widget.display.view
    assert box.value().window == "Abdomen"
    assert view.limits == (-150.0, 250.0)
    driver.press(Qt.Key.Key_I)
    assert box.value().window == "Liver"
    assert view.limits == (-45.0, 105.0)
    driver.screenshot("display-ct")


def test_limits_set_by_hand_are_kept_for_the_next_case(driver, ct_project):
    driver.widget.projects.open(ct_project)
    QApplication.processEvents()
    driver.widget.annotator.layers.image_layer.contrast_limits = (-10.0, 90.0)
    assert driver.widget.loop.display.windows.currentText() == CUSTOM
    driver.choose_case(1)
    assert driver.widget.display.view.limits == (-10.0, 90.0)
    assert driver.widget.loop.display.windows.currentText() == CUSTOM


def test_linked_views_show_the_other_planes_and_move_the_slice(linked_driver):
    driver, linked = linked_driver, linked_of(linked_driver)
    view = driver.widget.display.view
    driver.wait(lambda: linked.views[0].title() != "")
    driver.screenshot("display-linked")
    coronal = linked.views[0]
    frame = coronal.frame()
    at = frame.topLeft() + QPointF(0.33 * frame.width(), 0.8 * frame.height())
    QTest.mouseClick(coronal, Qt.MouseButton.LeftButton, pos=at.toPoint())
    assert view.index == (6, 12, 6)
    assert driver.widget.annotator.layers.slice_index == 6
    assert linked.value() == (6, 12, 6)
    QTest.keyClick(coronal, Qt.Key.Key_Up)
    assert view.index == (5, 12, 6)


def test_wheel_over_a_linked_view_goes_through_its_slices(linked_driver):
    driver, (_, sagittal) = linked_driver, linked_of(linked_driver).views
    center = QPointF(sagittal.rect().center())
    wheel = QWheelEvent(
        center, sagittal.mapToGlobal(center), QPoint(), QPoint(0, -240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(sagittal, wheel)
    assert driver.widget.display.view.index == (4, 12, 12)


def test_linked_views_follow_slices_planes_and_the_brush(linked_driver):
    driver, linked = linked_driver, linked_of(linked_driver)
    driver.press(Qt.Key.Key_2, CONTROL)
    driver.wait(lambda: linked.views[0].title().startswith("Axial"))
    driver.press(Qt.Key.Key_1, CONTROL)
    driver.wait(lambda: linked.views[0].title().startswith("Coronal"))
    driver.widget.annotator.layers.slice_index = 0
    driver.widget.display.view.index = (0, 6, 6)
    driver.wait(lambda: linked.views[0].value() == (0, 6))
    color = color_table({1: driver.widget.session.project.classes[0].color})[1]
    driver.wait(lambda: not (linked.views[0].pixels()[0] == color).any())
    driver.choose_class(0)
    driver.drag((6.0, 2.0), (6.0, 12.0))
    assert driver.viewer.layers["a labels"].data[0].any()
    driver.wait(lambda: bool((linked.views[0].pixels()[0] == color).any()))


def test_linked_views_close_by_key_and_by_the_dock(linked_driver):
    driver = linked_driver
    window = driver.widget.window()
    driver.press(Qt.Key.Key_O)
    assert linked_of(driver) is None
    driver.press(Qt.Key.Key_O)
    (dock,) = (one for one in window.findChildren(QDockWidget) if one.widget() is linked_of(driver))
    closing = [
        button
        for kind in (QPushButton, QToolButton)
        for button in dock.titleBarWidget().findChildren(kind)
        if "close" in button.toolTip().lower() or "close" in button.objectName().lower()
    ]
    QTest.mouseClick(closing[0], Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    assert linked_of(driver) is None
    assert not driver.widget.loop.display.linked.isChecked()


def test_shift_and_a_move_over_the_canvas_moves_the_crosshair(linked_driver):
    driver = linked_driver
    before = driver.widget.display.view.index
    QTest.mouseMove(driver.canvas, driver._pixel((12.0, 10.0)))
    move = driver._pixel((6.0, 15.0))

    def has_moved() -> bool:  # a hand sends many moves; the canvas drops some
        QApplication.sendEvent(driver.canvas, _mouse_move(move, Qt.KeyboardModifier.ShiftModifier))
        return driver.widget.display.view.index == (before[0], 6, 15)

    driver.wait(has_moved)


def _mouse_move(at: QPoint, modifier):
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent

    return QMouseEvent(
        QEvent.Type.MouseMove, QPointF(at), QPointF(at), Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton, modifier,
    )  # fmt: skip


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_of_the_display_part_is_cut_off(linked_driver, theme):
    driver = linked_driver
    driver.viewer.theme = theme
    QApplication.processEvents()
    driver.widget.loop.show_part("Display")
    driver.screenshot(f"display-{theme}")
    box = driver.widget.loop.display
    area = driver.widget.loop.scroll_area
    assert box.width() <= area.viewport().width()
    for widget in (*box.plane_buttons, box.letters, box.linked, box.smooth):
        assert widget.width() >= widget.sizeHint().width()
