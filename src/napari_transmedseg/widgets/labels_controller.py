"""Label maps of other programs, in files or in open layers: from questions to annotation."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from qtpy.QtCore import QObject

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.adopting import OpenLabels
from napari_transmedseg.project.adopting_labels import label_files
from napari_transmedseg.project.label_questions import is_annotated, look_into_labels
from napari_transmedseg.widgets.case_controller import CaseController
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.labels_dialog import LabelsDialog, LabelsRequest
from napari_transmedseg.widgets.waiting import wait_cursor


class LabelsController(QObject):
    """Asks which value is which class, and brings label maps in."""

    def __init__(self, desk: Desk, cases: CaseController) -> None:
        super().__init__(desk)
        self._desk = desk
        self._cases = cases
        desk.loop.cases.labelsRequested.connect(desk.slot(self._ask))
        desk.loop.labelsRequested.connect(desk.slot(self._ask))

    def ask_about_layers(self, labels: Mapping[str, OpenLabels]) -> None:
        """Ask what open labels are, by the cases whose images they lie on; none is replaced."""
        project = self._desk.session.require_project()
        free = {one: labels[one] for one in labels if not is_annotated(project, one)}
        if taken := [one for one in labels if one not in free]:
            self._desk.session.message_changed.emit(
                f"Labels are there already in {', '.join(taken)}: they stay as they are."
            )
        if not free:
            return
        folder = Path(tempfile.mkdtemp(prefix="transmedseg-"))
        try:
            with wait_cursor():
                found = look_into_labels(project, label_files(project, free, folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        dialog = self._open(LabelsDialog(
            list(project.class_names.values()), parent=self._desk.window,
            layers={case_id: one.name for case_id, one in free.items()},
        ))  # fmt: skip
        dialog.finished.connect(lambda _: shutil.rmtree(folder, ignore_errors=True))
        dialog.set_found(found)

    def _ask(self, case_id: str = "") -> None:
        names = list(self._desk.session.require_project().class_names.values())
        dialog = self._open(LabelsDialog(names, case_id, parent=self._desk.window))
        dialog.lookRequested.connect(lambda path, names: self._look(dialog, path, names))

    def _open(self, dialog: LabelsDialog) -> LabelsDialog:
        dialog.importRequested.connect(lambda request: self._bring_in(dialog, request))
        dialog.open()
        return dialog

    def _look(self, dialog: LabelsDialog, path: str, names: str) -> None:
        try:
            with wait_cursor():
                found = look_into_labels(
                    self._desk.session.require_project(), Path(path), case_id=dialog.case_id,
                    names=Path(names) if names else None, overlap=dialog.overlap.value(),
                )  # fmt: skip
        except (TransMedSegError, OSError) as error:
            dialog.set_found(None)
            self._desk.show_error(str(error), parent=dialog)
        else:
            dialog.set_found(found)

    def _bring_in(self, dialog: LabelsDialog, request: LabelsRequest) -> None:
        try:
            with wait_cursor():
                self._desk.annotator.save_now()
                self._desk.projects.bring_in_labels(request)
        except (TransMedSegError, OSError) as error:
            self._desk.show_error(str(error), parent=dialog)
            return
        dialog.accept()
        self._cases.show_cases()
        if self._desk.session.case_id in request.found.files:
            self._desk.slot(self._cases.reopen)()
