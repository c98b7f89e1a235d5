"""The state that views of one open project share; changed on the main thread only."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_transmedseg.engine.events import (
    SlicePrediction,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.history import TrainingHistory

if TYPE_CHECKING:
    from napari_transmedseg.project.project import Project


class Activity(StrEnum):
    """What the program is busy with."""

    IDLE = "idle"
    CHECKING = "checking"
    PREPARING = "preparing"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"
    PREDICTING = "predicting"
    EXPORTING = "exporting"


WAYS_OUT = {
    Activity.CHECKING: "wait for its end",
    Activity.STOPPING: "wait until it has saved",
    Activity.PREDICTING: "wait for its end or press 'Cancel' under 'Review' first",
    Activity.EXPORTING: "wait for its end or press 'Cancel' under 'Export' first",
}
"""Where the way out is not to stop a training."""
STOP_A_TRAINING = "wait for its end or stop it ('Stop and keep') first"
EARLY_DICE = 0.5
TRAINING_ACTIVITIES = frozenset(
    {Activity.PREPARING, Activity.TRAINING, Activity.PAUSED, Activity.STOPPING}
)


class Session:
    """The open project, the case on screen, the running task and its history."""

    project_closing = Signal()
    """The open project is about to close: another one takes its place."""
    project_changed = Signal()
    case_changed = Signal(str)
    ledger_changed = Signal(str)
    activity_changed = Signal(object)
    history_changed = Signal()
    slice_predicted = Signal(object)
    message_changed = Signal(str)

    def __init__(self) -> None:
        self._project: Project | None = None
        self._case_id = ""
        self._activity = Activity.IDLE
        self.history = TrainingHistory()

    @property
    def project(self) -> Project | None:
        """The open project, or None."""
        return self._project

    @project.setter
    def project(self, project: Project | None) -> None:
        if self._project is not None and self._project is not project:
            self.project_closing.emit()
            self._project.close()
        self._project, self._case_id, self.history = project, "", TrainingHistory()
        self.project_changed.emit()
        self.history_changed.emit()

    def require_project(self) -> Project:
        """Give the open project.

        Raises
        ------
        ProjectError
            When none is open.
        """
        if self._project is None:
            raise ProjectError("Expected an open project, found none; open or make one first.")
        return self._project

    @property
    def case_id(self) -> str:
        """The case on screen; empty when none is."""
        return self._case_id

    @case_id.setter
    def case_id(self, case_id: str) -> None:
        self._case_id = case_id
        self.case_changed.emit(case_id)

    @property
    def activity(self) -> Activity:
        """What the program is busy with."""
        return self._activity

    @activity.setter
    def activity(self, activity: Activity) -> None:
        if activity != self._activity:
            self._activity = activity
            self.activity_changed.emit(activity)

    @property
    def is_busy(self) -> bool:
        """Whether a task runs, so that no other can start."""
        return self._activity is not Activity.IDLE

    def require_idle(self, when: str = "") -> None:
        """Refuse what must not happen while a task runs.

        Parameters
        ----------
        when
            What a person wants to do, as in `while a class is removed`.

        Raises
        ------
        ProjectError
            If a task runs.
        """
        if self.is_busy:
            way_out = WAYS_OUT.get(self._activity, STOP_A_TRAINING)
            raise ProjectError(
                f"Expected no running task{when and ' '}{when}, found the program "
                f"{self._activity.value}; {way_out}."
            )

    @property
    def is_early(self) -> bool:
        """Whether a model is in training that does not find half of what is annotated yet."""
        dice = self.history.mean_dice
        return self._activity in TRAINING_ACTIVITIES and (dice is None or dice < EARLY_DICE)

    def show_history(self, history: TrainingHistory) -> None:
        """Show the history of a run that ended before."""
        self.history = history
        self.history_changed.emit()

    def begin_run(self, history: TrainingHistory | None = None) -> None:
        """Wait for the first event of a run, with the history that it continues, if any."""
        self.history = history or TrainingHistory()
        self.history_changed.emit()
        self.activity = Activity.PREPARING

    def apply(self, event: TrainingEvent) -> None:
        """Take in one event of the running training."""
        if isinstance(event, SlicePrediction):
            self.slice_predicted.emit(event)
            return
        self.history.apply(event)
        if isinstance(event, TrainingStarted) and self._activity is Activity.PREPARING:
            self.activity = Activity.TRAINING
        if isinstance(event, TrainingFinished):
            self.message_changed.emit(event.sentence)
        self.history_changed.emit()
