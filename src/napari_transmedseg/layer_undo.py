"""Undo and redo of a labels layer, with steps that change no voxel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    from psygnal import SignalInstance

KEYS = {"Control-Z": True, "Control-Shift-Z": False}
"""napari's own, and whether they undo."""


class Undo:
    """Stands in for napari's undo keys on a layer.

    To accept a slice where nothing was predicted is a step, too, though no voxel changes: without
    one, undo would take back a stroke somewhere else.

    Parameters
    ----------
    find_edits
        Looks for changed slices everywhere and tells of each by `edited`.
    """

    stepped = Signal(bool)
    """A step without voxels was undone (True), or done again."""

    def __init__(self, find_edits: Callable[[], object], edited: SignalInstance) -> None:
        self._find_edits = find_edits
        self._edited = edited
        self._layer: Any = None

    def take(self, layer: Any) -> None:
        """Watch over a layer's undo."""
        self._layer = layer
        for key, is_undo in KEYS.items():
            layer.bind_key(key, self._undo if is_undo else self._redo, overwrite=True)

    def let_go(self) -> None:
        """Leave napari's own keys behind."""
        layer, self._layer = self._layer, None
        if layer is not None:
            for key in KEYS:
                with suppress(KeyError):
                    layer.bind_key(key, None)

    def add_step(self) -> None:
        """Put a step without voxels on the layer's undo stack: one there and back."""
        layer = self._layer
        corner = (np.zeros(1, np.intp),) * layer.data.ndim
        value = layer.data[corner]  # a copy
        with layer.block_history():
            for values in (value ^ 1, value):
                layer.data_setitem(corner, values, refresh=False)

    def _undo(self, layer: Any) -> None:
        self._go(layer, is_undo=True)

    def _redo(self, layer: Any) -> None:
        self._go(layer, is_undo=False)

    def _go(self, layer: Any, *, is_undo: bool) -> None:
        self._find_edits()  # what others wrote is none of this step
        changed, drawn = [], []

        def note_edit(index: int) -> None:
            changed.append(index)

        def note_drawing(event: Any) -> None:
            drawn.append(event)

        self._edited.connect(note_edit)
        layer.events.set_data.connect(note_drawing)
        try:
            layer.undo() if is_undo else layer.redo()
            self._find_edits()
        finally:
            self._edited.disconnect(note_edit)
            layer.events.set_data.disconnect(note_drawing)
        if drawn and not changed:  # napari draws where there was a step
            self.stepped.emit(is_undo)
