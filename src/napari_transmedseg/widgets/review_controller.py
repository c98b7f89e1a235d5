"""Review: from accept and reject to the queue, the volumes and the log of corrections."""

from __future__ import annotations

from collections.abc import Callable

from napari.utils.theme import get_theme
from qtpy.QtCore import QObject, QTimer

from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.project.class_volumes import ClassVolumes
from napari_transmedseg.project.review_queue import ReviewQueue, review_queue
from napari_transmedseg.project.slice_scores import SliceScores, latest_scores
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.jumper import Jumper
from napari_transmedseg.widgets.reviewer import Reviewer
from napari_transmedseg.widgets.slice_commands import SliceCommands

REFRESH_MS = 100


class ReviewController(QObject):
    """Carries out what the review box asks for and keeps it up to date."""

    def __init__(
        self, desk: Desk, commands: SliceCommands, reviewer: Reviewer, jumper: Jumper
    ) -> None:
        super().__init__(desk)
        self._desk = desk
        self._commands = commands
        self._reviewer = reviewer
        self.scores: dict[str, SliceScores] = {}
        self._labeled: ClassVolumes | None = None
        self._predicted: ClassVolumes | None = None
        self._queue_timer = self._timer(self._show_queue)
        self._volume_timer = self._timer(self._show_volumes)
        box, slot, session = desk.loop.review, desk.slot, desk.session
        box.acceptRequested.connect(slot(desk.annotator.accept))
        box.acceptClassRequested.connect(slot(commands.accept_class))
        box.acceptObjectRequested.connect(slot(commands.accept_object))
        box.rejectRequested.connect(slot(commands.reject))
        box.queue.sliceRequested.connect(slot(jumper.go))
        reviewer.logged.connect(slot(self._show_corrections))
        reviewer.failed.connect(desk.show_error)
        session.project_changed.connect(self._on_project)
        session.case_changed.connect(self._on_case)
        session.ledger_changed.connect(self._on_ledger)
        session.slice_predicted.connect(self._on_predicted)
        desk.tasks.case_predicted.connect(self._on_case_predicted)
        desk.tasks.ended.connect(self._on_task_ended)
        desk.annotator.sliceEdited.connect(self._on_edited)
        desk.viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        slot = self._desk.slot
        return {
            "A": slot(self._desk.annotator.accept),
            "Shift-A": slot(self._commands.accept_object),
            "Q": slot(self._commands.reject),
        }

    def shut_down(self) -> None:
        """Show no more."""
        self._queue_timer.stop()
        self._volume_timer.stop()
        self._desk.viewer.events.theme.disconnect(self._on_theme)

    def read_scores(self) -> None:
        """Look anew at what the runs in use say about each slice."""
        project = self._desk.session.project
        self.scores = {} if project is None else latest_scores(project)
        self._queue_timer.start()

    def count(self) -> None:
        """Count the voxels of the case on screen anew."""
        project, layers = self._desk.session.project, self._desk.annotator.layers
        self._labeled = self._predicted = None
        if project is not None and self._desk.session.case_id and layers.is_open:
            axis, classes = project.slice_axis, len(project.classes)
            self._labeled = ClassVolumes(layers.labels, axis, classes)
            self._predicted = ClassVolumes(layers.prediction, axis, classes)
        self._volume_timer.start()

    def _timer(self, show: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(REFRESH_MS)
        timer.timeout.connect(show)
        return timer

    # --- what happened

    def _on_project(self) -> None:
        project = self._desk.session.project
        self.scores = {}
        if project is None:
            return
        project.classes_changed.connect(self._on_classes)
        project.cases_changed.connect(self._on_cases)
        self._desk.slot(self.read_scores)()
        self._on_classes()
        self._desk.slot(self._show_corrections)()

    def _on_classes(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.review.set_classes(project.class_names)
            self.count()

    def _on_cases(self) -> None:
        self._desk.slot(self.read_scores)()

    def _on_case(self, case_id: str) -> None:
        self.count()

    def _on_ledger(self, case_id: str) -> None:
        self._queue_timer.start()

    def _on_edited(self, index: int) -> None:
        if self._labeled is not None:
            self._labeled.update(index)
            self._volume_timer.start()

    def _on_predicted(self, event: SlicePrediction) -> None:
        if self._predicted is not None and event.case_id == self._desk.session.case_id:
            self._predicted.update(event.slice_index)
            self._volume_timer.start()

    def _on_case_predicted(self, case_id: str) -> None:
        if case_id == self._desk.session.case_id:
            self._reviewer.take_predictions()
            self.count()

    def _on_task_ended(self, activity: object) -> None:
        self._desk.slot(self.read_scores)()

    def _on_theme(self, *_: object) -> None:
        theme = get_theme(self._desk.viewer.theme)
        plot = self._desk.loop.review.corrections
        plot.set_theme(theme.background.as_hex(), theme.text.as_hex())

    # --- what is shown

    def _show_queue(self) -> None:
        project = self._desk.session.project
        queue = ReviewQueue() if project is None else review_queue(project, self.scores)
        self._desk.loop.review.queue.setValue(queue)

    def _show_corrections(self) -> None:
        project = self._desk.session.project
        if project is not None:
            colors = {one.name: one.color for one in project.classes}
            self._desk.loop.review.corrections.setValue(project.corrections(), colors)

    def _show_volumes(self) -> None:
        session, layers = self._desk.session, self._desk.annotator.layers
        if session.project is None or self._labeled is None or self._predicted is None:
            self._desk.loop.review.set_volumes(())
            return
        geometry = session.project.geometry(session.case_id)
        labeled, predicted = self._labeled.in_ml(geometry), self._predicted.in_ml(geometry)
        is_whole = layers.num_predicted == layers.num_slices
        names = session.project.class_names.values()
        self._desk.loop.review.set_volumes(
            [
                (name, mine, theirs if is_whole else None)
                for name, mine, theirs in zip(names, labeled, predicted, strict=True)
            ]
        )
