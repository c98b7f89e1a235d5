"""A person who works with the widget for hours, by mouse and key, and remembers every voxel."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QMenu,
    QPushButton,
    QToolButton,
    QWidget,
)
from widgets.conftest import Driver

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog
from napari_transmedseg.widgets.snapshots_dialog import SnapshotsDialog

LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
KEPT_RUNS = 2
STEPS = 100_000

Memory = dict[str, tuple[np.ndarray, list[SliceState]]]
"""Classes (I, P, L) and states of the slices by case."""


class Person:
    """Paints, trains, reviews, exports, looks around, and goes from project to project."""

    def __init__(self, driver: Driver, work: Path, other: Path, masks: Path) -> None:
        self.driver = driver
        self.work, self.other, self.masks = work, other, masks
        self.remembered = what_is_on_disk(work)
        self._to_clean: list[tuple[str, int]] = []

    def begin(self) -> None:
        """Open the project, and choose to train by steps."""
        self._drop(self.work)
        budget = self.driver.widget.loop.train.budget
        QTest.keyClick(budget.unit, Qt.Key.Key_Down)
        budget.amount.selectAll()
        QTest.keyClicks(budget.amount, str(STEPS))
        assert budget.value().settings == {"steps": STEPS}

    def work_for_a_cycle(self, number: int) -> None:
        """Do everything once; another case and other slices each time."""
        if number % 2:
            self._reopen_widget()
        case = sorted(self.remembered)[number % len(self.remembered)]
        self._annotate(case, number)
        self._train()
        self._predict()
        self._review()
        self._export()
        self._look_into_dialogs(case)
        self._look_around()
        self._clean_up()
        self._change_project()

    def _annotate(self, case: str, number: int) -> None:
        self._open_case(case)
        first, second = self._open_slices()[:: 1 - 2 * (number % 2)][:2]
        self._go_to(first)
        before = self._shown(first)
        self.driver.choose_class(0)
        self.driver.drag((4.0, 6.0), (12.0, 6.0))
        stroke = self._shown(first)
        assert (stroke[5:12, 6] == 1).all()
        self.driver.choose_class(1)
        self.driver.drag((4.0, 14.0), (12.0, 14.0))
        both = self._shown(first)
        assert (both[5:12, 14] == 2).all()
        for expected in (stroke, before):
            self.driver.press(Qt.Key.Key_Z, CONTROL)
            np.testing.assert_array_equal(self._shown(first), expected)
        for expected in (stroke, both):
            self.driver.press(Qt.Key.Key_Z, CONTROL | SHIFT)
            np.testing.assert_array_equal(self._shown(first), expected)
        self.driver.press(Qt.Key.Key_D)
        self._remember(first, both, SliceState.ANNOTATED)
        self._go_to(second)
        self.driver.press(Qt.Key.Key_W)
        self._remember(second, np.zeros_like(both), SliceState.EMPTY)

    def _train(self) -> None:
        """Watch a slice while a model learns; pause, go on, stop and keep."""
        driver, session = self.driver, self.driver.widget.session
        index = self._open_slices()[0]
        self._go_to(index)
        driver.train()
        layers = driver.widget.annotator.layers
        driver.wait(lambda: session.history.latest is not None, 120)
        driver.wait(lambda: layers.predicted_slice(index) is not None, 120)
        train = driver.widget.loop.train
        driver.click(train.pause)
        assert session.activity is Activity.PAUSED
        self._open_case(self._other_case())
        driver.click(train.resume)
        at_pause = session.history.latest.step
        driver.wait(lambda: session.history.latest.step > at_pause + 1, 120)
        driver.click(train.stop)
        self._wait_idle()
        assert session.history.finished.reason == "stopped"

    def _predict(self) -> None:
        self.driver.click(self.driver.widget.loop.review.predict)
        self._wait_idle()

    def _review(self) -> None:
        """Go to what is suggested, accept it, take it back, accept it after all."""
        driver, annotator = self.driver, self.driver.widget.annotator
        driver.press(Qt.Key.Key_N)
        index = annotator.layers.slice_index
        before, state = self._shown(index), annotator.ledger.states[index]
        predicted = annotator.layers.predicted_slice(index)
        driver.press(Qt.Key.Key_A)
        np.testing.assert_array_equal(self._shown(index), predicted)
        if not np.array_equal(predicted, before):  # else there is no voxel to take back
            driver.press(Qt.Key.Key_Z, CONTROL)
            np.testing.assert_array_equal(self._shown(index), before)
            assert annotator.ledger.states[index] is state
            driver.press(Qt.Key.Key_Z, CONTROL | SHIFT)
        self._remember(index, predicted, SliceState.ACCEPTED)
        driver.press(Qt.Key.Key_A)  # it is known already
        (dialog,) = driver.dialogs(ErrorDialog)
        dialog.close()

    def _export(self) -> None:
        box = self.driver.widget.loop.export
        box.folder.setText("")
        QTest.keyClicks(box.folder, str(self.masks))
        self.driver.click(box.export)
        self._wait_idle()
        geometry = self.driver.widget.session.project.geometry
        for case, (classes, states) in self.remembered.items():
            mask = nib.load(self.masks / f"{case}.nii.gz")
            exported = geometry(case).to_display(np.asanyarray(mask.dataobj))
            known = [index for index, state in enumerate(states) if state.is_labeled]
            np.testing.assert_array_equal(exported[known], classes[known])

    def _look_into_dialogs(self, case: str) -> None:
        driver, loop = self.driver, self.driver.widget.loop
        driver.click(loop.train.check)
        driver.wait(lambda: bool(driver.dialogs(PreflightDialog)), 60)
        driver.dialogs(PreflightDialog)[0].close()
        self._wait_idle()
        driver.click(loop.export.options)
        dialog = driver.widget.results.dialog
        _press(dialog.buttons.button(dialog.buttons.StandardButton.Cancel))
        driver.click(loop.train.runs)
        self._forget_old_runs(driver.dialogs(RunsDialog)[0])
        self._choose_in_menu(case, "Earlier states…")
        driver.dialogs(SnapshotsDialog)[0].close()

    def _forget_old_runs(self, dialog: RunsDialog) -> None:
        """Discard and delete all but the latest; else each cycle would have more to show."""
        while dialog.table.rowCount() > KEPT_RUNS:
            dialog.table.selectRow(0)
            _press(dialog.discard)
            dialog.table.selectRow(0)
            _press(dialog.delete)
        dialog.close()

    def _look_around(self) -> None:
        """Two cases, every plane, the linked views, and the overlays on and off."""
        driver = self.driver
        for _ in range(2):
            self._open_case(self._other_case())
            for key in (Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_1):
                driver.press(key, CONTROL)
            for key in (Qt.Key.Key_S, Qt.Key.Key_S, Qt.Key.Key_G, Qt.Key.Key_G, Qt.Key.Key_I):
                driver.press(key)
        driver.press(Qt.Key.Key_O)
        view = driver.widget.display.linked.views[0]
        driver.wait(lambda: view.title() != "")
        QTest.mouseClick(view, LEFT, pos=view.frame().center().toPoint())
        self._open_case(self._other_case())
        driver.press(Qt.Key.Key_O)
        assert driver.widget.display.linked is None

    def _clean_up(self) -> None:
        """Say of the slices of this cycle that nothing is on them, then that nobody knows."""
        for case, index in sorted(self._to_clean):
            if case != self.driver.widget.session.case_id:
                self._open_case(case)
            self._go_to(index)
            if self.driver.widget.annotator.ledger.states[index] is not SliceState.EMPTY:
                self.driver.press(Qt.Key.Key_W)
            self.driver.press(Qt.Key.Key_U)
            self._remember(index, np.zeros_like(self._shown(index)), SliceState.UNSEEN)
        self._to_clean = []

    def _change_project(self) -> None:
        for folder in (self.other, self.work):
            self._drop(folder)
            self._open_case(self._other_case())

    def _reopen_widget(self) -> None:
        """Press the X of the dock, open the widget anew, and the last project in it."""
        driver, old, window = self.driver, self.driver.widget, self.driver.viewer.window
        dock = next(one for one in old.window().findChildren(QDockWidget) if one.widget() is old)
        closing = next(
            button
            for kind in (QPushButton, QToolButton)
            for button in dock.titleBarWidget().findChildren(kind)
            if "close" in button.toolTip().lower() or "close" in button.objectName().lower()
        )
        left_behind = list(driver.viewer.layers)
        sample = old.projects.sample_folder
        with driver.qtbot.waitSignal(old.destroyed):
            QTest.mouseClick(closing, LEFT)
        _, driver.widget = window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
        driver.widget.projects.sample_folder = sample
        QApplication.processEvents()
        recent = driver.widget.start_page.recent
        place = recent.visualItemRect(recent.item(0)).center()
        QTest.mouseClick(recent.viewport(), LEFT, pos=place)
        self._wait_open(self.work)
        for layer in left_behind:
            driver.viewer.layers.remove(layer)

    # --- hands

    def _open_case(self, case: str) -> None:
        table = self.driver.widget.loop.cases
        rows = [table.item(row, 0).text() for row in range(table.rowCount())]
        self.driver.choose_case(rows.index(case))
        assert self.driver.widget.session.case_id == case

    def _other_case(self) -> str:
        """The case after the one on screen."""
        session = self.driver.widget.session
        ids = [case.case_id for case in session.project.cases]
        return ids[(ids.index(session.case_id) + 1) % len(ids)]

    def _go_to(self, index: int) -> None:
        strip = self.driver.widget.loop.annotate.strip
        self.driver.widget.loop.scroll_area.ensureWidgetVisible(strip)
        pos = strip.rect().center()
        count = len(self.driver.widget.annotator.ledger.states)
        pos.setX(round((index + 0.5) * strip.width() / count))
        QTest.mouseClick(strip, LEFT, pos=pos)
        QApplication.processEvents()
        assert self.driver.widget.annotator.layers.slice_index == index

    def _choose_in_menu(self, case: str, text: str) -> None:
        """Open the menu of a case with the right button, and choose by arrow keys."""
        table = self.driver.widget.loop.cases
        row = next(i for i in range(table.rowCount()) if table.item(i, 0).text() == case)
        table.scrollToItem(table.item(row, 0))
        pos = table.visualItemRect(table.item(row, 0)).center()
        reason = QContextMenuEvent.Reason.Mouse
        event = QContextMenuEvent(reason, pos, table.viewport().mapToGlobal(pos))
        QApplication.sendEvent(table.viewport(), event)
        menu = next(one for one in table.findChildren(QMenu) if one.isVisible())
        while menu.activeAction() is None or menu.activeAction().text() != text:
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)
        QApplication.processEvents()

    def _drop(self, folder: Path) -> None:
        """Drop a project's folder on the widget."""
        target: QWidget = self.driver.widget
        window = target.window().windowHandle()
        place: QPoint = target.mapTo(target.window(), target.rect().center())
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(folder))])
        copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(window, QDragEnterEvent(place, copy, mime, LEFT, none))
        QApplication.sendEvent(window, QDropEvent(QPointF(place), copy, mime, LEFT, none))
        self._wait_open(folder)

    def _wait_open(self, folder: Path) -> None:
        widget = self.driver.widget
        self.driver.wait(lambda: bool(widget.session.case_id))
        assert widget.session.project.folder == folder
        assert widget.annotator.layers.is_open

    def _wait_idle(self) -> None:
        session = self.driver.widget.session
        self.driver.wait(lambda: session.activity is Activity.IDLE, 240)

    # --- eyes and memory

    def _open_slices(self) -> list[int]:
        states = self.driver.widget.annotator.ledger.states
        return [index for index, state in enumerate(states) if not state.is_labeled]

    def _shown(self, index: int) -> np.ndarray:
        return self.driver.widget.annotator.slice_labels(index).copy()

    def _remember(self, index: int, expected: np.ndarray, state: SliceState) -> None:
        """Look at a slice, and remember it for good."""
        annotator, case = self.driver.widget.annotator, self.driver.widget.session.case_id
        np.testing.assert_array_equal(self._shown(index), expected)
        assert annotator.ledger.states[index] is state
        classes, states = self.remembered[case]
        classes[index], states[index] = expected, state
        if state is not SliceState.UNSEEN:
            self._to_clean.append((case, index))


def what_is_on_disk(folder: Path) -> Memory:
    """Classes and states of every case, as another program would read them."""
    with Project.open(folder, read_only=True) as project:
        return {
            case.case_id: (
                project.annotation(case.case_id).array.copy(),
                [_worth(state) for state in project.ledger(case.case_id).states],
            )
            for case in project.cases
        }


def _worth(state: SliceState) -> SliceState:
    """What is only suggested is as unknown as before."""
    return SliceState.UNSEEN if state is SliceState.SUGGESTED else state


def _press(button: QAbstractButton | Any) -> None:
    assert button.isEnabled(), f"'{button.text()}' is greyed out"
    QTest.mouseClick(button, LEFT)
    QApplication.processEvents()
