"""Opening, making and changing projects on behalf of the widget."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import QStandardPaths

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.adopting import OpenLabels, adopt
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.continuing import history_of
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.recent import RecentProjects
from napari_transmedseg.project.schema import PROJECT_FILE
from napari_transmedseg.project.session import Session
from napari_transmedseg.widgets.adopt_dialog import AdoptedLayer
from napari_transmedseg.widgets.class_list import ClassRow
from napari_transmedseg.widgets.labels_dialog import LabelsRequest
from napari_transmedseg.widgets.new_project_dialog import NewProject

SAMPLE_FOLDER = "TransMedSeg sample"
RECENT_FILE = Path("napari-transmedseg") / "recent.json"


class Projects:
    """Makes and opens projects; the session holds the open one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        places = QStandardPaths.StandardLocation
        self.sample_folder = _place(places.DocumentsLocation) / SAMPLE_FOLDER
        """Where the sample project is, or will be made."""
        self.recent = RecentProjects(_place(places.GenericConfigLocation) / RECENT_FILE)

    def open(
        self,
        folder: Path,
        *,
        read_only: bool = False,
        take_over: bool = False,
        trust_links: bool = False,
    ) -> None:
        """Open a project folder; the one that was open is closed then. As `Project.open`."""
        self.require_idle()
        current = self._session.project
        is_same = current is not None and current.folder.resolve() == folder.resolve()
        if is_same and current is not None and not current.read_only:
            return
        project = Project.open(
            folder, read_only=read_only, take_over=take_over, trust_links=trust_links
        )
        self._session.project = project
        notices = [*project.notices, *(["Opened read-only."] if project.read_only else [])]
        if notices:
            self._session.message_changed.emit(" ".join(notices))

    def create(self, new: NewProject, options: ImportOptions = NO_CHOICE) -> dict[str, OpenLabels]:
        """Make a project and open it; gives the open labels of its cases, to be asked about.

        Raises
        ------
        ProjectError
            When the folder or the classes are missing, or there is a project already.
        """
        folder = self.folder_for(new)
        images = [Path(path) for path in new.images]
        with adopted_files(new.layers, folder) as adopted:
            if not images:
                images, options = adopted, replace(options, confirm_spacing=True)
            project = Project.create(
                folder, images=images, classes=list(new.classes), plane=new.plane,
                options=options,
            )  # fmt: skip
            try:
                project.add_images(adopted, replace(options, confirm_spacing=True))
            except BaseException:  # made a moment ago: nothing of it stays
                project.close()
                (project.folder / PROJECT_FILE).unlink(missing_ok=True)
                raise
            labels = labels_of(project, new.layers, adopted)
        self._session.project = project
        return labels

    def folder_for(self, new: NewProject) -> Path:
        """Folder in which a new project may be made now.

        Raises
        ------
        ProjectError
            When none is named, or a task runs.
        """
        self.require_idle()
        if not new.folder:
            raise ProjectError("Expected a folder for the project, found none; choose one.")
        return Path(new.folder)

    def show(self, project: Project) -> None:
        """Hold a project that was made elsewhere; the one that was open is closed then."""
        self._session.project = project

    def open_sample(self) -> None:
        """Open the sample project; it is made the first time."""
        from napari_transmedseg.project.demo import create_demo_project

        self.require_idle()
        if is_project(self.sample_folder):
            self.open(self.sample_folder)
        else:
            self._session.project = create_demo_project(self.sample_folder)

    def show_last_run(self) -> None:
        """Show the curves of the latest trained run, and of those that it started from."""
        project = self._session.require_project()
        trained = project.trained_runs
        self._session.show_history(
            history_of(project, trained[-1].run_id) if trained else TrainingHistory()
        )

    def add_images(self, paths: Sequence[Path], options: ImportOptions = NO_CHOICE) -> None:
        """Add images to the open project."""
        added = self._session.require_project().add_images(list(paths), options)
        self._session.message_changed.emit(f"Added {counted(len(added), 'case')}.")

    def adopt(self, layers: Sequence[AdoptedLayer]) -> dict[str, OpenLabels]:
        """Add open layers to the open project; gives the open labels of their cases."""
        project = self._session.require_project()
        with adopted_files(layers, project.folder) as paths:
            added = project.add_images(paths, ImportOptions(confirm_spacing=True))
        self._session.message_changed.emit(f"Adopted {counted(len(added), 'layer')}.")
        return labels_of(project, layers, paths)

    def bring_in_labels(self, request: LabelsRequest) -> None:
        """Take label maps of other programs as annotation."""
        summary = annotate_from_labels(
            self._session.require_project(), request.found.files, mapping=request.mapping,
            replace=request.replace, resample=request.resample, names=request.names or None,
            overlap=request.overlap, known=request.known, who=request.who, allow_unused=True,
        )  # fmt: skip
        told = f"Brought in labels of {counted(len(summary.cases), 'case')}."
        self._session.message_changed.emit(" ".join([told, *summary.advice]))

    def set_plane(self, plane: str, *, before_reopening: Callable[[], None]) -> None:
        """Count slices in another plane, and open the project anew, as all that counts them.

        Raises
        ------
        ProjectError
            As `Project.set_plane`; nothing is changed or closed then.
        """
        project = self._session.require_project()
        if project.set_plane(plane) is not None:
            before_reopening()
            project.close()
            self._session.project = Project.open(project.folder)

    def add_class(self) -> int:
        """Add a class with a name that can be changed at once; gives its value."""
        taken = {one.name for one in self._session.require_project().classes}
        number = len(taken) + 1
        while f"class {number}" in taken:
            number += 1
        return self._session.require_project().add_class(f"class {number}").value

    def rename_class(self, value: int, name: str) -> None:
        """Rename a class."""
        self._session.require_project().rename_class(value, name)

    def recolor_class(self, value: int, color: str) -> None:
        """Give a class another colour (#rrggbb)."""
        self._session.require_project().recolor_class(value, color)

    def close(self) -> None:
        """Close the open project, so that another program can open it."""
        if self._session.project is not None:
            self._session.project.close()

    def require_idle(self) -> None:
        """Refuse to leave a project while a task works on it."""
        self._session.require_idle("before another project opens")


