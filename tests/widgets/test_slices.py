"""Slices by mouse and keyboard: fill, copy, accept parts, reject, suggestions, review."""

import json
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.project import training
from napari_transmedseg.project.learned import note_learned
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.project.slice_scores import SliceScores, write_scores
from napari_transmedseg.widgets import reviewer
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
UNDO = (Qt.Key.Key_Z, CTRL)
FILLED, UNSEEN = SliceState.FILLED, SliceState.UNSEEN


@pytest.fixture
def predicted_driver(driver, tiny_project, tiny_labels):
    """The tiny project, both cases of it predicted; slice 6 of case b is the most unsure."""
    with Project.open(tiny_project) as project:
        project.new_run(TrainingConfig())
        for name in "ab":
            label_map = project.annotation(name)
            label_map.array[:] = tiny_labels.array
            project.save_prediction("run-001", name, label_map)
            unsure = [0.1] * 8
            unsure[6] = 0.3 if name == "a" else 0.4
            scores = SliceScores(slice_uncertainty=tuple(unsure), slice_class=(1,) * 8)
            write_scores(project, name, "run-001", scores)
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    return driver


@pytest.fixture
def trained_driver(driver, tiny_project):
    """The tiny project with a model that learned for two steps, and has predicted nothing."""
    with Project.open(tiny_project) as project:
        config = TrainingConfig(steps=2, device="cpu", threads=1)
        list(training.train(project, config))
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    return driver


@dataclass
class SlowModel:
    """Stands in for the model: waits before each case, and notes the cases it was asked for."""

    goes_on: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    fails: bool = False

    def predict(self, project, *, case_ids, control, device, threads):
        self.asked += case_ids
        run = project.trained_runs[-1]
        for number, name in enumerate(case_ids, start=1):
            self.goes_on.wait(600)
            if self.fails:
                raise MemoryError("too large")
            label_map = project.annotation(name)
            label_map.array[:] = 1
            path = project.save_prediction(run.run_id, name, label_map)
            yield training.CasePredicted(case_id=name, index=number, total=len(case_ids), path=path)


@pytest.fixture
def slow_model(trained_driver, monkeypatch):
    model = SlowModel()
    monkeypatch.setattr(training, "predict", model.predict)
    yield model
    model.goes_on.set()


def states(driver) -> list[SliceState]:
    return driver.widget.annotator.ledger.states


def labels(driver) -> np.ndarray:
    return driver.widget.annotator.layers.labels


def go(driver, index: int) -> None:
    driver.widget.annotator.layers.slice_index = index
    QApplication.processEvents()


def shown_error(driver) -> str:
    (dialog,) = (one for one in driver.widget.findChildren(ErrorDialog) if one.isVisible())
    text = dialog.text()
    dialog.close()
    dialog.deleteLater()
    QApplication.processEvents()
    return text


def point_at(driver, row: float, column: float) -> None:
    QTest.mouseMove(driver.canvas, driver._pixel((row, column)))
    QApplication.processEvents()
    QTest.mouseMove(driver.canvas, driver._pixel((row, column + 0.2)))
    QApplication.processEvents()


def test_filling_between_two_slices_keeps_paint_and_is_one_undo_step(open_driver, tiny_labels):
    driver = open_driver
    go(driver, 6)
    driver.choose_class(0)
    driver.drag(*STROKE)
    driver.press(Qt.Key.Key_D)
    go(driver, 5)
    driver.choose_class(1)
    driver.drag((2.0, 2.0), (4.0, 2.0))
    painted = labels(driver)[5] > 0
    before = labels(driver).copy()
    go(driver, 4)
    driver.click(driver.widget.loop.annotate.fill)
    assert states(driver)[3:7] == [SliceState.ANNOTATED, FILLED, FILLED, SliceState.ANNOTATED]
    assert (labels(driver)[5][painted] == 2).all()
    assert labels(driver)[4].any()
    np.testing.assert_array_equal(labels(driver)[[3, 6]], before[[3, 6]])
    project = driver.widget.session.project
    assert project.annotation("a").known[4:6].all()
    driver.screenshot("slices-filled")
    driver.press(*UNDO)
    np.testing.assert_array_equal(labels(driver), before)
    assert states(driver)[4:6] == [UNSEEN, SliceState.IN_PROGRESS]
    driver.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert states(driver)[4:6] == [FILLED, FILLED]


