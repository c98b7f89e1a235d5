"""The classes of the open project: from what a person clicks or types to the project, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_transmedseg.project.class_removal import Become
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.who import person
from napari_transmedseg.widgets.annotator import class_colors
from napari_transmedseg.widgets.class_list import NUM_KEYS
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.projects import class_rows
from napari_transmedseg.widgets.remove_class_dialog import RemoveClassDialog
from napari_transmedseg.widgets.waiting import wait_cursor


class ClassController(QObject):
    """Shows classes, and adds, renames, colours, orders and removes them."""

    shown = Signal()
    """The classes changed."""

    def __init__(self, desk: Desk, reopen: Callable[[], None]) -> None:
        super().__init__(desk)
        self._desk = desk
        self._reopen = reopen
        classes, slot = desk.loop.classes, desk.slot
        classes.valueChanged.connect(slot(desk.annotator.layers.paint_with))
        classes.addRequested.connect(slot(self._add))
        classes.renamed.connect(slot(self._rename))
        classes.recolored.connect(slot(desk.projects.recolor_class))
        classes.moved.connect(slot(self._move))
        classes.removeRequested.connect(slot(self._ask_to_remove))
        desk.annotator.layers.brush.chosen.connect(self._on_brush)
        desk.session.project_changed.connect(self._on_project)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        return {
            f"Alt-{place + 1}": self._desk.slot(partial(self._pick, place))
            for place in range(NUM_KEYS)
        }

    def shut_down(self) -> None:
        """Listen to the brush no more."""
        self._desk.annotator.layers.brush.chosen.disconnect(self._on_brush)

    def _on_brush(self, value: int) -> None:
        """Show which class is painted, whoever chose it."""
        self._desk.loop.classes.setValue(value)

    def _pick(self, place: int) -> None:
        if self._desk.annotator.layers.is_open:
            self._desk.loop.classes.pick(place)

    def _add(self) -> None:
        value = self._desk.projects.add_class()
        self._desk.loop.classes.edit_name(value)

    def _rename(self, value: int, name: str) -> None:
        try:
            self._desk.projects.rename_class(value, name)
        finally:  # a name that is refused does not stay on screen
            self._on_classes()

    def _move(self, value: int, place: int) -> None:
        self._desk.session.require_project().move_class(value, place)

    def _ask_to_remove(self, value: int) -> None:
        project = self._changeable()
        name = project.class_names[value]
        self._desk.annotator.save_now()
        with wait_cursor():
            usage = project.class_usage(value)
        dialog = RemoveClassDialog(
            value, name, usage, _notes(project, value), parent=self._desk.window
        )
        dialog.removeRequested.connect(self._desk.slot(self._remove))
        dialog.open()

    def _remove(self, value: int, become: Become) -> None:
        project, annotator = self._changeable(), self._desk.annotator
        name = project.class_names[value]
        annotator.save_now()
        annotator.close_case()
        try:
            with wait_cursor():
                project.remove_class(value, become=become, who=person())
        finally:
            self._reopen()
        annotator.layers.brush.choose(self._desk.loop.classes.value())
        self._desk.session.message_changed.emit(
            f"Removed {name}. The labels as they were are among the earlier states of each case."
        )

    def _changeable(self) -> Project:
        self._desk.session.require_idle("while a class is removed")
        return self._desk.session.require_project()

    def _on_project(self) -> None:
        project = self._desk.session.project
        if project is not None:
            project.classes_changed.connect(self._on_classes)
            self._on_classes()

    def _on_classes(self) -> None:
        project = self._desk.session.project
        if project is not None:
            self._desk.loop.classes.set_rows(class_rows(project))
            self._desk.annotator.layers.set_colors(class_colors(project))
            self.shown.emit()


def _notes(project: Project, value: int) -> str:
    told = ["The labels as they are now stay with each case, under “Earlier states…”."]
    later = [f"{one.name} becomes {one.value - 1}" for one in project.classes if one.value > value]
    if later:
        told.append(f"Values in masks move down: {', '.join(later[:5])}.")
    if any(run.checkpoint is not None for run in project.runs):
        told.append("Models trained so far, and their predictions, are not used any more.")
    return " ".join(told)
