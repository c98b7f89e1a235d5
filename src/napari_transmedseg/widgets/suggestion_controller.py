"""The slice to look at next: N goes there, Shift+N goes back."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.suggesting import Suggestion, project_slices, suggest_slices
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.jumper import Jumper
from napari_transmedseg.widgets.review_controller import ReviewController

PROGRAM = "TransMedSeg"
"""Who suggests, in the ledger."""


class SuggestionController(QObject):
    """Suggests slices one after the other and says why."""

    def __init__(self, desk: Desk, jumper: Jumper, review: ReviewController) -> None:
        super().__init__(desk)
        self._desk = desk
        self._jumper = jumper
        self._review = review
        self._uncertainty: dict[tuple[str, int], float] = {}
        self._visited: list[Suggestion] = []
        self._at = -1
        desk.loop.annotate.suggestionRequested.connect(desk.slot(self.next))
        desk.loop.annotate.backRequested.connect(desk.slot(self.back))
        desk.session.project_changed.connect(self._on_project)
        desk.session.slice_predicted.connect(self._on_predicted)
        desk.tasks.case_predicted.connect(self._on_case_predicted)
        desk.annotator.sliceChanged.connect(self._show_reason)
        jumper.arrived.connect(self._on_arrived)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        return {"N": self._desk.slot(self.next), "Shift-N": self._desk.slot(self.back)}

    def next(self) -> None:
        """Go to the next suggested slice.

        Raises
        ------
        ProjectError
            When every slice was seen.
        """
        project = self._desk.session.require_project()
        if self._at + 1 == len(self._visited):
            self._desk.annotator.save()
            avoid = {(one.case_id, one.index) for one in self._visited}
            found = suggest_slices(
                project_slices(project, self._review.scores, self._uncertainty), avoid=avoid
            )
            if not found:
                raise ProjectError(
                    "Expected a slice that nobody has seen, found none left; train again, or "
                    "review the predicted slices in the list under 'Review'."
                )
            self._visited += found
        self._go(self._at + 1)

    def back(self) -> None:
        """Go to the slice that was suggested before."""
        if self._at > 0:
            self._go(self._at - 1)

    def _go(self, at: int) -> None:
        self._at = at
        to = self._visited[at]
        self._desk.session.message_changed.emit(  # seen wherever the column is scrolled to
            f"To slice {to.index + 1} of {to.case_id}: {to.reason}."
        )
        self._jumper.go(to.case_id, to.index)

    def _on_arrived(self, case_id: str, index: int) -> None:
        if self._current() != (case_id, index):
            return
        annotator = self._desk.annotator
        if annotator.ledger.states[index] is SliceState.UNSEEN:
            annotator.set_states([index], SliceState.SUGGESTED, who=PROGRAM)
            annotator.save()
        self._show_reason(index)

    def _current(self) -> tuple[str, int] | None:
        if not 0 <= self._at < len(self._visited):
            return None
        return self._visited[self._at].case_id, self._visited[self._at].index

    def _show_reason(self, index: int) -> None:
        is_suggested = self._current() == (self._desk.session.case_id, index)
        reason = self._visited[self._at].reason if is_suggested else ""
        self._desk.loop.annotate.set_reason(reason)
        self._desk.loop.annotate.back.setEnabled(self._at > 0)

    def _on_project(self) -> None:
        self._uncertainty, self._visited, self._at = {}, [], -1
        self._desk.loop.annotate.back.setEnabled(False)

    def _on_predicted(self, event: SlicePrediction) -> None:
        mean = float(event.uncertainty_YX.mean())
        self._uncertainty[event.case_id, event.slice_index] = mean

    def _on_case_predicted(self, case_id: str) -> None:
        self._uncertainty = {k: v for k, v in self._uncertainty.items() if k[0] != case_id}
