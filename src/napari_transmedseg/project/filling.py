"""Filling the open slices between annotated ones, without a window."""

from __future__ import annotations

import numpy as np

from napari_transmedseg.project.annotating import Slice, filled_labels, gaps
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.when import now


def fill_between(project: Project, case_id: str, *, who: str = "") -> list[int]:
    """Fill every open slice that lies between labeled ones by their shapes.

    What is painted stays. The slices are `filled`, and so known as a whole.

    Parameters
    ----------
    project
        Open for writing.
    case_id
        Case to fill.
    who
        For the ledger.

    Returns
    -------
    list of int
        Indices of the filled slices.

    Raises
    ------
    ProjectError
        If the annotation cannot be written.
    """
    stack = np.moveaxis(project.annotation(case_id).array, project.slice_axis, 0)
    spacing = list(project.geometry(case_id).display_spacing)
    del spacing[project.slice_axis]
    ledger = project.ledger(case_id)
    filled: dict[int, Slice] = {}
    for gap in gaps(ledger):
        filled |= filled_labels(lambda index: stack[index], gap, (spacing[0], spacing[1]))
    when = now()
    after = ledger.with_states(filled, SliceState.FILLED, who=who, when=when)
    if filled:
        project.save_slices(case_id, filled, after)
        project.flush(case_id)
    return sorted(filled)
