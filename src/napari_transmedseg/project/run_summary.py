"""The runs of a project side by side."""

from __future__ import annotations

from dataclasses import dataclass

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.continuing import events_of
from napari_transmedseg.project.history import TrainingHistory, replay
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """What a run was asked for and what came of it."""

    run_id: str
    method: str
    state: str
    """`budget`, `stopped`, `early`, `unfinished`, `discarded`."""
    steps: int
    self_training_steps: int
    losses: dict[str, float]
    """Latest by term."""
    dice: float | None
    """Mean over classes, on held-out slices where there are some, else on the annotated."""
    dice_is_held_out: bool
    elapsed_s: float
    warm_start: str
    """Run that it started from; empty where it began afresh."""
    history: TrainingHistory
    """Of this run alone, so that two runs begin at the same step."""


def summarise_runs(project: Project) -> list[RunSummary]:
    """Describe the runs of a project, oldest first; those that cannot be read are left out."""
    found = []
    for run in project.runs:
        try:
            found.append(_summary_of(run))
        except (ProjectError, OSError):
            continue
    return found


def _summary_of(run: Run) -> RunSummary:
    history = replay(events_of(run.metrics()))
    latest, end = history.latest, history.finished
    state = "unfinished" if end is None else end.reason
    return RunSummary(
        run_id=run.run_id,
        method=run.config.method,
        state="discarded" if run.is_discarded else state,
        steps=end.step if end is not None else latest.step if latest is not None else 0,
        self_training_steps=0 if end is None else end.self_training_steps,
        losses={name: curve.values[-1] for name, curve in history.losses.items()},
        dice=history.mean_dice,
        dice_is_held_out=history.dice_is_held_out,
        elapsed_s=end.elapsed_s if end is not None else latest.elapsed_s if latest else 0.0,
        warm_start=str(run.details().get("warm_start") or ""),
        history=history,
    )
