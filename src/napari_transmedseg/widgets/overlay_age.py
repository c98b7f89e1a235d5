"""How old the pseudo-label on screen is, while a model learns."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject, QTimer

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity
from napari_transmedseg.widgets.desk import Desk

SHOW_INTERVAL_MS = 300


class OverlayAge(QObject):
    """Notes when each slice was looked at, and shows the age of the one on screen."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._seen: dict[tuple[str, int], float] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(SHOW_INTERVAL_MS)
        self._timer.timeout.connect(self._show)
        desk.session.slice_predicted.connect(self._on_predicted)
        desk.session.activity_changed.connect(self._on_activity)

    def shut_down(self) -> None:
        """Count no more."""
        self._timer.stop()
        self._desk.session.slice_predicted.disconnect(self._on_predicted)
        self._desk.session.activity_changed.disconnect(self._on_activity)

    def age_s(self) -> float | None:
        """Seconds since the slice on screen was looked at; None where it was not."""
        layers = self._desk.annotator.layers
        if not layers.is_open:
            return None
        when = self._seen.get((self._desk.session.case_id, layers.slice_index))
        return None if when is None else time.monotonic() - when

    def _on_predicted(self, event: SlicePrediction) -> None:
        self._seen[event.case_id, event.slice_index] = time.monotonic()
        self._show()

    def _on_activity(self, activity: Activity) -> None:
        if activity not in TRAINING_ACTIVITIES:
            self._timer.stop()
            self._seen.clear()
        elif not self._timer.isActive():
            self._timer.start()
        self._show()

    def _show(self) -> None:
        self._desk.loop.overlay.set_age(self.age_s())
