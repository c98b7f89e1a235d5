"""The slice on screen: what is known of it, what was predicted, and what a person says of it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.jumper import Jumper
from napari_transmedseg.widgets.review_controller import ReviewController
from napari_transmedseg.widgets.reviewer import Reviewer
from napari_transmedseg.widgets.slice_commands import SliceCommands
from napari_transmedseg.widgets.suggestion_controller import SuggestionController


class SliceController(QObject):
    """Shows the ledger and the prediction of the slice on screen, and carries out commands."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        annotate, annotator, slot = desk.loop.annotate, desk.annotator, desk.slot
        self.commands = SliceCommands(annotator, desk.session, parent=self)
        self.reviewer = Reviewer(desk.viewer, annotator, desk.session, parent=self)
        annotate.sliceRequested.connect(self._on_slice_requested)
        annotate.doneRequested.connect(slot(annotator.mark_done))
        annotate.emptyRequested.connect(slot(annotator.mark_empty))
        annotate.unannotateRequested.connect(slot(annotator.unannotate))
        annotate.clearRequested.connect(slot(annotator.clear_slice))
        annotate.copyRequested.connect(slot(self.commands.copy_from))
        annotate.fillRequested.connect(slot(self.commands.fill_between))
        desk.session.project_changed.connect(self._on_project)
        desk.session.case_changed.connect(self._on_case)
        desk.session.ledger_changed.connect(self._on_ledger)
        desk.session.slice_predicted.connect(self._show_slice)
        desk.tasks.ended.connect(self._on_task_ended)
        desk.tasks.case_predicted.connect(slot(self._on_case_predicted))
        annotator.sliceChanged.connect(self._on_slice)
        annotator.failed.connect(desk.show_error)
        jumper = Jumper(desk)
        self.review = ReviewController(desk, self.commands, self.reviewer, jumper)
        self.suggestions = SuggestionController(desk, jumper, self.review)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        annotator, slot = self._desk.annotator, self._desk.slot
        own = {
            "D": slot(annotator.mark_done),
            "W": slot(annotator.mark_empty),
            "U": slot(annotator.unannotate),
            "Shift-U": slot(annotator.clear_slice),
            "Shift-F": slot(self.commands.fill_between),
        }
        return own | self.review.keys() | self.suggestions.keys()

    def shut_down(self) -> None:
        """Stop listening to the viewer."""
        self.reviewer.shut_down()
        self.review.shut_down()

    def _on_project(self) -> None:
        self.reviewer.note_latest()
        if self._desk.session.project is not None:
            self._desk.session.project.runs_changed.connect(self._on_runs)

    def _on_runs(self) -> None:
        self._desk.slot(self._show_used_runs)()

    def _show_used_runs(self) -> None:
        """What a discarded run predicted goes from the screen, and comes back with the run."""
        session, layers = self._desk.session, self._desk.annotator.layers
        self.review.read_scores()
        self.reviewer.note_latest()
        kept = self.reviewer.drop_unused_runs()
        if session.project is None or kept is None or not layers.is_open:
            return
        layers.predictions.replace(None, kept)  # whatever can be read in its place
        prediction = session.project.prediction(session.case_id)
        if prediction is not None:
            layers.predictions.replace(prediction, kept)
        self.review.count()
        self._show_slice()

    def _on_case(self, case_id: str) -> None:
        self._on_slice(self._desk.annotator.layers.slice_index)

    def _on_ledger(self, case_id: str) -> None:
        self._show_slice()

    def _on_slice(self, index: int) -> None:
        if self._desk.session.case_id:
            self._desk.tasks.watch(self._desk.session.case_id, index)
        self._show_slice()

    def _on_task_ended(self, *_: object) -> None:
        self.reviewer.note_latest()
        self._show_slice()

    def _on_case_predicted(self, case_id: str) -> None:
        project = self._desk.session.project
        if project is None or case_id != self._desk.session.case_id:
            return
        prediction = project.prediction(case_id)
        if prediction is not None:
            self._desk.annotator.layers.show_prediction_map(prediction)
            self._show_slice()

    def _show_slice(self, *_: object) -> None:
        annotator, session = self._desk.annotator, self._desk.session
        layers = annotator.layers
        if not layers.is_open:
            return
        index = layers.slice_index
        self._desk.loop.annotate.setValue(index, annotator.ledger)
        self._desk.loop.review.setValue(
            is_predicted=layers.predicted_slice(index) is not None,
            is_open=not annotator.ledger.states[index].is_labeled,
            is_early=session.is_early,
            outdated_by=self.reviewer.outdated_by(index),
        )

    def _on_slice_requested(self, index: int) -> None:
        self._desk.annotator.layers.slice_index = index
