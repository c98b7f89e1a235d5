"""Training: from the buttons to the worker, and from its reports to curves and overlays."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.continuing import continuation_of
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.desk import Desk

REDRAW_INTERVAL_MS = 150


class TrainingController(QObject):
    """Starts, pauses, resumes and stops trainings, and shows how they go."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW_INTERVAL_MS)
        self._redraw.timeout.connect(self._show_history)
        train, tasks, session = desk.loop.train, desk.tasks, desk.session
        train.startRequested.connect(desk.slot(self._train))
        train.pauseRequested.connect(tasks.pause)
        train.resumeRequested.connect(desk.slot(self._resume))
        train.stopRequested.connect(tasks.stop)
        desk.loop.overlay.valueChanged.connect(self._on_overlay)
        session.activity_changed.connect(self._on_activity)
        session.history_changed.connect(self._on_history)
        session.case_changed.connect(self._on_overlay)
        tasks.ended.connect(self._on_task_ended)
        self._on_activity(session.activity)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        overlay = self._desk.loop.overlay
        return {"S": overlay.pseudo_label.toggle, "G": overlay.uncertainty.toggle}

    def shut_down(self) -> None:
        """Draw no more."""
        self._redraw.stop()

    def show_continuation(self) -> None:
        """Say what the next training goes on from."""
        if self._desk.session.project is not None:
            self._desk.loop.train.set_continuation(continuation_of(self._desk.session.project))

    def _train(self, config: TrainingConfig) -> None:
        self._desk.annotator.save()
        self._desk.tasks.train(config, warm_start=self._desk.loop.train.warm_start)
        self._desk.loop.show_part("Train")

    def _resume(self) -> None:
        """Let a paused training go on, or finish a run that was cut off."""
        if self._desk.session.activity is Activity.PAUSED:
            self._desk.tasks.resume()
        else:
            self._desk.annotator.save()
            self._desk.tasks.train(TrainingConfig(), resume=self._desk.loop.train.interrupted)
            self._desk.loop.show_part("Train")

    def _on_overlay(self, *_: object) -> None:
        overlay, layers = self._desk.loop.overlay.value(), self._desk.annotator.layers
        layers.set_overlay(
            "pseudo-label", visible=overlay.pseudo_label, opacity=overlay.pseudo_label_opacity
        )
        layers.set_overlay(
            "uncertainty", visible=overlay.uncertainty, opacity=overlay.uncertainty_opacity
        )

    def _on_activity(self, activity: Activity) -> None:
        self._desk.loop.train.set_activity(activity)
        self._on_history()

    def _on_history(self) -> None:
        """Redraw soon: many events in a row cost one drawing."""
        if not self._redraw.isActive():
            self._redraw.start()

    def _show_history(self) -> None:
        session = self._desk.session
        classes = () if session.project is None else session.project.classes
        colors = {one.name: one.color for one in classes}
        self._desk.loop.train.setValue(session.history, session.activity, colors)

    def _on_task_ended(self, activity: Activity) -> None:
        self.show_continuation()
        self._on_history()
