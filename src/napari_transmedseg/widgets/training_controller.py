"""Training: from the buttons to the worker, and from its reports to curves and overlays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from qtpy.QtCore import QObject, QTimer

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.continuing import continuation_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.preflight import OpenSlice, Preflight
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity
from napari_transmedseg.project.who import person
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.overlay_age import OverlayAge
from napari_transmedseg.widgets.overlay_edit import UNCERTAINTY_UNKNOWN
from napari_transmedseg.widgets.preferences import Preferences, PreferenceWatch
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from napari_transmedseg.widgets.run_keeper import RunKeeper
from napari_transmedseg.widgets.waiting import wait_cursor

REDRAW_INTERVAL_MS = 500
"""Without a graphics card the window takes 50 ms to draw the curves."""


class TrainingController(QObject):
    """Starts, pauses, resumes and stops trainings, and shows how they go."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._config, self._starts = TrainingConfig(), False
        self._asked: set[OpenSlice] = set()
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW_INTERVAL_MS)
        self._redraw.timeout.connect(self._show_history)
        self._age = OverlayAge(desk)
        self._runs = RunKeeper(desk)
        self._preferences = PreferenceWatch(self._on_preferences)
        train, tasks, session = desk.loop.train, desk.tasks, desk.session
        train.startRequested.connect(desk.slot(self._check_and_train))
        train.checkRequested.connect(desk.slot(self._check))
        train.pauseRequested.connect(tasks.pause)
        train.resumeRequested.connect(desk.slot(self._resume))
        train.stopRequested.connect(tasks.stop)
        train.discardRequested.connect(self._runs.ask_to_discard)
        train.runsRequested.connect(desk.slot(self._runs.compare))
        train.plot.exportRequested.connect(desk.slot(self._save_curves))
        desk.loop.overlay.valueChanged.connect(self._on_overlay)
        desk.annotator.layers.predictions.look_changed.connect(self._on_look)
        desk.annotator.layers.predictions.replaced.connect(self._show_doubt)
        desk.loop.overlay.uncertainty.toggled.connect(self._on_uncertainty)
        desk.annotator.sliceChanged.connect(self._show_doubt)
        session.slice_predicted.connect(self._show_doubt)
        session.case_changed.connect(self._show_doubt)
        tasks.case_predicted.connect(self._show_doubt)
        session.activity_changed.connect(self._on_activity)
        session.history_changed.connect(self._on_history)
        session.case_changed.connect(self._on_overlay)
        session.project_changed.connect(self._on_project)
        tasks.checked.connect(desk.slot(self._on_checked))
        tasks.ended.connect(self._on_task_ended)
        self._runs.changed.connect(self.show_continuation)
        self._on_activity(session.activity)
        self._on_preferences(self._preferences.value())

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        overlay = self._desk.loop.overlay
        return {
            "S": overlay.pseudo_label.toggle,
            "Shift-S": overlay.filled.toggle,
            "G": overlay.uncertainty.toggle,
            ",": overlay.fainter,
            ".": overlay.stronger,
        }

    def shut_down(self) -> None:
        """Draw no more, and listen to nothing outside the window."""
        self._redraw.stop()
        self._age.shut_down()
        self._preferences.close()
        self._desk.annotator.layers.predictions.look_changed.disconnect(self._on_look)
        self._desk.annotator.layers.predictions.replaced.disconnect(self._show_doubt)

    def show_continuation(self) -> None:
        """Say what the next training goes on from, and which classes there are."""
        project = self._desk.session.project
        if project is not None:
            train = self._desk.loop.train
            train.set_continuation(continuation_of(project))
            train.advanced.form.set_classes([one.name for one in project.classes])

    def _check(self, config: TrainingConfig, *, starts: bool = False) -> None:
        self._desk.annotator.save()
        self._config, self._starts = self._on_this_machine(config), starts
        self._desk.tasks.check(self._config)

    def _check_and_train(self, config: TrainingConfig) -> None:
        """Train; where something stands in the way or slices are in progress, ask first."""
        self._check(config, starts=True)

    def _on_checked(self, found: Preflight) -> None:
        self._desk.loop.train.set_preflight(found)
        if self._starts and found.is_clear and set(found.in_progress) <= self._asked:
            self._train()
            return
        dialog = PreflightDialog(found, parent=self._desk.window)
        dialog.startRequested.connect(self._desk.slot(self._mark_done_and_train))
        dialog.doneRequested.connect(self._desk.slot(self._mark_done))
        self._asked |= set(found.in_progress)
        dialog.open()

    def _mark_done(self, slices: list[OpenSlice]) -> None:
        project, annotator = self._desk.session.project, self._desk.annotator
        assert project is not None
        for case_id, group in groupby(slices, key=lambda one: one.case_id):
            indices = [one.index for one in group]
            if case_id == self._desk.session.case_id:
                annotator.mark_slices_done(indices)
            else:
                project.set_slice_states(case_id, indices, SliceState.ANNOTATED, who=person())
                self._desk.session.ledger_changed.emit(case_id)

    def _mark_done_and_train(self, slices: list[OpenSlice]) -> None:
        self._mark_done(slices)
        self._train()

    def _train(self) -> None:
        self._desk.annotator.save()
        self._keep_settings()
        self._desk.session.message_changed.emit("")
        with wait_cursor():  # large annotations take a while to read
            self._desk.tasks.train(self._config, warm_start=self._desk.loop.train.warm_start)
        self._desk.loop.show_part("Train")

    def _on_this_machine(self, config: TrainingConfig) -> TrainingConfig:
        """Settings with what the Preferences say and no form holds."""
        wanted = self._preferences.value()
        return replace(
            config, overlay_interval_s=wanted.overlay_interval_s, threads=wanted.threads
        )  # fmt: skip

    def _resume(self) -> None:
        """Let a paused training go on, or finish a run that was cut off."""
        if self._desk.session.activity is Activity.PAUSED:
            self._desk.tasks.resume()
        else:
            self._desk.annotator.save()
            train = self._desk.loop.train
            config = self._on_this_machine(TrainingConfig(device=train.device))
            self._desk.tasks.train(config, resume=train.interrupted)
            self._desk.loop.show_part("Train")

    def _save_curves(self, path: Path) -> None:
        self._desk.loop.train.plot.save(path)
        self._desk.session.message_changed.emit(f"Saved the curves to {path}.")

    def _on_preferences(self, wanted: Preferences) -> None:
        self._desk.annotator.set_autosave_interval(wanted.autosave_interval_s)
        self._desk.loop.train.advanced.set_device(wanted.device)
        self._desk.tasks.threads = wanted.threads

    def _on_project(self) -> None:
        self._asked.clear()
        self._desk.loop.train.forget_preflight()
        self._desk.loop.train.advanced.form.set_classes(())  # those of the project before
        self._desk.slot(self._show_settings)()

    def _show_settings(self) -> None:
        """Show the settings of the project's latest training."""
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.train.show_config(project.config)

    def _keep_settings(self) -> None:
        """Remember the settings that a training is started with."""
        project, chosen = self._desk.session.project, self._desk.loop.train.value()
        if project is not None and not project.read_only and project.config != chosen:
            project.set_config(chosen)

    def _on_overlay(self, *_: object) -> None:
        overlay, layers = self._desk.loop.overlay.value(), self._desk.annotator.layers
        layers.set_overlay(
            "pseudo-label", visible=overlay.pseudo_label, opacity=overlay.pseudo_label_opacity
        )
        layers.set_overlay(
            "uncertainty", visible=overlay.uncertainty, opacity=overlay.uncertainty_opacity
        )
        layers.predictions.set_filled(overlay.is_filled)

    def _on_look(self, role: str, what: str, value: float) -> None:
        """Take over what a person chose with napari's controls, for the next case too."""
        field = role.replace("-", "_") + ("_opacity" if what == "opacity" else "")
        edit, change = self._desk.loop.overlay, cast(dict[str, Any], {field: value})
        edit.setValue(replace(edit.value(), **change))

    def _show_doubt(self, *_: object) -> None:
        """Where no uncertainty is known, dark does not mean certain: say so."""
        layers = self._desk.annotator.layers
        self._bring_uncertainty()
        is_known = layers.is_open and layers.predictions.knows_uncertainty(layers.slice_index)
        self._desk.loop.overlay.set_uncertainty_known(is_known)

    def _bring_uncertainty(self) -> None:
        """Read what the prediction on screen is unsure of, not before somebody wants to see it."""
        session, predictions = self._desk.session, self._desk.annotator.layers.predictions
        is_wanted = self._desk.loop.overlay.uncertainty.isChecked()
        is_on_screen = predictions.case_id == session.case_id  # not so between two cases
        if not (is_wanted and is_on_screen and predictions.awaits_uncertainty):
            return
        project = session.require_project()
        with wait_cursor():
            run_id = project.predicted_by(session.case_id)
            found = None if run_id is None else project.uncertainty_map(session.case_id, run_id)
            predictions.take_uncertainty(found)

    def _on_uncertainty(self, is_shown: bool) -> None:
        self._show_doubt()
        if is_shown and not self._desk.loop.overlay.unknown.isHidden():
            self._desk.session.message_changed.emit(UNCERTAINTY_UNKNOWN)  # wherever it is scrolled

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
        if activity in TRAINING_ACTIVITIES:
            self._runs.discard_if_asked()
        self.show_continuation()
        self._show_doubt()
        self._on_history()
