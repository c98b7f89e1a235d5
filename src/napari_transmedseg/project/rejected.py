"""Predictions of slices that a person rejected: no mask takes them over."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project


def rejected_slices(project: Project, case_id: str, run_id: str | None) -> list[int]:
    """Slices of a case on which a run's prediction does not count.

    A run that began after the rejection has another answer, which nobody has judged yet.
    """
    if run_id is None:
        return []
    begun = project.run(run_id).details().get("created", "")
    return [
        index
        for index, entry in enumerate(project.ledger(case_id).entries)
        if entry.state is SliceState.REJECTED and not _is_later(begun, entry.when)
    ]


def _is_later(one: object, other: str) -> bool:
    """Whether a moment, as a project writes it, is later than another; no where it is unknown."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(str(one)) > datetime.fromisoformat(other)
    return False
