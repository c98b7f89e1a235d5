"""Two label slices side by side on one: a line on the canvas parts them, and can be dragged.

The layer that shows them has the case's shape, and memory for the slice on screen only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.imaging.orientation import plane_axes
from napari_transmedseg.imaging.rendering import outline_of
from napari_transmedseg.layer_data import METADATA_KEY, class_colormap, placement

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_transmedseg.layers import CaseLayers

Labels = npt.NDArray[np.uint8]

GRAB_PIXELS = 8
"""So near to the line, a press of the mouse takes hold of it."""
_EDGE = 0.02
"""Share of the canvas that stays on either side of the line, so that it can be dragged back."""
_LINE = "transmedseg_swipe_line"
_HALF_WIDTH = 2.5
"""Pixels: the line is a double one, to be told from the contours below it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What is shown on one side of the line."""

    labels_YX: Labels | None
    """Slice on screen, rows and columns as the plane has them; None where there is none."""
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SwipeLook:
    """How both sides are drawn."""

    visible: bool = True
    opacity: float = 0.9
    is_filled: bool = False


class SwipeLayer:
    """Shows two sides while it is open; the line stays where it is on the canvas.

    Lives on the main thread. Zoom, pan, slice and plane may change below the line.
    """

    dragged = Signal(float)
    """Place of the line, as a share of the canvas's width."""
    words_changed = Signal()
    removed = Signal()
    """Somebody deleted the layer: the swipe is closed."""

    def __init__(self, viewer: ViewerModel, layers: CaseLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self._layer: Any = None
        self._plane = 0
        self._share = 0.5
        self._drawn: tuple[Labels, Labels] | None = None
        self._shown_YX = np.zeros((1, 1), np.uint8)
        self._pointed: Any = None
        self._words = ("", "")

    @property
    def is_open(self) -> bool:
        """Whether two sides are on screen."""
        return self._layer is not None

    @property
    def share(self) -> float:
        """Place of the line, as a share of the canvas's width."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        share = min(max(share, _EDGE), 1 - _EDGE)
        if share != self._share:
            self._share = share
            self._place()

    @property
    def words(self) -> tuple[str, str]:
        """What is to be said of the left and of the right side; nothing while it is closed."""
        return self._words

    @property
    def shown(self) -> Labels:
        """What is drawn (Y, X): outlines or whole areas of either side."""
        return self._shown_YX

    def show(self, left: Side, right: Side, *, plane: int, look: SwipeLook) -> None:
        """Show two sides of the slice on screen; opens where nothing was shown."""
        shape = tuple(self._layers.labels.shape[axis] for axis in plane_axes(plane))
        if self._layer is None:
            self._open()
        if plane != self._plane or self._shown_YX.shape != shape:
            self._plane, self._shown_YX = plane, np.zeros(shape, np.uint8)
            self._layer.data = self._stack()
        nothing = np.zeros(shape, np.uint8)
        one, other = (
            nothing if side.labels_YX is None else drawn(side.labels_YX, look.is_filled)
            for side in (left, right)
        )
        self._drawn = one, other
        self._say(f"◀ {left.words}", f"{right.words} ▶")
        if (self._layer.visible, self._layer.opacity) != (look.visible, look.opacity):
            self._layer.visible, self._layer.opacity = look.visible, look.opacity
        self._place()

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour the classes (#rrggbb by value)."""
        if self._layer is not None:
            self._layer.colormap = class_colormap(colors)

    def close(self) -> None:
        """Leave nothing behind: no layer, line, words, nor callback."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        viewer = self._viewer
        viewer.layers.events.removed.disconnect(self._on_removed)
        for emitter in self._moves():
            emitter.disconnect(self._on_view)
        viewer.mouse_drag_callbacks.remove(self._on_drag)
        viewer.mouse_move_callbacks.remove(self._on_mouse_move)
        self._point_at_line(False)
        if _LINE in viewer.canvas.overlays:
            del viewer.canvas.overlays[_LINE]
        self._say("", "")
        if layer in viewer.layers:
            viewer.layers.remove(layer)
        self._drawn, self._shown_YX = None, np.zeros((1, 1), np.uint8)

    def _open(self) -> None:
        from napari.components.overlays import ZoomOverlay
        from napari.layers import Labels as LabelsLayer

        viewer, labels = self._viewer, self._layers.labels_layer
        self._shown_YX = np.zeros((1, 1), np.uint8)
        self._layer = LabelsLayer(
            np.broadcast_to(np.uint8(0), labels.data.shape), name="before | after (swipe)",
            colormap=labels.colormap, **placement(labels.metadata[METADATA_KEY]["geometry"]),
        )  # fmt: skip
        self._layer.editable = False
        active = viewer.layers.selection.active
        viewer.layers.insert(viewer.layers.index(labels), self._layer)
        viewer.layers.selection.active = active
        viewer.canvas.overlays[_LINE] = ZoomOverlay(box=False, visible=True)
        viewer.layers.events.removed.connect(self._on_removed)
        for emitter in self._moves():
            emitter.connect(self._on_view)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_mouse_move)

    def _say(self, left: str, right: str) -> None:
        if (left, right) != self._words:
            self._words = left, right
            self.words_changed.emit()

    def _moves(self) -> tuple[Any, ...]:
        """What moves the image below the line."""
        camera = self._viewer.scene.camera.events
        return (camera.center, camera.zoom, camera.orientation, self._viewer.canvas.events.size)

    def _stack(self) -> Labels:
        """The slice at every index of the plane's axis: a view that takes no memory."""
        slice_IPL = np.expand_dims(self._shown_YX, self._plane)
        return np.broadcast_to(slice_IPL, self._layers.labels.shape)

    def _place(self) -> None:
        """Draw the line, and the sides that it parts."""
        if self._layer is None or self._drawn is None:
            return
        left, right = self._drawn
        is_left = self._columns_on_the_left(left.shape[1])
        np.copyto(self._shown_YX, right)
        self._shown_YX[:, is_left] = left[:, is_left]
        height, x = self._viewer.canvas.size[0], self._line_x()
        self._viewer.canvas.overlays[_LINE].position = (
            (-_HALF_WIDTH, x - _HALF_WIDTH), (height + _HALF_WIDTH, x + _HALF_WIDTH)
        )  # fmt: skip
        self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _columns_on_the_left(self, count: int) -> npt.NDArray[np.bool_]:
        """Columns of the slice whose middle lies left of the line on the canvas."""
        camera, layer, axis = self._viewer.scene.camera, self._layer, plane_axes(self._plane)[1]
        offset = (self._line_x() - self._viewer.canvas.size[1] / 2) / camera.zoom
        runs_right = str(camera.orientation2d[1]) == "right"
        world = camera.center[-1] + (offset if runs_right else -offset)
        at = layer.translate[axis] + np.arange(count) * layer.scale[axis]
        on_the_left: npt.NDArray[np.bool_] = at < world if runs_right else at > world
        return on_the_left

    def _line_x(self) -> float:
        return float(self._share * self._viewer.canvas.size[1])

    def _is_near(self, event: Any) -> bool:
        return abs(float(event.pos[0]) - self._line_x()) <= GRAB_PIXELS

    def _point_at_line(self, is_near: bool) -> None:
        """Show a hand over the line, and the brush again beside it."""
        cursor, active = self._viewer.cursor, self._viewer.layers.selection.active
        if is_near and self._pointed is None:
            self._pointed, cursor.style = cursor.style, "pointing"
        elif not is_near and self._pointed is not None:
            cursor.style = self._pointed if active is None else active.cursor
            self._pointed = None

    def _on_view(self, event: Any = None) -> None:
        self._place()

    def _on_mouse_move(self, viewer: Any, event: Any) -> None:
        self._point_at_line(self._is_near(event))

    def _on_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        """Take the line along; neither paint nor pan meanwhile."""
        if not self._is_near(event) or event.button != 1:
            return
        layer = viewer.layers.selection.active
        mode = None if layer is None else str(layer.mode)
        if layer is not None:
            layer.mode = "pan_zoom"  # the layer is asked after the viewer: it would paint
        event.handled = True
        yield
        while event.type == "mouse_move":
            self.share = float(event.pos[0]) / viewer.canvas.size[1]
            self.dragged.emit(self._share)
            event.handled = True
            yield
        if layer is not None:
            layer.mode = mode

    def _on_removed(self, event: Any) -> None:
        if event.value == self._layer:  # a plugin may be given proxies, which are no same objects
            self.close()
            self.removed.emit()


def drawn(labels_YX: Labels, is_filled: bool) -> Labels:
    """Labels as they are drawn: whole areas, or their outlines."""
    if is_filled:
        return np.asarray(labels_YX, np.uint8)
    labels = np.ascontiguousarray(labels_YX, np.uint8)
    return labels * outline_of(labels)
