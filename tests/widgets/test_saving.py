"""Labels are written behind the window's back, and the window hears when that fails."""

import threading

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import annotated
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.widgets.error_dialog import ErrorDialog

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))


def test_the_brush_does_not_wait_for_the_disk(open_driver, monkeypatch):
    driver, project = open_driver, open_driver.widget.session.project
    opened, write = threading.Event(), annotated.write_annotation

    def slow(*args, **kwargs):
        assert opened.wait(90)
        write(*args, **kwargs)

    monkeypatch.setattr(annotated, "write_annotation", slow)
    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.press(Qt.Key.Key_D)
    assert project.is_saving
    assert driver.widget.annotator.ledger.states[index] is SliceState.ANNOTATED
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"
    assert project.is_saving
    opened.set()
    driver.wait(lambda: not project.is_saving)
    assert project.annotation("a").array[index].any()
    assert project.annotation("a").known[index].all()


def test_labels_survive_a_full_disk_and_the_person_is_told(open_driver, monkeypatch):
    driver, project = open_driver, open_driver.widget.session.project

    def fail(*args, **kwargs):
        raise ProjectError("Expected to write, found a full disk; free some space.")

    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(1)
    driver.drag(*STROKE)
    with monkeypatch.context() as patched:
        patched.setattr(annotated, "write_annotation", fail)
        driver.press(Qt.Key.Key_D)
        driver.wait(lambda: bool(driver.widget.findChildren(ErrorDialog)))
    (dialog,) = driver.widget.findChildren(ErrorDialog)
    assert "full disk" in dialog.text()
    assert "Your labels are kept" in dialog.text()
    dialog.close()
    painted = driver.viewer.layers["a labels"].data.copy()
    driver.choose_case(1)
    np.testing.assert_array_equal(project.annotation("a").array, painted)
    assert project.ledger("a").states[index] is SliceState.ANNOTATED
