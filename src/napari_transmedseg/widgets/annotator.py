"""Keeps the case on screen, its ledger and its files in step with the person's brush."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError, ProjectTakenError, TransMedSegError
from napari_transmedseg.layer_data import slice_view
from napari_transmedseg.layers import CaseLayers
from napari_transmedseg.project.annotating import (
    SliceEdit,
    accepted_labels,
    state_after_painting,
)
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

AUTOSAVE_INTERVAL_MS = 5000
WRITE_POLL_MS = 200


class Annotator(QObject):
    """Carries out what a person does to slices; saves by itself."""

    failed = Signal(str)
    sliceChanged = Signal(int)
    sliceAccepted = Signal(int)

    def __init__(
        self, viewer: ViewerModel, session: Session, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.layers = CaseLayers(viewer)
        self._session = session
        self._case_id = ""
        self._ledger = Ledger.untouched(0)
        self._changed_slices: set[int] = set()
        self._is_ledger_changed = False
        self._edits: dict[int, SliceEdit] = {}
        self._autosave = QTimer(self)
        self._autosave.setInterval(AUTOSAVE_INTERVAL_MS)
        self._autosave.timeout.connect(self._on_autosave)
        self._autosave.start()
        self._write_poll = QTimer(self)
        self._write_poll.setInterval(WRITE_POLL_MS)
        self._write_poll.timeout.connect(self._on_write_poll)
        self._restore = QTimer(self)
        self._restore.setSingleShot(True)
        self._restore.timeout.connect(self.layers.restore)
        self.layers.edited.connect(self._on_edited)
        self.layers.slice_changed.connect(self._on_slice)
        self.layers.removed.connect(self._on_removed)
        session.slice_predicted.connect(self._on_predicted)

    @property
    def ledger(self) -> Ledger:
        """States of the slices of the case on screen, those not saved yet included."""
        return self._ledger

    def open_case(self, case_id: str) -> None:
        """Show a case of the open project; the one on screen is saved first."""
        project = self._project()
        self.save()
        volume, annotation = project.volume(case_id), project.annotation(case_id)
        prediction = project.prediction(case_id)
        self.close_case()
        self._autosave.start()  # an error may have stopped it
        self._case_id, self._ledger = case_id, project.ledger(case_id)
        self.layers.show(
            volume, annotation, case_id=case_id, slice_axis=project.slice_axis,
            colors=class_colors(project), prediction=prediction,
        )  # fmt: skip
        if project.read_only:
            self.layers.forbid_painting()

    def close_case(self) -> None:
        """Save the case on screen and let go of it; its layers stay until the next is shown."""
        self.save()
        self._case_id = ""
        self._edits.clear()

    def save(self) -> None:
        """Save the slices that changed and the states; they are written in the background."""
        project = self._session.project
        if project is None or not self._case_id:
            return
        self.layers.find_edits()
        if not self._changed_slices and not self._is_ledger_changed:
            return
        slices = {index: self._slice(index).copy() for index in sorted(self._changed_slices)}
        try:
            project.save_slices(self._case_id, slices, self._ledger)
        except ProjectError:
            if project.read_only:  # they are rescued, or could not be made
                self._forget_changes()
            raise
        self._forget_changes()
        self._write_poll.start()

    def set_autosave_interval(self, seconds: float) -> None:
        """Save at least so often."""
        self._autosave.setInterval(round(1000 * seconds))

    def save_now(self) -> None:
        """Save, and wait until everything is written."""
        self.save()
        if self._session.project is not None:
            self._session.project.flush()

    def mark_done(self) -> None:
        """Make the slice on screen annotated: all of it is known."""
        self._require_case()
        self.layers.find_edits()
        self._set_state(self.layers.slice_index, SliceState.ANNOTATED)
        self.save()

    def mark_slices_done(self, indices: Iterable[int]) -> None:
        """Make slices of the case on screen annotated: all of each is known."""
        self._require_case()
        self.layers.find_edits()
        for index in indices:
            self._set_state(index, SliceState.ANNOTATED)
        self.save()

    def mark_empty(self) -> None:
        """Say that the slice on screen holds none of the classes; one undo step."""
        self._require_case()
        index = self.layers.slice_index
        self._command(index, np.zeros_like(self._slice(index)), SliceState.EMPTY)

    def unannotate(self) -> None:
        """Take the word back that the slice is known as a whole; painted voxels stay."""
        self._require_case()
        index = self.layers.slice_index
        painted = bool(self._slice(index).any())
        self._set_state(index, SliceState.IN_PROGRESS if painted else SliceState.UNSEEN)
        self.save()

    def accept(self) -> None:
        """Take the pseudo-label of the slice on screen into the labels; one undo step.

        Raises
        ------
        ProjectError
            When nothing was predicted, or the slice is known as a whole already.
        """
        self._require_case()
        index = self.layers.slice_index
        predicted = self.layers.predicted_slice(index)
        if predicted is None:
            raise ProjectError(
                f"Expected a prediction of slice {index + 1}, found none yet; keep this slice on "
                "screen while training, or press 'Predict all cases' after it."
            )
        self.layers.find_edits()
        labels = accepted_labels(self._slice(index), predicted, self._ledger.states[index])
        self._command(index, labels, SliceState.ACCEPTED)
        self.sliceAccepted.emit(index)

    def shut_down(self) -> None:
        """Save and stop listening."""
        self._autosave.stop()
        try:
            self.save()
        finally:
            self._write_poll.stop()
        self._session.slice_predicted.disconnect(self._on_predicted)
        self.layers.close()

    def _command(self, index: int, labels_YX: np.ndarray, state: SliceState) -> None:
        self.layers.find_edits()
        before, state_before = self._slice(index).copy(), self._ledger.states[index]
        self._edits[index] = SliceEdit(before, labels_YX.copy(), state_before, state)
        self.layers.set_slice(index, labels_YX)
        self._set_state(index, state)
        self.save()

    def _forget_changes(self) -> None:
        self._changed_slices.clear()
        self._is_ledger_changed = False

    def _slice(self, index: int) -> np.ndarray:
        return slice_view(self.layers.labels, self._project().slice_axis, index)

    def _set_state(self, index: int, state: SliceState) -> None:
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        self._ledger = self._ledger.with_states([index], state, who=person(), when=when)
        self._is_ledger_changed = True
        self._session.ledger_changed.emit(self._case_id)

    def _project(self) -> Project:
        if self._session.project is None:
            raise ProjectError("Expected an open project, found none; open or make one first.")
        return self._session.project

    def _require_case(self) -> None:
        if not self._case_id or not self.layers.is_open:
            raise ProjectError("Expected a case on screen, found none; click one in the table.")

    def _on_edited(self, index: int) -> None:
        self._changed_slices.add(index)
        labels, state_now = self._slice(index), self._ledger.states[index]
        edit = self._edits.get(index)
        state = edit.state_for(labels) if edit is not None else None
        if state is None:
            state = state_after_painting(state_now, has_painted_voxels=bool(labels.any()))
        if state is not state_now:
            self._set_state(index, state)

    def _on_slice(self, index: int) -> None:
        self.sliceChanged.emit(index)

    def _on_removed(self) -> None:
        self._restore.start(0)

    def _on_predicted(self, event: SlicePrediction) -> None:
        project = self._session.project
        if (
            self.layers.is_open
            and project is not None
            and event.case_id == self._case_id
            and event.slice_axis == project.slice_axis
        ):
            self.layers.show_prediction(
                event.slice_index, event.pseudo_label_YX, event.uncertainty_YX
            )

    def _on_write_poll(self) -> None:
        project = self._session.project
        error = None if project is None else project.take_save_error()
        if project is None or not project.is_saving:
            self._write_poll.stop()
        if isinstance(error, ProjectTakenError):
            self.failed.emit(str(error))
        elif error is not None:
            self.failed.emit(f"{error} Your labels are kept and saved with the next change.")

    def _on_autosave(self) -> None:
        try:
            self.save()
        except (TransMedSegError, OSError) as error:
            self._autosave.stop()
            self.failed.emit(str(error))


def class_colors(project: Project) -> dict[int, str]:
    """Colour of each class by its value."""
    return {one.value: one.color for one in project.classes}


def person() -> str:
    """Name that the ledger notes for what is done by hand."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "person"
