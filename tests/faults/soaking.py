"""A person who works with the widget for hours, by mouse and key, and remembers every voxel."""

from pathlib import Path

import nibabel as nib
import numpy as np
from hands import LEFT, Hands, press
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from widgets.conftest import Driver

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog
from napari_transmedseg.widgets.snapshots_dialog import SnapshotsDialog

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
KEPT_RUNS = 2
STEPS = 100_000

Memory = dict[str, tuple[np.ndarray, list[SliceState]]]
"""Classes (I, P, L) and states of the slices by case."""


class Person(Hands):
    """Paints, trains, reviews, exports, looks around, and goes from project to project."""

    def __init__(self, driver: Driver, work: Path, other: Path, masks: Path) -> None:
        super().__init__(driver)
        self.work, self.other, self.masks = work, other, masks
        self.remembered = what_is_on_disk(work)
        self._to_clean: list[tuple[str, int]] = []

    def begin(self) -> None:
        """Open the project, and choose to train by steps."""
        self.drop(self.work)
        budget = self.driver.widget.loop.train.budget
        QTest.keyClick(budget.unit, Qt.Key.Key_Down)
        budget.amount.selectAll()
        QTest.keyClicks(budget.amount, str(STEPS))
        assert budget.value().settings == {"steps": STEPS}

    def work_for_a_cycle(self, number: int) -> None:
        """Do everything once; another case and other slices each time."""
        if number % 2:
            self.reopen_widget(self.work)
        self._clean_up()
        case = sorted(self.remembered)[number % len(self.remembered)]
        self._annotate(case, number)
        self._train()
        self._predict()
        self._review()
        self._export()
        self._look_into_dialogs(case)
        self._look_around()
        self._change_project()

    def _annotate(self, case: str, number: int) -> None:
        self.open_case(case)
        first, second = self.open_slices()[:: 1 - 2 * (number % 2)][:2]
        self.go_to(first)
        before = self.shown(first)
        self.driver.choose_class(0)
        self.driver.drag((4.0, 6.0), (12.0, 6.0))
        stroke = self.shown(first)
        assert (stroke[5:12, 6] == 1).all()
        self.driver.choose_class(1)
        self.driver.drag((4.0, 14.0), (12.0, 14.0))
        both = self.shown(first)
        assert (both[5:12, 14] == 2).all()
        for expected in (stroke, before):
            self.driver.press(Qt.Key.Key_Z, CONTROL)
            np.testing.assert_array_equal(self.shown(first), expected)
        for expected in (stroke, both):
            self.driver.press(Qt.Key.Key_Z, CONTROL | SHIFT)
            np.testing.assert_array_equal(self.shown(first), expected)
        self.driver.press(Qt.Key.Key_D)
        self._remember(first, both, SliceState.ANNOTATED)
        self.go_to(second)
        self.driver.press(Qt.Key.Key_W)
        self._remember(second, np.zeros_like(both), SliceState.EMPTY)

    def _train(self) -> None:
        """Watch a slice while a model learns; pause, go on, stop and keep."""
        driver, session = self.driver, self.driver.widget.session
        index = self.open_slices()[0]
        self.go_to(index)
        driver.train()
        layers = driver.widget.annotator.layers
        driver.wait(lambda: session.history.latest is not None, 120)
        driver.wait(lambda: layers.predicted_slice(index) is not None, 120)
        train = driver.widget.loop.train
        driver.click(train.pause)
        assert session.activity is Activity.PAUSED
        self.open_case(self.other_case())
        driver.click(train.resume)
        at_pause = session.history.latest.step
        driver.wait(lambda: session.history.latest.step > at_pause + 1, 120)
        driver.click(train.stop)
        self.wait_idle()
        assert session.history.finished.reason == "stopped"

    def _predict(self) -> None:
        self.driver.click(self.driver.widget.loop.review.predict)
        self.wait_idle()

    def _review(self) -> None:
        """Go to what is suggested, accept it, take it back, accept it after all."""
        driver, annotator = self.driver, self.driver.widget.annotator
        driver.press(Qt.Key.Key_N)
        index = annotator.layers.slice_index
        before, state = self.shown(index), annotator.ledger.states[index]
        predicted = annotator.layers.predicted_slice(index)
        driver.press(Qt.Key.Key_A)
        np.testing.assert_array_equal(self.shown(index), predicted)
        if not np.array_equal(predicted, before):  # else there is no voxel to take back
            driver.press(Qt.Key.Key_Z, CONTROL)
            np.testing.assert_array_equal(self.shown(index), before)
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
        self.wait_idle()
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
        self.wait_idle()
        driver.click(loop.export.options)
        dialog = driver.widget.results.dialog
        press(dialog.buttons.button(dialog.buttons.StandardButton.Cancel))
        driver.click(loop.train.runs)
        self._forget_old_runs(driver.dialogs(RunsDialog)[0])
        self.choose_in_menu(case, "Earlier states…")
        driver.dialogs(SnapshotsDialog)[0].close()

    def _forget_old_runs(self, dialog: RunsDialog) -> None:
        """Discard and delete all but the latest; else each cycle would have more to show."""
        while dialog.table.rowCount() > KEPT_RUNS:
            dialog.table.selectRow(0)
            press(dialog.discard)
            dialog.table.selectRow(0)
            press(dialog.delete)
        dialog.close()

    def _look_around(self) -> None:
        """Two cases, every plane, the linked views, and the overlays on and off."""
        driver = self.driver
        for _ in range(2):
            self.open_case(self.other_case())
            for key in (Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_1):
                driver.press(key, CONTROL)
            for key in (Qt.Key.Key_S, Qt.Key.Key_S, Qt.Key.Key_G, Qt.Key.Key_G, Qt.Key.Key_I):
                driver.press(key)
        driver.press(Qt.Key.Key_O)
        view = driver.widget.display.linked.views[0]
        driver.wait(lambda: view.title() != "")
        QTest.mouseClick(view, LEFT, pos=view.frame().center().toPoint())
        self.open_case(self.other_case())
        driver.press(Qt.Key.Key_O)
        assert driver.widget.display.linked is None

    def _clean_up(self) -> None:
        """Say of the slices of the last cycle that nothing is on them, then that nobody knows."""
        slices, self._to_clean = sorted(self._to_clean), []
        for case, index in slices:
            if case != self.driver.widget.session.case_id:
                self.open_case(case)
            self.go_to(index)
            if self.driver.widget.annotator.ledger.states[index] is not SliceState.EMPTY:
                self.driver.press(Qt.Key.Key_W)
            self.driver.press(Qt.Key.Key_U)
            self._remember(index, np.zeros_like(self.shown(index)), SliceState.UNSEEN)

    def _change_project(self) -> None:
        for folder in (self.other, self.work):
            self.drop(folder)
            self.open_case(self.other_case())

    def _remember(self, index: int, expected: np.ndarray, state: SliceState) -> None:
        """Look at a slice, and remember it for good."""
        annotator, case = self.driver.widget.annotator, self.driver.widget.session.case_id
        np.testing.assert_array_equal(self.shown(index), expected)
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
