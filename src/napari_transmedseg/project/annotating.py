"""How a slice's ledger state follows what a person does to its voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.objects import connected_object
from napari_transmedseg.imaging.shape_interpolation import interpolate_between
from napari_transmedseg.project.ledger import Ledger, SliceState

Slice = npt.NDArray[np.uint8]


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


def accepted_labels(labels_YX: Slice, predicted_YX: Slice, state: SliceState) -> Slice:
    """Labels of a slice once its prediction is accepted: painted voxels stay as they are.

    Raises
    ------
    ProjectError
        When the slice is already known as a whole.
    """
    require_open(state, "un-annotate it first if the prediction is better")
    return _under(labels_YX, predicted_YX)


def labels_with_class(
    labels_YX: Slice, predicted_YX: Slice, state: SliceState, value: int, name: str
) -> Slice:
    """Labels of a slice once one class of its prediction is accepted; painted voxels stay.

    Raises
    ------
    ProjectError
        When the slice is known as a whole, or the prediction has nothing of the class.
    """
    require_open(state, "un-annotate it first")
    if not (predicted_YX == value).any():
        raise ProjectError(
            f"Expected {name} in the prediction of this slice, found none; accept another class, "
            "or paint it."
        )
    return _under(labels_YX, np.where(predicted_YX == value, predicted_YX, 0))


def labels_with_object(
    labels_YX: Slice, predicted_YX: Slice, state: SliceState, point: tuple[int, int]
) -> Slice:
    """Labels of a slice once the predicted object at a point (row, column) is accepted.

    Raises
    ------
    ProjectError
        When the slice is known as a whole, or nothing was predicted at the point.
    """
    require_open(state, "un-annotate it first")
    wanted = connected_object(predicted_YX, point)
    if not wanted.any():
        raise ProjectError(
            "Expected a predicted object under the mouse, found none; point at its outline's "
            "inside and press Shift+A."
        )
    return _under(labels_YX, np.where(wanted, predicted_YX, 0))


def labels_from_neighbour(
    labels_YX: Slice, neighbour_YX: Slice, state: SliceState, neighbour: int
) -> Slice:
    """Labels of a slice with those of another one copied in; painted voxels stay.

    Raises
    ------
    ProjectError
        When the slice is known as a whole, or the other one (its index is given) is empty.
    """
    require_open(state, "un-annotate it first")
    if not neighbour_YX.any():
        raise ProjectError(
            f"Expected something to copy on slice {neighbour + 1}, found it empty; mark this slice "
            "empty as well (W), or paint it."
        )
    return _under(labels_YX, neighbour_YX)


def require_open(state: SliceState, way_out: str) -> None:
    """Refuse a slice that is known as a whole.

    Raises
    ------
    ProjectError
    """
    if state.is_labeled:
        raise ProjectError(
            f"Expected a slice that is still open, found one that is {state.value}; {way_out}."
        )


def require_rejectable(labels_YX: Slice, state: SliceState) -> None:
    """Refuse to reject what a person has begun or finished.

    Raises
    ------
    ProjectError
    """
    require_open(state, "un-annotate it first")
    if labels_YX.any():
        raise ProjectError(
            "Expected a slice without paint to reject its prediction, found painted voxels; they "
            "count already, so go on painting, or erase them first."
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """Open slices between two that are known as a whole."""

    before: int
    after: int

    def __contains__(self, index: int) -> bool:
        return self.before < index < self.after


def gaps(ledger: Ledger) -> list[Gap]:
    """Every run of open slices between two labeled ones."""
    known = ledger.labeled_indices()
    return [Gap(a, b) for a, b in pairwise(known) if b > a + 1]


def gap_around(ledger: Ledger, index: int) -> Gap:
    """Gap that a slice lies in.

    Raises
    ------
    ProjectError
        When it is labeled itself, or there is no labeled slice on one of its sides.
    """
    require_open(ledger.states[index], "go to an open slice between two annotated ones")
    for gap in gaps(ledger):
        if index in gap:
            return gap
    raise ProjectError(
        f"Expected annotated slices before and behind slice {index + 1}, found them on one side "
        "at most; annotate one more, or mark the organ's ends empty (W)."
    )


def filled_labels(
    read: Callable[[int], Slice], gap: Gap, spacing_YX: tuple[float, float]
) -> dict[int, Slice]:
    """Labels of the open slices of a gap, interpolated from its ends; painted voxels stay.

    Parameters
    ----------
    read
        Gives the classes (Y, X) of a slice.
    gap
        Its slices are filled, its ends are known.
    spacing_YX
        Pixel size in mm.
    """
    indices = range(gap.before + 1, gap.after)
    fractions = [(index - gap.before) / (gap.after - gap.before) for index in indices]
    shapes = interpolate_between(read(gap.before), read(gap.after), fractions, spacing_YX)
    return {index: _under(read(index), shape) for index, shape in zip(indices, shapes, strict=True)}


def without_strays(slices: Mapping[int, Slice], num_classes: int) -> str:
    """Make voxels of values that are no class unknown, in place; gives a sentence about them.

    No tool of ours paints them; other plugins and the console can.
    """
    found = {index: labels_YX > num_classes for index, labels_YX in slices.items()}
    strays = {index: is_stray for index, is_stray in found.items() if is_stray.any()}
    for index, is_stray in strays.items():
        slices[index][is_stray] = 0
    if not strays:
        return ""
    places = ", ".join(str(index + 1) for index in strays)
    return (
        f"Expected labels of the {num_classes} classes, found other values on slice {places}; all "
        "else was saved. Add the missing classes, or paint these voxels anew."
    )


@dataclass(frozen=True, slots=True, eq=False)
class SliceEdit:
    """What a command did to a slice (Y, X), so that undo and redo move its state along."""

    labels_before: Slice
    labels_after: Slice
    state_before: SliceState
    state_after: SliceState

    @property
    def changes_labels(self) -> bool:
        """Whether undo has voxels to put back."""
        return not np.array_equal(self.labels_before, self.labels_after)

    def state_for(self, labels_YX: Slice) -> SliceState | None:
        """State that belongs to these voxels; None when they are neither of the two."""
        if np.array_equal(labels_YX, self.labels_after):
            return self.state_after
        if np.array_equal(labels_YX, self.labels_before):
            return self.state_before
        return None

    def restated(self, labels_YX: Slice, state: SliceState) -> SliceEdit:
        """Copy in which another state belongs to these voxels."""
        before, after = self.state_before, self.state_after
        if np.array_equal(labels_YX, self.labels_before):
            before = state
        if np.array_equal(labels_YX, self.labels_after):
            after = state
        return replace(self, state_before=before, state_after=after)


class EditHistory:
    """Commands of one case, newest last, each of which changed one or several slices at once."""

    def __init__(self, keep: int = 30) -> None:
        self._commands: list[Mapping[int, SliceEdit]] = []
        self._keep = keep
        self._unpainted: list[Mapping[int, SliceEdit]] = []
        """Commands that changed no voxel at all, and are done."""
        self._undone: list[Mapping[int, SliceEdit]] = []
        """Such commands that were undone."""

    def add(self, edits: Mapping[int, SliceEdit]) -> None:
        """Remember a command; the oldest is forgotten."""
        for index, edit in edits.items():
            if not edit.changes_labels:
                self.restate(index, edit.labels_after, edit.state_after)
        self._commands = [*self._commands[1 - self._keep :], dict(edits)]
        if not any(edit.changes_labels for edit in edits.values()):
            self._unpainted = [*self._unpainted[1 - self._keep :], dict(edits)]
            self._undone = []

    def restate(self, index: int, labels_YX: Slice, state: SliceState) -> None:
        """Let a state that a person set belong to a slice's voxels from now on."""
        self._commands = [
            {
                other: edit.restated(labels_YX, state) if other == index else edit
                for other, edit in edits.items()
            }
            for edits in self._commands
        ]

    def clear(self) -> None:
        """Forget everything."""
        self._commands, self._unpainted, self._undone = [], [], []

    def step(self, states: Sequence[SliceState], *, is_undo: bool) -> dict[int, SliceState]:
        """States after an undo, or a redo, of the latest command that changed no voxel.

        Slices to which something else has happened since are left out.
        """
        source, target = self._unpainted, self._undone
        if not is_undo:
            source, target = target, source
        if not source:
            return {}
        edits = source.pop()
        target.append(edits)
        found = {}
        for index, edit in edits.items():
            was, becomes = edit.state_after, edit.state_before
            if not is_undo:
                was, becomes = becomes, was
            if states[index] is was:
                found[index] = becomes
                self.restate(index, edit.labels_after, becomes)
        return found

    def states_for(
        self, index: int, labels_YX: Slice, states: Sequence[SliceState]
    ) -> dict[int, SliceState]:
        """States that belong to voxels found on a slice; empty when no command left them so.

        Slices that the same command gave a state without changing a voxel go along with it,
        unless something else has happened to them since.

        Parameters
        ----------
        index, labels_YX
            A slice whose voxels changed, and what they are now.
        states
            States of all slices until now.
        """
        for edits in reversed(self._commands):
            edit = edits.get(index)
            if edit is None or not edit.changes_labels:
                continue
            state = edit.state_for(labels_YX)
            if state is None:
                continue
            is_done = np.array_equal(labels_YX, edit.labels_after)
            found = {index: state}
            for other, one in edits.items():
                was, now = one.state_after, one.state_before
                if is_done:
                    was, now = now, was
                if other != index and not one.changes_labels and states[other] is was:
                    found[other] = now
            return found
        return {}


def _under(labels_YX: Slice, new_YX: Slice) -> Slice:
    """Put new labels where nothing is painted."""
    return np.where(labels_YX > 0, labels_YX, new_YX).astype(np.uint8)
