"""The widget keeps what people do, whatever happens to it meanwhile."""

import threading
from functools import partial

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project import training
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from widgets.dropping import drop

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))


@pytest.fixture
def scripted(monkeypatch):
    """Training replaced by a small generator of real events; gives the configs asked for."""
    configs = []

    def train(project, config, *, control, resume, warm_start):
        configs.append(config)
        kept = project.run(resume) if resume else project.new_run(config, warm_start=warm_start)
        (kept.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
        return kept.record(scripted_training(control, steps=10_000, step_s=0.05))

    monkeypatch.setattr(training, "train", train)
    return configs


def dialogs(widget) -> list[ErrorDialog]:
    return [one for one in widget.findChildren(ErrorDialog) if one.isVisible()]


def training_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "transmedseg"]


def test_first_screen_offers_three_choices(driver):
    assert driver.widget.pages.currentWidget() is driver.widget.start_page
    assert len(driver.viewer.layers) == 0


def test_dropped_project_folder_opens(driver, tiny_project):
    drop(driver.widget, tiny_project)
    assert driver.widget.session.project.folder == tiny_project
    assert [layer.name for layer in driver.viewer.layers][-1] == "a labels"


def test_dropped_images_begin_a_project(driver, tiny_project, tmp_path):
    drop(driver.widget, tmp_path / "images")
    dialog = driver.widget.new_dialog
    assert dialog.isVisible()
    assert dialog.value().images == (str(tmp_path / "images"),)
    dialog.folder.setText(str(tmp_path / "new"))
    dialog.classes.setText("ring, core")
    dialog.buttons.button(dialog.buttons.StandardButton.Ok).click()
    assert not dialog.isVisible()
    assert [case.case_id for case in driver.widget.session.project.cases] == ["a", "b"]


def test_painting_puts_the_slice_in_progress_and_is_saved_on_case_switch(open_driver):
    driver = open_driver
    driver.choose_class(0)
    driver.drag(*STROKE)
    index = driver.widget.annotator.layers.slice_index
    assert driver.widget.annotator.ledger.states[index] is SliceState.IN_PROGRESS
    painted = driver.viewer.layers["a labels"].data.copy()
    assert painted[index].any()
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"
    project = driver.widget.session.project
    saved = project.annotation("a")
    np.testing.assert_array_equal(saved.array, painted)
    np.testing.assert_array_equal(saved.known[index], painted[index] > 0)
    driver.choose_case(0)
    np.testing.assert_array_equal(driver.viewer.layers["a labels"].data, painted)


def test_painting_is_saved_by_itself(open_driver):
    driver = open_driver
    driver.choose_class(0)
    driver.drag(*STROKE)
    project, index = driver.widget.session.project, driver.widget.annotator.layers.slice_index
    driver.wait(lambda: project.annotation("a").array[index].any(), 8)


def test_erasing_all_paint_makes_the_slice_unseen_again(open_driver):
    driver = open_driver
    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert driver.widget.annotator.ledger.states[index] is SliceState.UNSEEN


def test_mark_empty_and_un_annotate_by_key(open_driver):
    driver = open_driver
    ledger = partial(driver.widget.session.project.ledger, "a")
    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.press(Qt.Key.Key_W)
    assert ledger().states[index] is SliceState.EMPTY
    assert not driver.viewer.layers["a labels"].data[index].any()
    driver.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert driver.widget.annotator.ledger.states[index] is SliceState.IN_PROGRESS
    driver.press(Qt.Key.Key_D)
    assert ledger().states[index] is SliceState.ANNOTATED
    driver.press(Qt.Key.Key_U)
    assert ledger().states[index] is SliceState.IN_PROGRESS


def test_removed_labels_layer_comes_back(open_driver):
    driver = open_driver
    driver.viewer.layers.remove("a labels")
    driver.wait(lambda: "a labels" in driver.viewer.layers, 3)


def test_training_uses_all_cores_but_one(open_driver, scripted, monkeypatch):
    monkeypatch.setattr("napari_transmedseg.widgets.tasks.gui_threads", lambda: 3)
    open_driver.train()
    assert scripted[0].threads == 3


def test_out_of_memory_arrives_as_a_dialog_and_training_can_start_again(
    open_driver, monkeypatch, scripted
):
    driver, loop = open_driver, open_driver.widget.loop
    works = training.train

    def out_of_memory(project, config, *, control, **_):
        yield from scripted_training(control, steps=2)
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(training, "train", out_of_memory)
    driver.click(loop.train.start)
    driver.wait(lambda: bool(dialogs(driver.widget)), 60)
    (dialog,) = dialogs(driver.widget)
    assert "enough memory" in dialog.text()
    assert "CUDA out of memory" in dialog.text()
    driver.screenshot("error-dialog")
    dialog.close()
    driver.wait(lambda: driver.widget.session.activity is Activity.IDLE)
    monkeypatch.setattr(training, "train", works)
    driver.click(loop.train.start)
    driver.wait(lambda: driver.widget.session.activity is Activity.TRAINING)


