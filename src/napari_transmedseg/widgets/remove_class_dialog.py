"""Asks what becomes of the voxels of a class that is taken away."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QRadioButton, QVBoxLayout, QWidget

from napari_transmedseg.project.class_removal import Become, ClassUsage


class RemoveClassDialog(QDialog):
    """Tells how much is labeled with a class; does not block the window."""

    removeRequested = Signal(int, str)
    """The class, and what its voxels become."""

    def __init__(
        self, value: int, name: str, usage: ClassUsage, notes: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Remove a class")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._value = value

        # WIDGETS
        self.told = QLabel(f"Remove the class “{name}”? {usage.sentence()}")
        self.unknown = QRadioButton("Its voxels become unknown again")
        self.unknown.setToolTip(
            "Slices that held it go back to in progress: nobody has said what is there"
        )
        self.unknown.setChecked(True)
        self.background = QRadioButton("Its voxels become background")
        self.background.setToolTip(
            "Slices that are done stay done; on slices in progress, what is not painted is unknown"
        )
        self.notes = QLabel(notes)
        for label in (self.told, self.notes):
            label.setWordWrap(True)
        if not usage.num_voxels:
            self.unknown.hide()
            self.background.hide()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.remove = self.buttons.addButton("Remove class", QDialogButtonBox.ButtonRole.AcceptRole)
        assert self.remove is not None
        self.remove.setToolTip("Take the class away; the labels before are kept in a backup")

        # LAYOUT
        layout = QVBoxLayout(self)
        for part in (self.told, self.unknown, self.background, self.notes, self.buttons):
            layout.addWidget(part)
        self.resize(460, 200)

        # CONNECTIONS
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)

    def value(self) -> Become:
        """What the voxels are to become."""
        return "unknown" if self.unknown.isChecked() else "background"

    def _on_accepted(self) -> None:
        self.removeRequested.emit(self._value, self.value())
        self.accept()
