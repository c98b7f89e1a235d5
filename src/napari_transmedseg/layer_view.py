"""How the case on screen is looked at: plane, letters at its edges, window, and the crosshair."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_transmedseg.imaging.orientation import edge_letters
from napari_transmedseg.layer_dims import displayed_axes, go_to, order_for, plane_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_transmedseg.layers import CaseLayers

Index = tuple[int, int, int]


class CaseView:
    """Steers the viewer around the case on screen; lives on the main thread.

    The crosshair is the viewer's own position (`dims.point`), so that its sliders, the linked
    views and other plugins all move the same one.
    """

    moved = Signal()
    """The crosshair is at other voxels."""
    plane_changed = Signal()
    letters_changed = Signal()
    window_changed = Signal()
    """Somebody changed the contrast limits of the image."""

    def __init__(self, viewer: ViewerModel, layers: CaseLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self._image: Any = None
        self._letters_shown = True
        viewer.dims.events.point.connect(self._on_moved)
        viewer.dims.events.order.connect(self._on_plane)
        viewer.dims.events.ndisplay.connect(self._on_plane)
        viewer.scene.camera.events.orientation.connect(self._on_plane)
        viewer.mouse_move_callbacks.append(self._on_mouse_move)

    def close(self) -> None:
        """Stop listening to the viewer."""
        viewer = self._viewer
        viewer.dims.events.point.disconnect(self._on_moved)
        viewer.dims.events.order.disconnect(self._on_plane)
        viewer.dims.events.ndisplay.disconnect(self._on_plane)
        viewer.scene.camera.events.orientation.disconnect(self._on_plane)
        viewer.mouse_move_callbacks.remove(self._on_mouse_move)
        self._follow_image(None)

    def refresh(self) -> None:
        """Take in that another case is on screen."""
        self._follow_image(self._layers.image_layer)
        self.letters_changed.emit()

    @property
    def plane(self) -> int:
        """Display axis that is cut by the plane on screen; 0 in three dimensions."""
        return plane_of(self._viewer.dims) or 0

    @plane.setter
    def plane(self, axis: int) -> None:
        """Show another plane through the same point."""
        self._viewer.dims.ndisplay = 2
        self._viewer.dims.order = order_for(self._viewer.dims, axis)
        self._viewer.reset_view()

    @property
    def index(self) -> Index:
        """Voxel (I, P, L) of the crosshair."""
        layer = self._layers.labels_layer
        position = layer.world_to_data(self._viewer.dims.point[-3:])
        last = np.array(layer.data.shape) - 1
        i, p, left = np.clip(np.rint(position), 0, last).astype(int)
        return int(i), int(p), int(left)

    @index.setter
    def index(self, index: Index) -> None:
        """Move the crosshair, and so the slice on screen."""
        go_to(self._viewer.dims, range(3), self._layers.labels_layer.data_to_world(index))

    @property
    def limits(self) -> tuple[float, float]:
        """Intensities that are black and white."""
        low, high = self._layers.image_layer.contrast_limits
        return float(low), float(high)

    @limits.setter
    def limits(self, limits: tuple[float, float]) -> None:
        """Show other intensities, whatever range the slider had."""
        layer = self._layers.image_layer
        low, high = layer.contrast_limits_range
        layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
        layer.contrast_limits = limits

    @property
    def is_smooth(self) -> bool:
        """Whether the image's pixels are smoothed on screen."""
        layer = self._layers.image_layer
        return layer is not None and str(layer.interpolation2d) == "linear"

    def set_smooth(self, is_smooth: bool) -> None:
        """Smooth the image's pixels on screen; labels never are."""
        if self._layers.image_layer is not None:
            self._layers.image_layer.interpolation2d = "linear" if is_smooth else "nearest"

    def set_letters(self, shown: bool) -> None:
        """Show or hide the letters at the edges."""
        if shown != self._letters_shown:
            self._letters_shown = shown
            self.letters_changed.emit()

    @property
    def letters(self) -> dict[str, str]:
        """Letter at each edge that has one now: top, bottom, left, right."""
        dims = self._viewer.dims
        if not self._letters_shown or not self._layers.is_open or plane_of(dims) is None:
            return {}
        vertical, horizontal = self._viewer.scene.camera.orientation2d
        found = edge_letters(
            *displayed_axes(dims),
            rows_run_down=str(vertical) == "down",
            columns_run_right=str(horizontal) == "right",
        )
        return asdict(found)

    def _follow_image(self, layer: Any) -> None:
        if self._image is not None:
            self._image.events.contrast_limits.disconnect(self._on_limits)
        self._image = layer
        if layer is not None:
            layer.events.contrast_limits.connect(self._on_limits)

    def _on_limits(self, event: Any = None) -> None:
        if not self._layers.is_changing:
            self.window_changed.emit()

    def _on_moved(self, event: Any = None) -> None:
        if self._layers.is_open and not self._layers.is_changing:
            self.moved.emit()

    def _on_plane(self, event: Any = None) -> None:
        self.letters_changed.emit()
        if self._layers.is_open and not self._layers.is_changing:
            self.plane_changed.emit()

    def _on_mouse_move(self, viewer: Any, event: Any) -> None:
        """Shift and a move over the canvas: the crosshair goes along, as in 3D Slicer."""
        is_asked = "Shift" in event.modifiers and len(event.modifiers) == 1
        if not is_asked or not self._layers.is_open or viewer.dims.ndisplay != 2:
            return
        position = self._layers.labels_layer.world_to_data(event.position[-3:])
        at, plane = np.rint(position).astype(int).tolist(), self.plane
        at[plane] = self.index[plane]
        if all(0 <= n < size for n, size in zip(at, self._layers.labels.shape, strict=True)):
            self.index = (at[0], at[1], at[2])
