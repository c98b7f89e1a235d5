"""The plane of a project's slices, and putting away what was said of slices of another one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.orientation import plane_name
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotation import ANNOTATIONS
from napari_transmedseg.project.case_files import make_folder
from napari_transmedseg.project.corrections import CORRECTIONS_FILE
from napari_transmedseg.project.ledger import Ledger, SliceState, painted_counts
from napari_transmedseg.project.schema import PROJECT_FILE
from napari_transmedseg.project.snapshots import FOLDER as SNAPSHOTS

_SAYS_NOTHING = (SliceState.UNSEEN, SliceState.SUGGESTED)


def spoken_for(label_map: LabelMap, ledger: Ledger, slice_axis: int) -> list[int]:
    """Slices that somebody painted on, or said something about."""
    painted = painted_counts(label_map.array, slice_axis)
    return [
        index
        for index, state in enumerate(ledger.states)
        if painted[index] or state not in _SAYS_NOTHING
    ]


def require_nothing_said(
    slices: Sequence[tuple[str, Sequence[int]]], folder: Path, now: int, wanted: int
) -> None:
    """Refuse another plane where something is known of slices of this one.

    Parameters
    ----------
    slices
        Ids of cases, with the slices of each that somebody said something about.
    folder
        Project folder.
    now, wanted
        Display axes along which slices are counted.

    Raises
    ------
    ProjectError
    """
    found = [(case_id, len(indices)) for case_id, indices in slices if indices]
    if found:
        count = sum(number for _, number in found)
        where = ", ".join(case_id for case_id, _ in found[:3]) + (", …" if found[3:] else "")
        raise ProjectError(
            f"Expected no annotation in a project that changes from {plane_name(now)} to "
            f"{plane_name(wanted)} slices, found {count} annotated slice{'s'[: count > 1]} "
            f"({where}), which would be no whole slices any more; make a new project of the same "
            f"images in the {plane_name(wanted)} plane, and bring the labels in "
            f"{folder / ANNOTATIONS} into it, where what is painted stays known."
        )


def put_away(folder: Path, backup: Path) -> None:
    """Move states, snapshots and the log of corrections aside; all of them count slices."""
    make_folder(backup)
    shutil.copy2(folder / PROJECT_FILE, backup)
    for name in (SNAPSHOTS, CORRECTIONS_FILE, ANNOTATIONS):
        if (folder / name).exists():
            shutil.move(folder / name, backup / name)
