"""After training: predict all cases, and export masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.comparing import predicting_runs
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.export_box import ExportChoice
from napari_transmedseg.widgets.export_dialog import ExportDialog, ExportOffer
from napari_transmedseg.widgets.worker import TaskError

if TYPE_CHECKING:
    from napari_transmedseg.project.export import CaseExported
    from napari_transmedseg.project.training import CasePredicted


class ResultController(QObject):
    """Asks for predictions and exports, shows what came of them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._folder = Path()
        self._num_done = self._num_cases = self._num_files = 0
        self._is_failed = False
        self._num_predicted = 0
        self.dialog = ExportDialog(desk.window)
        box = desk.loop.export
        desk.loop.review.predictRequested.connect(desk.slot(desk.predict))
        desk.loop.review.cancelRequested.connect(desk.tasks.stop)
        box.exportRequested.connect(desk.slot(self._export))
        box.optionsRequested.connect(desk.slot(self._on_options))
        box.cancelRequested.connect(desk.tasks.stop)
        box.openRequested.connect(desk.slot(open_outside))
        self.dialog.accepted_options.connect(self._on_options_chosen)
        desk.session.project_changed.connect(self._on_project)
        desk.session.activity_changed.connect(self._on_activity)
        desk.tasks.exported.connect(self._on_case_exported)
        desk.tasks.prediction_advanced.connect(self._on_prediction_advanced)
        desk.tasks.ended.connect(self._on_task_ended)
        desk.tasks.failed.connect(self._on_task_failed)
        self._on_activity(desk.session.activity)

    def _export(self, choice: ExportChoice) -> None:
        if not choice.folder:
            raise ProjectError("Expected a folder for the masks, found none; choose one.")
        self._desk.annotator.save_now()
        self._folder = Path(choice.folder)
        self._num_done = self._num_cases = self._num_files = 0
        self._is_failed = False
        self._desk.tasks.export(self._folder, choice.options)
        self._desk.loop.export.begin()

    def _on_options(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self.dialog.set_offer(offer_of(project, self._desk.session.case_id))
            self.dialog.setValue(self._desk.loop.export.value().options)
            self.dialog.open()

    def _on_options_chosen(self, options: ExportOptions) -> None:
        box = self._desk.loop.export
        box.setValue(ExportChoice(box.value().folder, options))

    def _on_case_exported(self, event: CaseExported) -> None:
        self._num_done, self._num_cases = event.index, event.total
        self._num_files += len(event.exported.files)
        progress = self._desk.loop.export.progress
        progress.setValue(event.index, event.total, event.exported.case_id)

    def _on_prediction_advanced(self, event: CasePredicted) -> None:
        self._num_predicted = event.index
        self._desk.loop.review.progress.setValue(event.index, event.total, event.case_id)

    def _on_task_ended(self, activity: Activity) -> None:
        if activity is Activity.EXPORTING:
            self._show_export()
        elif activity is Activity.PREDICTING and self._desk.tasks.was_stopped:
            words = {0: "no case was", 1: "1 case was"}
            done = words.get(self._num_predicted, f"{self._num_predicted} cases were")
            self._desk.session.message_changed.emit(
                f"The prediction was cancelled; {done} predicted before."
            )

    def _show_export(self) -> None:
        box = self._desk.loop.export
        if self._is_failed:
            box.set_result("Nothing was exported.", None)
        elif not self._num_done or self._num_done < self._num_cases:
            box.set_result("The export was cancelled; nothing was written.", None)
        else:
            cases = "1 case" if self._num_cases == 1 else f"{self._num_cases} cases"
            masks = "1 mask" if self._num_files == 1 else f"{self._num_files} files"
            sentence = f"{masks} of {cases} in {self._folder}."
            box.set_result(sentence, self._folder)
            self._desk.loop.bring_into_view(box)
            self._desk.session.message_changed.emit(f"Exported {sentence}")

    def _on_project(self) -> None:
        project = self._desk.session.project
        if project is not None:
            box = self._desk.loop.export
            box.setValue(ExportChoice(folder=str(project.folder / "export")))
            box.set_result("", None)

    def _on_activity(self, activity: Activity) -> None:
        loop, is_idle = self._desk.loop, activity is Activity.IDLE
        if not is_idle and loop.review.predict.hasFocus():
            loop.scroll_area.setFocus()  # else Qt gives it to a part that is scrolled to
        for widget in (loop.review.predict, loop.export.export, loop.new, loop.open):
            widget.setEnabled(is_idle)
        if activity is Activity.PREDICTING:
            self._num_predicted = 0
            loop.review.progress.begin()
        else:
            loop.review.progress.setVisible(False)

    def _on_task_failed(self, failure: TaskError) -> None:
        self._is_failed = True
        details = "" if failure.is_expected else failure.details
        self._desk.show_error(failure.sentence, details)


def offer_of(project: Project, shown_case: str) -> ExportOffer:
    """What of a project can be exported; reads no image."""
    cases = project.cases
    runs = predicting_runs(project)[::-1]
    return ExportOffer(
        cases=tuple(case.case_id for case in cases),
        shown_case=shown_case,
        runs=tuple(
            run_id
            for run_id in runs
            if any(project.prediction_path(run_id, case.case_id).exists() for case in cases)
        ),
        is_dicom=any(case.series or case.image.lower().endswith(".dcm") for case in cases),
    )


def open_outside(path: Path) -> None:
    """Show a file or folder in the program that the system has for it.

    Raises
    ------
    ProjectError
        When it is gone, or the system has no such program.
    """
    if not path.exists():
        raise ProjectError(f"Expected {path} to open it, found it gone; export again.")
    if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
        raise ProjectError(
            f"Expected a program that opens {path}, found none; open it from your file manager."
        )
