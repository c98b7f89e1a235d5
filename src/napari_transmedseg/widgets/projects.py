"""Opening, making and changing projects on behalf of the widget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QStandardPaths

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.continuing import history_of
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.ledger import Ledger
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import PROJECT_FILE
from napari_transmedseg.project.session import Session
from napari_transmedseg.widgets.case_table import CaseRow
from napari_transmedseg.widgets.class_list import ClassRow
from napari_transmedseg.widgets.new_project_dialog import NewProject

SAMPLE_FOLDER = "TransMedSeg sample"


class Projects:
    """Makes and opens projects; the session holds the open one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        where = QStandardPaths.StandardLocation.DocumentsLocation
        self.sample_folder = Path(QStandardPaths.writableLocation(where)) / SAMPLE_FOLDER
        """Where the sample project is, or will be made."""

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

    def create(self, new: NewProject) -> None:
        """Make a project and open it.

        Raises
        ------
        ProjectError
            When the folder or the classes are missing, or there is a project already.
        """
        self.require_idle()
        if not new.folder:
            raise ProjectError("Expected a folder for the project, found none; choose one.")
        self._session.project = Project.create(
            Path(new.folder), images=[Path(path) for path in new.images],
            classes=list(new.classes), plane=new.plane,
        )  # fmt: skip

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
        project = self._project()
        trained = project.trained_runs
        self._session.show_history(
            history_of(project, trained[-1].run_id) if trained else TrainingHistory()
        )

    def add_images(self, paths: Sequence[Path]) -> None:
        """Add images to the open project."""
        added = self._project().add_images(list(paths))
        self._session.message_changed.emit(f"Added {len(added)} cases.")

    def add_class(self) -> None:
        """Add a class with a name that can be changed at once."""
        taken = {one.name for one in self._project().classes}
        number = len(taken) + 1
        while f"class {number}" in taken:
            number += 1
        self._project().add_class(f"class {number}")

    def rename_class(self, value: int, name: str) -> None:
        """Rename a class."""
        self._project().rename_class(value, name)

    def recolor_class(self, value: int, color: str) -> None:
        """Give a class another colour (#rrggbb)."""
        self._project().recolor_class(value, color)

    def close(self) -> None:
        """Close the open project, so that another program can open it."""
        if self._session.project is not None:
            self._session.project.close()

    def require_idle(self) -> None:
        """Refuse to leave a project while a task works on it."""
        if self._session.is_busy:
            raise ProjectError(
                f"Expected no running task before another project opens, found the program "
                f"{self._session.activity.value}; press 'Stop and keep' or wait for its end first."
            )

    def _project(self) -> Project:
        if self._session.project is None:
            raise ProjectError("Expected an open project, found none; open or make one first.")
        return self._session.project


def case_rows(project: Project, shown_case: str = "", shown: Ledger | None = None) -> list[CaseRow]:
    """Describe the cases of a project for the case table; reads no image."""
    rows = []
    for case in project.cases:
        is_shown = shown is not None and case.case_id == shown_case
        ledger = shown if is_shown and shown is not None else project.ledger(case.case_id)
        rows.append(
            CaseRow(
                case_id=case.case_id,
                size="×".join(str(length) for length in case.shape),
                spacing=" × ".join(f"{size:.3g}" for size in case.spacing),
                num_labeled=len(ledger.labeled_indices()),
                num_slices=len(ledger),
                state=_state_of(project, case.case_id, ledger),
            )
        )
    return rows


def class_rows(project: Project) -> list[ClassRow]:
    """Describe the classes of a project for the class list."""
    return [ClassRow(one.value, one.name, one.color) for one in project.classes]


def is_project(path: Path) -> bool:
    """Whether a folder holds a project."""
    return (path / PROJECT_FILE).is_file()


def _state_of(project: Project, case_id: str, ledger: Ledger) -> str:
    if not project.image_path(case_id).exists():
        return "image missing"
    labeled = len(ledger.labeled_indices())
    if labeled == len(ledger):
        return "annotated"
    return "some slices" if labeled else "not annotated"
