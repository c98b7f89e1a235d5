"""Over the image keys go to the image, whatever was clicked before."""

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_transmedseg.project.ledger import SliceState

pytestmark = pytest.mark.gui


def come_over_the_image(driver) -> None:
    QApplication.sendEvent(driver.canvas, QEvent(QEvent.Type.Enter))
    QApplication.processEvents()


def press(driver, key: Qt.Key) -> None:
    """Press a key where the focus is, as a keyboard does."""
    QTest.keyClick(QApplication.focusWidget(), key)
    QApplication.processEvents()


@pytest.fixture
def active_driver(open_driver):
    open_driver.widget.window().activateWindow()
    open_driver.wait(lambda: QApplication.activeWindow() is not None)
    return open_driver


def test_letters_and_arrows_reach_the_image_after_a_click_in_the_table(active_driver):
    driver = active_driver
    layers = driver.widget.annotator.layers
    driver.widget.loop.cases.setFocus()
    driver.choose_case(0)
    come_over_the_image(driver)
    index = layers.slice_index
    press(driver, Qt.Key.Key_Right)
    assert layers.slice_index == index + 1
    press(driver, Qt.Key.Key_W)
    assert driver.widget.annotator.ledger.states[index + 1] is SliceState.EMPTY


def test_who_types_is_not_interrupted(active_driver):
    field = active_driver.widget.loop.case_box.filter
    field.setFocus()
    come_over_the_image(active_driver)
    assert QApplication.focusWidget() is field
