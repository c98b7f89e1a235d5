"""What becomes of an annotation when one of its classes is taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ConfigError
from napari_transmedseg.imaging.volume import LabelArray
from napari_transmedseg.project.ledger import Ledger, SliceState, painted_counts

Become = Literal["unknown", "background"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassUsage:
    """How much of an annotation has one class."""

    num_voxels: int = 0
    num_slices: int = 0
    num_cases: int = 0

    def sentence(self) -> str:
        """For a person."""
        if not self.num_voxels:
            return "No voxel has this class."
        return (
            f"{_counted(self.num_voxels, 'voxel')} on {_counted(self.num_slices, 'slice')} of "
            f"{_counted(self.num_cases, 'case')}."
        )


def usage_of(value: int, arrays: Iterable[LabelArray], slice_axis: int) -> ClassUsage:
    """Count the voxels of a class.

    Parameters
    ----------
    value
        Of the class.
    arrays
        Classes (I, P, L) of each case.
    slice_axis
        Display axis along which slices are cut.
    """
    counts = [painted_counts(array == value, slice_axis) for array in arrays]
    return ClassUsage(
        num_voxels=sum(int(one.sum()) for one in counts),
        num_slices=sum(int(np.count_nonzero(one)) for one in counts),
        num_cases=sum(bool(one.any()) for one in counts),
    )


def check_become(become: str) -> None:
    """Refuse what voxels cannot become.

    Raises
    ------
    ConfigError
    """
    if become not in get_args(Become):
        raise ConfigError(
            f"Expected voxels to become {' or '.join(get_args(Become))}, found '{become}'; choose "
            "one of these."
        )


def without_class(
    array: LabelArray, ledger: Ledger, value: int, slice_axis: int, *,
    become: Become, who: str, when: str,
) -> tuple[npt.NDArray[np.uint8], Ledger]:  # fmt: skip
    """Annotation without a class; the classes above it move down by one.

    Parameters
    ----------
    array
        Classes (I, P, L).
    ledger
        Of the same case.
    value
        Class to take away.
    slice_axis
        Display axis along which slices are cut.
    become
        `unknown`: a slice that held the class is in progress again, because nobody has said what
        its voxels are; without other paint it is unseen. `background`: slices that are known as
        a whole stay so; on slices in progress unpainted voxels are unknown, these too.
    who, when
        For the ledger entries of slices whose state changes.
    """
    table = np.arange(256, dtype=np.uint8)
    table[value] = 0
    table[value + 1 :] -= 1
    held = painted_counts(array == value, slice_axis)
    relabeled = table[array]
    left = painted_counts(relabeled, slice_axis)
    for index in np.flatnonzero(held).tolist():
        before = ledger.states[index]
        after = _state_without(before, bool(left[index]), become)
        if after is not before:
            ledger = ledger.with_states([index], after, who=who, when=when)
    return relabeled, ledger


def _state_without(state: SliceState, has_other_paint: bool, become: Become) -> SliceState:
    if become == "background" and state.is_labeled:
        return state if has_other_paint else SliceState.EMPTY
    return SliceState.IN_PROGRESS if has_other_paint else SliceState.UNSEEN


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
