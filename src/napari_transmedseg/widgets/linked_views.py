"""The two other planes of the case, with the crosshair of the canvas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_transmedseg.imaging.orientation import edge_letters, plane_axes, plane_name
from napari_transmedseg.imaging.rendering import color_table, render_slice
from napari_transmedseg.layer_data import slice_view
from napari_transmedseg.widgets.slice_view import SliceView

Index = tuple[int, int, int]

REFRESH_INTERVAL_MS = 40
"""Many changes in a row cost one drawing."""


class LinkedViews(QWidget):
    """Shows the two planes that the canvas does not; its value is the crosshair (I, P, L)."""

    valueChanged = Signal(object)
    closed = Signal()
    """The dock that held it let go of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: npt.NDArray[np.generic] = np.zeros((1, 1, 1), np.uint8)
        self._labels: npt.NDArray[np.uint8] = np.zeros((1, 1, 1), np.uint8)
        self._spacing = (1.0, 1.0, 1.0)
        self._limits = (0.0, 1.0)
        self._table = color_table({})
        self._planes = (1, 2)
        self._at: Index = (0, 0, 0)
        self._stale = {0, 1}
        self._was_docked = False
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(REFRESH_INTERVAL_MS)
        self._refresh.timeout.connect(self.refresh_now)

        # WIDGETS
        self.views = (SliceView(), SliceView())

        # LAYOUT
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(4)
        for view in self.views:
            layout.addWidget(view)

        # CONNECTIONS
        for place, view in enumerate(self.views):
            view.valueChanged.connect(partial(self._on_picked, place))
            view.stepped.connect(partial(self._on_stepped, place))
            view.resized.connect(partial(self._later, place))

    def value(self) -> Index:
        """Voxel (I, P, L) of the crosshair."""
        return self._at

    def setValue(self, index: Index) -> None:
        """Move the crosshair, without a signal; slices that it leaves are drawn soon."""
        for place, plane in enumerate(self._planes):
            if index[plane] != self._at[plane]:
                self._later(place)
        self._at = index
        self._place_crosshairs()

    def set_case(
        self,
        image_IPL: npt.NDArray[np.generic],
        labels_IPL: npt.NDArray[np.uint8],
        spacing: tuple[float, float, float],
    ) -> None:
        """Show a case; the arrays are looked at whenever something is drawn, never copied."""
        self._image, self._labels, self._spacing = image_IPL, labels_IPL, spacing
        self._at = (0, 0, 0)
        self._name_planes()

    def set_plane(self, shown: int) -> None:
        """Take in which plane the canvas shows."""
        planes = tuple(axis for axis in range(3) if axis != shown)
        if planes != self._planes:
            self._planes = (planes[0], planes[1])
            self._name_planes()

    def set_window(self, limits: tuple[float, float]) -> None:
        """Show other intensities."""
        if limits != self._limits:
            self._limits = limits
            self._later(0, 1)

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour the classes (#rrggbb by value)."""
        self._table = color_table(colors)
        self._later(0, 1)

    def refresh(self) -> None:
        """Draw both slices again soon: voxels changed."""
        self._later(0, 1)

    def refresh_now(self) -> None:
        """Draw what is stale."""
        for place in self._stale:
            plane = self._planes[place]
            index, step = self._at[plane], self.views[place].step()
            image, labels = (
                slice_view(array, plane, index)[::step, ::step]
                for array in (self._image, self._labels)
            )
            pixels = render_slice(image, labels, self._limits, self._table)
            count = self._image.shape[plane]
            title = f"{plane_name(plane).capitalize()} {index + 1} / {count}"
            self.views[place].set_pixels(pixels, title)
        self._stale = set()

    def event(self, a0: QEvent | None) -> bool:
        """Notice when the dock lets go of the widget (its X was pressed)."""
        if a0 is not None and a0.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.closed.emit()
            self._was_docked = self.parent() is not None
        return super().event(a0)

    def _later(self, *places: int) -> None:
        self._stale.update(places)
        if not self._refresh.isActive():
            self._refresh.start()

    def _name_planes(self) -> None:
        for view, plane in zip(self.views, self._planes, strict=True):
            rows, columns = plane_axes(plane)
            view.set_plane(
                plane_name(plane), edge_letters(rows, columns),
                (self._image.shape[rows], self._image.shape[columns]),
                (self._spacing[rows], self._spacing[columns]),
            )  # fmt: skip
        self._place_crosshairs()
        self._later(0, 1)

    def _place_crosshairs(self) -> None:
        for view, plane in zip(self.views, self._planes, strict=True):
            rows, columns = plane_axes(plane)
            view.setValue(self._at[rows], self._at[columns])

    def _on_picked(self, place: int, row: int, column: int) -> None:
        rows, columns = plane_axes(self._planes[place])
        at = list(self._at)
        at[rows], at[columns] = row, column
        self._go(at)

    def _on_stepped(self, place: int, steps: int) -> None:
        plane, at = self._planes[place], list(self._at)
        at[plane] = min(max(at[plane] + steps, 0), self._image.shape[plane] - 1)
        self._go(at)

    def _go(self, at: list[int]) -> None:
        index = (at[0], at[1], at[2])
        if index != self._at:
            self.setValue(index)
            self.valueChanged.emit(index)
