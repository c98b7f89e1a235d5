"""Training in the window: asked for, watched, discarded, compared, and ended with the window."""

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QMessageBox
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import training
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.budget_edit import Budget
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.main_widget import MainWidget
from napari_transmedseg.widgets.overlay_edit import UNCERTAINTY_UNKNOWN, Overlay
from napari_transmedseg.widgets.preferences import Preferences, PreferenceWatch
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog
from napari_transmedseg.widgets.shortcuts import SHORTCUTS
from napari_transmedseg.widgets.tasks import BEGINNINGS
from widgets.dropping import drop

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def scripted(monkeypatch):
    """Training replaced by a small generator of real events; gives the configs asked for."""
    configs = []

    def train(project, config, *, control, resume, warm_start):
        configs.append(config)
        run = project.new_run(config, warm_start=warm_start)
        (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
        events = scripted_training(control, steps=10_000, step_s=0.02, run_id=run.run_id)
        return run.record(events)

    monkeypatch.setattr(training, "train", train)
    return configs


def click(button) -> None:
    assert button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def answer(driver, text: str) -> None:
    """Press a button of the question on screen."""
    (box,) = driver.dialogs(QMessageBox)
    (button,) = [one for one in box.findChildren(QAbstractButton) if one.text() == text]
    click(button)


def check(driver) -> PreflightDialog:
    driver.click(driver.widget.loop.train.check)
    driver.wait(lambda: bool(driver.dialogs(PreflightDialog)), 60)
    (dialog,) = driver.dialogs(PreflightDialog)
    return dialog


def training_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "transmedseg"]


def test_check_tells_what_would_be_learned_from_or_what_stands_in_the_way(open_driver, scripted):
    driver, widget = open_driver, open_driver.widget
    told = []
    widget.session.message_changed.connect(told.append)
    dialog = check(driver)
    assert told == [BEGINNINGS[Activity.CHECKING], ""]
    assert "2 slices of 1 case are annotated" in dialog.text.text()
    assert "The network is 2-D" in dialog.text.text()
    driver.screenshot("preflight")
    dialog.close()
    assert widget.session.activity is Activity.IDLE
    assert widget.loop.train.learned_section.isVisible()
    widget.session.project.add_class("papillary")
    driver.click(widget.loop.train.start)
    driver.wait(lambda: bool(driver.dialogs(PreflightDialog)), 60)
    (dialog,) = driver.dialogs(PreflightDialog)
    assert "found none of papillary" in dialog.text.text()
    assert not dialog.start.isEnabled()
    dialog.close()
    assert scripted == []


def test_slices_in_progress_are_marked_done_or_left_and_not_asked_about_again(
    open_driver, scripted
):
    driver, session = open_driver, open_driver.widget.session
    for case, row in (("b", 1), ("a", 0)):
        driver.choose_case(row)
        driver.choose_class(0)
        driver.drag(*STROKE)
        assert session.case_id == case
    index = driver.widget.annotator.layers.slice_index
    driver.click(driver.widget.loop.train.start)
    driver.wait(lambda: bool(driver.dialogs(PreflightDialog)), 60)
    (dialog,) = driver.dialogs(PreflightDialog)
    assert dialog.slices.count() == 2
    dialog.slices.setFocus()
    dialog.slices.setCurrentRow(1)
    QTest.keyClick(dialog.slices, Qt.Key.Key_Space)
    click(dialog.start)
    driver.wait(lambda: session.activity is Activity.TRAINING)
    assert driver.widget.annotator.ledger.states[index] is SliceState.IN_PROGRESS
    assert session.project.ledger("b").states[index] is SliceState.ANNOTATED
    driver.click(driver.widget.loop.train.stop)
    driver.wait(lambda: session.activity is Activity.IDLE)
    driver.click(driver.widget.loop.train.start)
    driver.wait(lambda: len(scripted) == 2)
    assert driver.dialogs(PreflightDialog) == []
    driver.click(driver.widget.loop.train.stop)
    driver.wait(lambda: session.activity is Activity.IDLE)
    dialog = check(driver)
    click(dialog.tick_all)
    click(dialog.mark)
    assert driver.widget.annotator.ledger.states[index] is SliceState.ANNOTATED
    assert session.project.ledger("a").states[index] is SliceState.ANNOTATED
    assert len(scripted) == 2