def test_undo_of_a_fill_is_seen_from_any_slice(open_driver):
    driver = open_driver
    go(driver, 1)
    driver.press(Qt.Key.Key_F, SHIFT)
    assert states(driver)[:4] == [SliceState.EMPTY, FILLED, FILLED, SliceState.ANNOTATED]
    go(driver, 7)
    driver.press(*UNDO)
    assert states(driver)[1:3] == [UNSEEN, UNSEEN]
    assert driver.widget.loop.annotate.strip.value() == 7


def test_copying_from_a_neighbour_puts_the_slice_in_progress(open_driver):
    driver, box = open_driver, open_driver.widget.loop.annotate
    assert "slice 4" in box.copy_previous.toolTip()
    assert not box.copy_next.isEnabled()
    driver.click(box.copy_previous)
    np.testing.assert_array_equal(labels(driver)[4], labels(driver)[3])
    assert states(driver)[4] is SliceState.IN_PROGRESS
    driver.press(Qt.Key.Key_D)
    driver.choose_class(0)
    driver.drag(*STROKE)
    for before in (SliceState.ANNOTATED, SliceState.IN_PROGRESS, UNSEEN):
        driver.press(*UNDO)
        assert states(driver)[4] is before


def test_an_object_under_the_mouse_is_accepted_and_the_slice_stays_in_progress(predicted_driver):
    driver = predicted_driver
    go(driver, 5)
    predicted = driver.widget.annotator.layers.predicted_slice(5)
    point_at(driver, 11.0, 9.0)
    driver.press(Qt.Key.Key_A, SHIFT)
    np.testing.assert_array_equal(labels(driver)[5] == 2, predicted == 2)
    assert not (labels(driver)[5] == 1).any()
    assert states(driver)[5] is SliceState.IN_PROGRESS
    assert len(driver.widget.session.project.corrections()) == 0
    point_at(driver, 1.0, 1.0)
    driver.press(Qt.Key.Key_A, SHIFT)
    assert "under the mouse" in shown_error(driver)
    driver.press(*UNDO)
    assert states(driver)[5] is UNSEEN


def test_one_class_is_accepted_from_the_menu(predicted_driver):
    driver, box = predicted_driver, predicted_driver.widget.loop.review
    texts = [action.text() for action in box.part_menu.actions()]
    assert texts[1:] == ["Only ring", "Only core"]
    box.part_menu.actions()[1].trigger()
    assert set(np.unique(labels(driver)[4])) == {0, 1}
    assert states(driver)[4] is SliceState.IN_PROGRESS
    assert box.accept.isEnabled()


def test_a_rejected_slice_stays_unknown_and_leaves_the_queue(predicted_driver):
    driver, queue = predicted_driver, predicted_driver.widget.loop.review.queue
    go(driver, 6)
    driver.wait(lambda: ("a", 6) in [(one.case_id, one.index) for one in queue.value().head])
    driver.press(Qt.Key.Key_Q)
    assert states(driver)[6] is SliceState.REJECTED
    assert not driver.widget.session.project.annotation("a").known[6].any()
    driver.wait(lambda: ("a", 6) not in [(one.case_id, one.index) for one in queue.value().head])
    driver.press(Qt.Key.Key_U)
    assert states(driver)[6] is UNSEEN


