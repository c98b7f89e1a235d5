"""How a slice's ledger state follows what a person does to its voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.ledger import SliceState


def state_after_painting(state: SliceState, *, has_painted_voxels: bool) -> SliceState:
    """State of a slice whose voxels were just painted, erased, undone or redone.

    A slice that was known as a whole stays so; painting in an empty slice makes it an
    annotated one. Any other slice is in progress while it carries painted voxels.
    """
    if state is SliceState.EMPTY:
        return SliceState.ANNOTATED if has_painted_voxels else state
    if state.is_labeled:
        return state
    if has_painted_voxels:
        return SliceState.IN_PROGRESS
    return SliceState.UNSEEN if state is SliceState.IN_PROGRESS else state


def accepted_labels(
    labels_YX: npt.NDArray[np.uint8], predicted_YX: npt.NDArray[np.uint8], state: SliceState
) -> npt.NDArray[np.uint8]:
    """Labels of a slice once its prediction is accepted: painted voxels stay as they are.

    Raises
    ------
    ProjectError
        When the slice is already known as a whole.
    """
    if state.is_labeled:
        raise ProjectError(
            f"Expected a slice that is still open, found one that is {state.value}; "
            "un-annotate it first if the prediction is better."
        )
    return np.where(labels_YX > 0, labels_YX, predicted_YX).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class SliceEdit:
    """What a command did to a slice (Y, X), so that undo and redo move its state along."""

    labels_before: npt.NDArray[np.uint8]
    labels_after: npt.NDArray[np.uint8]
    state_before: SliceState
    state_after: SliceState

    def state_for(self, labels_YX: npt.NDArray[np.uint8]) -> SliceState | None:
        """State that belongs to these voxels; None when they are neither of the two."""
        if np.array_equal(labels_YX, self.labels_after):
            return self.state_after
        if np.array_equal(labels_YX, self.labels_before):
            return self.state_before
        return None
