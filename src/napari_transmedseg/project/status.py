"""What a project holds, what it lacks, and what would help, as plain values."""

from typing import Any

from napari_transmedseg.project.annotate import annotation_advice
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
        "cases": cases,
        "runs": [_run_status(run) for run in project.runs],
        "corrections": {
            "reviewed_slices": len(corrections.compared()),
            "mean_dice_of_last_10": corrections.mean_dice(10),
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
        "image_found": project.image_path(case.case_id).exists(),
        "size": list(case.shape),
        "spacing_mm": list(case.spacing),
        "num_slices": case.shape[project.slice_axis],
        "slices": {state.value: counts.get(state, 0) for state in SliceState},
        "prediction": _latest_prediction(project, case.case_id),
    }


def _latest_prediction(project: Project, case_id: str) -> str | None:
    for run in reversed(project.runs):
        path = project.folder / "predictions" / run.run_id / f"{case_id}.nii.gz"
        if path.is_file():
            return run.run_id
    return None


def _run_status(run: Run) -> dict[str, Any]:
    metrics = run.metrics()
    steps = [entry for entry in metrics if entry["event"] == "StepReport"]
    dice = [entry for entry in metrics if entry["event"] == "DiceReport"]
    ends = [entry for entry in metrics if entry["event"] == "TrainingFinished"]
    last = ends[-1] if ends else steps[-1] if steps else {"step": 0, "elapsed_s": 0.0}
    return {
        "run": run.run_id,
        "method": run.config.method,
        "state": ends[-1]["reason"] if ends else "unfinished",
        "steps": last["step"],
        "elapsed_s": last["elapsed_s"],
        "dice": _mean(dice[-1]["annotated"]) if dice else None,
        "checkpoint": None if run.checkpoint is None else str(run.checkpoint),
    }


def _mean(dice: dict[str, float | None]) -> float | None:
    values = [value for value in dice.values() if value is not None and value == value]
    return sum(values) / len(values) if values else None


def _missing_images(cases: list[dict[str, Any]]) -> list[str]:
    return [
        f"The image of '{case['case']}' is missing at {case['image']}; put it back."
        for case in cases
        if not case["image_found"]
    ]


def _without_annotation(cases: list[dict[str, Any]]) -> list[str]:
    labeled = ("annotated", "empty", "filled", "accepted", "in progress")
    if any(case["slices"][state] for case in cases for state in labeled):
        return []
    return ["Nothing is annotated yet; annotate some slices before training."]
