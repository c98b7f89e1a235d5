"""What a project holds, what it lacks, and what would help, as plain values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_transmedseg.engine.events import DiceReport, StepReport, TrainingFinished
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.annotate import annotation_advice
from napari_transmedseg.project.continuing import events_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Case, Project
from napari_transmedseg.project.run import Run


def project_status(project: Project) -> dict[str, Any]:
    """State of a project: classes, cases with their slices, runs, corrections, and advice."""
    corrections = project.corrections()
    cases = [_case_status(project, case) for case in project.cases]
    return {
        "name": project.name,
        "folder": str(project.folder),
        "plane": ("axial", "coronal", "sagittal")[project.slice_axis],
        "classes": [
            {"value": item.value, "name": item.name, "color": item.color}
            for item in project.classes
        ],
        "channels": list(project.channel_names),
        "cases": cases,
        "runs": [_run_status(run) for run in project.runs],
        "corrections": {
            "reviewed_slices": len(corrections.compared()),
            "mean_dice_of_last_10": corrections.mean_dice(10),
            "median_seconds_per_slice": corrections.median_seconds(),
            "sentence": corrections.in_words(),
        },
        "advice": [*_missing_images(cases), *_without_annotation(cases),
                   *annotation_advice(project), *filter(None, [corrections.notice])],
    }  # fmt: skip


def _case_status(project: Project, case: Case) -> dict[str, Any]:
    counts = project.ledger(case.case_id).counts()
    return {
        "case": case.case_id,
        "domain": case.domain,
        "image": str(project.image_path(case.case_id)),
        "image_found": all(path.exists() for path in project.image_paths(case.case_id)),
        "channels": [
            {"name": name, "image": str(path)}
            for name, path in zip(
                case.channel_names, project.image_paths(case.case_id), strict=False
            )
        ],
        "size": list(case.shape),
        "spacing_mm": list(case.spacing),
        "num_slices": case.shape[project.slice_axis],
        "slices": {state.value: counts.get(state, 0) for state in SliceState},
        "prediction": project.predicted_by(case.case_id),
    }


def _run_status(run: Run) -> dict[str, Any]:
    events = list(events_of(run.metrics()))
    steps = [event for event in events if isinstance(event, StepReport)]
    dice = [event for event in events if isinstance(event, DiceReport)]
    ends = [event for event in events if isinstance(event, TrainingFinished)]
    last = (ends or steps or [None])[-1]
    return {
        "run": run.run_id,
        "method": _method(run),
        "state": "discarded" if run.is_discarded else ends[-1].reason if ends else "unfinished",
        "steps": 0 if last is None else last.step,
        "elapsed_s": 0.0 if last is None else last.elapsed_s,
        "dice": _mean(dice[-1].annotated) if dice else None,
        "checkpoint": None if run.checkpoint is None else str(run.checkpoint),
    }


def _method(run: Run) -> str:
    try:
        return run.config.method
    except ProjectError:
        return "settings damaged"


def _mean(dice: Mapping[str, float | None]) -> float | None:
    values = [value for value in dice.values() if value is not None and value == value]
    return sum(values) / len(values) if values else None


def _missing_images(cases: list[dict[str, Any]]) -> list[str]:
    return [
        f"The image of '{case['case']}' is missing at {path}; put it back."
        for case in cases
        for path in (case["image"], *(one["image"] for one in case["channels"][1:]))
        if not case["image_found"] and not Path(path).exists()
    ]


def _without_annotation(cases: list[dict[str, Any]]) -> list[str]:
    labeled = ("annotated", "empty", "filled", "accepted", "in progress")
    if any(case["slices"][state] for case in cases for state in labeled):
        return []
    return ["Nothing is annotated yet; annotate some slices before training."]
