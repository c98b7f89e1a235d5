"""The dock widget: pages, keys, theme and the end; controllers do the rest.

Importing this module loads neither torch nor SimpleITK.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.errors import ProjectTakenError, TransMedSegError
from napari_transmedseg.widgets.cohort_controller import CohortController
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.display_controller import DisplayController
from napari_transmedseg.widgets.dropping import dropped_paths, welcome_files
from napari_transmedseg.widgets.result_controller import ResultController
from napari_transmedseg.widgets.slice_controller import SliceController
from napari_transmedseg.widgets.swipe_controller import SwipeController
from napari_transmedseg.widgets.training_controller import TrainingController

if TYPE_CHECKING:
    import napari.components


class MainWidget(QWidget):
    """Annotate a few slices, train, watch, correct, export: top to bottom."""

    # napari finds the parameter to fill by this very spelling of its annotation.
    def __init__(
        self, viewer: napari.components.ViewerModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._was_docked = self._is_shut_down = self._is_window_closing = False
        self._is_refused = False

        # WIDGETS
        self.desk = Desk(viewer, self)
        self.session, self.projects = self.desk.session, self.desk.projects
        self.annotator, self.tasks = self.desk.annotator, self.desk.tasks
        self.start_page, self.loop = self.desk.start_page, self.desk.loop
        self.pages = QStackedWidget()
        self.notice = QLabel("Research use only, not for diagnosis.")
        self.notice.setToolTip("This program is no medical device; check every mask that you use")
        self.notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAcceptDrops(True)
        self.start_page.setMinimumWidth(330)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

        # LAYOUT
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(self.loop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        layout.addWidget(self.notice)

        # CONNECTIONS
        self.slices = SliceController(self.desk)
        self.training = TrainingController(self.desk)
        self.results = ResultController(self.desk)
        self.display = DisplayController(self.desk, self.loop.display)
        self.swipe = SwipeController(self.desk, self.display.view)
        self.cohort = CohortController(self.desk)
        self.new_dialog = self.cohort.new_dialog
        self.cohort.shown.connect(self.training.show_continuation)
        self.session.project_changed.connect(self._on_project)
        self.session.message_changed.connect(self._on_message)
        self._viewer.events.theme.connect(self._on_theme)
        self._bind_keys()
        self.cohort.take_drops()
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.shut_down)
        self._on_theme()

    def shut_down(self) -> None:
        """Save, stop the running task within a step, and let go of the viewer."""
        if self._is_shut_down:
            return
        self._is_shut_down = True
        try:
            self.annotator.shut_down()
        finally:
            self.tasks.shut_down()
            self.training.shut_down()
            self.swipe.shut_down()
            self.display.shut_down()
            self.slices.shut_down()
            self.cohort.shut_down()
            self._viewer.events.theme.disconnect(self._on_theme)
            for key in self._keys():
                with suppress(KeyError):  # a second widget took it over and went first
                    self._viewer.bind_key(key, None)
            self.projects.close()  # last: it waits for the disk, which may fail

    def _on_project(self) -> None:
        is_open = self.session.project is not None
        self.pages.setCurrentWidget(self.loop if is_open else self.start_page)

    def _on_message(self, text: str) -> None:
        self.loop.message.setText(text)

    def sizeHint(self) -> QSize:
        """Room for the column, so that the canvas keeps most of a small screen."""
        return QSize(380, 640)

    def _on_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.loop.train.plot.set_theme(theme.background.as_hex(), theme.text.as_hex())

    def _keys(self) -> dict[str, Callable[[], None]]:
        parts = (self.slices, self.training, self.display, self.swipe, self.cohort)
        return {key: action for part in parts for key, action in part.keys().items()}

    def _bind_keys(self) -> None:
        for key, action in self._keys().items():
            self._viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)

    def showEvent(self, a0: QShowEvent | None) -> None:
        """Watch the viewer's window from now on: its closing saves and stops."""
        super().showEvent(a0)
        window = self.window()
        if isinstance(window, QDockWidget):  # floats; closing it only hides it, work goes on
            window = window.parentWidget()
        if window is not None and window is not self:
            window.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Save when the viewer's window is asked to close, shut down when it does.

        In between napari may ask, and the person may go on working.
        """
        if a1 is not None and a0 is not self:
            if a1.type() == QEvent.Type.Close and not self._is_shut_down:
                if not self._save_before_closing():
                    a1.ignore()
                    return True
                self._is_window_closing = True
            is_hidden = a1.type() == QEvent.Type.Hide and not a1.spontaneous()  # nor minimised
            if is_hidden and self._is_window_closing:
                self.desk.slot(self.shut_down)()
        return super().eventFilter(a0, a1)

    def _save_before_closing(self) -> bool:
        """Save, and wait for the disk; False the first time that it fails: the window stays."""
        refused, self._is_refused = self._is_refused, False
        try:
            self.annotator.save_now()
        except (TransMedSegError, OSError) as error:
            if refused or isinstance(error, ProjectTakenError):  # then another copy was made
                self.desk.show_error(str(error))
                return True
            self._is_refused = True
            self.desk.show_error(
                f"{error} The window stays open so that your labels are not lost; when there is "
                "room, they are saved. To leave without them, close it again."
            )
        return not self._is_refused

    def event(self, a0: QEvent | None) -> bool:
        """Shut down and go when the dock lets go of the widget (its X was pressed)."""
        if a0 is not None and a0.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.desk.slot(self.shut_down)()
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return super().event(a0)

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Shut down when the widget itself is closed."""
        self.desk.slot(self.shut_down)()
        super().closeEvent(a0)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Welcome files and folders."""
        welcome_files(a0)

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Open, add, or begin a project with what was dropped."""
        self.desk.slot(self.cohort.add_paths)(dropped_paths(a0))


def _ignoring_viewer(action: Callable[[], None]) -> Callable[[Any], None]:
    return lambda _viewer: action()
