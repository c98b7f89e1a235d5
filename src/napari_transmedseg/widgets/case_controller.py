"""The cases of the open project: the table, the case on screen, and what is done with a case."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_transmedseg.errors import ProjectError, TransMedSegError
from napari_transmedseg.project.case_facts import facts_of
from napari_transmedseg.widgets.case_view import CaseView
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.file_filter import FILE_FILTER
from napari_transmedseg.widgets.preparing import CasePreparer
from napari_transmedseg.widgets.snapshots_dialog import SnapshotsDialog
from napari_transmedseg.widgets.waiting import wait_cursor


class CaseController(QObject):
    """Shows cases, switches between them, and carries out what their menu offers."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._view = CaseView(desk.viewer)
        self._preparer = CasePreparer()
        cases, slot = desk.loop.cases, desk.slot
        cases.valueChanged.connect(slot(self.open_case))
        cases.highlighted.connect(self._prepare)
        cases.domainChanged.connect(slot(self._set_domain))
        cases.snapshotsRequested.connect(slot(self._show_snapshots))
        cases.folderRequested.connect(slot(self._show_folder))
        cases.relinkRequested.connect(slot(self._relink))
        cases.removeRequested.connect(slot(self._ask_to_remove))
        desk.session.project_changed.connect(self._on_project)
        desk.session.case_changed.connect(cases.setValue)
        desk.session.ledger_changed.connect(self._on_ledger)

    def open_case(self, case_id: str) -> None:
        """Show a case as the one before was looked at, then read the next one in advance."""
        annotator = self._desk.annotator
        if case_id != self._desk.session.case_id:
            self._desk.session.message_changed.emit("")  # what was said of another case
        if annotator.layers.is_open and self._desk.session.case_id:
            self._view.leave(self._desk.session.case_id, annotator.layers.by_role)
        try:
            with wait_cursor():
                self._preparer.wait_for(case_id)
                annotator.open_case(case_id)
        except (TransMedSegError, OSError):
            annotator.drop_stale_layers()
            self._desk.loop.cases.setValue(self._desk.session.case_id)
            raise
        self._view.arrive(case_id, annotator.layers.by_role)
        self._desk.session.case_id = case_id
        self._prepare(self._case_below(case_id))

    def reopen(self) -> None:
        """Show the case on screen anew, after something else changed its labels."""
        case_id = self._desk.session.case_id
        if case_id:
            self.open_case(case_id)

    @property
    def is_preparing(self) -> bool:
        """Whether an image is being read in advance."""
        return self._preparer.is_busy

    def shut_down(self) -> None:
        """Let the reading in advance end."""
        self._preparer.shut_down()

    def _prepare(self, case_id: str) -> None:
        project = self._desk.session.project
        if project is not None and case_id and case_id != self._desk.session.case_id:
            self._preparer.prepare(project, case_id)

    def _case_below(self, case_id: str) -> str:
        ids = self._desk.loop.cases.visible_ids()
        place = ids.index(case_id) + 1 if case_id in ids else len(ids)
        return ids[place] if place < len(ids) else ""

    def _set_domain(self, case_id: str, domain: str) -> None:
        try:
            self._desk.session.require_project().set_domain(case_id, domain)
        except ProjectError:
            self.show_cases()  # with the domain that it has
            raise

    def _show_folder(self, case_id: str) -> None:
        path = self._desk.session.require_project().image_path(case_id)
        folder = path if path.is_dir() else path.parent
        if not folder.is_dir():
            raise ProjectError(
                f"Expected the image's folder at {folder}, found none; relink the image."
            )
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _show_snapshots(self, case_id: str) -> None:
        self._desk.annotator.save_now()
        snapshots = self._desk.session.require_project().snapshots(case_id)
        dialog = SnapshotsDialog(case_id, snapshots, parent=self._desk.window)
        dialog.restoreRequested.connect(
            lambda snapshot_id: self._desk.slot(self._restore)(dialog, case_id, snapshot_id)
        )
        dialog.open()

    def _restore(self, dialog: SnapshotsDialog, case_id: str, snapshot_id: str) -> None:
        self._desk.annotator.save_now()
        with wait_cursor():
            back = self._desk.session.require_project().restore_snapshot(case_id, snapshot_id)
        dialog.close()
        if case_id == self._desk.session.case_id:
            self.reopen()
        what = " and ".join([f"an earlier state of {case_id}", *back])
        self._desk.session.message_changed.emit(f"Brought {what} back.")

    def _relink(self, case_id: str) -> None:
        project, window = self._desk.session.require_project(), self._desk.window
        case, paths = project.case(case_id), project.image_paths(case_id)
        missing = next((row for row, path in enumerate(paths) if not path.exists()), 0)
        channel = case.channel_names[missing] if case.channel_names else None
        what = " ".join([case_id, *filter(None, [channel])])
        series = [case.series, *(one.series for one in case.further)]
        if series[missing]:
            found = QFileDialog.getExistingDirectory(window, f"Folder of {what}")
        else:
            found, _ = QFileDialog.getOpenFileName(
                window, f"Image of {what}", str(paths[missing].parent), FILE_FILTER
            )
        if found:
            project.relink_image(case_id, Path(found), channel)
            if case_id == self._desk.session.case_id or not self._desk.session.case_id:
                self.open_case(case_id)

    def _ask_to_remove(self, case_id: str) -> None:
        ledger = self._desk.session.require_project().readable_ledger(case_id)
        known = "How much of it is known cannot be read."
        if ledger is not None:
            known = f"{len(ledger.labeled_indices())} of its {len(ledger)} slices are known."
        buttons = QMessageBox.StandardButton
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Remove a case",
            f"Remove {case_id} from the project? {known}",
            buttons.Cancel,
            self._desk.window,
        )
        box.setInformativeText(
            "Its image and its labels stay on the disk: add the image again to go on with them."
        )
        remove = box.addButton("Remove case", QMessageBox.ButtonRole.AcceptRole)
        assert remove is not None
        remove.clicked.connect(lambda: self._desk.slot(self._remove)(case_id))
        box.finished.connect(lambda _: box.deleteLater())
        box.open()

    def _remove(self, case_id: str) -> None:
        project, session = self._desk.session.require_project(), self._desk.session
        session.require_idle("while a case is removed")
        ids = [one for one in self._desk.loop.cases.visible_ids() if one != case_id]
        following = self._case_below(case_id) or (ids[-1] if ids else "")
        is_shown = session.case_id == case_id
        if is_shown:
            self._desk.annotator.save_now()
            self._desk.annotator.close_case()
            session.case_id = ""
        project.remove_case(case_id)
        if is_shown and following:
            self.open_case(following)
        elif is_shown:
            self._desk.annotator.layers.clear()
        session.message_changed.emit(f"Removed {case_id}; its labels stay in the project's folder.")

    def _on_project(self) -> None:
        project, cases = self._desk.session.project, self._desk.loop.cases
        self._view.forget()
        if project is None:
            return
        project.cases_changed.connect(self.show_cases)
        cases.set_rows([facts_of(project, case) for case in project.cases])
        if project.cases:
            cases.setValue(project.cases[0].case_id)
            self._desk.slot(self.open_case)(project.cases[0].case_id)
        else:
            self._desk.annotator.drop_stale_layers()

    def show_cases(self) -> None:
        """Show cases that came or changed; in a project that had none, the first is opened."""
        project, session = self._desk.session.project, self._desk.session
        if project is not None:
            cases = project.cases
            self._desk.loop.cases.set_rows([facts_of(project, case) for case in cases])
            if session.case_id:
                self._on_ledger(session.case_id)
            if cases and not session.case_id and not self._desk.annotator.layers.is_open:
                self._desk.slot(self.open_case)(cases[0].case_id)

    def _on_ledger(self, case_id: str) -> None:
        """Show what became of one case; on screen its states are newer than the project's."""
        project, annotator = self._desk.session.project, self._desk.annotator
        if project is None or not any(case.case_id == case_id for case in project.cases):
            return
        is_shown = annotator.layers.is_open and case_id == self._desk.session.case_id
        ledger = annotator.ledger if is_shown else None
        self._desk.loop.cases.set_row(facts_of(project, project.case(case_id), ledger))
