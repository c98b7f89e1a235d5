"""The brush on a labels layer: kept to the classes, and lifted before the next case comes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from psygnal import Signal


class Brush:
    """Watches over what a person paints with; holds one labels layer at a time."""

    chosen = Signal(int)
    """Another class is painted now, however it was chosen; 0 erases."""

    def __init__(self) -> None:
        self._layer: Any = None
        self._last_class = 0

    def take(self, layer: Any) -> None:
        """Watch over the brush of a layer."""
        self._layer = layer
        layer.events.selected_label.connect(self._on_selected)

    def let_go(self) -> None:
        """Watch no more."""
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._on_selected)
            self._layer = None

    def keep_to(self, last_class: int) -> None:
        """Paint classes up to this one: napari's own keys count on beyond it."""
        self._last_class = last_class
        self._on_selected()

    def choose(self, value: int) -> None:
        """Paint this class from now on, whatever tool is in the hand."""
        if self._layer is not None:
            self._layer.selected_label = value

    def lift(self) -> None:
        """End the stroke that the mouse is drawing: the next case comes into the same layer."""
        from napari.utils.interactions import mouse_release_callbacks

        if self._layer is not None:
            mouse_release_callbacks(self._layer, SimpleNamespace(type="mouse_release"))

    def _on_selected(self, event: Any = None) -> None:
        if self._layer is None:
            return
        if self._layer.selected_label > self._last_class:
            self._layer.selected_label = self._last_class
        else:
            self.chosen.emit(int(self._layer.selected_label))