def test_corrections_are_logged_as_they_are_left(predicted_driver):
    driver, loop = predicted_driver, predicted_driver.widget.loop
    project = driver.widget.session.project
    driver.press(Qt.Key.Key_A)
    (entry,) = project.corrections()
    assert (entry.case_id, entry.slice_index, entry.run_id) == ("a", 4, "run-001")
    assert (entry.reason, entry.dice) == ("accepted", {"ring": 1.0, "core": 1.0})
    driver.choose_class(1)
    driver.drag(*STROKE)  # what is painted after accepting counts too
    go(driver, 5)
    (review,) = project.corrections().reviews()
    assert review.reason == "corrected"
    assert 0 < review.dice["core"] < 1
    assert set(loop.review.corrections.value()) == {"ring", "core"}
    assert "Dice 0." in loop.review.corrections.words.text()
    driver.drag(*STROKE)
    driver.press(Qt.Key.Key_D)
    assert project.corrections().entries[-1].reason == "done"
    driver.press(Qt.Key.Key_U)
    driver.choose_case(1)
    assert project.corrections().entries[-1].reason == "withdrawn"
    assert [one.slice_index for one in project.corrections().reviews()] == [4]
    driver.screenshot("slices-corrections")


def test_what_was_said_of_a_slice_is_undone_and_strokes_elsewhere_stay(open_driver):
    open_driver.choose_class(1)
    go(open_driver, 5)
    open_driver.drag(*STROKE)
    painted = labels(open_driver).copy()
    for key, said in ((Qt.Key.Key_D, SliceState.ANNOTATED), (Qt.Key.Key_U, SliceState.IN_PROGRESS)):
        open_driver.press(key)
        assert states(open_driver)[5] is said
    go(open_driver, 6)
    open_driver.press(Qt.Key.Key_W)  # no voxel changes
    assert states(open_driver)[6] is SliceState.EMPTY
    redo = (Qt.Key.Key_Z, CTRL | SHIFT)
    for keys, fifth, sixth in (
        (UNDO, SliceState.IN_PROGRESS, UNSEEN),
        (redo, SliceState.IN_PROGRESS, SliceState.EMPTY),
        (UNDO, SliceState.IN_PROGRESS, UNSEEN),
        (UNDO, SliceState.ANNOTATED, UNSEEN),
        (UNDO, SliceState.IN_PROGRESS, UNSEEN),
    ):
        open_driver.press(*keys)
        assert (states(open_driver)[5], states(open_driver)[6]) == (fifth, sixth)
        np.testing.assert_array_equal(labels(open_driver), painted)
    open_driver.press(*UNDO)
    assert states(open_driver)[5] is UNSEEN
    assert not labels(open_driver)[5].any()


def test_a_prediction_older_than_the_latest_run_says_so(predicted_driver):
    driver, project = predicted_driver, predicted_driver.widget.session.project
    status = driver.widget.loop.review.status
    assert "newer" not in status.text()
    newer = project.new_run(project.config)
    (newer.folder / "checkpoints").mkdir(exist_ok=True)
    (newer.folder / "checkpoints" / "last.pt").write_bytes(b"model")
    driver.widget.tasks.ended.emit(Activity.TRAINING)
    assert status.text() == "Predicted by run-001; run-002 is newer: predict again, or accept it."


def test_a_slice_is_cleared_and_comes_back(open_driver):
    before = labels(open_driver)[3].copy()
    go(open_driver, 3)
    open_driver.press(Qt.Key.Key_U, SHIFT)
    assert states(open_driver)[3] is UNSEEN
    assert not labels(open_driver)[3].any()
    open_driver.press(*UNDO)
    assert states(open_driver)[3] is SliceState.ANNOTATED
    np.testing.assert_array_equal(labels(open_driver)[3], before)


def test_agreement_on_slices_that_the_run_learned_from_is_no_merit(predicted_driver):
    driver, project = predicted_driver, predicted_driver.widget.session.project
    driver.widget.annotator.give_state([5], SliceState.IN_PROGRESS)
    driver.widget.annotator.save_now()
    note_learned(project, project.run("run-001"))
    go(driver, 5)
    driver.press(Qt.Key.Key_A)
    go(driver, 4)
    driver.press(Qt.Key.Key_A)
    first, second = project.corrections()
    assert (first.slice_index, first.dice) == (5, {})
    assert (second.slice_index, bool(second.dice)) == (4, True)


