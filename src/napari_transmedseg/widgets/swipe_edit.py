"""What the swipe lays side by side, and where its line is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QSlider, QWidget

from napari_transmedseg.project.comparing import BEFORE, LABELS, NOW

NAMES = {BEFORE: "Before this training", NOW: "Pseudo-label now", LABELS: "Your labels"}


@dataclass(frozen=True, slots=True)
class Swipe:
    """Whether two sides are shown, which, and where the line between them is."""

    is_on: bool = False
    left: str = BEFORE
    right: str = NOW
    share: float = 0.5
    """Of the canvas's width, from the left."""


class SwipeEdit(QWidget):
    """Edits a `Swipe`; sides and line are folded away while it is off."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.on = QCheckBox("Swipe: before | after (H)")
        self.on.setToolTip(
            "Part the image by a line: on its left what the model saw before this training, on "
            "its right what it sees now. Drag the line over the image"
        )
        self.left = _choice("Left of the line")
        self.right = _choice("Right of the line")
        self.place = QSlider(Qt.Orientation.Horizontal)
        self.place.setRange(2, 98)
        self.place.setToolTip("Where the line is (% of the image area); or drag the line itself")
        self.place.setAccessibleName("Place of the line")

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.on, 0, 0, 1, 2)
        layout.addWidget(self.left, 1, 0)
        layout.addWidget(self.right, 1, 1)
        layout.addWidget(self.place, 2, 0, 1, 2)
        self.set_runs(())
        self.setValue(Swipe())

        # CONNECTIONS
        self.on.toggled.connect(self._on_changed)
        self.left.currentIndexChanged.connect(self._on_changed)
        self.right.currentIndexChanged.connect(self._on_changed)
        self.place.valueChanged.connect(self._on_changed)

    def value(self) -> Swipe:
        """Choices as set."""
        return Swipe(
            self.on.isChecked(), self.left.currentData(), self.right.currentData(),
            self.place.value() / 100,
        )  # fmt: skip

    def setValue(self, swipe: Swipe) -> None:
        """Show choices, without a signal; a run that is not in the lists is added."""
        with QSignalBlocker(self):
            for box, source in ((self.left, swipe.left), (self.right, swipe.right)):
                if box.findData(source) < 0:
                    box.addItem(source, source)
                box.setCurrentIndex(box.findData(source))
            self.place.setValue(round(100 * swipe.share))
            self.on.setChecked(swipe.is_on)
        self._fold()

    def set_runs(self, run_ids: Sequence[str]) -> None:
        """Offer these runs beside what is no run, without a signal; the choice stays."""
        with QSignalBlocker(self):
            for box, default in ((self.left, BEFORE), (self.right, NOW)):
                chosen = box.currentData() or default
                sources = [*NAMES, *run_ids]
                if chosen not in sources:
                    sources.append(chosen)
                box.clear()
                for source in sources:
                    box.addItem(NAMES.get(source, source), source)
                box.setCurrentIndex(box.findData(chosen))

    def _fold(self) -> None:
        for widget in (self.left, self.right, self.place):
            widget.setVisible(self.on.isChecked())

    def _on_changed(self) -> None:
        self._fold()
        self.valueChanged.emit(self.value())


def _choice(name: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(f"{name}: the prediction before this training or now, your labels, or a run")
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box
