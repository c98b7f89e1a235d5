"""Notes how far predictions agreed with what the person made of them, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError, ProjectTakenError, TransMedSegError
from napari_transmedseg.project.active_time import ActiveTime
from napari_transmedseg.project.comparing import used_runs
from napari_transmedseg.project.corrections import Correction, Reason, slice_dice
from napari_transmedseg.project.learned import learned_slices
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Session
from napari_transmedseg.project.when import now
from napari_transmedseg.project.who import person
from napari_transmedseg.widgets.annotator import Annotator

if TYPE_CHECKING:
    from napari.components import ViewerModel

LEAST_S = 1.0
"""Shorter looks at a slice that stays open are not worth a line."""


@dataclass(slots=True, eq=False)
class _Review:
    """A slice that became known as a whole while its case was on screen."""

    predicted_YX: np.ndarray | None
    labels_YX: np.ndarray
    run_id: str
    is_withdrawn: bool = False


class Reviewer(QObject):
    """Logs corrections of the case on screen.

    What is changed after a slice was accepted counts as well: the log is put right when the
    person leaves the slice.
    """

    logged = Signal()
    failed = Signal(str)

    def __init__(
        self, viewer: ViewerModel, annotator: Annotator, session: Session, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._annotator = annotator
        self._session = session
        self._case_id = ""
        self._index = -1
        self._run_id = self._latest = ""
        self._run_ids: dict[int, str] = {}
        self._reviews: dict[int, _Review] = {}
        self._time = ActiveTime()
        annotator.sliceAccepted.connect(self._on_accepted)
        annotator.sliceDone.connect(self._on_done)
        annotator.sliceChanged.connect(self._on_slice)
        annotator.sliceEdited.connect(self._on_alive)
        annotator.caseClosing.connect(self._on_closing)
        session.case_changed.connect(self._on_case)
        session.slice_predicted.connect(self._on_predicted)
        viewer.cursor.events.position.connect(self._on_alive)

    def shut_down(self) -> None:
        """Stop listening to the viewer."""
        self._viewer.cursor.events.position.disconnect(self._on_alive)
        self._session.case_changed.disconnect(self._on_case)
        self._session.slice_predicted.disconnect(self._on_predicted)

    def take_predictions(self) -> None:
        """Note which run predicted the case on screen, anew."""
        project = self._session.project
        self._run_ids = {}
        if project is not None and self._case_id:
            self._run_id = project.predicted_by(self._case_id) or ""

    def note_latest(self) -> None:
        """Note which run is the latest whose model may be used."""
        project = self._session.project
        trained = () if project is None else project.trained_runs
        self._latest = trained[-1].run_id if trained else ""

    def outdated_by(self, index: int) -> tuple[str, str] | None:
        """The run that predicted a slice and the later one, where there is a later one."""
        run_id = self._run_of(index)
        in_use = (self._latest, self._session.history.run_id)  # or just in training
        return (run_id, self._latest) if run_id and self._latest and run_id not in in_use else None

    def drop_unused_runs(self) -> frozenset[int] | None:
        """Note which run predicted the case on screen, after runs were discarded or taken back.

        Returns
        -------
        frozenset[int] | None
            Slices predicted while training whose predictions count as before; None where all that
            is on screen does.
        """
        project, before = self._session.project, (self._run_id, self._run_ids)
        if project is None or not self._case_id:
            return None
        used = used_runs(project)
        kept = {index: run_id for index, run_id in self._run_ids.items() if run_id in used}
        self.take_predictions()
        self._run_ids = kept
        return None if (self._run_id, kept) == before else frozenset(kept)

    def _on_case(self, case_id: str) -> None:
        self._case_id, self._reviews = case_id, {}
        self.take_predictions()
        self._on_slice(self._annotator.layers.slice_index)

    def _on_predicted(self, event: SlicePrediction) -> None:
        if event.case_id == self._case_id:
            self._run_ids[event.slice_index] = self._session.history.run_id

    def _on_slice(self, index: int) -> None:
        left, self._index = self._index, index
        self._on_alive()
        self._settle(left)

    def _on_alive(self, *_: object) -> None:
        self._time.touch((self._case_id, self._index))

    def _on_accepted(self, index: int) -> None:
        self._log_first(index, "accepted")

    def _on_done(self, index: int) -> None:
        self._log_first(index, "done")

    def _on_closing(self) -> None:
        for index in list(self._reviews):
            self._settle(index)
        self._reviews = {}
        self._on_alive()
        for index, state in enumerate(self._annotator.ledger.states):
            if state in (SliceState.IN_PROGRESS, SliceState.REJECTED):
                self._log_time(index)

    def _log_first(self, index: int, reason: Reason) -> None:
        predicted = self._annotator.layers.predicted_slice(index)
        labels = self._annotator.slice_labels(index).copy()
        run_id = "" if predicted is None else self._run_of(index)
        if run_id and self._has_learned(run_id, index):
            predicted = None
        self._reviews[index] = _Review(predicted, labels, run_id)
        self._log(index, reason)

    def _run_of(self, index: int) -> str:
        """Run that predicted a slice of the case on screen; empty where none did."""
        return self._run_ids.get(index, self._run_id)

    def _has_learned(self, run_id: str, index: int) -> bool:
        """Whether a run learned from a slice: that it agrees there is no merit."""
        project = self._session.project
        if project is None:
            return False
        try:
            return index in learned_slices(project.run(run_id), self._case_id)
        except ProjectError:  # the run is gone
            return False

    def _settle(self, index: int) -> None:
        """Put the log right where a slice was changed or opened again since its review."""
        review = self._reviews.get(index)
        if review is None or not self._annotator.layers.is_open:
            return
        labels = self._annotator.slice_labels(index)
        is_open = not self._annotator.ledger.states[index].is_labeled
        if is_open and not review.is_withdrawn:
            review.is_withdrawn = True
            self._log(index, "withdrawn")
        elif not is_open and (review.is_withdrawn or not np.array_equal(labels, review.labels_YX)):
            review.is_withdrawn, review.labels_YX = False, labels.copy()
            self._log(index, "corrected")

    def _log(self, index: int, reason: Reason) -> None:
        project, review = self._session.project, self._reviews[index]
        if project is None:
            return
        self._on_alive()
        predicted, names = review.predicted_YX, project.class_names
        dice = {} if predicted is None else slice_dice(predicted, review.labels_YX, names)
        seconds = self._time.take((self._case_id, index))
        self._write(project, index, reason, seconds, run_id=review.run_id, dice=dice)

    def _log_time(self, index: int) -> None:
        """Note the time that went into a slice that is still open."""
        project, seconds = self._session.project, self._time.take((self._case_id, index))
        if project is not None and seconds >= LEAST_S:
            self._write(project, index, "begun", seconds)

    def _write(
        self, project: Project, index: int, reason: Reason, seconds: float, *, run_id: str = "",
        dice: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        if project.read_only:
            return
        entry = Correction(
            case_id=self._case_id,
            slice_index=index,
            run_id=run_id,
            reason=reason,
            when=now(),
            who=person(),
            dice=dice or {},
            seconds=round(seconds, 1),
        )
        try:
            project.log_correction(entry)
        except ProjectTakenError:
            pass  # the labels are refused as well, and that is said once
        except TransMedSegError as error:
            self.failed.emit(str(error))
        else:
            self.logged.emit()
