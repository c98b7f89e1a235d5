"""What a new training can go on from, and the curves that it continues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.recorded import events_of
from napari_transmedseg.project.training import check_model_fits

__all__ = ["Continuation", "continuation_of", "events_of", "history_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuation:
    """From where the next training of a project can go on."""

    warm_start: str = ""
    """Run whose model a new run can start from; empty where there is none."""
    interrupted: str = ""
    """That same run when it did not reach its end (a crash, a lost power supply)."""
    obstacle: str = ""
    """Why the latest run cannot be gone on from, for a person."""


def continuation_of(project: Project) -> Continuation:
    """Look at the latest trained run of a project; loads no torch."""
    trained = project.trained_runs
    if not trained:
        return Continuation()
    run = trained[-1]
    try:
        check_model_fits(project, run)
        ended = any(row.get("event") == "TrainingFinished" for row in _last_sitting(run.metrics()))
    except ProjectError as error:
        return Continuation(obstacle=str(error))
    return Continuation(warm_start=run.run_id, interrupted="" if ended else run.run_id)


def history_of(project: Project, run_id: str) -> TrainingHistory:
    """History of a run after those of the runs that it started from, as one course."""
    history = TrainingHistory()
    for index, ancestor in enumerate(_line_of(project, run_id)):
        if index:
            history.begin_run()
        for event in events_of(project.run(ancestor).metrics()):
            history.apply(event)
    return history


def _line_of(project: Project, run_id: str) -> list[str]:
    """The runs from the first to this one, each started from the one before."""
    known = {run.run_id: run for run in project.runs}
    line: list[str] = []
    while run_id in known and run_id not in line:
        line.insert(0, run_id)
        run_id = str(known[run_id].details().get("warm_start") or "")
    return line


def _last_sitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows since the run was started or resumed for the last time."""
    starts = [i for i, row in enumerate(rows) if row.get("event") == "TrainingStarted"]
    return rows[starts[-1] :] if starts else rows
