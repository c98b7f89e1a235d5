"""Long tasks of the widget, one at a time: check, train, predict, export."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_transmedseg.engine.config import Device, TrainingConfig, validate_config
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.logs import start_application_log
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity, Session
from napari_transmedseg.widgets.worker import (
    TaskError,
    Worker,
    give_memory_back,
    keep_collections_short,
    release,
)

CLOSE_TIMEOUT_S = 20.0
BEGINNINGS = {
    Activity.CHECKING: "Looking at what a training would learn from…",
    Activity.PREDICTING: "Predicting…",
    Activity.EXPORTING: "Exporting…",
}
"""What is said until a task first reports."""


class Tasks(QObject):
    """Starts tasks in the worker and applies what they report to the session."""

    failed = Signal(object)
    """A `TaskError` for the error dialog."""
    ended = Signal(object)
    """The activity that ended."""
    case_predicted = Signal(str)
    prediction_advanced = Signal(object)
    """A `CasePredicted`."""
    exported = Signal(object)
    """A `CaseExported`."""
    checked = Signal(object)
    """The `Preflight` that was asked for, when its task has ended."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        start_application_log()
        self._session = session
        self._worker: Worker | None = None
        self._watched: tuple[str, int] | None = None
        self._task = Activity.IDLE
        self.threads = 0
        """CPU threads to predict with; 0: all cores but one."""
        self.was_stopped = False
        """Whether the latest task was asked to end before its time."""
        self._found: list[Any] = []

    def check(self, config: TrainingConfig) -> None:
        """Look at what a training would learn from; `checked` tells."""
        project = self._open_project()
        self._found.clear()
        events = _checked(project, for_window(config))
        self._start(Activity.CHECKING, events, TrainingControl(), self._found.append)

    def train(self, config: TrainingConfig, *, warm_start: str = "", resume: str = "") -> None:
        """Train on the open project, afresh, from another run's model, or to a run's end.

        Raises
        ------
        ConfigError
            When a setting is out of its limits.
        ProjectError
            When the run to go on from is missing or does not fit.
        """
        project = self._open_project()
        config = for_window(config)
        validate_config(config)

        from napari_transmedseg.project.continuing import history_of
        from napari_transmedseg.project.training import train

        control = TrainingControl()
        previous = resume or warm_start
        history = history_of(project, previous) if previous else TrainingHistory()
        if warm_start:
            history.begin_run()
        events = train(
            project, config, control=control, resume=resume or None, warm_start=warm_start or None
        )
        self._session.begin_run(history)
        self._start(Activity.PREPARING, events, control, self._on_trained)

    def predict(self, case_ids: Sequence[str] | None = None, *, device: Device = "auto") -> None:
        """Predict cases with the latest run; None: all of them."""
        project = self._open_project()

        from napari_transmedseg.project.training import predict

        control = TrainingControl()
        threads = self.threads or gui_threads()
        events = predict(
            project, case_ids=case_ids, control=control, device=device, threads=threads
        )
        self._start(Activity.PREDICTING, events, control, self._on_case_predicted)

    def export(self, folder: Path, options: ExportOptions) -> None:
        """Export masks into a folder; `exported` says how far it is."""
        project = self._open_project()

        control = TrainingControl()
        events = _exported(project.folder, folder, options, control)
        self._start(Activity.EXPORTING, events, control, self.exported.emit)

    def pause(self) -> None:
        """Pause the training after its current step."""
        if self._worker is not None and self._session.activity is Activity.TRAINING:
            self._worker.control.pause()
            self._session.activity = Activity.PAUSED

    def resume(self) -> None:
        """Let a paused training go on."""
        if self._worker is not None and self._session.activity is Activity.PAUSED:
            self._worker.control.resume()
            self._session.activity = Activity.TRAINING

    def stop(self) -> None:
        """Ask the running task to end; a training saves what it learned."""
        if self._worker is not None:
            self._worker.stop()
            self.was_stopped = True
            if self._task in TRAINING_ACTIVITIES:
                self._session.activity = Activity.STOPPING

    def watch(self, case_id: str, slice_index: int) -> None:
        """Choose the slice whose pseudo-label is predicted while training."""
        self._watched = (case_id, slice_index)
        if self._worker is not None:
            self._worker.control.watch(case_id, slice_index)

    def shut_down(self) -> None:
        """Stop the running task, wait until it has saved, and let go of it."""
        if self._worker is not None:
            self._worker.wait(CLOSE_TIMEOUT_S)
            self._worker = None
            give_memory_back()
            self._session.activity = Activity.IDLE

    def _open_project(self) -> Project:
        project = self._session.require_project()
        self._session.require_idle()
        return project

    def _start(
        self,
        activity: Activity,
        events: Iterator[Any],
        control: TrainingControl,
        on_event: Callable[[Any], object],
    ) -> None:
        worker = Worker(events, control)
        self._worker, self._task, self.was_stopped = worker, activity, False
        self._on_event = on_event
        if self._watched is not None:
            worker.control.watch(*self._watched)
        worker.event_arrived.connect(self._on_event_arrived)
        worker.failed.connect(self._on_failed)
        worker.ended.connect(self._on_ended)
        self._session.activity = activity
        if activity in BEGINNINGS:
            self._session.message_changed.emit(BEGINNINGS[activity])
        worker.start()

    def _on_event_arrived(self, event: object) -> None:
        if self._worker is not None:
            self._on_event(event)

    def _on_trained(self, event: Any) -> None:
        before = self._session.activity
        self._session.apply(event)
        if before is Activity.PREPARING and self._session.activity is Activity.TRAINING:
            keep_collections_short()

    def _on_case_predicted(self, event: Any) -> None:
        self._session.message_changed.emit(
            f"Predicted {event.case_id} ({event.index} of {event.total})."
        )
        self.case_predicted.emit(event.case_id)
        self.prediction_advanced.emit(event)

    def _on_failed(self, failure: TaskError) -> None:
        if self._worker is not None:
            if self._task in BEGINNINGS:
                self._session.message_changed.emit("")  # what had begun did not come
            self.failed.emit(failure)

    def _on_ended(self) -> None:
        if self._worker is None:
            return
        release(self._worker)
        self._worker = None
        give_memory_back()
        task, self._task = self._task, Activity.IDLE
        self._session.activity = Activity.IDLE
        if task is Activity.CHECKING:
            self._session.message_changed.emit("")
        if task is Activity.CHECKING and self._found:
            self.checked.emit(self._found[-1])
        self.ended.emit(task)


def for_window(config: TrainingConfig) -> TrainingConfig:
    """Settings of a training beside a fluid window: as many threads as may be, if none are set."""
    return replace(config, threads=config.threads or gui_threads())


def _checked(project: Project, config: TrainingConfig) -> Iterator[Any]:
    """Look through a second, read-only view, as in exporting."""
    from napari_transmedseg.project.preflight import preflight

    project.flush()
    with Project.open(project.folder, read_only=True) as view:
        yield preflight(view, config)


def _exported(
    project_folder: Path, folder: Path, options: ExportOptions, control: TrainingControl
) -> Iterator[Any]:
    """Export from a second, read-only view: the open one belongs to the main thread."""
    from napari_transmedseg.project.export import export_one_by_one

    with Project.open(project_folder, read_only=True) as project:
        yield from export_one_by_one(project, folder, options, control=control)


def gui_threads() -> int:
    """CPU threads for training beside a fluid window: all cores but one."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    return max(1, cores - 1)
