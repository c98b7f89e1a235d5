"""What a person says of slices beyond painting: copy, fill, accept parts, reject."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_transmedseg.project.annotating import (
    filled_labels,
    gap_around,
    labels_from_neighbour,
    labels_with_class,
    labels_with_object,
    require_rejectable,
)
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.session import Session
from napari_transmedseg.widgets.annotator import Annotator


class SliceCommands(QObject):
    """Commands on the case on screen; each is one undo step and raises `ProjectError`."""

    def __init__(self, annotator: Annotator, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._annotator = annotator
        self._session = session

    def copy_from(self, neighbour: int) -> None:
        """Copy the labels of another slice under what is painted; in progress then."""
        annotator = self._annotator
        index = annotator.require_slice()
        annotator.layers.find_edits()
        labels = labels_from_neighbour(
            annotator.slice_labels(index), annotator.slice_labels(neighbour),
            annotator.ledger.states[index], neighbour,
        )  # fmt: skip
        annotator.apply({index: labels}, SliceState.IN_PROGRESS)

    def fill_between(self) -> None:
        """Fill the open slices around the one on screen by the shapes on both sides."""
        annotator = self._annotator
        index = annotator.require_slice()
        annotator.layers.find_edits()
        gap = gap_around(annotator.ledger, index)
        slices = filled_labels(annotator.slice_labels, gap, self._spacing_YX())
        annotator.apply(slices, SliceState.FILLED)
        count = "1 slice" if len(slices) == 1 else f"{len(slices)} slices"
        self._session.message_changed.emit(
            f"Filled {count} between slices {gap.before + 1} and {gap.after + 1}; look at them, "
            "Ctrl+Z takes all back."
        )

    def accept_class(self, value: int) -> None:
        """Accept one class of the prediction; the slice is in progress then."""
        project, annotator = self._session.project, self._annotator
        index = annotator.require_slice()
        predicted = annotator.require_prediction(index)
        name = "" if project is None else project.class_names.get(value, "")
        labels = labels_with_class(
            annotator.slice_labels(index), predicted, annotator.ledger.states[index], value, name
        )
        annotator.apply({index: labels}, SliceState.IN_PROGRESS)

    def accept_object(self) -> None:
        """Accept the predicted object under the mouse; the slice is in progress then."""
        annotator = self._annotator
        annotator.require_slice()
        index, point = annotator.layers.place_under_mouse
        predicted = annotator.require_prediction(index)
        labels = labels_with_object(
            annotator.slice_labels(index), predicted, annotator.ledger.states[index], point
        )
        annotator.apply({index: labels}, SliceState.IN_PROGRESS)

    def reject(self) -> None:
        """Say that the prediction of the slice on screen is wrong; the slice stays unknown."""
        annotator = self._annotator
        index = annotator.require_slice()
        annotator.require_prediction(index)
        require_rejectable(annotator.slice_labels(index), annotator.ledger.states[index])
        annotator.give_state([index], SliceState.REJECTED)

    def _spacing_YX(self) -> tuple[float, float]:
        project = self._session.project
        assert project is not None
        spacing = list(project.geometry(self._session.case_id).display_spacing)
        del spacing[project.slice_axis]
        return float(spacing[0]), float(spacing[1])
