"""The dock widget: a switchboard between the parts, the session and the viewer.

Importing this module loads neither torch nor SimpleITK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.continuing import continuation_of
from napari_transmedseg.project.session import Activity, Session
from napari_transmedseg.widgets.annotator import Annotator, class_colors
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.loop_page import LoopPage
from napari_transmedseg.widgets.new_project_dialog import FILE_FILTER, NewProject, NewProjectDialog
from napari_transmedseg.widgets.projects import Projects, case_rows, class_rows, is_project
from napari_transmedseg.widgets.result_boxes import ExportChoice
from napari_transmedseg.widgets.start_page import StartPage
from napari_transmedseg.widgets.tasks import Tasks
from napari_transmedseg.widgets.worker import TaskError

if TYPE_CHECKING:
    import napari.components

REDRAW_INTERVAL_MS = 150


class MainWidget(QWidget):
    """Annotate a few slices, train, watch, correct, export: top to bottom."""

    # napari finds the parameter to fill by this very spelling of its annotation.
    def __init__(
        self, viewer: napari.components.ViewerModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._was_docked = self._is_shut_down = False
        self.session = Session()
        self.projects = Projects(self.session)
        self.annotator = Annotator(viewer, self.session, parent=self)
        self.tasks = Tasks(self.session, parent=self)

        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW_INTERVAL_MS)

        # WIDGETS
        self.start_page = StartPage()
        self.loop = LoopPage()
        self.pages = QStackedWidget()
        self.new_dialog = NewProjectDialog(self)
        self.setAcceptDrops(True)
        self.setMinimumWidth(330)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

        # LAYOUT
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(self.loop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)

        # CONNECTIONS
        self._connect_views()
        self._connect_state()
        self._bind_keys()
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.shut_down)
        self._on_activity(Activity.IDLE)
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
            self._redraw.stop()
            self.projects.close()
            self._viewer.events.theme.disconnect(self._on_theme)
            for key in self._keys():
                self._viewer.bind_key(key, None)

    def _connect_views(self) -> None:
        for page in (self.start_page, self.loop):
            page.newRequested.connect(self._on_new)
            page.openRequested.connect(self._on_open)
        loop, annotator, tasks = self.loop, self.annotator, self.tasks
        self.start_page.sampleRequested.connect(self._on_sample)
        self.new_dialog.createRequested.connect(self._on_create)
        loop.addRequested.connect(self._on_add_images)
        loop.cases.valueChanged.connect(self._slot(self._open_case))
        loop.classes.valueChanged.connect(self._slot(annotator.layers.paint_with))
        loop.classes.addRequested.connect(self._slot(self.projects.add_class))
        loop.classes.renamed.connect(self._slot(self.projects.rename_class))
        loop.classes.recolored.connect(self._slot(self.projects.recolor_class))
        loop.annotate.sliceRequested.connect(self._on_slice_requested)
        loop.annotate.doneRequested.connect(self._slot(annotator.mark_done))
        loop.annotate.emptyRequested.connect(self._slot(annotator.mark_empty))
        loop.annotate.unannotateRequested.connect(self._slot(annotator.unannotate))
        loop.train.startRequested.connect(self._slot(self._train))
        loop.train.pauseRequested.connect(tasks.pause)
        loop.train.resumeRequested.connect(self._slot(self._resume))
        loop.train.stopRequested.connect(tasks.stop)
        loop.overlay.valueChanged.connect(self._on_overlay)
        loop.review.acceptRequested.connect(self._slot(annotator.accept))
        loop.review.predictRequested.connect(self._slot(self._predict))
        loop.export.exportRequested.connect(self._slot(self._export))

    def _connect_state(self) -> None:
        session = self.session
        session.project_changed.connect(self._on_project)
        session.case_changed.connect(self._on_case)
        session.ledger_changed.connect(self._on_ledger)
        session.activity_changed.connect(self._on_activity)
        session.history_changed.connect(self._on_history)
        self._redraw.timeout.connect(self._show_history)
        session.message_changed.connect(self._on_message)
        session.slice_predicted.connect(self._on_predicted)
        self.annotator.sliceChanged.connect(self._on_slice)
        self.annotator.failed.connect(self._show_error)
        self.tasks.failed.connect(self._on_task_failed)
        self.tasks.ended.connect(self._on_task_ended)
        self.tasks.case_predicted.connect(self._on_case_predicted)
        self._viewer.events.theme.connect(self._on_theme)

    def _slot(self, action: Callable[..., None]) -> Callable[..., None]:
        """Wrap an action so that what goes wrong is shown in a dialog."""

        def run(*values: Any) -> None:
            try:
                action(*values)
            except (TransMedSegError, OSError) as error:
                self._show_error(str(error))

        return run

    def _open_case(self, case_id: str) -> None:
        self.annotator.open_case(case_id)
        self.session.case_id = case_id

    def _train(self, config: TrainingConfig) -> None:
        self.annotator.save()
        self.tasks.train(config, warm_start=self.loop.train.warm_start)
        self.loop.show_part("Train")

    def _resume(self) -> None:
        """Let a paused training go on, or finish a run that was cut off."""
        if self.session.activity is Activity.PAUSED:
            self.tasks.resume()
        else:
            self.annotator.save()
            self.tasks.train(TrainingConfig(), resume=self.loop.train.interrupted)
            self.loop.show_part("Train")

    def _predict(self) -> None:
        self.annotator.save()
        self.tasks.predict()

    def _export(self, choice: ExportChoice) -> None:
        self.annotator.save_now()
        self.tasks.export(Path(choice.folder), reviewed_only=choice.reviewed_only)

    def _add_paths(self, paths: list[Path]) -> None:
        """Open a project folder, else add images, else begin a project with them."""
        if len(paths) == 1 and is_project(paths[0]):
            self._change_project(lambda: self.projects.open(paths[0]))
        elif self.session.project is not None:
            self.projects.add_images(paths)
        else:
            self._on_new(images=paths)

    def _change_project(self, change: Callable[[], None]) -> None:
        self.annotator.save_now()
        self.annotator.close_case()
        change()

    def _on_new(self, *, images: Sequence[Path] = ()) -> None:
        self.new_dialog.setValue(NewProject(images=tuple(map(str, images))))
        self.new_dialog.open()

    def _on_create(self, new: NewProject) -> None:
        try:
            self._change_project(lambda: self.projects.create(new))
        except (TransMedSegError, OSError) as error:
            self._show_error(str(error), parent=self.new_dialog)
        else:
            self.new_dialog.accept()

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a project folder")
        if folder:
            self._slot(self._change_project)(lambda: self.projects.open(Path(folder)))

    def _on_sample(self) -> None:
        self._slot(self._change_project)(self.projects.open_sample)

    def _on_add_images(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Add images", "", FILE_FILTER)
        if files:
            self._slot(self.projects.add_images)([Path(name) for name in files])

    def _on_project(self) -> None:
        project = self.session.project
        self.pages.setCurrentWidget(self.start_page if project is None else self.loop)
        if project is None:
            return
        project.cases_changed.connect(self._on_cases)
        project.classes_changed.connect(self._on_classes)
        self.loop.name.setText(f"<b>{escape(project.name)}</b>")
        self.loop.name.setToolTip(str(project.folder))
        self.loop.export.setValue(ExportChoice(folder=str(project.folder / "export")))
        self._on_cases()
        self._on_classes()
        self._slot(self.projects.show_last_run)()
        if project.cases:
            self.loop.cases.setValue(project.cases[0].case_id)
            self._slot(self._open_case)(project.cases[0].case_id)

    def _on_cases(self) -> None:
        if self.session.project is not None:
            ledger = self.annotator.ledger if self.annotator.layers.is_open else None
            self.loop.cases.set_rows(case_rows(self.session.project, self.session.case_id, ledger))

    def _on_classes(self) -> None:
        if self.session.project is not None:
            self.loop.classes.set_rows(class_rows(self.session.project))
            self.annotator.layers.set_colors(class_colors(self.session.project))
            self.loop.train.set_continuation(continuation_of(self.session.project))

    def _on_case(self, case_id: str) -> None:
        self.loop.cases.setValue(case_id)
        self._on_overlay()
        self._on_slice(self.annotator.layers.slice_index)

    def _on_ledger(self, case_id: str) -> None:
        self._on_cases()
        self._show_slice()

    def _on_slice(self, index: int) -> None:
        if self.session.case_id:
            self.tasks.watch(self.session.case_id, index)
        self._show_slice()

    def _show_slice(self) -> None:
        layers = self.annotator.layers
        if not layers.is_open:
            return
        index = layers.slice_index
        self.loop.annotate.setValue(index, self.annotator.ledger)
        is_predicted = layers.predicted_slice(index) is not None
        is_open_slice = not self.annotator.ledger.states[index].is_labeled
        self.loop.review.setValue(
            is_predicted=is_predicted, is_open=is_open_slice, is_early=self.session.is_early
        )

    def _on_slice_requested(self, index: int) -> None:
        self.annotator.layers.slice_index = index

    def _on_predicted(self, event: object) -> None:
        self._show_slice()

    def _on_overlay(self) -> None:
        overlay, layers = self.loop.overlay.value(), self.annotator.layers
        layers.set_overlay(
            "pseudo-label", visible=overlay.pseudo_label, opacity=overlay.pseudo_label_opacity
        )
        layers.set_overlay(
            "uncertainty", visible=overlay.uncertainty, opacity=overlay.uncertainty_opacity
        )

    def _on_activity(self, activity: Activity) -> None:
        self.loop.train.set_activity(activity)
        is_idle = activity is Activity.IDLE
        for widget in (self.loop.review.predict, self.loop.export.export, self.loop.new,
                       self.loop.open):  # fmt: skip
            widget.setEnabled(is_idle)
        self._on_history()

    def _on_history(self) -> None:
        """Redraw soon: many events in a row cost one drawing."""
        if not self._redraw.isActive():
            self._redraw.start()

    def _show_history(self) -> None:
        project = self.session.project
        colors = {} if project is None else {one.name: one.color for one in project.classes}
        self.loop.train.setValue(self.session.history, self.session.activity, colors)

    def _on_case_predicted(self, case_id: str) -> None:
        project = self.session.project
        if project is not None and case_id == self.session.case_id:
            prediction = project.prediction(case_id)
            if prediction is not None:
                self.annotator.layers.show_prediction_map(prediction)
            self._show_slice()

    def _on_task_ended(self, activity: Activity) -> None:
        if self.session.project is not None:
            self.loop.train.set_continuation(continuation_of(self.session.project))
        self._on_history()

    def _on_task_failed(self, failure: TaskError) -> None:
        self._show_error(failure.sentence, failure.details)

    def _show_error(self, sentence: str, details: str = "", parent: QWidget | None = None) -> None:
        dialog = ErrorDialog(sentence, details, parent=parent or self)
        dialog.open()

    def _on_message(self, text: str) -> None:
        self.loop.message.setText(text)

    def sizeHint(self) -> QSize:
        """Room for the column, so that the canvas keeps most of a small screen."""
        return QSize(380, 640)

    def _on_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.loop.train.plot.set_theme(theme.background.as_hex(), theme.text.as_hex())

    def _keys(self) -> dict[str, Callable[[], None]]:
        overlay = self.loop.overlay
        return {
            "D": self._slot(self.annotator.mark_done),
            "W": self._slot(self.annotator.mark_empty),
            "U": self._slot(self.annotator.unannotate),
            "A": self._slot(self.annotator.accept),
            "S": overlay.pseudo_label.toggle,
            "G": overlay.uncertainty.toggle,
        }

    def _bind_keys(self) -> None:
        for key, action in self._keys().items():
            self._viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)

    def showEvent(self, a0: QShowEvent | None) -> None:
        """Watch the window from now on: its closing saves and stops."""
        super().showEvent(a0)
        window = self.window()
        if window is not None and window is not self:
            window.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Shut down when the viewer's window closes."""
        if a1 is not None and a1.type() == QEvent.Type.Close and a0 is self.window():
            self._slot(self.shut_down)()
        return super().eventFilter(a0, a1)

    def event(self, a0: QEvent | None) -> bool:
        """Shut down and go when the dock lets go of the widget (its X was pressed)."""
        if a0 is not None and a0.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self._slot(self.shut_down)()
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return super().event(a0)

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Shut down when the widget itself is closed."""
        self._slot(self.shut_down)()
        super().closeEvent(a0)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Welcome files and folders."""
        mime = a0.mimeData() if a0 is not None else None
        if a0 is not None and mime is not None and mime.hasUrls():
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Open, add, or begin a project with what was dropped."""
        mime = a0.mimeData() if a0 is not None else None
        if a0 is not None and mime is not None:
            a0.acceptProposedAction()
            paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
            self._slot(self._add_paths)(paths)


def _ignoring_viewer(action: Callable[[], None]) -> Callable[[Any], None]:
    return lambda _viewer: action()
