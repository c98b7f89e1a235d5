"""Every way to close: training stops, all is saved, nothing is asked twice, it goes on later."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import TrainingFinished
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import training
from napari_transmedseg.project.continuing import continuation_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from widgets.closing import Answers, ask_to_close

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def answers(driver) -> Iterator[Answers]:
    """Says yes to whatever is asked, before the viewer goes."""
    answers = Answers("Close")
    yield answers
    answers.stop()


@pytest.fixture
def trained_driver(open_driver, preferences, monkeypatch):
    """A window in which a scripted training runs and a stroke waits to be saved."""

    def train(project, config, *, control, resume, warm_start):
        run = project.new_run(config, warm_start=warm_start)
        (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
        return run.record(scripted_training(control, steps=100_000, step_s=0.02))

    monkeypatch.setattr(training, "train", train)
    preferences.autosave_interval_s = 600
    open_driver.train()
    open_driver.wait(lambda: open_driver.widget.session.history.latest is not None)
    open_driver.choose_class(0)
    open_driver.drag(*STROKE)
    open_driver.index = open_driver.widget.annotator.layers.slice_index
    assert not open_driver.widget.session.project.annotation("a").array[open_driver.index].any()
    return open_driver


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("transmedseg")]


def assert_stopped_and_saved(folder, index) -> None:
    assert threads() == []
    with Project.open(folder) as project:
        assert project.annotation("a").array[index].any()
        assert project.run().metrics()[-1]["reason"] == "stopped"
        assert continuation_of(project).warm_start == "run-001"
        assert not continuation_of(project).interrupted


def window_of(driver):
    """The active window; it outlives its closing, as napari's fixture closes it once more."""
    window = driver.widget.window()
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    window.activateWindow()
    driver.wait(lambda: QApplication.activeWindow() is window)
    return window


def dock_of(driver):
    return driver.widget.parent()


def needs_x11() -> None:
    if QGuiApplication.platformName() != "xcb":
        pytest.skip("needs X11 to send what a window manager sends")


def test_x_of_the_window_asks_once_and_whoever_says_no_goes_on(
    trained_driver, answers, tiny_project
):
    needs_x11()
    driver, window = trained_driver, window_of(trained_driver)
    answers.button = "Cancel"
    ask_to_close(window)
    driver.wait(lambda: bool(answers.asked))
    step = driver.widget.session.history.latest
    driver.wait(lambda: driver.widget.session.history.latest is not step)
    assert driver.is_training
    window.showMinimized()
    QApplication.processEvents()
    window.showNormal()
    QApplication.processEvents()
    assert driver.is_training
    answers.button = "Close"
    ask_to_close(window)
    driver.wait(lambda: not window.isVisible())
    assert answers.asked == ["Close Window?"] * 2
    assert_stopped_and_saved(tiny_project, driver.index)


def test_a_window_whose_labels_cannot_be_saved_stays_and_closes_when_they_can(
    open_driver, answers, tiny_project, preferences, monkeypatch
):
    needs_x11()
    preferences.autosave_interval_s = 600
    driver, window, widget = open_driver, window_of(open_driver), open_driver.widget
    driver.choose_class(0)
    driver.drag(*STROKE)
    index, project = widget.annotator.layers.slice_index, widget.session.project
    full = ProjectError("Expected room for the labels, found none; free some space.")

    def refuse(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(project, "flush", refuse)
        ask_to_close(window)
        driver.wait(lambda: bool(driver.dialogs(ErrorDialog)))
        (dialog,) = driver.dialogs(ErrorDialog)
        assert "The window stays open so that your labels are not lost" in dialog.text()
        dialog.close()
    assert window.isVisible() and widget.session.project is project
    ask_to_close(window)
    driver.wait(lambda: not window.isVisible())
    with Project.open(tiny_project) as saved:
        assert saved.annotation("a").array[index].any()


@pytest.mark.parametrize(
    ("key", "title"),
    [
        pytest.param(Qt.Key.Key_Q, "Close Application?", id="Ctrl+Q"),
        pytest.param(Qt.Key.Key_W, "Close Window?", id="Ctrl+W"),
    ],
)
def test_keys_that_close_ask_once(trained_driver, answers, tiny_project, key, title):
    driver, window = trained_driver, window_of(trained_driver)
    QTest.keyClick(driver.canvas, key, CTRL)
    driver.wait(lambda: not window.isVisible())
    assert answers.asked == [title]
    assert_stopped_and_saved(tiny_project, driver.index)


def test_x_of_the_panel_asks_nothing(trained_driver, answers, tiny_project):
    driver = trained_driver
    with driver.qtbot.waitSignal(driver.widget.destroyed):
        QTest.mouseClick(dock_of(driver).title.close_button, Qt.MouseButton.LeftButton)
    assert answers.asked == []
    assert_stopped_and_saved(tiny_project, driver.index)


@pytest.mark.parametrize("is_floating", [False, True], ids=["docked", "floating"])
def test_hidden_panel_goes_on_training_and_comes_back(
    trained_driver, answers, tiny_project, is_floating
):
    """Napari's menu shows a hidden panel again; closing it is another button."""
    driver = trained_driver
    dock = dock_of(driver)
    dock.setFloating(is_floating)
    QApplication.processEvents()
    QTest.mouseClick(dock.title.hide_button, Qt.MouseButton.LeftButton)
    assert not driver.widget.isVisible()
    step = driver.widget.session.history.latest
    driver.wait(lambda: driver.widget.session.history.latest is not step)
    dock.toggleViewAction().trigger()
    assert driver.widget.isVisible()
    assert driver.is_training
    driver.viewer.close()
    assert answers.asked == []
    assert_stopped_and_saved(tiny_project, driver.index)


def test_x_of_a_floating_panel_only_hides_it(trained_driver, tiny_project):
    needs_x11()
    driver = trained_driver
    dock = dock_of(driver)
    dock.setFloating(True)
    QApplication.processEvents()
    ask_to_close(dock)
    driver.wait(lambda: not dock.isVisible())
    assert driver.is_training
    driver.viewer.close()
    assert_stopped_and_saved(tiny_project, driver.index)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("way", "title"),
    [
        pytest.param("key", "Close Application?", id="Ctrl+Q"),
        pytest.param("x", "Close Window?", id="X of the window"),
    ],
)
def test_program_in_training_ends_at_once_and_goes_on_when_started_again(
    qtbot, tiny_project, way, title
):
    """A program of its own, which trains for real and ends as one does for a person."""
    if way == "x":
        needs_x11()
    code = [sys.executable, "-m", "widgets.quitting", str(tiny_project), way]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        code, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["asked"] == [title]
    assert told["threads"] == []
    assert told["late_steps"] <= 1
    with Project.open(tiny_project) as project:
        assert not any("ended without closing" in notice for notice in project.notices)
        assert project.annotation("a").array[told["slice"]].any()
        assert project.ledger("a").states[told["slice"]] is SliceState.IN_PROGRESS
        assert project.run().metrics()[-1]["reason"] == "stopped"
        config = TrainingConfig(steps=2, device="cpu")
        events = list(training.train(project, config, warm_start="run-001"))
    assert isinstance(events[-1], TrainingFinished)
