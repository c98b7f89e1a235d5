"""The plane of the open project's slices: from a choice in the menu to the project, and back."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_transmedseg.widgets.case_controller import CaseController
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.waiting import wait_cursor


class PlaneController(QObject):
    """Shows the plane, and changes it where nothing is annotated."""

    def __init__(self, desk: Desk, cases: CaseController) -> None:
        super().__init__(desk)
        self._desk = desk
        self._cases = cases
        desk.loop.plane.changeRequested.connect(desk.slot(self._change))
        desk.session.project_changed.connect(self._on_project)

    def _change(self, plane: str) -> None:
        desk, case_id = self._desk, self._desk.session.case_id
        desk.projects.require_idle()
        desk.annotator.save_now()
        with wait_cursor():
            desk.projects.set_plane(plane, before_reopening=desk.annotator.close_case)
        if case_id not in ("", desk.session.case_id):
            self._cases.open_case(case_id)
        desk.session.message_changed.emit(f"Slices are {plane} now.")

    def _on_project(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.plane.setValue(project.slice_axis)
            self._desk.loop.plane.setEnabled(not project.read_only)
