"""What becomes of trained runs: discarded, taken back, deleted, compared."""

from __future__ import annotations

from dataclasses import replace

from napari.utils.theme import get_theme
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QMessageBox

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.comparing import require_predictions
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run_summary import summarise_runs
from napari_transmedseg.project.session import TRAINING_ACTIVITIES
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.runs_dialog import RunsDialog


class RunKeeper(QObject):
    """Asks before a run is discarded, and shows runs side by side."""

    changed = Signal()
    """A run was discarded, taken back or deleted."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._is_discarding = False
        self._dialog: RunsDialog | None = None

    def ask_to_discard(self) -> None:
        """Ask whether the running training shall end and be discarded; it goes on meanwhile."""
        box = QMessageBox(self._desk.window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("TransMedSeg")
        box.setText("Discard this training?")
        box.setInformativeText(
            "It ends, and what it learned is not used again. Its files stay until you delete them "
            "under 'Compare runs'. Your labels are not touched."
        )
        discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton("Go on", QMessageBox.ButtonRole.RejectRole)
        assert discard is not None
        discard.setToolTip("End this training and do not use it")
        discard.clicked.connect(lambda _checked: self._desk.slot(self._discard_running)())
        box.open()

    def discard_if_asked(self) -> None:
        """Carry a discard out when the training has ended."""
        if self._is_discarding:
            self._is_discarding = False
            self._desk.slot(self._discard_last)()

    def compare(self) -> None:
        """Show the runs side by side."""
        dialog, theme = RunsDialog(self._desk.window), get_theme(self._desk.viewer.theme)
        dialog.set_theme(theme.background.as_hex(), theme.text.as_hex())
        dialog.discardRequested.connect(self._desk.slot(self._set_discarded))
        dialog.deleteRequested.connect(self._desk.slot(self._delete))
        dialog.swipeRequested.connect(self._on_swipe)
        self._dialog = dialog
        dialog.destroyed.connect(self._on_dialog_gone)
        self._show_runs()
        dialog.open()

    def _discard_running(self) -> None:
        self._is_discarding = True
        if self._desk.session.activity in TRAINING_ACTIVITIES:
            self._desk.tasks.stop()
        else:  # it ended while the question was on screen
            self.discard_if_asked()

    def _discard_last(self) -> None:
        run_id = self._desk.session.history.run_id
        if run_id:
            self._set_discarded(run_id, True)
            self._desk.session.message_changed.emit(f"{run_id} is discarded.")

    def _set_discarded(self, run_id: str, is_discarded: bool) -> None:
        self._project().discard_run(run_id, is_discarded)
        self._after_change()

    def _delete(self, run_id: str) -> None:
        self._project().delete_run(run_id)
        self._after_change()

    def _on_swipe(self, left: str, right: str) -> None:
        try:
            require_predictions(self._project(), self._desk.session.case_id, (left, right))
        except ProjectError as error:
            self._desk.show_error(str(error), parent=self._dialog)
            return
        swipe = self._desk.loop.overlay.swipe
        swipe.setValue(replace(swipe.value(), is_on=True, left=left, right=right))
        swipe.valueChanged.emit(swipe.value())
        if self._dialog is not None:
            self._dialog.close()

    def _after_change(self) -> None:
        self._show_runs()
        if self._desk.session.activity not in TRAINING_ACTIVITIES:
            self._desk.projects.show_last_run()
        self.changed.emit()

    def _show_runs(self) -> None:
        if self._dialog is not None:
            session = self._desk.session
            busy = session.history.run_id if session.activity in TRAINING_ACTIVITIES else ""
            self._dialog.setValue(summarise_runs(self._project()), busy)

    def _on_dialog_gone(self) -> None:
        self._dialog = None

    def _project(self) -> Project:
        project = self._desk.session.project
        assert project is not None  # the buttons are on the page of an open project
        return project
