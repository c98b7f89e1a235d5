"""How long a training may take: minutes or steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QWidget

from napari_transmedseg.engine.config import DEFAULT_MINUTES, TrainingConfig

UNITS = ("minutes", "steps")


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget in minutes or in steps."""

    amount: int = 10
    unit: str = "minutes"

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of `TrainingConfig` that it sets."""
        return {self.unit: self.amount}


def budget_of(config: TrainingConfig) -> Budget:
    """Budget of a config, in whole minutes."""
    if config.steps is not None:
        return Budget(config.steps, "steps")
    return Budget(max(1, round(config.minutes or DEFAULT_MINUTES)), "minutes")


class BudgetEdit(QWidget):
    """Edits a `Budget`."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.amount = QSpinBox()
        self.amount.setRange(1, 1_000_000)
        self.amount.setToolTip("How long to train; you can stop earlier and keep the result")
        self.amount.setAccessibleName("Training budget")
        self.unit = QComboBox()
        self.unit.addItems(UNITS)
        self.unit.setToolTip("Train for so many minutes or for so many steps")
        self.unit.setAccessibleName("Unit of the training budget")

        # LAYOUT
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.amount, 1)
        layout.addWidget(self.unit, 1)
        self.setValue(Budget())

        # CONNECTIONS
        self.amount.valueChanged.connect(self._on_changed)
        self.unit.currentTextChanged.connect(self._on_changed)

    def value(self) -> Budget:
        """Budget as shown."""
        return Budget(self.amount.value(), self.unit.currentText())

    def setValue(self, budget: Budget) -> None:
        """Show a budget, without a signal."""
        with QSignalBlocker(self.amount), QSignalBlocker(self.unit):
            self.amount.setValue(budget.amount)
            self.unit.setCurrentText(budget.unit)

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())