def test_a_case_with_a_damaged_prediction_can_still_be_annotated(predicted_driver):
    driver, project = predicted_driver, predicted_driver.widget.session.project
    project.prediction_path("run-001", "a").write_bytes(b"no NIfTI")
    driver.choose_case(1)
    driver.choose_case(0)
    assert "a is shown without it: predict it again" in shown_error(driver)
    driver.choose_class(1)
    go(driver, 5)
    driver.drag(*STROKE)
    assert states(driver)[5] is SliceState.IN_PROGRESS
    assert not driver.widget.loop.review.accept.isEnabled()


def test_time_on_a_slice_in_progress_is_noted_when_its_case_goes(open_driver, monkeypatch):
    monkeypatch.setattr(reviewer, "LEAST_S", 0.01)
    project = open_driver.widget.session.project
    go(open_driver, 5)
    open_driver.choose_class(1)
    open_driver.drag(*STROKE)
    open_driver.choose_case(1)
    (entry,) = project.corrections()
    assert (entry.case_id, entry.slice_index, entry.reason) == ("a", 5, "begun")
    assert project.corrections().reviews() == []


def test_predictions_of_a_discarded_run_leave_screen_and_queue_until_it_is_taken_back(
    predicted_driver,
):
    driver, loop = predicted_driver, predicted_driver.widget.loop
    layers, queue = driver.widget.annotator.layers, loop.review.queue
    predicted = layers.prediction.copy()
    driver.wait(lambda: bool(queue.value().head))
    driver.click(loop.train.runs)
    (dialog,) = driver.dialogs(RunsDialog)
    QTest.mouseClick(dialog.discard, Qt.MouseButton.LeftButton)
    driver.wait(lambda: not queue.value().head)
    assert not layers.prediction.any()
    assert not loop.review.accept.isEnabled()
    driver.press(Qt.Key.Key_A)
    assert "Expected a prediction of slice 5, found none" in shown_error(driver)
    assert states(driver)[4] is UNSEEN
    QTest.mouseClick(dialog.discard, Qt.MouseButton.LeftButton)
    dialog.close()
    driver.wait(lambda: bool(queue.value().head))
    np.testing.assert_array_equal(layers.prediction, predicted)
    driver.press(Qt.Key.Key_A)
    (entry,) = driver.widget.session.project.corrections()
    assert entry.run_id == "run-001"


def test_what_a_training_looked_at_stays_when_another_run_is_discarded(predicted_driver):
    driver, session = predicted_driver, predicted_driver.widget.session
    layers, project = driver.widget.annotator.layers, session.project
    for run_id, index in (("run-002", 2), ("run-003", 5)):
        project.new_run(TrainingConfig())
        session.history.run_id = run_id
        look = np.full(layers.predicted_slice(index).shape, 1, np.uint8)
        session.slice_predicted.emit(
            SlicePrediction(
                step=1, case_id="a", slice_axis=0, slice_index=index, pseudo_label_YX=look,
                uncertainty_YX=np.ones(look.shape, np.float32),
            )
        )  # fmt: skip
    project.discard_run("run-001")
    assert [layers.predicted_slice(index) is not None for index in range(8)] == [
        index in (2, 5) for index in range(8)
    ]
    project.discard_run("run-003")
    assert layers.num_predicted == 1
    assert (layers.predicted_slice(2) == 1).all()
    project.discard_run("run-001", is_discarded=False)
    assert layers.num_predicted == 8
    assert (layers.predicted_slice(2) == 1).all()
    go(driver, 2)
    driver.press(Qt.Key.Key_A)
    assert project.corrections().entries[-1].run_id == "run-002"
    driver.press(Qt.Key.Key_N)
    assert driver.widget.loop.annotate.reason_label.text().startswith("Suggested: unsure here")
    assert (session.case_id, layers.slice_index) == ("b", 6)


