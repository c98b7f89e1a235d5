"""Predicting cases: how far it is can be seen, and it can be cancelled."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project import training
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.tasks import gui_threads

pytestmark = pytest.mark.gui


@dataclass
class Gate:
    """Holds the prediction up where it reads the case that it is told of."""

    case_id: str = ""
    seen: list[str] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def load_case(self, record, *paths):
        self.seen.append(record.case_id)
        assert record.case_id != self.case_id or self.goes_on.wait(60)
        return _load_case(record, *paths)


_load_case = training.load_case


@pytest.fixture
def trained(driver, tiny_project):
    """The tiny project with a model that learned for two steps, and has predicted nothing."""
    with Project.open(tiny_project) as project:
        list(training.train(project, TrainingConfig(steps=2, device="cpu", threads=1)))
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    return driver


@pytest.fixture
def gate(trained, monkeypatch):
    gate = Gate()
    monkeypatch.setattr(training, "load_case", gate.load_case)
    yield gate
    gate.goes_on.set()


def finish(driver) -> None:
    driver.wait(lambda: driver.widget.session.activity is Activity.IDLE, 120)


def is_predicted(driver, case_id: str) -> bool:
    return driver.widget.session.project.prediction_path("run-001", case_id).exists()


def test_a_cancelled_prediction_keeps_the_cases_that_were_done(trained, gate):
    driver, loop = trained, trained.widget.loop
    progress, gate.case_id = loop.review.progress, "b"
    assert not progress.isVisible()
    driver.click(loop.review.predict)
    assert progress.isVisible() and progress.cancel.isVisible()
    driver.wait(lambda: progress.bar.text() == "a (1 of 2)", 120)
    driver.screenshot("predicting")
    driver.click(progress.cancel)
    assert not progress.cancel.isEnabled()
    assert "Cancelling" in progress.bar.text()
    assert not loop.train.discard.isEnabled() and "saved" not in loop.train.status.text()
    gate.goes_on.set()
    finish(driver)
    assert not progress.isVisible()
    assert is_predicted(driver, "a") and not is_predicted(driver, "b")
    assert loop.message.text() == "The prediction was cancelled; 1 case was predicted before."
    assert loop.review.predict.isEnabled()


def test_who_cancels_does_not_get_the_suggested_case_predicted_instead(trained, gate):
    driver, progress, gate.case_id = trained, trained.widget.loop.review.progress, "a"
    driver.click(driver.widget.loop.review.predict)
    driver.wait(lambda: gate.seen == ["a"], 120)
    driver.press(Qt.Key.Key_N)
    assert not is_predicted(driver, driver.widget.session.case_id)
    driver.click(progress.cancel)
    gate.goes_on.set()
    finish(driver)
    assert gate.seen == ["a"]
    assert "no case was" in driver.widget.loop.message.text()


def test_cases_are_predicted_where_preferences_or_the_form_say(trained, preferences, monkeypatch):
    driver, loop, predict, asked = trained, trained.widget.loop, training.predict, []

    def noted(*values, device, threads, **options):
        asked.append((device, threads))
        return predict(*values, device="cpu", threads=1, **options)

    monkeypatch.setattr(training, "predict", noted)
    preferences.device, preferences.threads = "cpu", 2
    driver.click(loop.review.predict)
    finish(driver)
    loop.train.advanced.form.editors["device"].value = "cuda"
    preferences.threads = 0
    driver.click(loop.review.predict)
    finish(driver)
    assert asked == [("cpu", 2), ("cuda", gui_threads())]


def count_readings(monkeypatch) -> list[str]:
    """Cases whose uncertainty is read from the disk from now on."""
    read, seen = Project.uncertainty_map, []

    def noted(project, case_id, run_id):
        seen.append(case_id)
        return read(project, case_id, run_id)

    monkeypatch.setattr(Project, "uncertainty_map", noted)
    return seen


def assert_shows_what_was_written(driver, case_id: str) -> None:
    written = driver.widget.session.project.uncertainty_map(case_id, "run-001")
    shown = driver.viewer.layers[f"{case_id} uncertainty"].data
    assert written.any()
    np.testing.assert_allclose(shown, written / 255, atol=1e-3)


def test_g_shows_where_the_model_was_unsure_of_a_predicted_case(trained, monkeypatch):
    driver, overlay = trained, trained.widget.loop.overlay
    driver.widget.loop.show_part("Overlay")
    read = count_readings(monkeypatch)
    driver.click(driver.widget.loop.review.predict)
    finish(driver)
    driver.choose_case(1)
    driver.choose_case(0)
    assert read == []
    driver.press(Qt.Key.Key_G)
    assert read == ["a"]
    assert overlay.uncertainty.isChecked() and overlay.unknown.isHidden()
    assert_shows_what_was_written(driver, "a")
    driver.screenshot("uncertainty-of-a-predicted-case")
    read.clear()
    driver.widget.annotator.layers.slice_index += 1
    driver.press(Qt.Key.Key_G)
    driver.press(Qt.Key.Key_G)
    assert read == [] and overlay.unknown.isHidden()
    driver.choose_case(1)
    assert read == ["b"]
    assert overlay.unknown.isHidden()
    assert_shows_what_was_written(driver, "b")


def test_uncertainty_that_is_shown_follows_the_predictions(trained):
    driver, overlay = trained, trained.widget.loop.overlay
    project = driver.widget.session.project
    driver.press(Qt.Key.Key_G)
    assert not overlay.unknown.isHidden()
    driver.click(driver.widget.loop.review.predict)
    finish(driver)
    assert overlay.unknown.isHidden()
    assert_shows_what_was_written(driver, "a")
    project.discard_run("run-001")
    assert not overlay.unknown.isHidden()
    assert not driver.viewer.layers["a uncertainty"].data.any()
    project.discard_run("run-001", is_discarded=False)
    assert overlay.unknown.isHidden()
    assert_shows_what_was_written(driver, "a")


def test_of_predictions_without_a_map_the_uncertainty_is_not_known(trained):
    driver, overlay = trained, trained.widget.loop.overlay
    driver.click(driver.widget.loop.review.predict)
    finish(driver)
    mask = driver.widget.session.project.prediction_path("run-001", "a")
    mask.with_name("a.uncertainty.nii.gz").unlink()
    driver.press(Qt.Key.Key_G)
    assert not overlay.unknown.isHidden()
    assert driver.widget.loop.message.text() == overlay.unknown.text()
    assert not driver.viewer.layers["a uncertainty"].data.any()
