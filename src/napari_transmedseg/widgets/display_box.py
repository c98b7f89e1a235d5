"""How the case is looked at: plane, intensities, letters, linked views, smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_transmedseg.imaging.orientation import plane_name

CUSTOM = "As set by hand"
PLANE_KEYS = ("Ctrl-1", "Ctrl-2", "Ctrl-3")
"""As napari spells them."""


@dataclass(frozen=True, slots=True)
class Display:
    """What a person chose to see."""

    plane: int = 0
    """Display axis that is cut: 0 axial, 1 coronal, 2 sagittal."""
    window: str = ""
    """Name of the intensity window; empty where the limits were set by hand."""
    letters: bool = True
    linked: bool = False
    smooth: bool = False


class DisplayBox(QWidget):
    """Edits a `Display`."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.plane_buttons = [_plane_button(axis, key) for axis, key in enumerate(PLANE_KEYS)]
        self.planes = QButtonGroup(self)
        for axis, button in enumerate(self.plane_buttons):
            self.planes.addButton(button, axis)
        self.window_label = QLabel("Intensities")
        self.windows = QComboBox()
        self.windows.setAccessibleName("Intensities shown")
        self.windows.setToolTip(
            "Which intensities are black and white: CT windows (centre / width) or percentiles "
            "of the volume. Key I takes the next one"
        )
        self.windows.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.letters = QCheckBox("Letters L R A P S I")
        self.letters.setToolTip("Say at the edges of the image where left, head and front are")
        self.linked = QCheckBox("Linked views (O)")
        self.linked.setToolTip(
            "Show the two other planes with a crosshair; Shift and a mouse move over the image "
            "move it as well"
        )
        self.smooth = QCheckBox("Smooth image")
        self.smooth.setToolTip("Smooth the image's pixels on screen; labels and files stay exact")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.hide()

        # LAYOUT
        planes = QHBoxLayout()
        planes.setSpacing(2)
        for button in self.plane_buttons:
            planes.addWidget(button)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(planes, 0, 0, 1, 2)
        layout.addWidget(self.window_label, 1, 0)
        layout.addWidget(self.windows, 1, 1)
        layout.addWidget(self.letters, 2, 0)
        layout.addWidget(self.linked, 2, 1)
        layout.addWidget(self.smooth, 3, 0)
        layout.addWidget(self.note, 4, 0, 1, 2)
        layout.setColumnStretch(1, 1)
        self.setValue(Display())

        # CONNECTIONS
        self.planes.idClicked.connect(self._on_changed)
        self.windows.currentIndexChanged.connect(self._on_changed)
        for box in (self.letters, self.linked, self.smooth):
            box.toggled.connect(self._on_changed)

    def value(self) -> Display:
        """Choices as set."""
        return Display(
            plane=self.planes.checkedId(),
            window=self.windows.currentData() or "",
            letters=self.letters.isChecked(),
            linked=self.linked.isChecked(),
            smooth=self.smooth.isChecked(),
        )

    def setValue(self, display: Display) -> None:
        """Show choices, without a signal; a window that is not in the list is one set by hand."""
        with QSignalBlocker(self), QSignalBlocker(self.windows):
            self.plane_buttons[display.plane].setChecked(True)
            self.windows.setCurrentIndex(max(0, self.windows.findData(display.window)))
            self.letters.setChecked(display.letters)
            self.linked.setChecked(display.linked)
            self.smooth.setChecked(display.smooth)

    def set_windows(self, windows: Sequence[tuple[str, str]]) -> None:
        """Offer intensity windows: name, and what the list says; the first entry is by hand."""
        chosen = self.windows.currentData()
        with QSignalBlocker(self.windows):
            self.windows.clear()
            self.windows.addItem(CUSTOM, "")
            for name, label in windows:
                self.windows.addItem(label, name)
            self.windows.setCurrentIndex(max(0, self.windows.findData(chosen)))

    def set_note(self, text: str) -> None:
        """Say what is unusual about the image's orientation; nothing for an empty text."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def next_window(self) -> None:
        """Choose the next window of the list, by hand left out."""
        count = self.windows.count()
        if count > 1:
            self.windows.setCurrentIndex(1 + self.windows.currentIndex() % (count - 1))

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())


def _plane_button(axis: int, key: str) -> QPushButton:
    name = plane_name(axis).capitalize()
    button = QPushButton(name)
    button.setCheckable(True)
    button.setAccessibleName(f"{name} plane")
    button.setToolTip(f"Show the {plane_name(axis)} plane, same point ({key.replace('-', '+')})")
    return button
