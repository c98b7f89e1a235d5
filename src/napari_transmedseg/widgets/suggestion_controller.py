"""The slice to look at next: N goes there, Shift+N goes back."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.comparing import used_runs
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity
from napari_transmedseg.project.suggesting import Suggestion, project_slices, suggest_slices
from napari_transmedseg.project.training import model_fits
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.jumper import Jumper
from napari_transmedseg.widgets.review_controller import ReviewController

PROGRAM = "TransMedSeg"
"""Who suggests, in the ledger."""


class SuggestionController(QObject):
    """Suggests slices one after the other and says why.

    A suggested case that the latest model has not seen is predicted at once, in the background:
    there is something to correct then, without a press of 'Predict all cases'.
    """

    def __init__(self, desk: Desk, jumper: Jumper, review: ReviewController) -> None:
        super().__init__(desk)
        self._desk = desk
        self._jumper = jumper
        self._review = review
        self._uncertainty: dict[tuple[str, int], tuple[str, float]] = {}  # by which run
        self._visited: list[Suggestion] = []
        self._at = -1
        self._asked: set[tuple[str, str]] = set()  # run and case; what failed is not tried again
        desk.loop.annotate.suggestionRequested.connect(desk.slot(self.next))
        desk.loop.annotate.backRequested.connect(desk.slot(self.back))
        desk.session.project_changed.connect(self._on_project)
        desk.session.slice_predicted.connect(self._on_predicted)
        desk.tasks.case_predicted.connect(self._on_case_predicted)
        desk.tasks.ended.connect(self._on_task_ended)
        desk.annotator.sliceChanged.connect(self._show_reason)
        desk.session.activity_changed.connect(self._on_activity)
        jumper.arrived.connect(desk.slot(self._on_arrived))

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
                project_slices(project, self._review.scores, self._seen(project)), avoid=avoid
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

    def _seen(self, project: Project) -> dict[tuple[str, int], float]:
        """Uncertainty of the slices that runs in use looked at while they were trained."""
        used = used_runs(project)
        return {place: mean for place, (run, mean) in self._uncertainty.items() if run in used}

    def _go(self, at: int) -> None:
        is_back, self._at = at < self._at, at
        to = self._visited[at]
        self._jumper.go(to.case_id, to.index)
        place = f"slice {to.index + 1} of {to.case_id}"  # seen wherever the column is scrolled to
        words = f"Back at {place}." if is_back else f"To {place}: {to.reason}."
        self._desk.session.message_changed.emit(words)

    def _on_arrived(self, case_id: str, index: int) -> None:
        if self._current() != (case_id, index):
            return
        annotator, project = self._desk.annotator, self._desk.session.require_project()
        if annotator.ledger.states[index] is SliceState.UNSEEN and not project.read_only:
            annotator.suggest(index, who=PROGRAM)
            annotator.save()
        self._desk.slot(self._predict_if_new)(case_id)
        self._show_reason(index)

    def _predict_if_new(self, case_id: str) -> None:
        """Predict a case that the latest model has not seen; while busy, at the end of that."""
        run_id, session = self._run_to_ask(case_id), self._desk.session
        if run_id and not session.is_busy and (run_id, case_id) not in self._asked:
            self._asked.add((run_id, case_id))
            self._desk.predict([case_id])

    def _run_to_ask(self, case_id: str) -> str:
        """Latest run whose model may be used, where it has not predicted a case; else nothing."""
        project = self._desk.session.project
        if project is None or project.read_only or not project.trained_runs:
            return ""
        run = project.trained_runs[-1]
        is_new = not project.prediction_path(run.run_id, case_id).exists()
        return run.run_id if is_new and model_fits(project, run) else ""

    def _note(self, case_id: str) -> str:
        """What is done about a case that the latest model has not seen."""
        activity = self._desk.session.activity
        if activity is Activity.TRAINING:
            return "The model in training looks at it now."
        run_id = self._run_to_ask(case_id) if activity is Activity.PREDICTING else ""
        return f"{run_id} predicts this case now; you can paint meanwhile." if run_id else ""

    def _current(self) -> tuple[str, int] | None:
        if not 0 <= self._at < len(self._visited):
            return None
        return self._visited[self._at].case_id, self._visited[self._at].index

    def _show_reason(self, index: int) -> None:
        is_suggested = self._current() == (self._desk.session.case_id, index)
        reason = self._visited[self._at].reason if is_suggested else ""
        note = self._note(self._desk.session.case_id) if is_suggested else ""
        self._desk.loop.annotate.set_reason(reason, note)
        self._desk.loop.annotate.back.setEnabled(self._at > 0)

    def _on_project(self) -> None:
        self._uncertainty, self._visited, self._at = {}, [], -1
        self._asked.clear()
        if self._desk.session.project is not None:
            self._desk.session.project.cases_changed.connect(self._on_cases)
        self._desk.loop.annotate.back.setEnabled(False)

    def _on_cases(self) -> None:
        """Lead to no case that is not in the project any more."""
        project = self._desk.session.project
        if project is not None:
            left = {case.case_id for case in project.cases}
            before = [one for one in self._visited[: self._at + 1] if one.case_id in left]
            self._visited = [one for one in self._visited if one.case_id in left]
            self._at = len(before) - 1
            self._desk.loop.annotate.back.setEnabled(self._at > 0)

    def _on_predicted(self, event: SlicePrediction) -> None:
        mean = float(event.uncertainty_YX.mean())
        seen_by = self._desk.session.history.run_id
        self._uncertainty[event.case_id, event.slice_index] = seen_by, mean

    def _on_case_predicted(self, case_id: str) -> None:
        self._uncertainty = {k: v for k, v in self._uncertainty.items() if k[0] != case_id}
        if self._desk.annotator.layers.is_open:
            self._show_reason(self._desk.annotator.layers.slice_index)

    def _on_task_ended(self, activity: Activity) -> None:
        """Predict the suggested case that waited for the end of something else."""
        current, layers = self._current(), self._desk.annotator.layers
        if activity in TRAINING_ACTIVITIES or current is None or not layers.is_open:
            return  # a training left its look at the slice, and may be discarded yet
        if activity is Activity.PREDICTING and self._desk.tasks.was_stopped:
            self._asked = {one for one in self._asked if one[1] != current[0]}
            return  # who cancels a prediction does not want the next one instead
        if current == (self._desk.session.case_id, layers.slice_index):
            self._desk.slot(self._predict_if_new)(current[0])

    def _on_activity(self, activity: Activity) -> None:
        if self._desk.annotator.layers.is_open:
            self._show_reason(self._desk.annotator.layers.slice_index)
