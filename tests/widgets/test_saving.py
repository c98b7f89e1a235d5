"""Labels are written behind the window's back, and the window hears when that fails."""

import threading

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

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


def test_stray_values_keep_nothing_else_from_being_saved_and_are_told_once(open_driver):
    driver, project = open_driver, open_driver.widget.session.project
    layers, told = driver.widget.annotator.layers, []
    driver.widget.annotator.failed.connect(told.append)
    driver.widget.annotator.set_autosave_interval(0.05)
    index = layers.slice_index
    driver.choose_class(0)
    driver.drag(*STROKE)
    layers.labels_layer.data_setitem((np.array([index]), np.array([1]), np.array([1])), [9])
    driver.wait(lambda: bool(told))
    driver.qtbot.wait(200)
    (sentence,) = told
    assert f"other values on slice {index + 1}" in sentence
    layers.labels_layer.data_setitem((np.array([index]), np.array([2]), np.array([2])), [1])
    driver.wait(lambda: project.annotation("a").array[index, 2, 2] == 1)
    saved = project.annotation("a").array[index]
    assert saved.max() == 1 and saved.sum() > 10 and saved[1, 1] == 0
    for dialog in driver.dialogs(ErrorDialog):
        dialog.close()


def test_a_folder_that_comes_back_is_saved_into_again(open_driver, monkeypatch):
    driver, project = open_driver, open_driver.widget.session.project
    driver.widget.annotator.set_autosave_interval(0.05)
    index = driver.widget.annotator.layers.slice_index

    def refuse(*args, **kwargs):
        raise ProjectError("Expected a project that may be changed, found none; open it again.")

    driver.choose_class(0)
    with monkeypatch.context() as patched:
        patched.setattr(project, "save_slices", refuse)
        driver.drag(*STROKE)
        driver.wait(lambda: bool(driver.dialogs(ErrorDialog)))
        driver.qtbot.wait(200)
    (dialog,) = driver.dialogs(ErrorDialog)
    dialog.close()
    driver.wait(lambda: bool(project.annotation("a").array[index].any()))


def test_a_stroke_ends_where_the_next_case_comes(open_driver):
    driver, project = open_driver, open_driver.widget.session.project
    left, canvas = Qt.MouseButton.LeftButton, driver.canvas
    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    start, middle, end = (driver._pixel(one) for one in ((6.0, 6.0), (6.0, 10.0), (14.0, 10.0)))
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, left, pos=start)
    QTest.mouseMove(canvas, middle)
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"
    QTest.mouseMove(canvas, end)
    QTest.mouseRelease(canvas, left, pos=end)
    driver.widget.annotator.save_now()
    assert not driver.widget.annotator.layers.labels.any()
    assert not project.annotation("b").array.any()
    assert project.annotation("a").array[index].any()
    driver.drag(*STROKE)  # and the next stroke is one as ever
    assert driver.widget.annotator.layers.labels.any()
