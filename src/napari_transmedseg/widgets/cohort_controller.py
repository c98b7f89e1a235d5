"""Projects and their images: from what a person clicks or drops to the open project, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_transmedseg.errors import ProjectError, ProjectTakenError, TransMedSegError
from napari_transmedseg.project.adopting import OpenLabels
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.import_questions import questions_about
from napari_transmedseg.widgets.adopt_dialog import AdoptDialog, AdoptedLayer
from napari_transmedseg.widgets.case_controller import CaseController
from napari_transmedseg.widgets.choosing import choose_files, choose_folder
from napari_transmedseg.widgets.class_controller import ClassController
from napari_transmedseg.widgets.data_set_controller import DataSetController
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.file_filter import FILE_FILTER
from napari_transmedseg.widgets.import_dialog import ImportDialog
from napari_transmedseg.widgets.labels_controller import LabelsController
from napari_transmedseg.widgets.new_project_dialog import NewProject, NewProjectDialog
from napari_transmedseg.widgets.open_layers import open_arrays
from napari_transmedseg.widgets.open_question import open_folder
from napari_transmedseg.widgets.plane_controller import PlaneController
from napari_transmedseg.widgets.projects import is_project
from napari_transmedseg.widgets.waiting import wait_cursor


class CohortController(QObject):
    """Makes and opens projects, and adds images; cases and classes have controllers below it."""

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
        desk.start_page.recentRequested.connect(self._on_recent)
        desk.start_page.sampleRequested.connect(self._on_sample)
        self.new_dialog.createRequested.connect(self._on_create)
        self.new_dialog.layersRequested.connect(
            slot(lambda: self._ask_for_layers(self.new_dialog.add_open_layers, self.new_dialog))
        )
        loop.addRequested.connect(self._on_add_images)
        loop.addFolderRequested.connect(self._on_add_folder)
        loop.adoptRequested.connect(slot(lambda: self._ask_for_layers(self._adopt, desk.window)))
        desk.session.project_changed.connect(self._on_project)
        self.cases = CaseController(desk)
        self.data_sets = DataSetController(desk, self.new_dialog, self._change_project)
        self.labels = LabelsController(desk, self.cases)
        self.plane = PlaneController(desk, self.cases)
        self.classes = ClassController(desk, self.cases.reopen)
        self.classes.shown.connect(self.shown)
        desk.start_page.set_recent(desk.projects.recent.projects())

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        return self.classes.keys()

    def shut_down(self) -> None:
        """Let the reading in advance end."""
        self.data_sets.shut_down()
        self.cases.shut_down()
        self.classes.shut_down()

    def take_drops(self) -> None:
        """Let the widget have what is dropped on its parts; fields would take it as text."""
        own = self._desk.window.window()
        for part in self._desk.window.findChildren(QWidget):
            if part.acceptDrops() and part.window() is own:
                part.setAcceptDrops(False)

    def add_paths(self, paths: list[Path]) -> None:
        """Open a project folder, else add images, else begin a project with them."""
        if len(paths) == 1 and is_project(paths[0]):
            self._open(paths[0])
        elif self._desk.session.project is not None:
            self._add(paths)
        else:
            self._on_new(images=paths)

    def _add(self, paths: Sequence[Path]) -> None:
        project = self._desk.session.require_project()
        known = project.channel_names if project.cases else None
        take = partial(self._desk.projects.add_images, paths)
        self._ask(paths, NO_CHOICE, take, known=known)

    def _ask(
        self,
        paths: Sequence[Path],
        options: ImportOptions,
        take: Callable[[ImportOptions], None],
        parent: QWidget | None = None,
        *,
        known: Sequence[str] | None = None,
    ) -> None:
        """Take images in, after asking what their files leave open.

        `known` are the channels of the cases that are there already, as in `questions_about`.
        """
        with wait_cursor():
            questions = questions_about(paths, options, known)
        if questions.is_empty:
            take(options)
            return
        dialog = ImportDialog(questions, options, parent=parent or self._desk.window)
        dialog.answered.connect(lambda answer: self._carry_out(partial(take, answer), parent))
        dialog.open()

    def _ask_for_layers(
        self, take: Callable[[Sequence[AdoptedLayer]], None], parent: QWidget
    ) -> None:
        ours = list(self._desk.annotator.layers.by_role.values())
        arrays = open_arrays(self._desk.viewer, ours)
        if not arrays:
            raise ProjectError(
                "Expected an image layer of a volume that is no case yet, found none; open an "
                "image in napari first, or add its file."
            )
        dialog = AdoptDialog(arrays, parent=parent)
        dialog.adoptRequested.connect(self._desk.slot(take))
        dialog.open()

    def _adopt(self, layers: Sequence[AdoptedLayer]) -> None:
        self.labels.ask_about_layers(self._desk.projects.adopt(layers))

    def _carry_out(self, action: Callable[[], None], parent: QWidget | None = None) -> bool:
        """Do it, show what goes wrong over the window it belongs to, and say whether it worked."""
        try:
            with wait_cursor():
                action()
        except (TransMedSegError, OSError) as error:
            self._desk.show_error(str(error), parent=parent)
            return False
        return True

    def _change_project(self, change: Callable[[], None]) -> None:
        self._desk.projects.require_idle()
        try:
            self._desk.annotator.save_now()
        except ProjectTakenError as error:  # what was not saved is rescued
            self._desk.show_error(str(error))
        change()  # where nothing becomes of it, the case on screen goes on

    def _open(self, folder: Path) -> None:
        with wait_cursor():
            open_folder(self._desk, self._change_project, folder)

    def _on_new(self, *, images: Sequence[Path] = ()) -> None:
        self.new_dialog.setValue(NewProject(images=tuple(map(str, images))))
        self.new_dialog.open()

    def _on_create(self, new: NewProject) -> None:
        options = ImportOptions(anonymous_ids=new.anonymous)
        self._carry_out(lambda: self._ask_and_create(new, options), self.new_dialog)

    def _ask_and_create(self, new: NewProject, options: ImportOptions) -> None:
        dialog = self.new_dialog
        if new.data_set is None:
            paths = [Path(path) for path in new.images]
            self._ask(paths, options, partial(self._create, new), dialog)
        else:
            opened, images = self.data_sets.opened(new, options)
            create = partial(self.data_sets.create, new, opened)
            self._ask(images, opened.options.images, create, dialog, known=())

    def _create(self, new: NewProject, options: ImportOptions) -> None:
        labels: dict[str, OpenLabels] = {}
        self._change_project(lambda: labels.update(self._desk.projects.create(new, options)))
        self.new_dialog.accept()
        self.labels.ask_about_layers(labels)

    def _on_open(self) -> None:
        folder = choose_folder(self._desk.window, "Open a project folder")
        if folder:
            self._open(Path(folder))

    def _on_recent(self, folder: str) -> None:
        self._open(Path(folder))
        self._desk.start_page.set_recent(self._desk.projects.recent.projects())

    def _on_sample(self) -> None:
        self._carry_out(lambda: self._change_project(self._desk.projects.open_sample))

    def _on_add_images(self) -> None:
        files = choose_files(self._desk.window, "Add images", FILE_FILTER)
        if files:
            self._carry_out(lambda: self._add([Path(name) for name in files]))

    def _on_add_folder(self) -> None:
        folder = choose_folder(self._desk.window, "Add a folder of images")
        if folder:
            self._carry_out(lambda: self._add([Path(folder)]))

    def _on_project(self) -> None:
        project, loop = self._desk.session.project, self._desk.loop
        if project is None:
            return
        self._desk.projects.recent.add(project.folder)
        loop.name.setText(f"<b>{escape(project.name)}</b>")
        loop.name.setToolTip(str(project.folder))
        self._desk.slot(self._desk.projects.show_last_run)()