def test_suggestions_go_to_the_most_unsure_slice_and_back(predicted_driver):
    driver, box = predicted_driver, predicted_driver.widget.loop.annotate
    session = driver.widget.session
    driver.press(Qt.Key.Key_N)
    assert (session.case_id, driver.widget.annotator.layers.slice_index) == ("b", 6)
    assert states(driver)[6] is SliceState.SUGGESTED
    assert session.project.ledger("b").entries[6].who == "TransMedSeg"
    assert box.reason_label.text().startswith("Suggested: unsure here")
    assert driver.widget.loop.message.text().startswith("To slice 7 of b: unsure here")
    driver.screenshot("slices-suggested")
    driver.click(box.suggest)
    second = (session.case_id, driver.widget.annotator.layers.slice_index)
    assert second[0] == "a"
    driver.press(Qt.Key.Key_N, SHIFT)
    assert (session.case_id, driver.widget.annotator.layers.slice_index) == ("b", 6)
    driver.press(Qt.Key.Key_N)
    assert (session.case_id, driver.widget.annotator.layers.slice_index) == second
    go(driver, 0)
    assert not box.reason_label.isVisible()


def test_suggestions_lead_to_no_case_that_was_removed(predicted_driver):
    driver, session = predicted_driver, predicted_driver.widget.session
    layers, places = driver.widget.annotator.layers, []

    def place() -> tuple[str, int]:
        return session.case_id, layers.slice_index

    while [case_id for case_id, _ in places].count(session.case_id) < 2:
        driver.press(Qt.Key.Key_N)
        places.append(place())
    kept = [one for one in places if one[0] == session.case_id]
    (gone,) = {case_id for case_id, _ in places} - {session.case_id}
    session.project.remove_case(gone)
    driver.press(Qt.Key.Key_N, SHIFT)
    assert place() == kept[0]
    driver.press(Qt.Key.Key_N, SHIFT)
    assert place() == kept[0]
    assert not driver.widget.loop.annotate.back.isEnabled()
    driver.press(Qt.Key.Key_N)
    assert place() == kept[1]
    driver.press(Qt.Key.Key_N)
    assert place() not in places and session.case_id != gone
    assert driver.dialogs(ErrorDialog) == []


def test_suggestions_end_when_every_slice_was_seen(driver, tiny_project):
    with Project.open(tiny_project) as project:
        project.set_slice_states("a", [1, 2, 5, 6, 7], SliceState.EMPTY)
        project.set_slice_states("b", range(7), SliceState.EMPTY)
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    for _ in range(2):
        driver.press(Qt.Key.Key_N)
    ledgers = [driver.widget.session.project.ledger(name).states for name in "ab"]
    assert [one.count(SliceState.SUGGESTED) for one in ledgers] == [1, 1]
    driver.press(Qt.Key.Key_N)
    assert "none left" in shown_error(driver)


def test_a_suggested_case_is_predicted_when_it_is_on_screen(trained_driver):
    driver, session = trained_driver, trained_driver.widget.session
    driver.press(Qt.Key.Key_N)
    reason, case_id = driver.widget.loop.annotate.reason_label, session.case_id
    assert "run-001 predicts this case now" in reason.text()
    driver.screenshot("slices-suggested-unpredicted")
    path = session.project.prediction_path("run-001", case_id)
    driver.wait(lambda: path.exists() and not session.is_busy, 120)
    layers = driver.widget.annotator.layers
    assert layers.num_predicted == layers.num_slices
    np.testing.assert_array_equal(layers.prediction, session.project.prediction(case_id).array)
    assert reason.text().startswith("Suggested: ") and "predicts" not in reason.text()
    assert driver.widget.loop.review.accept.isEnabled()
    assert case_id in driver.widget.slices.review.scores
    others = {case.case_id for case in session.project.cases} - {case_id}
    assert not any(session.project.prediction_path("run-001", one).exists() for one in others)


def test_a_case_suggested_meanwhile_is_predicted_next_and_each_is_asked_for_once(
    trained_driver, slow_model
):
    asked = slow_model.asked
    driver, session = trained_driver, trained_driver.widget.session
    shown = []
    for _ in range(8):
        if len(set(shown)) < 2:
            driver.press(Qt.Key.Key_N)
            shown.append(session.case_id)
    assert asked == shown[:1]
    slow_model.goes_on.set()
    driver.wait(lambda: len(asked) == 2 and not session.is_busy, 120)
    assert asked == [shown[0], shown[-1]]
    driver.press(Qt.Key.Key_N)
    driver.press(Qt.Key.Key_N, SHIFT)
    assert not session.is_busy and len(asked) == 2


