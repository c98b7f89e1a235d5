"""Commands on slices that are refused before anything changes on screen."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.error_dialog import ErrorDialog

pytestmark = pytest.mark.gui

SHIFT = Qt.KeyboardModifier.ShiftModifier
COMMANDS = (
    pytest.param(Qt.Key.Key_D, Qt.KeyboardModifier.NoModifier, id="done"),
    pytest.param(Qt.Key.Key_W, Qt.KeyboardModifier.NoModifier, id="empty"),
    pytest.param(Qt.Key.Key_U, Qt.KeyboardModifier.NoModifier, id="un-annotate"),
    pytest.param(Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, id="accept"),
    pytest.param(Qt.Key.Key_Q, Qt.KeyboardModifier.NoModifier, id="reject"),
    pytest.param(Qt.Key.Key_F, SHIFT, id="fill"),
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


@pytest.mark.parametrize(("key", "modifier"), COMMANDS)
def test_a_read_only_project_looks_after_a_command_as_before(read_only_driver, key, modifier):
    predict(read_only_driver, 1)
    before = state_of_screen(read_only_driver)
    read_only_driver.press(key, modifier)
    assert "opened read-only" in shown_error(read_only_driver)
    assert state_of_screen(read_only_driver) == before


def test_suggestions_lead_through_a_read_only_project(read_only_driver):
    driver, seen = read_only_driver, set()
    for _ in range(3):
        driver.press(Qt.Key.Key_N)
        seen.add((driver.widget.session.case_id, driver.widget.annotator.layers.slice_index))
    assert len(seen) == 3
    assert driver.dialogs(ErrorDialog) == []
