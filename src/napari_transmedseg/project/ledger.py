"""What is known about every slice of a case, who said so and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError


class SliceState(StrEnum):
    """Where a slice stands between untouched and accepted."""

    UNSEEN = "unseen"
    SUGGESTED = "suggested"
    IN_PROGRESS = "in progress"
    ANNOTATED = "annotated"
    EMPTY = "empty"
    FILLED = "filled"
    ACCEPTED = "accepted"
    REJECTED = "rejected"

    @property
    def is_labeled(self) -> bool:
        """Whether the whole slice is known, its unpainted voxels being background."""
        return self in _LABELED

    @property
    def is_begun(self) -> bool:
        """Whether a person made some of the slice known, or all of it."""
        return self is SliceState.IN_PROGRESS or self in _LABELED

    @property
    def may_carry_paint(self) -> bool:
        """Whether painted voxels agree with this state."""
        return self is SliceState.IN_PROGRESS or (self in _LABELED and self is not SliceState.EMPTY)


_LABELED = frozenset(
    {SliceState.ANNOTATED, SliceState.EMPTY, SliceState.FILLED, SliceState.ACCEPTED}
)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """State of one slice."""

    state: SliceState = SliceState.UNSEEN
    who: str = ""
    """Person or program that set the state."""
    when: str = ""
    """ISO 8601 with time zone; empty where nothing happened yet."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """States of all slices of a case along the project's slice axis; a snapshot."""

    entries: tuple[LedgerEntry, ...]

    @classmethod
    def untouched(cls, num_slices: int) -> Ledger:
        """Ledger of a case that nobody has looked at."""
        return cls((LedgerEntry(),) * num_slices)

    @property
    def states(self) -> list[SliceState]:
        """State by slice index."""
        return [entry.state for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)

    def counts(self) -> dict[SliceState, int]:
        """Slices in each state; every state is a key."""
        found = Counter(self.states)
        return {state: found[state] for state in SliceState}

    def labeled_indices(self) -> list[int]:
        """Slices that are known as a whole."""
        return [index for index, state in enumerate(self.states) if state.is_labeled]

    def next_labeled(self, index: int) -> int | None:
        """First labeled slice behind `index`; None where there is none."""
        return min((i for i in self.labeled_indices() if i > index), default=None)

    def previous_labeled(self, index: int) -> int | None:
        """Last labeled slice before `index`; None where there is none."""
        return max((i for i in self.labeled_indices() if i < index), default=None)

    def with_states(
        self, indices: Iterable[int], state: SliceState, *, who: str = "", when: str = ""
    ) -> Ledger:
        """Copy with some slices in another state.

        Raises
        ------
        ProjectError
            If there is no slice of that index.
        """
        entries = list(self.entries)
        for index in indices:
            if not 0 <= index < len(entries):
                raise ProjectError(
                    f"Expected a slice from 0 to {len(entries) - 1}, found {index}; "
                    "choose one of these."
                )
            entries[index] = LedgerEntry(state, who, when)
        return Ledger(tuple(entries))

    def as_json(self) -> list[dict[str, Any]]:
        """Entries of the touched slices, for the ledger's file."""
        return [
            {"index": index, "state": entry.state.value, "who": entry.who, "when": entry.when}
            for index, entry in enumerate(self.entries)
            if entry != LedgerEntry()
        ]

    @classmethod
    def from_json(cls, num_slices: int, rows: Iterable[dict[str, Any]]) -> Ledger:
        """Inverse of `as_json`.

        Raises
        ------
        KeyError, ValueError, TypeError
            If a row is damaged; the caller knows the file's name.
        """
        entries = [LedgerEntry()] * num_slices
        for row in rows:
            index = int(row["index"])
            if not 0 <= index < num_slices:
                raise ValueError(f"slice {index} of {num_slices}")
            entries[index] = LedgerEntry(
                SliceState(row["state"]), str(row.get("who", "")), str(row.get("when", ""))
            )
        return cls(tuple(entries))


def known_mask(labels: npt.NDArray[Any], ledger: Ledger, slice_axis: int) -> npt.NDArray[np.bool_]:
    """Voxels that a person vouches for.

    Labeled slices are known as a whole, of slices in progress the painted voxels, of all others
    nothing: an untouched slice is unknown, never background.

    Parameters
    ----------
    labels
        Classes (I, P, L).
    ledger
        One entry per slice.
    slice_axis
        Display axis that is cut: 0 I, 1 P, 2 L.

    Returns
    -------
    array of bool
        (I, P, L).
    """
    states = ledger.states
    whole = _along([state.is_labeled for state in states], labels.ndim, slice_axis)
    partly = _along([state is SliceState.IN_PROGRESS for state in states], labels.ndim, slice_axis)
    mask: npt.NDArray[np.bool_] = whole | (partly & (labels > 0))
    return mask


def painted_counts(labels: npt.NDArray[Any], slice_axis: int) -> npt.NDArray[np.int64]:
    """Voxels of any class on each slice."""
    others = tuple(axis for axis in range(labels.ndim) if axis != slice_axis)
    counts: npt.NDArray[np.int64] = np.count_nonzero(labels, axis=others)
    return counts


def with_paint(ledger: Ledger, painted: npt.NDArray[np.int64], *, who: str, when: str) -> Ledger:
    """Put slices in progress that carry paint although their state says otherwise."""
    touched = [
        index
        for index, state in enumerate(ledger.states)
        if painted[index] and not state.may_carry_paint
    ]
    return ledger.with_states(touched, SliceState.IN_PROGRESS, who=who, when=when)


def _along(flags: list[bool], ndim: int, axis: int) -> npt.NDArray[np.bool_]:
    shape = [1] * ndim
    shape[axis] = len(flags)
    return np.array(flags, dtype=np.bool_).reshape(shape)
