"""Keeps the case on screen, its ledger and its files in step with the person's brush."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError, ProjectTakenError, TransMedSegError
from napari_transmedseg.imaging.orientation import plane_name
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.layer_data import slice_view
from napari_transmedseg.layers import CaseLayers
from napari_transmedseg.project.annotating import (
    EditHistory,
    SliceEdit,
    accepted_labels,
    state_after_painting,
    without_strays,
)
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity, Session
from napari_transmedseg.project.when import now
from napari_transmedseg.project.who import person
from napari_transmedseg.widgets.display_box import PLANE_KEYS

if TYPE_CHECKING:
    from napari.components import ViewerModel

AUTOSAVE_INTERVAL_MS = 5000
WRITE_POLL_MS = 200


class Annotator(QObject):
    """Carries out what a person does to slices; saves by itself."""

    failed = Signal(str)
    sliceChanged = Signal(int)
    sliceEdited = Signal(int)
    sliceAccepted = Signal(int)
    sliceDone = Signal(int)
    caseClosing = Signal()
    """The case on screen is about to go; its labels are still there."""

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
        self._edits = EditHistory()
        self._told = self._refused = ""
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
        self._announce = QTimer(self)  # one change of the ledger is told, however many slices
        self._announce.setSingleShot(True)
        self._announce.timeout.connect(self._tell_of_ledger)
        self.layers.edited.connect(self._on_edited)
        self.layers.undo.stepped.connect(self._on_stepped)
        self.layers.slice_changed.connect(self._on_slice)
        self.layers.removed.connect(self._on_removed)
        session.project_closing.connect(self._on_project_closing)
        session.slice_predicted.connect(self._on_predicted)
        session.activity_changed.connect(self._on_activity)

    @property
    def ledger(self) -> Ledger:
        """States of the slices of the case on screen, those not saved yet included."""
        return self._ledger

    def open_case(self, case_id: str) -> None:
        """Show a case of the open project; the one on screen is saved first."""
        project = self._session.require_project()
        self.layers.brush.lift()
        self.save()
        volume, annotation = project.volume(case_id), project.annotation(case_id)
        prediction = self._readable_prediction(project, case_id)
        self.close_case()
        self._case_id, self._ledger = case_id, project.ledger(case_id)
        self.layers.show(
            volume, annotation, case_id=case_id, slice_axis=project.slice_axis,
            colors=class_colors(project), prediction=prediction,
        )  # fmt: skip
        if project.read_only:
            self.layers.forbid_painting()

    def _readable_prediction(self, project: Project, case_id: str) -> LabelMap | None:
        """Prediction of a case; a damaged one does not keep the case from being annotated."""
        try:
            return project.prediction(case_id)
        except TransMedSegError as error:
            self.failed.emit(f"{error} {case_id} is shown without it: predict it again.")
            return None

    def close_case(self) -> None:
        """Save the case on screen and let go of it; its layers stay until the next is shown."""
        self.layers.brush.lift()
        self._tell_of_closing()
        self.save()
        self._case_id = ""
        self._edits.clear()

    def drop_stale_layers(self) -> None:
        """Take layers off the screen that belong to no case any more: nobody saves their paint."""
        if not self._case_id and self.layers.is_open:
            self.layers.clear()

    def save(self) -> None:
        """Save the slices that changed and the states; they are written in the background."""
        if self._case_id:
            self.layers.find_edits()
        self._write()

    def _write(self) -> None:
        """Save what was reported as changed."""
        project = self._session.project
        if project is None or not self._case_id:
            return
        if not self._changed_slices and not self._is_ledger_changed:
            return
        slices = {index: self.slice_labels(index).copy() for index in sorted(self._changed_slices)}
        strays = without_strays(slices, len(project.classes))
        try:
            project.save_slices(self._case_id, slices, self._ledger)
        except ProjectError:
            if project.read_only:  # they are rescued, or could not be made
                self._forget_changes()
            raise
        self._forget_changes()
        self._write_poll.start()
        self._tell(strays)

    def set_autosave_interval(self, seconds: float) -> None:
        """Save at least so often."""
        self._autosave.setInterval(round(1000 * seconds))

    def save_now(self) -> None:
        """Save, and wait until everything is written."""
        self.save()
        if self._session.project is not None:
            self._session.project.flush()

    def mark_done(self) -> None:
        """Make the slice on screen annotated: all of it is known; one undo step."""
        self.mark_slices_done([self.require_slice()])

    def mark_slices_done(self, indices: Iterable[int]) -> None:
        """Make slices of the case on screen annotated: all of each is known; one undo step."""
        self.require_case()
        indices = list(indices)
        self.give_state(indices, SliceState.ANNOTATED)
        for index in indices:
            self.sliceDone.emit(index)

    def mark_empty(self) -> None:
        """Say that the slice on screen holds none of the classes; one undo step."""
        index = self.require_slice()
        nothing = np.zeros_like(self.slice_labels(index))
        self.apply({index: nothing}, SliceState.EMPTY)
        self.sliceDone.emit(index)

    def unannotate(self) -> None:
        """Take the word back that was said of the slice; painted voxels stay; one undo step."""
        index = self.require_slice()
        painted = bool(self.slice_labels(index).any())
        self.give_state([index], SliceState.IN_PROGRESS if painted else SliceState.UNSEEN)

    def clear_slice(self) -> None:
        """Take all paint off the slice on screen and open it again; one undo step."""
        index = self.require_slice()
        self.apply({index: np.zeros_like(self.slice_labels(index))}, SliceState.UNSEEN)

    def accept(self) -> None:
        """Take the pseudo-label of the slice on screen into the labels; one undo step.

        Raises
        ------
        ProjectError
            When nothing was predicted, or the slice is known as a whole already.
        """
        index = self.require_slice()
        predicted = self.require_prediction(index)
        labels = accepted_labels(self.slice_labels(index), predicted, self._ledger.states[index])
        self.apply({index: labels}, SliceState.ACCEPTED)
        self.sliceAccepted.emit(index)

    def apply(self, slices: Mapping[int, np.ndarray], state: SliceState) -> None:
        """Give slices new labels (Y, X) and a state: one undo step, which takes both back."""
        self._session.require_project().require_keeping()  # before anything shows on screen
        self.layers.find_edits(slices)
        states = self._ledger.states
        edits = {
            index: SliceEdit(self.slice_labels(index).copy(), new.copy(), states[index], state)
            for index, new in slices.items()
        }
        self._edits.add(edits)
        self.layers.set_slices(slices)
        self._note_states(slices, state, person())
        self._tell_of_ledger()
        self._write()

    def give_state(self, indices: Iterable[int], state: SliceState) -> None:
        """Say something of slices and leave their voxels; one undo step."""
        self.apply({index: self.slice_labels(index) for index in indices}, state)

    def suggest(self, index: int, *, who: str) -> None:
        """Note that a program suggests a slice of the case on screen."""
        self._session.require_project().require_keeping()
        self._edits.restate(index, self.slice_labels(index), SliceState.SUGGESTED)
        self._note_states([index], SliceState.SUGGESTED, who)
        self._tell_of_ledger()

    def slice_labels(self, index: int) -> np.ndarray:
        """View (Y, X) of the person's labels on a slice."""
        return slice_view(self.layers.labels, self._session.require_project().slice_axis, index)

    def require_case(self) -> None:
        """Refuse commands while no case is on screen.

        Raises
        ------
        ProjectError
        """
        if not self._case_id or not self.layers.is_open:
            raise ProjectError("Expected a case on screen, found none; click one in the table.")

    def require_slice(self) -> int:
        """Index of the slice on screen, for commands that say something of it as a whole.

        Raises
        ------
        ProjectError
            When no case is on screen, or another plane of it, which cuts through many slices.
        """
        self.require_case()
        axis, shown = self._session.require_project().slice_axis, self.layers.plane
        if shown != axis:
            wanted, key = plane_name(axis), PLANE_KEYS[axis].replace("-", "+")
            found = "three dimensions" if shown is None else f"the {plane_name(shown)} plane"
            raise ProjectError(
                f"Expected the {wanted} plane on screen, in which this project's slices are "
                f"counted, found {found}; press {key} to see the {wanted} slice."
            )
        return self.layers.slice_index

    def require_prediction(self, index: int) -> np.ndarray:
        """Pseudo-label (Y, X) of a slice.

        Raises
        ------
        ProjectError
            When there is none.
        """
        predicted = self.layers.predicted_slice(index)
        if predicted is None:
            raise ProjectError(
                f"Expected a prediction of slice {index + 1}, found none yet; keep this slice on "
                "screen while training, or press 'Predict all cases' after it."
            )
        self.layers.find_edits([index])
        return predicted

    def shut_down(self) -> None:
        """Save and stop listening."""
        self._autosave.stop()
        try:
            self._tell_of_closing()
            self.save()
        finally:
            self._announce.stop()
            self._write_poll.stop()
        self._session.project_closing.disconnect(self._on_project_closing)
        self._session.slice_predicted.disconnect(self._on_predicted)
        self._session.activity_changed.disconnect(self._on_activity)
        self.layers.close()

    def _forget_changes(self) -> None:
        self._changed_slices.clear()
        self._is_ledger_changed = False

    def _note_states(self, indices: Iterable[int], state: SliceState, who: str) -> None:
        when = now()
        self._ledger = self._ledger.with_states(indices, state, who=who, when=when)
        self._is_ledger_changed = True

    def _tell_of_ledger(self) -> None:
        self._session.ledger_changed.emit(self._case_id)

    def _tell_of_closing(self) -> None:
        if self._case_id and self.layers.is_open:
            self.layers.find_edits()
            self.caseClosing.emit()

    def _on_edited(self, index: int) -> None:
        self._changed_slices.add(index)
        states, labels = self._ledger.states, self.slice_labels(index)
        found = self._edits.states_for(index, labels, states) or {
            index: state_after_painting(states[index], has_painted_voxels=bool(labels.any()))
        }
        for one, state in found.items():
            if state is not states[one]:
                self._note_states([one], state, person())
                self._announce.start(0)
        self.sliceEdited.emit(index)

    def _on_stepped(self, is_undo: bool) -> None:
        """Take back, or do again, what was said of slices without a change of voxels."""
        found = self._edits.step(self._ledger.states, is_undo=is_undo)
        for index, state in found.items():
            self._note_states([index], state, person())
            self._session.message_changed.emit(f"Slice {index + 1} is {state.value} again.")
        self._tell_of_ledger()

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

    def _on_project_closing(self) -> None:
        try:
            self.close_case()
        except (TransMedSegError, OSError) as error:
            self._case_id = ""
            self.failed.emit(str(error))

    def _on_activity(self, activity: Activity) -> None:
        if activity is Activity.TRAINING:
            self.layers.expect_predictions()

    def _on_write_poll(self) -> None:
        project = self._session.project
        error = None if project is None else project.take_save_error()
        if project is None or not project.is_saving:
            self._write_poll.stop()
        if error is None:
            if not self._write_poll.isActive():
                self._refused = ""
            return
        told, self._refused = self._refused, str(error)
        kept = ""
        if not isinstance(error, ProjectTakenError):
            self._is_ledger_changed = True  # the next autosave tries again
            kept = " Your labels are kept, and saving is tried again."
        if told != self._refused:
            self.failed.emit(f"{error}{kept}")

    def _on_autosave(self) -> None:
        """Save; what stands in the way is told once, and it is tried again each time."""
        try:
            if self._case_id:
                self.layers.find_some_edits()
            self._write()
        except (TransMedSegError, OSError) as error:
            self._tell(str(error))

    def _tell(self, sentence: str) -> None:
        """Say what went wrong, unless it is what was said last; empty: nothing did."""
        told, self._told = self._told, sentence
        if sentence and sentence != told:
            self.failed.emit(sentence)


def class_colors(project: Project) -> dict[int, str]:
    """Colour of each class by its value."""
    return {one.value: one.color for one in project.classes}
