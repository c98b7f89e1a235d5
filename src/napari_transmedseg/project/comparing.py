"""What can be laid side by side of one case: labels, predictions of now, of before, of any run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.kept_slices import KeptSlices
from napari_transmedseg.project.project import Project

NOW, BEFORE, LABELS = "now", "before", "labels"
"""Names of what is no run; runs go by their id."""


def used_runs(project: Project) -> frozenset[str]:
    """Runs in use, whether they predicted or not."""
    return frozenset(run.run_id for run in project.runs if run.is_in_use)


def predicting_runs(project: Project) -> list[str]:
    """Runs in use that predicted any case, oldest first."""
    folder = project.folder / "predictions"
    return [run.run_id for run in project.runs if (folder / run.run_id).is_dir() and run.is_in_use]


def latest_run(project: Project) -> str:
    """Latest run that is not discarded, whether it predicted or not; empty where there is none."""
    found = (run.run_id for run in reversed(project.runs) if not run.is_discarded)
    return next(found, "")


def run_before(project: Project, case_id: str, run_id: str) -> str:
    """Latest run before another one that predicted a case; empty where none did."""
    runs = [run.run_id for run in project.runs]
    older = runs[: runs.index(run_id)] if run_id in runs else runs
    found = [run for run in older if predicts(project, run, case_id)]
    return found[-1] if found else ""


def predicts(project: Project, run_id: str, case_id: str) -> bool:
    """Whether a run in use predicted a case."""
    return _is_used(project, run_id) and project.prediction_path(run_id, case_id).exists()


def require_predictions(project: Project, case_id: str, run_ids: Sequence[str]) -> None:
    """Refuse to compare runs that did not predict a case, and runs of no case.

    Raises
    ------
    ProjectError
    """
    if not case_id:
        raise ProjectError("Expected a case on screen, found none; click one in the table.")
    missing = [run_id for run_id in run_ids if not predicts(project, run_id, case_id)]
    if missing:
        raise ProjectError(
            f"Expected predictions of {case_id} by both runs, found none by "
            f"{' and '.join(missing)}; press 'Predict all cases' after a training to keep what "
            "it sees, or choose other runs."
        )


def plane_of(
    base_IPL: npt.NDArray[np.uint8] | None,
    kept: KeptSlices,
    case_id: str,
    *,
    slice_axis: int,
    plane: int,
    index: int,
) -> npt.NDArray[np.uint8] | None:
    """Slice of a prediction as it was, with the slices that were kept put into it.

    Parameters
    ----------
    base_IPL
        The other slices; None where nothing was predicted.
    kept
        Slices along `slice_axis`.
    plane, index
        Axis that is cut, and where; another one than `slice_axis` cuts all kept slices.

    Returns
    -------
    npt.NDArray[np.uint8] | None
        (Y, X); None where nothing was predicted.
    """
    if plane == slice_axis:
        found = kept.get(case_id, index)
        return found if found is not None or base_IPL is None else _cut(base_IPL, plane, index)
    if base_IPL is None:
        return None
    whole = _cut(base_IPL, plane, index).copy()
    rows = slice_axis - (slice_axis > plane)  # axis of the plane that runs through the slices
    across = plane - (plane > slice_axis)  # axis of a kept slice that the plane cuts
    for at in kept.indices(case_id):
        one = kept.get(case_id, at)
        assert one is not None
        np.moveaxis(whole, rows, 0)[at] = one.take(index, across)
    return whole


def _cut(array_IPL: npt.NDArray[np.uint8], axis: int, index: int) -> npt.NDArray[np.uint8]:
    view: npt.NDArray[np.uint8] = np.moveaxis(array_IPL, axis, 0)[index]
    return view


def _is_used(project: Project, run_id: str) -> bool:
    folder: Path = project.folder / "predictions" / run_id
    if not run_id or not folder.is_dir():
        return False
    return project.run(run_id).is_in_use
