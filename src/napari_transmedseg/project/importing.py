"""Bringing slices of another tool's label map into an annotation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.ledger import Ledger, SliceState

_Index = tuple[slice | int, ...]


def merge_labels(
    current: LabelMap,
    ledger: Ledger,
    incoming: LabelMap,
    slices: Iterable[int],
    slice_axis: int,
    *,
    who: str,
    when: str,
    overwrite: bool,
) -> tuple[LabelMap, Ledger]:
    """Put slices into an annotation.

    A slice that `incoming` knows as a whole is annotated afterwards, or empty; one that it
    knows in part is in progress if a class shows there; others stay as they were.

    Raises
    ------
    ProjectError
        If a slice does not exist, or is annotated differently and `overwrite` is off.
    """
    merged = current.array.copy(order="K")
    for index in slices:
        ledger.with_states([index], SliceState.UNSEEN)  # refuses what is no slice
        cut = _cut(index, slice_axis)
        known = _known(incoming, cut)
        if not known.any():
            continue
        conflicts = np.count_nonzero(
            known & _known(current, cut) & (merged[cut] != incoming.array[cut])
        )
        if conflicts and not overwrite:
            raise ProjectError(
                f"Expected slice {index + 1} without other annotation, found {conflicts} voxels "
                "that are annotated differently; leave the slice out, or allow overwriting."
            )
        merged[cut] = np.where(known, incoming.array[cut], merged[cut])
        is_whole, is_painted = bool(known.all()), bool(merged[cut].any())
        if is_whole or (is_painted and not ledger.states[index].is_labeled):
            state = _state(is_whole, is_painted)
            ledger = ledger.with_states([index], state, who=who, when=when)
    return LabelMap(array=merged, geometry=current.geometry), ledger


def _state(whole: bool, painted: bool) -> SliceState:
    if not whole:
        return SliceState.IN_PROGRESS
    return SliceState.ANNOTATED if painted else SliceState.EMPTY


def _known(label_map: LabelMap, cut: _Index) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if label_map.known is None:
        return np.ones(label_map.array[cut].shape, dtype=np.bool_)
    return label_map.known[cut]


def _cut(index: int, axis: int) -> _Index:
    cut: list[slice | int] = [slice(None)] * 3
    cut[axis] = index
    return tuple(cut)