def test_garbage_collections_pass_over_what_was_there_while_a_training_runs(open_driver, scripted):
    driver, session = open_driver, open_driver.widget.session
    driver.train()
    driver.wait(lambda: session.activity is Activity.TRAINING)
    assert gc.get_freeze_count() > 10_000
    driver.click(driver.widget.loop.train.stop)
    driver.wait(lambda: session.activity is Activity.IDLE)
    assert gc.get_freeze_count() == 0
    driver.train()
    driver.wait(lambda: session.activity is Activity.TRAINING)
    driver.widget.shut_down()
    assert gc.get_freeze_count() == 0


def test_discarded_run_is_asked_about_not_gone_on_from_and_deleted_when_told(open_driver, scripted):
    driver, box, session = open_driver, open_driver.widget.loop.train, open_driver.widget.session
    driver.train()
    driver.wait(lambda: session.history.latest is not None)
    driver.click(box.stop)
    driver.wait(lambda: session.activity is Activity.IDLE)
    driver.train()
    driver.wait(lambda: session.activity is Activity.TRAINING)
    driver.click(box.discard)
    answer(driver, "Go on")
    assert session.activity is Activity.TRAINING
    driver.click(box.discard)
    driver.screenshot("discard")
    answer(driver, "Discard")
    driver.wait(lambda: session.activity is Activity.IDLE)
    assert session.project.run("run-002").is_discarded
    assert "Goes on from what run-001 learned" in box.course.text()
    assert session.history.run_id == "run-001"
    driver.click(box.runs)
    (dialog,) = driver.dialogs(RunsDialog)
    assert dialog.value() == ["run-001", "run-002"]
    dialog.table.selectRow(1)
    click(dialog.discard)
    assert "run-002" in box.course.text()
    click(dialog.discard)
    click(dialog.delete)
    assert [run.run_id for run in session.project.runs] == ["run-001"]
    assert dialog.table.rowCount() == 1
    dialog.close()


def test_keys_fill_fade_and_hide_the_overlays_whose_age_is_shown(open_driver, scripted):
    driver, overlay = open_driver, open_driver.widget.loop.overlay
    driver.widget.annotator.layers.expect_predictions()
    layer = driver.viewer.layers["a pseudo-label"]
    driver.press(Qt.Key.Key_S, SHIFT)
    assert layer.contour == 0
    driver.press(Qt.Key.Key_S, SHIFT)
    assert layer.contour == 1
    before = layer.opacity
    driver.press(Qt.Key.Key_Comma)
    assert layer.opacity == pytest.approx(before - 0.1)
    driver.press(Qt.Key.Key_Period)
    assert layer.opacity == pytest.approx(before)
    driver.press(Qt.Key.Key_S, SHIFT)
    driver.choose_case(1)
    assert driver.viewer.layers["b pseudo-label"].contour == 0
    driver.train()
    driver.wait(lambda: overlay.age.text().endswith("s old"))
    driver.click(driver.widget.loop.train.stop)
    driver.wait(lambda: driver.widget.session.activity is Activity.IDLE)
    assert overlay.age.text() == ""
    assert set(dict(SHORTCUTS)) == set(driver.widget._keys())


