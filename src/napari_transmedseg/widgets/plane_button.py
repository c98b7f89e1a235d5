"""The plane in which a project's slices lie, and a menu to ask for another."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction, QActionGroup
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_transmedseg.imaging.geometry import PLANE_AXES
from napari_transmedseg.imaging.orientation import plane_name

_TIP = "Plane of the slices that you mark done; it can be changed while nothing is annotated"


class PlaneButton(QPushButton):
    """Its value is the axis that is cut; a choice is only asked for, as it may be refused."""

    changeRequested = Signal(str)
    """Name of a plane."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._axis = 0
        self.menu_of_planes = QMenu(self)
        self._group = QActionGroup(self)
        self.choices = [self._choice(name) for name in PLANE_AXES]
        self.setToolTip(_TIP)
        self.setValue(0)
        self.clicked.connect(self._on_clicked)

    def value(self) -> int:
        """Display axis along which slices are counted."""
        return self._axis

    def setValue(self, axis: int) -> None:
        """Show the plane of a project."""
        self._axis = axis
        self.choices[axis].setChecked(True)
        self.setText(f"{plane_name(axis).capitalize()} slices ▾")
        self.setAccessibleName(f"Plane of the slices: {plane_name(axis)}")

    def _choice(self, name: str) -> QAction:
        action = self.menu_of_planes.addAction(f"{name.capitalize()} slices")
        assert action is not None
        action.setCheckable(True)
        action.setData(name)
        action.triggered.connect(lambda: self._on_chosen(name))
        self._group.addAction(action)
        return action

    def _on_clicked(self) -> None:
        self.menu_of_planes.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def _on_chosen(self, name: str) -> None:
        self.choices[self._axis].setChecked(True)  # until it is done
        if PLANE_AXES[name] != self._axis:
            self.changeRequested.emit(name)
