"""What the controllers of the widget share: state, views, and a way to say what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.session import Session
from napari_transmedseg.widgets.annotator import Annotator
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.loop_page import LoopPage
from napari_transmedseg.widgets.projects import Projects
from napari_transmedseg.widgets.start_page import StartPage
from napari_transmedseg.widgets.tasks import Tasks

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Desk(QObject):
    """The session with its helpers, the pages, and the viewer.

    Controllers connect views with actions; they know the desk, not each other.
    """

    def __init__(self, viewer: ViewerModel, window: QWidget) -> None:
        super().__init__(window)
        self.viewer = viewer
        self.window = window
        self.session = Session()
        self.projects = Projects(self.session)
        self.annotator = Annotator(viewer, self.session, parent=self)
        self.tasks = Tasks(self.session, parent=self)
        self.start_page = StartPage()
        self.loop = LoopPage()

    def predict(self, case_ids: Sequence[str] | None = None) -> None:
        """Predict cases, all of them with None, on the device that the training form shows."""
        self.annotator.save()
        self.tasks.predict(case_ids, device=self.loop.train.device)

    def slot(self, action: Callable[..., None]) -> Callable[..., None]:
        """Wrap an action so that what goes wrong is shown in a dialog."""

        def run(*values: Any) -> None:
            try:
                action(*values)
            except (TransMedSegError, OSError) as error:
                self.show_error(str(error))

        return run

    def show_error(self, sentence: str, details: str = "", parent: QWidget | None = None) -> None:
        """Show a sentence in a dialog that can be copied from."""
        parent, project = parent or self.window, self.session.project
        dialog = ErrorDialog(sentence, details, parent=parent, project=project)
        dialog.open()