def test_looks_set_with_naparis_own_controls_stay_with_the_next_case(open_driver):
    driver, overlay = open_driver, open_driver.widget.loop.overlay
    driver.press(Qt.Key.Key_G)
    driver.widget.annotator.layers.expect_predictions()
    driver.viewer.layers["a pseudo-label"].opacity = 0.3
    driver.viewer.layers["a pseudo-label"].visible = False
    driver.viewer.layers["a uncertainty"].opacity = 0.85
    assert overlay.value() == Overlay(
        pseudo_label=False, pseudo_label_opacity=0.3, uncertainty=True, uncertainty_opacity=0.85
    )
    driver.choose_case(1)
    pseudo_label = driver.viewer.layers["b pseudo-label"]
    assert (pseudo_label.visible, pseudo_label.opacity) == (False, 0.3)
    assert driver.viewer.layers["b uncertainty"].opacity == 0.85
    driver.press(Qt.Key.Key_S)
    assert pseudo_label.visible


def test_slices_whose_uncertainty_is_not_known_say_so(open_driver, tiny_labels):
    driver, overlay = open_driver, open_driver.widget.loop.overlay
    session, layers = driver.widget.session, driver.widget.annotator.layers
    driver.widget.loop.show_part("Overlay")
    assert not overlay.unknown.isVisible()
    driver.press(Qt.Key.Key_G)
    assert overlay.unknown.isVisible()
    assert driver.widget.loop.message.text() == overlay.unknown.text() == UNCERTAINTY_UNKNOWN
    event = SlicePrediction(
        step=1, case_id="a", slice_axis=0, slice_index=layers.slice_index,
        pseudo_label_YX=tiny_labels.array[0], uncertainty_YX=np.ones((24, 20), np.float32),
    )  # fmt: skip
    session.slice_predicted.emit(event)
    assert not overlay.unknown.isVisible()
    layers.slice_index += 1
    assert overlay.unknown.isVisible()
    layers.slice_index -= 1
    assert not overlay.unknown.isVisible()
    project = session.project
    run = project.new_run(TrainingConfig())
    project.save_prediction(run.run_id, "a", replace(tiny_labels, known=None))
    driver.widget.tasks.case_predicted.emit("a")
    assert overlay.unknown.isVisible()
    driver.screenshot("uncertainty-unknown")
    driver.press(Qt.Key.Key_G)
    assert not overlay.unknown.isVisible()


def test_preferences_have_the_defaults_of_the_manifest(preferences):
    watch = PreferenceWatch(lambda _: None)
    assert watch.value() == Preferences()
    watch.close()


def test_preferences_reach_the_training_and_the_autosave(open_driver, scripted, preferences):
    driver, widget = open_driver, open_driver.widget
    preferences.device = "cpu"
    preferences.threads = 1
    preferences.overlay_interval_s = 2.5
    preferences.autosave_interval_s = 60
    assert widget.loop.train.advanced.value()["device"] == "cpu"
    assert widget.annotator._autosave.interval() == 60_000
    driver.train()
    (config,) = scripted
    assert (config.device, config.threads, config.overlay_interval_s) == ("cpu", 1, 2.5)


def test_settings_of_a_training_come_back_with_the_project(open_driver, scripted, tiny_project):
    driver, box = open_driver, open_driver.widget.loop.train
    box.budget.setValue(Budget(77, "steps"))
    box.advanced.form.editors["method"].native.setCurrentText("bcp")
    driver.train()
    driver.click(box.stop)
    driver.wait(lambda: driver.widget.session.activity is Activity.IDLE)
    driver.widget.session.project = None
    box.budget.setValue(Budget())
    box.advanced.setValue(TrainingConfig())
    driver.widget.projects.open(tiny_project)
    assert box.value() == TrainingConfig(method="bcp", steps=77)


