"""Commands on slices that are refused before anything changes on screen."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.error_dialog import ErrorDialog

pytestmark = pytest.mark.gui

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
NO_MODIFIER = Qt.KeyboardModifier.NoModifier
COMMANDS = (  # done, empty, un-annotate, accept, reject, fill
    *((getattr(Qt.Key, f"Key_{letter}"), NO_MODIFIER) for letter in "DWUAQ"),
    (Qt.Key.Key_F, SHIFT),
)


@pytest.fixture
def read_only_driver(driver, tiny_project):
    """The tiny project while another program holds it."""
    with Project.open(tiny_project):
        driver.widget.projects.open(tiny_project, read_only=True)
        QApplication.processEvents()
        yield driver


def predict(driver, index: int) -> None:
    """Go to a slice and let a model have looked at it."""
    layers = driver.widget.annotator.layers
    layers.slice_index = index
    plane = layers.labels[index]
    layers.show_prediction(index, np.ones_like(plane), np.zeros(plane.shape, np.float16))


def state_of_screen(driver) -> tuple:
    annotator = driver.widget.annotator
    return annotator.layers.labels.tobytes(), annotator.ledger


def shown_error(driver) -> str:
    (dialog,) = driver.dialogs(ErrorDialog)
    text = dialog.text()
    dialog.close()
    return text


def test_a_read_only_project_looks_after_every_command_as_before(read_only_driver):
    predict(read_only_driver, 1)
    before = state_of_screen(read_only_driver)
    for key, modifier in COMMANDS:
        read_only_driver.press(key, modifier)
        assert "opened read-only" in shown_error(read_only_driver)
        assert state_of_screen(read_only_driver) == before


def test_commands_in_another_plane_are_refused_and_say_the_way_back(open_driver):
    driver = open_driver
    predict(driver, 1)
    before = state_of_screen(driver)
    driver.press(Qt.Key.Key_2, CONTROL)
    for key, modifier in COMMANDS:
        driver.press(key, modifier)
        text = shown_error(driver)
        assert "Expected the axial plane" in text and "found the coronal plane" in text
        assert "press Ctrl+1" in text
        assert state_of_screen(driver) == before
    driver.press(Qt.Key.Key_1, CONTROL)
    driver.press(Qt.Key.Key_W)
    assert driver.dialogs(ErrorDialog) == []
    assert driver.widget.annotator.ledger.states[1] is SliceState.EMPTY


def test_nothing_is_said_of_a_slice_in_three_dimensions(open_driver):
    before = state_of_screen(open_driver)
    open_driver.viewer.dims.ndisplay = 3
    open_driver.click(open_driver.widget.loop.annotate.empty)
    assert "found three dimensions; press Ctrl+1" in shown_error(open_driver)
    assert state_of_screen(open_driver) == before


def test_suggestions_lead_through_a_read_only_project(read_only_driver):
    driver, seen = read_only_driver, set()
    for _ in range(3):
        driver.press(Qt.Key.Key_N)
        seen.add((driver.widget.session.case_id, driver.widget.annotator.layers.slice_index))
    assert len(seen) == 3
    assert driver.dialogs(ErrorDialog) == []