def test_accept_without_a_prediction_is_explained(open_driver):
    assert not open_driver.widget.loop.review.accept.isEnabled()
    open_driver.press(Qt.Key.Key_A)
    (dialog,) = dialogs(open_driver.widget)
    assert "Expected a prediction" in dialog.text()
    dialog.close()


def test_folder_that_is_no_project_is_explained(driver, tmp_path):
    driver.widget.new_dialog.createRequested.emit(driver.widget.new_dialog.value())
    assert "Expected a folder" in driver.widget.new_dialog.findChildren(ErrorDialog)[0].text()


def test_overlay_follows_the_slice_on_screen(open_driver, scripted):
    driver, layers = open_driver, open_driver.widget.annotator.layers
    driver.click(driver.widget.loop.train.start)
    driver.wait(lambda: layers.predicted_slice(4) is not None)
    layers.slice_index = 6
    driver.wait(lambda: layers.predicted_slice(6) is not None, 2)
    assert driver.viewer.layers["a pseudo-label"].data[6].any()
    assert driver.viewer.layers["a pseudo-label"].visible
    driver.press(Qt.Key.Key_S)
    assert not driver.viewer.layers["a pseudo-label"].visible


@pytest.mark.parametrize("way", ["dock", "window"])
def test_closing_during_training_stops_it_and_saves(open_driver, scripted, tiny_project, way):
    driver = open_driver
    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.train()
    driver.wait(lambda: driver.widget.session.activity is Activity.TRAINING)
    assert len(training_threads()) == 1
    if way == "dock":
        driver.viewer.window.remove_dock_widget(driver.widget)
        driver.qtbot.wait(50)
    else:
        driver.viewer.close()
    assert training_threads() == []
    with Project.open(tiny_project) as project:
        assert project.annotation("a").array[index].any()
        assert project.ledger("a").states[index] is SliceState.IN_PROGRESS


def test_settings_of_the_form_reach_the_training(open_driver, scripted):
    driver, box = open_driver, open_driver.widget.loop.train
    driver.click(box.advanced_section.heading)
    box.advanced.form.editors["method"].native.setCurrentText("bcp")
    driver.train()
    assert isinstance(scripted[0], TrainingConfig)
    assert scripted[0].method == "bcp"
    assert scripted[0].minutes == 10


def test_training_again_goes_on_from_the_last_run_with_its_curves(open_driver, scripted):
    driver, box, session = open_driver, open_driver.widget.loop.train, open_driver.widget.session
    assert box.start.text() == "Start training"
    driver.click(box.start)
    driver.wait(lambda: session.history.latest is not None and session.history.latest.step > 3)
    driver.click(box.stop)
    driver.wait(lambda: session.activity is Activity.IDLE)
    assert box.start.text() == "Train again"
    assert "run-001" in box.course.text()
    driver.screenshot("train-again")
    first = len(session.history.losses["total"].steps)
    driver.click(box.start)
    driver.wait(lambda: len(session.history.losses["total"].steps) > first + 2)
    assert session.project.run().details()["warm_start"] == "run-001"
    steps = session.history.losses["total"].steps
    assert steps == list(range(1, len(steps) + 1))
    driver.wait(lambda: len(box.plot.value()["total"][0]) > first)


def test_run_that_was_cut_off_is_finished_by_resume_as_this_machine_shall_work(
    open_driver, scripted, tiny_project, preferences
):
    driver, widget = open_driver, open_driver.widget
    driver.click(widget.loop.train.start)
    driver.wait(lambda: widget.session.activity is Activity.TRAINING)
    driver.click(widget.loop.train.stop)
    driver.wait(lambda: widget.session.activity is Activity.IDLE)
    metrics = widget.session.project.run().folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(line for line in lines if "TrainingFinished" not in line))
    widget.session.project = None
    widget.projects.open(tiny_project)
    QApplication.processEvents()
    assert "cut off" in widget.loop.train.course.text()
    assert widget.loop.train.plot is not None and widget.session.history.latest is not None
    preferences.device, preferences.threads, preferences.overlay_interval_s = "cpu", 1, 2.5
    driver.click(widget.loop.train.resume)
    driver.wait(lambda: widget.session.activity is Activity.TRAINING)
    assert scripted[-1] == TrainingConfig(device="cpu", threads=1, overlay_interval_s=2.5)
    assert [run.run_id for run in widget.session.project.runs] == ["run-001"]
