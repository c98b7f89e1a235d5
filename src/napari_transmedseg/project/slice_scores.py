"""What a prediction says about each slice, kept in a small file beside the predicted mask."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.comparing import predicting_runs
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.project import Project


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceScores:
    """Scores of a predicted case by slice index along the project's slice axis."""

    slice_uncertainty: tuple[float, ...]
    """Mean entropy over log C, in [0, 1]."""
    slice_disagreement: tuple[float, ...] = ()
    """Share of what student or teacher call foreground in which they differ, in [0, 1]; empty in
    files of older versions."""
    slice_class: tuple[int, ...] = ()
    """Value of the class with most voxels, 0 where there is only background; empty as above."""


def scores_of(
    labels_IPL: npt.NDArray[np.integer],
    uncertainty_IPL: npt.NDArray[np.float32],
    student_IPL: npt.NDArray[np.integer],
    slice_axis: int,
) -> SliceScores:
    """Scores of a case from the predictions of its teacher and its student."""
    uncertainties, disagreements, classes = [], [], []
    for labels, uncertainty, student in zip(
        *(
            np.moveaxis(array, slice_axis, 0)
            for array in (labels_IPL, uncertainty_IPL, student_IPL)
        ),
        strict=True,
    ):
        uncertainties.append(round(float(uncertainty.mean(dtype=np.float64)), 6))
        foreground = np.count_nonzero((labels > 0) | (student > 0))
        differing = np.count_nonzero(labels != student)
        disagreements.append(round(differing / foreground, 6) if foreground else 0.0)
        counts = np.bincount(labels[labels > 0])
        classes.append(int(counts.argmax()) if counts.size else 0)
    return SliceScores(
        slice_uncertainty=tuple(uncertainties),
        slice_disagreement=tuple(disagreements),
        slice_class=tuple(classes),
    )


def write_scores(project: Project, case_id: str, run_id: str, scores: SliceScores) -> None:
    """Write the scores beside the predicted mask, in one step."""
    content = {
        "case_id": case_id,
        "run_id": run_id,
        "slice_axis": project.slice_axis,
        "uncertainty": round(float(np.mean(scores.slice_uncertainty)), 6),
        **asdict(scores),
    }
    text = json.dumps(content, indent=1)
    write_bytes(_path(project, case_id, run_id), text.encode() + b"\n")


def read_scores(project: Project, case_id: str, run_id: str) -> SliceScores | None:
    """Read the scores of a predicted case; None where there are none.

    Raises
    ------
    ProjectError
        If the file is damaged, or belongs to other slices.
    """
    path = _path(project, case_id, run_id)
    try:
        content = read_json(path)
        if content.get("slice_axis", project.slice_axis) != project.slice_axis:
            raise ValueError("slices of another plane")
        scores = SliceScores(
            slice_uncertainty=tuple(map(float, content["slice_uncertainty"])),
            slice_disagreement=tuple(map(float, content.get("slice_disagreement", ()))),
            slice_class=tuple(map(int, content.get("slice_class", ()))),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, case_id) from error
    if any(len(v) not in (0, project.num_slices(case_id)) for v in asdict(scores).values()):
        raise _damaged(path, case_id)
    return scores


def latest_scores(project: Project) -> dict[str, SliceScores]:
    """Scores of each case's latest prediction by a run in use, by case id; left out without."""
    newest_first = predicting_runs(project)[::-1]
    found = {}
    for case in project.cases:
        paths = ((one, project.prediction_path(one, case.case_id)) for one in newest_first)
        run_id = next((one for one, path in paths if path.exists()), None)
        with suppress(ProjectError):  # damaged: predicting again writes them anew
            scores = None if run_id is None else read_scores(project, case.case_id, run_id)
            if scores is not None:
                found[case.case_id] = scores
    return found


def _path(project: Project, case_id: str, run_id: str) -> Path:
    return project.prediction_path(run_id, case_id).with_name(f"{case_id}.json")


def _damaged(path: Path, case_id: str) -> ProjectError:
    return ProjectError(
        f"Expected the uncertainty of {case_id} in {path}, found a damaged file; predict again."
    )
