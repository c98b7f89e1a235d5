"""Curves can be read, zoomed, hidden and taken away; runs lie over each other."""

import csv
import itertools
from itertools import cycle
from pathlib import Path

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from scripted_training import scripted_training

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import DiceReport
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.history import Curve, RunMark, TrainingHistory, replay
from napari_transmedseg.project.run_summary import RunSummary
from napari_transmedseg.widgets.loss_plot import LossPlot
from napari_transmedseg.widgets.runs_dialog import RunsDialog, mean_dice_curve

pytestmark = pytest.mark.gui

_JITTER = cycle((0, 1))
"""A mouse that does not move tells nothing."""


def events(run_id: str, steps: int = 20):
    return scripted_training(TrainingControl(), steps=steps, step_s=0.0001, run_id=run_id)


@pytest.fixture(scope="module")
def history() -> TrainingHistory:
    history = replay(events("run-001"))
    history.begin_run()
    for event in events("run-002"):
        history.apply(event)
    return history


@pytest.fixture
def plot(qtbot, history) -> LossPlot:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(380, 340)
    plot.setValue(history, {"ring": "#ff0000"})
    plot.show()
    qtbot.waitExposed(plot)
    QApplication.processEvents()
    return plot


def hover(plot: LossPlot, step: float) -> bool:
    """Move the mouse to a step; True for use in `waitUntil`, as the plot skips quick moves."""
    box = plot.losses.getPlotItem().vb
    y = sum(box.viewRange()[1]) / 2
    place = plot.losses.mapFromScene(box.mapViewToScene(QPointF(step, y)))
    QTest.mouseMove(plot.losses.viewport(), place + QPoint(0, next(_JITTER)))
    QApplication.processEvents()
    return f"step {round(step)}" in plot.values.text()


