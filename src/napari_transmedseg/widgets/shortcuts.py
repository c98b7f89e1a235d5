"""Every key and what it does, in the order in which the widget shows them."""

from __future__ import annotations

from html import escape

from qtpy.QtWidgets import QLabel, QWidget

SHORTCUTS: tuple[tuple[str, str], ...] = (
    *((f"Alt-{place}", f"paint with class {place} of the list") for place in range(1, 10)),
    ("N", "next suggested slice"),
    ("Shift-N", "back to the one before"),
    ("D", "slice done"),
    ("W", "mark empty"),
    ("U", "un-annotate"),
    ("Shift-U", "clear the slice: take all paint off it"),
    ("Shift-F", "fill between annotated slices"),
    ("A", "accept slice"),
    ("Shift-A", "accept the object under the mouse"),
    ("Q", "reject the prediction"),
    ("S", "pseudo-label on or off"),
    ("Shift-S", "pseudo-label filled or outlined"),
    ("G", "uncertainty on or off"),
    (",", "overlays fainter"),
    (".", "overlays stronger"),
    ("H", "swipe between before and after, on or off"),
    ("Ctrl-1", "axial plane"),
    ("Ctrl-2", "coronal plane"),
    ("Ctrl-3", "sagittal plane"),
    ("I", "next intensity window"),
    ("O", "linked views on or off"),
)
"""Keys over the canvas, as napari spells them; the controllers' `keys` say what they call."""
OTHER_KEYS: tuple[tuple[str, str], ...] = (
    ("Shift", "with a mouse move: the crosshair goes along"),
    ("Ctrl-Z", "undo the last stroke, accept, fill, or word about a slice"),
    ("Ctrl-Shift-Z", "redo it"),
    ("Alt-B", "check before training"),
    ("Alt-G", "start training, or train again"),
    ("Alt-U", "pause"),
    ("Alt-R", "resume"),
    ("Alt-K", "stop and keep"),
    ("Alt-D", "discard the training"),
)
"""Keys of napari and of buttons."""


class ShortcutTable(QLabel):
    """Shows keys and what they do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("The first ones work while the mouse is over the image")
        rows = [
            f"<tr><td><b>{escape(key.replace('-', '+'))}</b>&nbsp;&nbsp;</td>"
            f"<td>{escape(what)}</td></tr>"
            for key, what in (*SHORTCUTS, *OTHER_KEYS)
        ]
        self.setText(f"<table>{''.join(rows)}</table>")