def test_a_case_that_cannot_be_predicted_is_told_of_once(trained_driver, slow_model):
    slow_model.fails, asked = True, slow_model.asked
    slow_model.goes_on.set()
    driver, session = trained_driver, trained_driver.widget.session
    driver.press(Qt.Key.Key_N)
    driver.wait(lambda: not session.is_busy, 120)
    assert "memory" in shown_error(driver)
    index = driver.widget.annotator.layers.slice_index
    go(driver, (index + 1) % 8)
    go(driver, index)
    assert not session.is_busy and len(asked) == 1
    driver.press(Qt.Key.Key_D)
    assert states(driver)[index] is SliceState.ANNOTATED


def test_a_model_of_other_classes_is_not_asked(trained_driver, slow_model):
    driver, asked = trained_driver, slow_model.asked
    driver.widget.session.project.add_class("third")
    driver.press(Qt.Key.Key_N)
    assert asked == [] and not driver.widget.session.is_busy
    assert "predicts" not in driver.widget.loop.annotate.reason_label.text()


def test_the_queue_leads_to_slices_by_click_and_by_enter(predicted_driver):
    driver, queue = predicted_driver, predicted_driver.widget.loop.review.queue
    driver.wait(lambda: queue.value().total == 14)
    head = queue.value().head
    assert [(one.case_id, one.index) for one in head[:2]] == [("b", 6), ("a", 6)]
    driver.widget.loop.scroll_area.ensureWidgetVisible(queue)
    QApplication.processEvents()
    box = queue.table.visualItemRect(queue.table.item(0, 1))
    QTest.mouseClick(queue.table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    session, layers = driver.widget.session, driver.widget.annotator.layers
    assert (session.case_id, layers.slice_index) == ("b", 6)
    driver.press(Qt.Key.Key_A)
    driver.wait(lambda: queue.value().total == 13)
    driver.screenshot("slices-queue")
    QTest.keyClick(queue.table, Qt.Key.Key_Return)
    assert (session.case_id, layers.slice_index) == ("a", 6)


def test_volumes_of_the_case_are_shown_in_ml(predicted_driver, tiny_labels):
    driver, box = predicted_driver, predicted_driver.widget.loop.review
    core_ml = np.count_nonzero(tiny_labels.array == 2) * 1.5 * 1.5 * 6 / 1000
    driver.wait(lambda: f"{core_ml:.1f} ml" in box.volumes.text())
    one_slice_ml = np.count_nonzero(tiny_labels.array[3] == 2) * 1.5 * 1.5 * 6 / 1000
    assert f"{one_slice_ml:.1f} ml" in box.volumes.text()
    driver.press(Qt.Key.Key_A)
    driver.wait(lambda: f"{2 * one_slice_ml:.1f} ml" in box.volumes.text())


def test_painting_in_another_plane_puts_the_slices_it_cuts_in_progress(open_driver):
    driver = open_driver
    driver.viewer.dims.order = (1, 0, 2)
    driver.viewer.reset_view()
    QApplication.processEvents()
    driver.choose_class(0)
    driver.drag((4.0, 6.0), (7.0, 6.0))
    touched = [index for index in range(4, 8) if labels(driver)[index].any()]
    assert len(touched) >= 2
    assert all(states(driver)[index] is SliceState.IN_PROGRESS for index in touched)
    driver.press(*UNDO)
    assert states(driver)[4:] == [UNSEEN] * 4


def test_predictions_while_training_are_logged_under_their_run(open_driver, monkeypatch):
    def train(project, config, *, control, resume, warm_start):
        kept = project.new_run(config, warm_start=warm_start)
        return kept.record(scripted_training(control, steps=10_000, step_s=0.05))

    monkeypatch.setattr(training, "train", train)
    driver, session = open_driver, open_driver.widget.session
    driver.train()
    driver.wait(lambda: driver.widget.annotator.layers.predicted_slice(4) is not None)
    driver.press(Qt.Key.Key_A)
    text = (session.project.folder / "corrections.jsonl").read_text()
    assert json.loads(text)["run_id"] == "run-001"
    assert session.activity is Activity.TRAINING
