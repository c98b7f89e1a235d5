"""A new project of a data set: recognised, offered, and its label maps taken one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QMessageBox, QProgressDialog

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.data_set_import import (
    DataSetOptions,
    LabelsTaken,
    OpenedDataSet,
    create_project,
    open_data_set,
    summary_of,
    take_labels,
)
from napari_transmedseg.project.data_set_offer import look_into_data_set
from napari_transmedseg.project.import_options import ImportOptions
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.new_project_dialog import NewProject, NewProjectDialog
from napari_transmedseg.widgets.waiting import wait_cursor

_NOTES_TOLD = 2


class DataSetController(QObject):
    """Looks into folders that are to become projects, and makes a project of a data set."""

    def __init__(
        self,
        desk: Desk,
        dialog: NewProjectDialog,
        change_project: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(desk)
        self._desk = desk
        self._dialog = dialog
        self._change_project = change_project
        self._taking: Iterator[LabelsTaken] = iter(())
        self._events: list[LabelsTaken] = []
        self._made: tuple[Project, OpenedDataSet] | None = None
        self.progress: QProgressDialog | None = None
        """Shown while label maps are taken."""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)  # showing progress lets events in, and none comes twice
        self._timer.timeout.connect(desk.slot(self._take_one))
        dialog.imagesChanged.connect(self._look)

    def opened(self, new: NewProject, options: ImportOptions) -> tuple[OpenedDataSet, list[Path]]:
        """Data set of a new project, and its images, about which there may be questions."""
        assert new.data_set is not None
        given = DataSetOptions(
            classes=new.classes, plane=new.plane, with_labels=new.data_set.with_labels,
            images=replace(options, frame=new.data_set.frame),
        )  # fmt: skip
        with wait_cursor():
            opened = open_data_set(Path(new.images[0]), given)
        further = [channel.path for one in opened.sources for channel in one.further]
        return opened, [*dict.fromkeys([one.path for one in opened.sources] + further)]

    def create(self, new: NewProject, opened: OpenedDataSet, images: ImportOptions) -> None:
        """Make the project, then take the label maps while the window lives.

        Raises
        ------
        ProjectError
            As `create_project`; or if the folder is missing, or a task runs.
        """
        folder = self._desk.projects.folder_for(new)
        opened = replace(opened, options=replace(opened.options, images=images))
        project = create_project(folder, opened)
        self._made, self._events = (project, opened), []
        self._taking = take_labels(project, opened)
        self.progress = QProgressDialog(
            "Taking label maps…", "Stop here", 0, len(opened.labeled), self._dialog
        )
        self.progress.setWindowTitle("New project")
        self.progress.setWindowModality(Qt.WindowModality.WindowModal)
        self.progress.setMinimumDuration(0)
        self.progress.setAutoReset(False)
        for ending in (self.progress.canceled, self.progress.rejected):
            ending.connect(self._on_canceled)
        self.progress.show()
        self._timer.start()

    def shut_down(self) -> None:
        """Let the project that is being made go; what was taken is in it."""
        self._timer.stop()
        if self._made is not None:
            self._made[0].close()
            self._made = None

    def _look(self, images: Sequence[str]) -> None:
        with wait_cursor():
            offer = look_into_data_set(Path(images[0])) if len(images) == 1 else None
        self._dialog.set_offer(offer)

    def _on_canceled(self) -> None:
        self._desk.slot(self._finish)()

    def _take_one(self) -> None:
        try:
            event = next(self._taking, None)
        except (TransMedSegError, OSError) as error:
            self._finish()
            self._desk.show_error(str(error))
            return
        if event is None:
            self._finish()
        elif self.progress is not None:
            self._events.append(event)
            self.progress.setLabelText(f"Took the label map of {event.case_id}.")
            self.progress.setValue(event.index)  # somebody may stop it here
            if self.progress is not None:
                self._timer.start()

    def _finish(self) -> None:
        """Open the project with the label maps that were taken."""
        self._timer.stop()
        if self.progress is not None:
            self.progress.canceled.disconnect(self._on_canceled)
            self.progress.rejected.disconnect(self._on_canceled)
            self.progress.close()
            self.progress.deleteLater()
            self.progress = None
        if self._made is None:
            return
        (project, opened), self._made = self._made, None
        try:
            self._change_project(lambda: self._desk.projects.show(project))
        except BaseException:  # what was open could not be saved: it stays
            project.close()
            raise
        self._dialog.accept()
        self._tell(opened)

    def _tell(self, opened: OpenedDataSet) -> None:
        summary = summary_of(opened, self._events)
        count, labeled = len(summary.annotated), len(opened.labeled)
        self._desk.session.message_changed.emit(
            f"{count} of {len(opened.sources)} cases are annotated whole by their label maps."
        )
        left = [f"{labeled - len(self._events)} label maps were not taken, as you stopped."]
        notes = [*(left if len(self._events) < labeled else []), *summary.notes]
        if not notes:
            return
        more = f"\n\nand {len(notes) - _NOTES_TOLD} more: see the details."
        box = QMessageBox(
            QMessageBox.Icon.Information,
            "About this data set",
            "\n\n".join(notes[:_NOTES_TOLD]) + (more if len(notes) > _NOTES_TOLD else ""),
            QMessageBox.StandardButton.Ok,
            self._desk.window,
        )
        if len(notes) > _NOTES_TOLD:
            box.setDetailedText("\n".join(notes))
        box.finished.connect(lambda _: box.deleteLater())
        box.open()