def test_log_scale_changes_the_view_not_the_values(plot, history):
    before = plot.value()
    (linear, _) = plot.losses.getPlotItem().vb.viewRange()[1]
    QTest.mouseClick(plot.log, Qt.MouseButton.LeftButton, pos=QPoint(8, plot.log.height() // 2))
    QApplication.processEvents()
    assert plot.log.isChecked()
    assert plot.value() == before
    (low, high) = plot.losses.getPlotItem().vb.viewRange()[1]
    assert low < linear - 0.5
    assert 10**high >= max(history.losses["total"].values)


def test_wheel_zooms_and_reset_shows_all_again(plot, qtbot):
    box = plot.losses.getPlotItem().vb
    whole = box.viewRange()[0]
    viewport = plot.losses.viewport()
    place = QPointF(viewport.rect().center())
    for _ in range(3):
        wheel = QWheelEvent(
            place, QPointF(viewport.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 240),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
            False,
        )  # fmt: skip
        QApplication.sendEvent(viewport, wheel)
    QApplication.processEvents()
    zoomed = box.viewRange()[0]
    assert zoomed[1] - zoomed[0] < 0.8 * (whole[1] - whole[0])
    QTest.mouseClick(plot.reset, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: box.viewRange()[0] == pytest.approx(whole))


@pytest.mark.parametrize("name", ["losses", "dice"])
def test_keys_zoom_and_move_the_plot_that_tab_leads_to(plot, qtbot, name):
    panel = getattr(plot.canvas, name)
    box, first = panel.getPlotItem().vb, plot.losses.getPlotItem().vb
    tab_to(plot, panel, qtbot)
    ((left, right), (low, high)) = box.viewRange()
    QTest.keyClick(panel, Qt.Key.Key_Plus)
    width, height = 0.8 * (right - left), 0.8 * (high - low)
    middle = ((left + right) / 2, (low + high) / 2)
    assert_shows(box, middle, width, height)
    QTest.keyClick(panel, Qt.Key.Key_Right)
    QTest.keyClick(panel, Qt.Key.Key_Up)
    assert_shows(box, (middle[0] + 0.1 * width, middle[1] + 0.1 * height), width, height)
    assert first.viewRange()[0] == pytest.approx(box.viewRange()[0])
    QTest.keyClick(panel, Qt.Key.Key_Left)
    QTest.keyClick(panel, Qt.Key.Key_Down)
    QTest.keyClick(panel, Qt.Key.Key_Minus)
    assert_shows(box, middle, right - left, high - low)
    assert first.viewRange()[0] == pytest.approx(box.viewRange()[0])


def test_plots_say_their_keys_and_show_their_focus(plot, qtbot):
    border = plot.losses.getPlotItem().vb.borderRect
    assert border.pen().style() == Qt.PenStyle.NoPen
    tab_to(plot, plot.losses, qtbot)
    assert border.pen().style() == Qt.PenStyle.SolidLine
    tab_to(plot, plot.dice, qtbot)
    assert border.pen().style() == Qt.PenStyle.NoPen
    for words in (plot.losses.accessibleDescription(), plot.canvas.toolTip()):
        assert "+ and − zoom and the arrow keys move" in words


def tab_to(plot: LossPlot, panel: QWidget, qtbot) -> None:
    """Press Tab until a panel has the focus."""
    plot.activateWindow()
    qtbot.waitUntil(plot.isActiveWindow)
    if QApplication.focusWidget() is None:
        plot.log.setFocus()
    for _ in range(10):
        if not panel.hasFocus():
            QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert panel.hasFocus()


def assert_shows(box, center: tuple[float, float], width: float, height: float) -> None:
    ((left, right), (low, high)) = box.viewRange()
    assert ((left + right) / 2, (low + high) / 2) == pytest.approx(center)
    assert (right - left, high - low) == pytest.approx((width, height))


def test_mouse_tells_the_values_under_it_and_the_run(plot, history, qtbot):
    qtbot.waitUntil(lambda: hover(plot, 10.2))
    total = history.losses["total"].values[9]
    assert f"run-001 step 10: total {total:.3g}" in plot.values.text()
    qtbot.waitUntil(lambda: hover(plot, 30))
    assert "run-002 step 30" in plot.values.text()
    assert "Dice (annotated) ring" in plot.values.text()
    QApplication.sendEvent(plot.canvas, _leave())
    assert "run-002 step 40" in plot.values.text()


def test_axis_and_values_say_on_which_slices_dice_was_measured(plot):
    assert plot.dice.getAxis("left").labelText == "Dice<br>annotated"
    history = replay(events("run-001"))
    history.apply(DiceReport(step=20, annotated={"ring": 0.9}, held_out={"ring": 0.25}))
    plot.setValue(history, {})
    assert plot.dice.getAxis("left").labelText == "Dice<br>held-out"
    assert plot.value()["ring"] == ([20], [0.25])
    assert "Dice (held-out) ring 0.25" in plot.values.text()


def test_values_under_the_mouse_stay_while_the_training_goes_on(plot, history, qtbot):
    qtbot.waitUntil(lambda: hover(plot, 10.2))
    plot.setValue(history, {"ring": "#ff0000"})
    assert "run-001 step 10:" in plot.values.text()
    QApplication.sendEvent(plot.canvas, _leave())
    plot.setValue(history, {"ring": "#ff0000"})
    assert "run-002 step 40" in plot.values.text()


def test_click_on_a_name_hides_its_curve_and_the_menu_brings_it_back(plot, history):
    legend = plot.losses.getPlotItem().legend
    label = next(label for _, label in legend.items if label.text == "supervised")
    scene = label.mapToScene(label.boundingRect().center())
    place = plot.losses.mapFromScene(scene)
    QTest.mouseClick(plot.losses.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QApplication.processEvents()
    assert not plot.canvas.is_shown("supervised")
    assert "supervised" not in plot.values.text()
    plot.setValue(history, {})
    assert not plot.canvas.is_shown("supervised")
    plot.menu.aboutToShow.emit()
    (action,) = [one for one in plot.menu.actions() if one.text() == "supervised"]
    assert not action.isChecked()
    action.trigger()
    assert plot.canvas.is_shown("supervised")


def test_curves_go_on_after_a_warm_start_with_a_mark_where_the_run_begins(plot):
    assert plot.value()["total"][0] == list(range(1, 41))
    marks = [mark for mark in plot.canvas._marks if mark.getViewBox() is not None]
    assert {mark.value() for mark in marks} == {20}
    assert [mark.label.toPlainText() for mark in marks if hasattr(mark, "label")] == ["run-002"]


@pytest.mark.parametrize("step", [1, 39])
def test_name_of_a_run_is_not_cut_off_where_it_begins_at_the_edge(plot, qtbot, step):
    plot.canvas.set_marks([RunMark(step, "run-002")])
    (mark,) = [mark for mark in plot.canvas._marks if hasattr(mark, "label")]
    view = plot.losses.getPlotItem().vb.sceneBoundingRect()
    qtbot.waitUntil(lambda: mark.label.x() != 0)
    name = mark.label.mapRectToScene(mark.label.boundingRect())
    assert view.left() <= name.left() and name.right() <= view.right()


def test_marks_and_curves_go_with_another_history(plot):
    plot.setValue(TrainingHistory(), {})
    assert plot.value() == {}
    assert plot.canvas._marks == []
    assert plot.values.text() == ""


def test_axes_and_tools_come_with_the_first_step(qtbot, history):
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(380, 340)
    plot.show()
    started = replay(itertools.islice(events("run-001"), 1))
    for nothing in (TrainingHistory(), started):
        plot.setValue(nothing, {})
        assert plot.canvas.hint.isVisible()
        assert "after the first steps" in plot.canvas.hint.text()
        assert not plot.losses.isVisible() and not plot.dice.isVisible()
        assert not plot.log.isVisible() and not plot.export.isVisible()
    QApplication.processEvents()
    folded = plot.sizeHint().height()
    assert folded < 60
    plot.setValue(history, {})
    QApplication.processEvents()
    assert plot.losses.isVisible() and plot.dice.isVisible() and plot.log.isVisible()
    assert not plot.canvas.hint.isVisible()
    assert plot.sizeHint().height() > folded + 200
    plot.setValue(TrainingHistory(), {})
    assert plot.canvas.hint.isVisible() and not plot.losses.isVisible()


def test_curves_are_saved_as_picture_and_table(plot, tmp_path: Path):
    plot.save(tmp_path / "curves.png")
    assert QImage(str(tmp_path / "curves.png")).width() == plot.canvas.width()
    plot.save(tmp_path / "curves.csv")
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    assert [row["run"] for row in (rows[0], rows[-1])] == ["run-001", "run-002"]
    with pytest.raises(ProjectError, match="choose another folder"):
        plot.save(tmp_path / "missing" / "curves.png")


def test_many_points_are_thinned_only_on_screen(qtbot):
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(380, 340)
    plot.show()
    long = TrainingHistory()
    long.losses["total"] = Curve(list(range(50_000)), [1 / (1 + i) for i in range(50_000)])
    plot.setValue(long, {})
    QApplication.processEvents()
    assert len(plot.value()["total"][0]) == 50_000
    (line,) = plot.canvas._lines.values()
    assert len(line.getData()[0]) < 10_000


def summary(run_id: str, **changes) -> RunSummary:
    history = replay(events(run_id))
    facts = {
        "run_id": run_id, "method": "bcp", "state": "budget", "steps": 20, "self_training_steps": 9,
        "losses": {"total": 0.2}, "dice": 0.8, "dice_is_held_out": True, "elapsed_s": 95.0,
        "warm_start": "", "history": history,
    }  # fmt: skip
    return RunSummary(**{**facts, **changes})


@pytest.fixture
def dialog(qtbot) -> RunsDialog:
    dialog = RunsDialog()
    qtbot.addWidget(dialog)
    dialog.setValue([
        summary("run-001", state="discarded"), summary("run-002", warm_start="run-001"),
        summary("run-003", dice=None, state="unfinished"),
    ])  # fmt: skip
    dialog.show()
    return dialog


def test_latest_two_runs_are_over_each_other_first(dialog):
    assert dialog.value() == ["run-002", "run-003"]
    assert set(dialog.canvas.names()) == {"run-002", "run-003"}
    shown = [dialog.table.item(1, column).text() for column in range(dialog.table.columnCount())]
    assert shown == [
        "run-002", "finished", "bcp", "run-001", "20", "0.200", "0.800 held out", "1:35 min"
    ]  # fmt: skip


def test_dice_of_two_kinds_says_which_is_which(dialog):
    dialog.setValue([summary("run-001"), summary("run-002", dice_is_held_out=False)])
    dialog.table.selectAll()
    assert set(dialog.canvas.names()) == {
        "run-001", "run-002", "run-001 held out", "run-002 annotated"
    }  # fmt: skip
    dialog.setValue([summary("run-001"), summary("run-002", dice=None, dice_is_held_out=False)])
    assert set(dialog.canvas.names()) == {"run-001", "run-002"}


def test_choosing_runs_by_keyboard_draws_them(dialog):
    dialog.table.setFocus()
    dialog.table.setCurrentCell(1, 0)
    QTest.keyClick(dialog.table, Qt.Key.Key_Up)
    assert dialog.value() == ["run-001"]
    assert set(dialog.canvas.names()) == {"run-001"}


def test_discarded_runs_are_taken_back_or_deleted_and_others_discarded(dialog, qtbot):
    assert dialog.discard.text() == "Discard"
    assert not dialog.delete.isEnabled()
    dialog.table.selectRow(0)
    assert dialog.discard.text() == "Take back"
    with qtbot.waitSignal(dialog.discardRequested) as asked:
        QTest.mouseClick(dialog.discard, Qt.MouseButton.LeftButton)
    assert asked.args == ["run-001", False]
    with qtbot.waitSignal(dialog.deleteRequested) as asked:
        QTest.mouseClick(dialog.delete, Qt.MouseButton.LeftButton)
    assert asked.args == ["run-001"]


def test_run_in_training_is_left_alone(dialog):
    dialog.setValue([summary("run-001"), summary("run-002")], busy="run-002")
    assert dialog.table.item(1, 1).text() == "in training"
    assert not dialog.discard.isEnabled()
    dialog.table.selectRow(0)
    assert dialog.discard.isEnabled()


def test_mean_dice_leaves_out_what_was_not_measured():
    history = TrainingHistory()
    history.annotated_dice = {
        "a": Curve([5, 10], [0.5, float("nan")]),
        "b": Curve([5, 10], [0.7, 0.9]),
    }
    assert mean_dice_curve(history) == Curve([5, 10], [0.6, 0.9])


def _leave():
    from qtpy.QtCore import QEvent

    return QEvent(QEvent.Type.Leave)
