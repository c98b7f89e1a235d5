"""The training runs of a project, each in a folder of its own."""

from __future__ import annotations

import shutil
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
    """A run came, went, or is used again or no more."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Training runs, oldest first."""
        folders = sorted((self.folder / "runs").glob("run-*"), key=_run_number)
        return tuple(Run(folder) for folder in folders if folder.is_dir())

    @property
    def trained_runs(self) -> tuple[Run, ...]:
        """Runs whose models may be used, oldest first: trained and not discarded."""
        return tuple(
            run for run in self.runs if run.checkpoint is not None and not run.is_discarded
        )

    def discard_run(self, run_id: str, is_discarded: bool = True) -> None:
        """Use a run no more, neither to predict nor to go on from; or take it back.

        Its files stay where they are until `delete_run`.
        """
        self._require_writable()
        self.run(run_id).set_discarded(is_discarded)
        self.runs_changed.emit()

    def delete_run(self, run_id: str) -> None:
        """Delete the files of a discarded run, its predictions included.

        Raises
        ------
        ProjectError
            If it is not discarded, or its files cannot be deleted.
        """
        self._require_writable()
        run = self.run(run_id)
        if not run.is_discarded:
            raise ProjectError(
                f"Expected a discarded run to delete, found {run_id} in use; discard it first."
            )
        for folder in (self.folder / "predictions" / run.run_id, run.folder):
            if folder.exists():
                _delete(folder)
        self.runs_changed.emit()

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
        """Find a run that has a checkpoint; without an id the latest that is not discarded.

        Raises
        ------
        ProjectError
            If there is none.
        """
        if run_id is None and (trained := self.trained_runs):
            return trained[-1]
        run = self.run(run_id)
        run.require_checkpoint()
        return run


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ProjectError(
            f"Expected to delete {folder}, found that it is not possible "
            f"({(error.strerror or 'no access').lower()}); close programs that use it, and try "
            "again."
        ) from error


def _run_number(folder: Path) -> int:
    number = folder.name.removeprefix("run-")
    return int(number) if number.isdecimal() else 0
