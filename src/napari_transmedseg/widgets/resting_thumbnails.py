"""Thumbnails in napari's list of layers: made anew when the brush and the slices rest."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_transmedseg.layers import CaseLayers

REST_MS = 300


class RestingThumbnails(QObject):
    """Holds back what layers tell of their thumbnails while they change quickly.

    At every slice and every move of the brush napari draws its list of layers anew, a moment after
    the canvas: without a graphics card that is the whole window a second time.
    """

    def __init__(self, layers: CaseLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers = layers
        self._held: list[Any] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self._tell)
        layers.slice_changed.connect(self._on_change)
        layers.redrawn.connect(self._on_change)

    @property
    def is_holding(self) -> bool:
        """Whether thumbnails are to come that napari has not heard of."""
        return bool(self._held)

    def shut_down(self) -> None:
        """Listen no more, and hold nothing back."""
        self._layers.slice_changed.disconnect(self._on_change)
        self._layers.redrawn.disconnect(self._on_change)
        self._timer.stop()
        self._tell()

    def _on_change(self, *_: object) -> None:
        for layer in self._layers.by_role.values():
            if layer not in self._held:
                layer.events.thumbnail.block()
                self._held.append(layer)
        self._timer.start()

    def _tell(self) -> None:
        held, self._held = self._held, []
        for layer in held:
            layer.events.thumbnail.unblock()
            layer.events.thumbnail()
