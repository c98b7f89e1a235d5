"""The training runs of a project, each in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from psygnal import Signal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.cohort import Cohort
from napari_transmedseg.project.run import Run


class TrainedCohort(Cohort):
    """A cohort and the runs that were trained on it."""

    runs_changed: ClassVar[Signal] = Signal()

    @property
    def runs(self) -> tuple[Run, ...]:
        """Training runs, oldest first."""
        folders = sorted((self.folder / "runs").glob("run-*"), key=_run_number)
        return tuple(Run(folder) for folder in folders if folder.is_dir())

    def run(self, run_id: str | None = None) -> Run:
        """One run; without an id the latest.

        Raises
        ------
        ProjectError
            If there is none.
        """
        runs = {run.run_id: run for run in self.runs}
        if not runs:
            raise ProjectError(
                f"Expected a training run in {self.folder}, found none; train first."
            )
        if run_id is None:
            return list(runs.values())[-1]
        if run_id not in runs:
            raise ProjectError(
                f"Expected one of the runs {', '.join(runs)}, found '{run_id}'; choose one of them."
            )
        return runs[run_id]

    def new_run(self, config: TrainingConfig, **facts: Any) -> Run:
        """Make the folder of the next run."""
        self._require_writable()
        number = max((_run_number(run.folder) for run in self.runs), default=0) + 1
        about = {
            "project": self.name,
            "classes": [item.name for item in self.classes],
            "slice_axis": self.slice_axis,
        }
        run = Run.create(self.folder / "runs" / f"run-{number:03d}", config, {**about, **facts})
        self.runs_changed.emit()
        return run

    def trained_run(self, run_id: str | None = None) -> Run:
        """Find a run that has a checkpoint; without an id the latest such run.

        Raises
        ------
        ProjectError
            If there is none.
        """
        if run_id is None:
            trained = [run for run in self.runs if run.checkpoint is not None]
            if trained:
                return trained[-1]
        run = self.run(run_id)
        run.require_checkpoint()
        return run


def _run_number(folder: Path) -> int:
    number = folder.name.removeprefix("run-")
    return int(number) if number.isdecimal() else 0