@contextlib.contextmanager
def adopted_files(layers: Sequence[AdoptedLayer], folder: Path) -> Iterator[list[Path]]:
    """Image files of layers; those that were made for it go again where something goes wrong."""
    made: list[Path] = []
    paths = []
    try:
        for layer in layers:
            path = adopt(layer.opened, folder, spacing=layer.spacing)
            made += [path] if path != layer.opened.source else []
            paths.append(path)
        yield paths
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def labels_of(
    project: Project, layers: Sequence[AdoptedLayer], paths: Sequence[Path]
) -> dict[str, OpenLabels]:
    """Open labels by the cases that their images became.

    Parameters
    ----------
    project
        With the images.
    layers, paths
        Layers that were adopted, and the image file of each.
    """
    ids = {project.image_path(case.case_id).resolve(): case.case_id for case in project.cases}
    pairs = zip(layers, paths, strict=True)
    return {ids[path.resolve()]: layer.labels for layer, path in pairs if layer.labels is not None}


def class_rows(project: Project) -> list[ClassRow]:
    """Describe the classes of a project for the class list, in the order that a person wants."""
    return [ClassRow(one.value, one.name, one.color) for one in project.ordered_classes]


def counted(number: int, noun: str) -> str:
    """Say how many there are: `1 case`, `3 cases`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def is_project(path: Path) -> bool:
    """Whether a folder holds a project."""
    return (path / PROJECT_FILE).is_file()


def _place(location: QStandardPaths.StandardLocation) -> Path:
    return Path(QStandardPaths.writableLocation(location))
