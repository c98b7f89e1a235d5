"""The slice on screen: what is known of it, what was predicted, and what a person says of it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_transmedseg.widgets.desk import Desk


class SliceController(QObject):
    """Shows the ledger and the prediction of the slice on screen, and carries out commands."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        annotate, annotator, slot = desk.loop.annotate, desk.annotator, desk.slot
        annotate.sliceRequested.connect(self._on_slice_requested)
        annotate.doneRequested.connect(slot(annotator.mark_done))
        annotate.emptyRequested.connect(slot(annotator.mark_empty))
        annotate.unannotateRequested.connect(slot(annotator.unannotate))
        desk.loop.review.acceptRequested.connect(slot(annotator.accept))
        desk.session.case_changed.connect(self._on_case)
        desk.session.ledger_changed.connect(self._on_ledger)
        desk.session.slice_predicted.connect(self._show_slice)
        desk.tasks.case_predicted.connect(self._on_case_predicted)
        annotator.sliceChanged.connect(self._on_slice)
        annotator.failed.connect(desk.show_error)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        annotator, slot = self._desk.annotator, self._desk.slot
        return {
            "D": slot(annotator.mark_done),
            "W": slot(annotator.mark_empty),
            "U": slot(annotator.unannotate),
            "A": slot(annotator.accept),
        }

    def _on_case(self, case_id: str) -> None:
        self._on_slice(self._desk.annotator.layers.slice_index)

    def _on_ledger(self, case_id: str) -> None:
        self._show_slice()

    def _on_slice(self, index: int) -> None:
        if self._desk.session.case_id:
            self._desk.tasks.watch(self._desk.session.case_id, index)
        self._show_slice()

    def _on_case_predicted(self, case_id: str) -> None:
        project = self._desk.session.project
        prediction = None if project is None else project.prediction(case_id)
        if prediction is not None and case_id == self._desk.session.case_id:
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
        )

    def _on_slice_requested(self, index: int) -> None:
        self._desk.annotator.layers.slice_index = index
