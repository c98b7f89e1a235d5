"""Review of predicted slices, and export of the masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


class ReviewBox(QWidget):
    """Asks to accept the predicted slice, or to predict all cases."""

    acceptRequested = Signal()
    predictRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.status = QLabel("No prediction for this slice yet.")
        self.status.setWordWrap(True)
        self.accept = QPushButton("Accept slice (A)")
        self.accept.setToolTip(
            "Take what was predicted into your labels, so that the whole slice is known. What "
            "you painted stays. Ctrl+Z takes it back."
        )
        self.predict = QPushButton("Predict all cases")
        self.predict.setToolTip("Predict every slice of every case with the latest training")

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.status, 0, 0, 1, 2)
        layout.addWidget(self.accept, 1, 0)
        layout.addWidget(self.predict, 1, 1)

        # CONNECTIONS
        self.accept.clicked.connect(self.acceptRequested)
        self.predict.clicked.connect(self.predictRequested)
        self.setValue(is_predicted=False, is_open=True)

    def setValue(self, *, is_predicted: bool, is_open: bool, is_early: bool = False) -> None:
        """Show whether the slice on screen was predicted, and whether it is still open.

        `is_early`: the model that predicts has hardly learned yet.
        """
        self.accept.setEnabled(is_predicted and is_open)
        if not is_predicted:
            self.status.setText("No prediction for this slice yet: train, or predict all cases.")
        elif is_open and is_early:
            self.status.setText("Predicted, but the model has hardly learned yet: look closely.")
        elif is_open:
            self.status.setText("Predicted: accept it, or paint over it first.")
        else:
            self.status.setText("This slice is already in your labels.")


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
