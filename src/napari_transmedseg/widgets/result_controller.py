"""After training: predict all cases, and export masks."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject

from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.result_boxes import ExportChoice
from napari_transmedseg.widgets.worker import TaskError


class ResultController(QObject):
    """Asks for predictions and exports, shows what came of them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        desk.loop.review.predictRequested.connect(desk.slot(self._predict))
        desk.loop.export.exportRequested.connect(desk.slot(self._export))
        desk.session.project_changed.connect(self._on_project)
        desk.session.activity_changed.connect(self._on_activity)
        desk.tasks.failed.connect(self._on_task_failed)
        self._on_activity(desk.session.activity)

    def _predict(self) -> None:
        self._desk.annotator.save()
        self._desk.tasks.predict()

    def _export(self, choice: ExportChoice) -> None:
        self._desk.annotator.save_now()
        self._desk.tasks.export(Path(choice.folder), reviewed_only=choice.reviewed_only)

    def _on_project(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.export.setValue(ExportChoice(folder=str(project.folder / "export")))

    def _on_activity(self, activity: Activity) -> None:
        loop, is_idle = self._desk.loop, activity is Activity.IDLE
        for widget in (loop.review.predict, loop.export.export, loop.new, loop.open):
            widget.setEnabled(is_idle)

    def _on_task_failed(self, failure: TaskError) -> None:
        details = "" if failure.is_expected else failure.details
        self._desk.show_error(failure.sentence, details)
