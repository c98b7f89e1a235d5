"""Export of the masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """Where to export to, and whether only what was reviewed."""

    folder: str = ""
    reviewed_only: bool = False


class ExportBox(QWidget):
    """Edits an `ExportChoice` and asks for the export."""

    valueChanged = Signal(object)
    exportRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.folder = QLineEdit()
        self.folder.setToolTip("Folder that the masks are written to, one NIfTI file per case")
        self.folder.setAccessibleName("Export folder")
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip("Choose the folder")
        self.reviewed_only = QCheckBox("Only reviewed slices")
        self.reviewed_only.setToolTip("Leave out what no person has annotated or accepted")
        self.export = QPushButton("Export masks")
        self.export.setToolTip("Write the masks, each exactly on its image")

        # LAYOUT
        grid = QGridLayout()
        grid.addWidget(self.folder, 0, 0)
        grid.addWidget(self.browse, 0, 1)
        grid.addWidget(self.reviewed_only, 1, 0)
        grid.addWidget(self.export, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)

        # CONNECTIONS
        self.folder.textChanged.connect(self._on_changed)
        self.reviewed_only.toggled.connect(self._on_changed)
        self.browse.clicked.connect(self._on_browse)
        self.export.clicked.connect(self._on_export)

    def value(self) -> ExportChoice:
        """Choice as set."""
        return ExportChoice(self.folder.text().strip(), self.reviewed_only.isChecked())

    def setValue(self, choice: ExportChoice) -> None:
        """Show a choice, without a signal."""
        with QSignalBlocker(self):
            self.folder.setText(choice.folder)
            self.reviewed_only.setChecked(choice.reviewed_only)

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())

    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export folder", self.folder.text())
        if folder:
            self.folder.setText(str(Path(folder)))

    def _on_export(self) -> None:
        self.exportRequested.emit(self.value())
