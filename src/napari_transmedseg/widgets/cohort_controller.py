"""Projects, cases and classes: from what a person clicks to the open project, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_transmedseg.errors import ProjectTakenError, TransMedSegError
from napari_transmedseg.widgets.annotator import class_colors
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.new_project_dialog import FILE_FILTER, NewProject, NewProjectDialog
from napari_transmedseg.widgets.open_question import open_folder
from napari_transmedseg.widgets.projects import case_rows, class_rows, is_project


class CohortController(QObject):
    """Makes and opens projects, adds images, shows cases and classes."""

    shown = Signal()
    """Another project is on screen, or its classes changed."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self.new_dialog = NewProjectDialog(desk.window)
        loop, slot = desk.loop, desk.slot
        for page in (desk.start_page, loop):
            page.newRequested.connect(self._on_new)
            page.openRequested.connect(self._on_open)
        desk.start_page.sampleRequested.connect(self._on_sample)
        self.new_dialog.createRequested.connect(self._on_create)
        loop.addRequested.connect(self._on_add_images)
        loop.cases.valueChanged.connect(slot(self._open_case))
        loop.classes.valueChanged.connect(slot(desk.annotator.layers.paint_with))
        loop.classes.addRequested.connect(slot(desk.projects.add_class))
        loop.classes.renamed.connect(slot(desk.projects.rename_class))
        loop.classes.recolored.connect(slot(desk.projects.recolor_class))
        desk.session.project_changed.connect(self._on_project)
        desk.session.case_changed.connect(loop.cases.setValue)
        desk.session.ledger_changed.connect(self._on_cases)

    def add_paths(self, paths: list[Path]) -> None:
        """Open a project folder, else add images, else begin a project with them."""
        if len(paths) == 1 and is_project(paths[0]):
            open_folder(self._desk, self._change_project, paths[0])
        elif self._desk.session.project is not None:
            self._desk.projects.add_images(paths)
        else:
            self._on_new(images=paths)

    def _open_case(self, case_id: str) -> None:
        self._desk.annotator.open_case(case_id)
        self._desk.session.case_id = case_id

    def _change_project(self, change: Callable[[], None]) -> None:
        self._desk.projects.require_idle()
        try:
            self._desk.annotator.save_now()
        except ProjectTakenError as error:  # what was not saved is rescued
            self._desk.show_error(str(error))
        self._desk.annotator.close_case()
        change()

    def _on_new(self, *, images: Sequence[Path] = ()) -> None:
        self.new_dialog.setValue(NewProject(images=tuple(map(str, images))))
        self.new_dialog.open()

    def _on_create(self, new: NewProject) -> None:
        try:
            self._change_project(lambda: self._desk.projects.create(new))
        except (TransMedSegError, OSError) as error:
            self._desk.show_error(str(error), parent=self.new_dialog)
        else:
            self.new_dialog.accept()

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._desk.window, "Open a project folder")
        if folder:
            open_folder(self._desk, self._change_project, Path(folder))

    def _on_sample(self) -> None:
        self._desk.slot(self._change_project)(self._desk.projects.open_sample)

    def _on_add_images(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self._desk.window, "Add images", "", FILE_FILTER)
        if files:
            self._desk.slot(self._desk.projects.add_images)([Path(name) for name in files])

    def _on_project(self) -> None:
        project, loop = self._desk.session.project, self._desk.loop
        if project is None:
            return
        project.cases_changed.connect(self._on_cases)
        project.classes_changed.connect(self._on_classes)
        loop.name.setText(f"<b>{escape(project.name)}</b>")
        loop.name.setToolTip(str(project.folder))
        self._on_cases()
        self._on_classes()
        self._desk.slot(self._desk.projects.show_last_run)()
        if project.cases:
            loop.cases.setValue(project.cases[0].case_id)
            self._desk.slot(self._open_case)(project.cases[0].case_id)

    def _on_cases(self, *_: object) -> None:
        session, annotator = self._desk.session, self._desk.annotator
        if session.project is not None:
            ledger = annotator.ledger if annotator.layers.is_open else None
            self._desk.loop.cases.set_rows(case_rows(session.project, session.case_id, ledger))

    def _on_classes(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.classes.set_rows(class_rows(project))
            self._desk.annotator.layers.set_colors(class_colors(project))
            self.shown.emit()
