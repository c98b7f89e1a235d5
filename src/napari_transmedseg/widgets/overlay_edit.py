"""What of the model's view is shown over the image."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QSlider, QWidget

from napari_transmedseg.widgets.steady_label import SteadyLabel
from napari_transmedseg.widgets.swipe_edit import SwipeEdit

UNCERTAINTY_UNKNOWN = (
    "Uncertainty is not known of this slice: the model tells it of slices that are on screen "
    "while it trains, and of all when it predicts all cases; older predictions have none."
)
OPACITY_STEP = 10
"""Percent that a key adds or takes."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Which overlay layers are shown, and how strongly (0 to 1)."""

    pseudo_label: bool = True
    pseudo_label_opacity: float = 0.9
    uncertainty: bool = False
    uncertainty_opacity: float = 0.6
    is_filled: bool = False
    """Fill the pseudo-label's classes instead of outlining them."""


class OverlayEdit(QWidget):
    """Edits an `Overlay`; holds the swipe, which lays two of them side by side."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.pseudo_label = QCheckBox("Pseudo-label (S)")
        self.pseudo_label.setToolTip("Outline what the model sees on this slice")
        self.pseudo_label_opacity = _slider("Opacity of the pseudo-label")
        self.filled = QCheckBox("Filled (Shift+S)")
        self.filled.setToolTip("Fill what the model sees instead of outlining it")
        self.age = SteadyLabel()
        self.age.setToolTip("How long ago the model looked at the slice on screen")
        self.uncertainty = QCheckBox("Uncertainty (G)")
        self.uncertainty.setToolTip("Brighten where the model is unsure (entropy, 0 to 1)")
        self.uncertainty_opacity = _slider("Opacity of the uncertainty")
        self.unknown = QLabel(UNCERTAINTY_UNKNOWN)
        self.unknown.setToolTip("A slice without brightness is not one that the model is sure of")
        self.unknown.setWordWrap(True)
        self.unknown.setVisible(False)
        self.swipe = SwipeEdit()

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pseudo_label, 0, 0)
        layout.addWidget(self.pseudo_label_opacity, 0, 1)
        layout.addWidget(self.filled, 1, 0)
        layout.addWidget(self.age, 1, 1)
        layout.addWidget(self.uncertainty, 2, 0)
        layout.addWidget(self.uncertainty_opacity, 2, 1)
        layout.addWidget(self.unknown, 3, 0, 1, 2)
        layout.addWidget(self.swipe, 4, 0, 1, 2)
        self.setValue(Overlay())

        # CONNECTIONS
        self.pseudo_label.toggled.connect(self._on_changed)
        self.pseudo_label_opacity.valueChanged.connect(self._on_changed)
        self.filled.toggled.connect(self._on_changed)
        self.uncertainty.toggled.connect(self._on_changed)
        self.uncertainty_opacity.valueChanged.connect(self._on_changed)

    def value(self) -> Overlay:
        """Overlay as set."""
        return Overlay(
            self.pseudo_label.isChecked(), self.pseudo_label_opacity.value() / 100,
            self.uncertainty.isChecked(), self.uncertainty_opacity.value() / 100,
            self.filled.isChecked(),
        )  # fmt: skip

    def setValue(self, overlay: Overlay) -> None:
        """Show an overlay, without a signal."""
        with QSignalBlocker(self):
            self.pseudo_label.setChecked(overlay.pseudo_label)
            self.pseudo_label_opacity.setValue(round(100 * overlay.pseudo_label_opacity))
            self.filled.setChecked(overlay.is_filled)
            self.uncertainty.setChecked(overlay.uncertainty)
            self.uncertainty_opacity.setValue(round(100 * overlay.uncertainty_opacity))

    def set_age(self, seconds: float | None) -> None:
        """Say how old the pseudo-label on screen is; None where there is nothing to say."""
        self.age.setText("" if seconds is None else f"{seconds:.1f} s old")

    def set_uncertainty_known(self, is_known: bool) -> None:
        """Say where the uncertainty is shown, but not known of the slice on screen."""
        self.unknown.setVisible(self.uncertainty.isChecked() and not is_known)

    def fainter(self) -> None:
        """Take some opacity from the overlays that are shown."""
        self._change_opacity(-OPACITY_STEP)

    def stronger(self) -> None:
        """Add some opacity to the overlays that are shown."""
        self._change_opacity(OPACITY_STEP)

    def _change_opacity(self, percent: int) -> None:
        for box, slider in (
            (self.pseudo_label, self.pseudo_label_opacity),
            (self.uncertainty, self.uncertainty_opacity),
        ):
            if box.isChecked():
                slider.setValue(slider.value() + percent)

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())


def _slider(tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setToolTip(f"{tip} (%)")
    slider.setAccessibleName(tip)
    return slider