def test_classes_in_one_piece_stay_those_of_their_project(driver, tiny_project, tmp_path):
    other = tmp_path / "other"
    with Project.create(other, images=[tmp_path / "images"], classes=["tumor", "lung"]) as project:
        project.set_config(TrainingConfig(largest_component="lung"))
    with Project.open(tiny_project) as project:
        project.set_config(TrainingConfig(largest_component="ring"))
    for folder, chosen in ((tiny_project, "ring"), (other, "lung"), (tiny_project, "ring")):
        driver.widget.projects.open(folder)
        assert driver.widget.loop.train.value().largest_component == chosen
    driver.widget.projects.rename_class(1, "wall")
    assert driver.widget.loop.train.value().largest_component == "wall"
    assert driver.widget.session.project.config.largest_component == "wall"


def test_without_settings_of_plugins_the_defaults_hold(monkeypatch):
    import napari.settings

    monkeypatch.delattr(napari.settings, "get_plugin_settings")
    watch = PreferenceWatch(lambda _: None)
    assert watch.value() == Preferences()
    watch.close()


def test_other_project_or_second_widget_is_refused_during_training_and_nothing_is_lost(
    open_driver, scripted, tiny_project, tmp_path
):
    driver, widget = open_driver, open_driver.widget
    other = tmp_path / "other"
    Project.create(other, images=[tmp_path / "images"], classes=["ring"]).close()
    driver.train()
    driver.wait(lambda: widget.session.activity is Activity.TRAINING)
    drop(widget, other)
    (dialog,) = driver.dialogs(ErrorDialog)
    assert "Stop and keep" in dialog.text()
    dialog.close()
    assert widget.session.project.folder == tiny_project
    assert widget.session.activity is Activity.TRAINING
    second = MainWidget(driver.viewer)
    with pytest.raises(ProjectError, match="found"):
        second.projects.open(tiny_project)
    second.shut_down()
    with driver.qtbot.waitSignal(second.destroyed):
        second.deleteLater()
    driver.choose_class(0)
    driver.drag(*STROKE)
    index = widget.annotator.layers.slice_index
    widget.annotator.save()
    assert widget.session.project.annotation("a").array[index].any()
    assert driver.is_training


@pytest.mark.parametrize("way", ["floating", "quit"])
def test_real_training_ends_with_the_window_and_is_saved(open_driver, tiny_project, way):
    driver, session = open_driver, open_driver.widget.session
    box = driver.widget.loop.train
    config = TrainingConfig(steps=100_000, device="cpu")
    box.budget.setValue(type(box.budget.value())(100_000, "steps"))
    box.advanced.setValue(config)
    driver.train()
    driver.wait(lambda: session.history.latest is not None, 60)
    if way == "floating":
        driver.widget.parent().setFloating(True)
        QApplication.processEvents()
        assert driver.widget.window() is driver.widget.parent()
        driver.viewer.close()
    else:
        QApplication.instance().aboutToQuit.emit()
    assert training_threads() == []
    assert not [one for one in QApplication.topLevelWidgets() if isinstance(one, QMessageBox)]
    with Project.open(tiny_project) as project:
        assert project.run().checkpoint is not None
        assert project.run().metrics()[-1]["reason"] == "stopped"


class Refusal(QObject):
    """Says no when a window is asked to close, as napari does when the person says no."""

    def eventFilter(self, a0, a1):
        if a1.type() == QEvent.Type.Close:
            a1.ignore()
            return True
        return False


def test_window_that_was_not_closed_after_all_goes_on_training(open_driver, scripted, tiny_project):
    """Napari asks before its window closes; whoever says no goes on."""
    driver, window = open_driver, open_driver.widget.window()
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.train()
    refusal = Refusal()
    window.installEventFilter(refusal)
    window.installEventFilter(driver.widget)  # which looks first, as it does at napari's question
    assert not window.close()
    window.removeEventFilter(refusal)
    assert driver.is_training
    index = driver.widget.annotator.layers.slice_index
    driver.widget.session.project.flush()
    assert driver.widget.session.project.annotation("a").array[index].any()
    step = driver.widget.session.history.latest
    driver.wait(lambda: driver.widget.session.history.latest is not step)
    driver.viewer.close()
    assert training_threads() == []
