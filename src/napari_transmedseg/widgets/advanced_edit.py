"""Settings of a training that most people leave alone, folded away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.engine.config import Device, TrainingConfig, validate_config
from napari_transmedseg.errors import ConfigError
from napari_transmedseg.widgets.config_form import ConfigForm, default_config, in_words_of_form


class AdvancedEdit(QWidget):
    """The form of all settings, a way back to the defaults, and whether to begin afresh."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._device = "auto"

        # WIDGETS
        self.start_fresh = QCheckBox("Begin afresh")
        self.start_fresh.setToolTip("Do not use what earlier runs learned; they stay on disk")
        self.start_fresh.setEnabled(False)
        self.reset = QPushButton("Reset to defaults")
        self.reset.setToolTip("Set every setting below back to its default")
        self.form = ConfigForm()
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setVisible(False)

        # LAYOUT
        top = QHBoxLayout()
        top.addWidget(self.start_fresh)
        top.addStretch()
        top.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.problem)
        layout.addWidget(self.form)

        # CONNECTIONS
        self.reset.clicked.connect(self._on_reset)
        self.form.valueChanged.connect(self._on_changed)

    def value(self) -> dict[str, Any]:
        """Fields of `TrainingConfig`; a weight that the method lacks is None."""
        return self.form.value()

    def setValue(self, config: TrainingConfig) -> None:
        """Show a config, without a signal."""
        self.form.setValue(config)
        self._show_problem()

    def show_config(self, config: TrainingConfig) -> None:
        """Show the settings of a project; where it leaves the device open, the Preferences'."""
        device = self._device if config.device == "auto" else config.device
        self.setValue(replace(config, device=cast(Device, device)))

    def set_device(self, device: str) -> None:
        """Take the device of the Preferences as the default, and choose it."""
        if device != self._device:
            self._device = device
            self.form.editors["device"].value = device

    def _on_reset(self) -> None:
        self.setValue(default_config(self._device))
        self.valueChanged.emit(self.value())

    def _on_changed(self, value: object) -> None:
        self._show_problem()
        self.valueChanged.emit(value)

    def _show_problem(self) -> None:
        """Say in a sentence what is wrong with the settings, where something is."""
        try:
            validate_config(TrainingConfig(**self.value()))
        except ConfigError as error:
            self.problem.setText(f"▲ {in_words_of_form(str(error))}")
        else:
            self.problem.setText("")
        self.problem.setVisible(bool(self.problem.text()))
