"""Settings of a training that most people leave alone, folded away."""

from __future__ import annotations

from typing import Any, get_args

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_transmedseg.engine.config import (
    DEFAULT_GRAPH_WEIGHT,
    DEFAULT_TSA_WEIGHT,
    METHODS_WITH_GRAPH,
    METHODS_WITH_TSA,
    NETWORKS,
    Device,
    Dimensions,
    Method,
    Preset,
    TrainingConfig,
)

_AUTO = -1
"""Stands for a setting that the training decides itself."""


class AdvancedEdit(QWidget):
    """Edits the fields of `TrainingConfig` that are no budget."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.method = _choice(Method, "Training method; the later ones leave terms out")
        self.preset = _choice(Preset, "default: made for minutes; paper: the published recipe")
        self.device = _choice(Device, "Where to train; auto takes the fastest")
        self.dimensions = _choice(
            Dimensions, "Learn from slices (2d) or volumes (3d); auto decides from the images"
        )
        self.network = _choice(("auto", *NETWORKS), "Network; auto: the method's own")
        self.graph_weight = _weight(DEFAULT_GRAPH_WEIGHT, "Weight of the graph-clustering term")
        self.tsa_weight = _weight(DEFAULT_TSA_WEIGHT, "Weight of the semantic augmentation term")
        self.validation_share = QSpinBox()
        self.validation_share.setRange(_AUTO, 50)
        self.validation_share.setSpecialValueText("auto")
        self.validation_share.setSuffix(" %")
        self.validation_share.setToolTip(
            "Annotated slices held out to measure Dice; auto: a tenth where there are enough"
        )
        self.largest_component = QLineEdit()
        self.largest_component.setToolTip(
            "Classes of which only the largest piece is kept: auto (as annotated), all, none, or "
            "names separated by commas"
        )
        self.start_fresh = QCheckBox("begin afresh")
        self.start_fresh.setToolTip("Do not use what earlier runs learned; they stay on disk")
        self.start_fresh.setEnabled(False)
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Seed of everything random in the run")

        # LAYOUT
        layout = QFormLayout(self)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addRow("Method", self.method)
        layout.addRow("Preset", self.preset)
        layout.addRow("Device", self.device)
        layout.addRow("Dimensions", self.dimensions)
        layout.addRow("Network", self.network)
        layout.addRow("Graph weight γ", self.graph_weight)
        layout.addRow("TSA weight β", self.tsa_weight)
        layout.addRow("Held out", self.validation_share)
        layout.addRow("One piece", self.largest_component)
        layout.addRow("Seed", self.seed)
        layout.addRow("Earlier runs", self.start_fresh)
        self.setValue(TrainingConfig())

        # CONNECTIONS
        self.method.currentTextChanged.connect(self._on_changed)
        self.preset.currentTextChanged.connect(self._on_changed)
        self.device.currentTextChanged.connect(self._on_changed)
        self.dimensions.currentTextChanged.connect(self._on_changed)
        self.network.currentTextChanged.connect(self._on_changed)
        self.graph_weight.valueChanged.connect(self._on_changed)
        self.tsa_weight.valueChanged.connect(self._on_changed)
        self.validation_share.valueChanged.connect(self._on_changed)
        self.largest_component.textChanged.connect(self._on_changed)
        self.seed.valueChanged.connect(self._on_changed)

    def value(self) -> dict[str, Any]:
        """Fields of `TrainingConfig`; a weight that the method lacks is None."""
        held_out = self.validation_share.value()
        return {
            "method": self.method.currentText(),
            "preset": self.preset.currentText(),
            "device": self.device.currentText(),
            "dimensions": self.dimensions.currentText(),
            "network": self.network.currentText(),
            "graph_weight": self.graph_weight.value() if self.graph_weight.isEnabled() else None,
            "tsa_weight": self.tsa_weight.value() if self.tsa_weight.isEnabled() else None,
            "validation_share": None if held_out == _AUTO else held_out / 100,
            "largest_component": self.largest_component.text().strip() or "auto",
            "seed": self.seed.value(),
        }

    def setValue(self, config: TrainingConfig) -> None:
        """Show a config, without a signal."""
        with QSignalBlocker(self):
            self.method.setCurrentText(config.method)
            self.preset.setCurrentText(config.preset)
            self.device.setCurrentText(config.device)
            self.dimensions.setCurrentText(config.dimensions)
            self.network.setCurrentText(config.network)
            graph, tsa = config.graph_weight, config.tsa_weight
            self.graph_weight.setValue(DEFAULT_GRAPH_WEIGHT if graph is None else graph)
            self.tsa_weight.setValue(DEFAULT_TSA_WEIGHT if tsa is None else tsa)
            share = config.validation_share
            self.validation_share.setValue(_AUTO if share is None else round(100 * share))
            self.largest_component.setText(config.largest_component)
            self.seed.setValue(config.seed)
            self._enable_weights()

    def _enable_weights(self) -> None:
        method = self.method.currentText()
        self.graph_weight.setEnabled(method in METHODS_WITH_GRAPH)
        self.tsa_weight.setEnabled(method in METHODS_WITH_TSA)

    def _on_changed(self) -> None:
        self._enable_weights()
        self.valueChanged.emit(self.value())


def _choice(values: Any, tip: str) -> QComboBox:
    box = QComboBox()
    box.addItems(get_args(values) or values)
    box.setToolTip(tip)
    return box


def _weight(default: float, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, 10.0)
    box.setSingleStep(0.05)
    box.setToolTip(f"{tip}, without a unit (paper: {default:g})")
    return box
