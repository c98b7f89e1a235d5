"""What of the model's view is shown over the image."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QSlider, QWidget


@dataclass(frozen=True, slots=True)
class Overlay:
    """Which overlay layers are shown, and how strongly (0 to 1)."""

    pseudo_label: bool = True
    pseudo_label_opacity: float = 0.9
    uncertainty: bool = False
    uncertainty_opacity: float = 0.6


class OverlayEdit(QWidget):
    """Edits an `Overlay`."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.pseudo_label = QCheckBox("Pseudo-label (S)")
        self.pseudo_label.setToolTip("Outline what the model sees on this slice")
        self.pseudo_label_opacity = _slider("Opacity of the pseudo-label")
        self.uncertainty = QCheckBox("Uncertainty (G)")
        self.uncertainty.setToolTip("Brighten where the model is unsure (entropy, 0 to 1)")
        self.uncertainty_opacity = _slider("Opacity of the uncertainty")

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pseudo_label, 0, 0)
        layout.addWidget(self.pseudo_label_opacity, 0, 1)
        layout.addWidget(self.uncertainty, 1, 0)
        layout.addWidget(self.uncertainty_opacity, 1, 1)
        self.setValue(Overlay())

        # CONNECTIONS
        self.pseudo_label.toggled.connect(self._on_changed)
        self.pseudo_label_opacity.valueChanged.connect(self._on_changed)
        self.uncertainty.toggled.connect(self._on_changed)
        self.uncertainty_opacity.valueChanged.connect(self._on_changed)

    def value(self) -> Overlay:
        """Overlay as set."""
        return Overlay(
            self.pseudo_label.isChecked(), self.pseudo_label_opacity.value() / 100,
            self.uncertainty.isChecked(), self.uncertainty_opacity.value() / 100,
        )  # fmt: skip

    def setValue(self, overlay: Overlay) -> None:
        """Show an overlay, without a signal."""
        with QSignalBlocker(self):
            self.pseudo_label.setChecked(overlay.pseudo_label)
            self.pseudo_label_opacity.setValue(round(100 * overlay.pseudo_label_opacity))
            self.uncertainty.setChecked(overlay.uncertainty)
            self.uncertainty_opacity.setValue(round(100 * overlay.uncertainty_opacity))

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())


def _slider(tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setToolTip(f"{tip} (%)")
    slider.setAccessibleName(tip)
    return slider
