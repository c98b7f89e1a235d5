"""All choices of an export in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.export_options import (
    CLEANUP_WORDS,
    FORMAT_WORDS,
    ExportOptions,
)

DICOM_SEG = "dicom-seg"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOffer:
    """What there is to choose from."""

    cases: Sequence[str] = ()
    """All cases of the project."""
    shown_case: str = ""
    """The case on screen; empty when none is."""
    runs: Sequence[str] = ()
    """Runs that predicted something, the latest first."""
    is_dicom: bool = False
    """Whether a case comes from a DICOM series."""


class ExportDialog(QDialog):
    """Edits `ExportOptions`; does not block the window."""

    accepted_options = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export options")

        # WIDGETS
        self.cases = _choice("Cases", "Export all cases, or the one on screen")
        self.reviewed_only = QCheckBox("Only what a person annotated or accepted")
        self.reviewed_only.setToolTip(
            "Everything else stays background, and a known mask beside each file says what counts"
        )
        self.files = _choice("Files", "One label map per case, or a mask of 0 and 1 per class")
        self.files.addItem("One file per case, all classes", False)
        self.files.addItem("One file per class", True)
        self.format = _choice("Format", "File format; every one keeps the image's exact place")
        for name, words in FORMAT_WORDS.items():
            self.format.addItem(words, name)
        self.cleanup = _choice(
            "Predicted voxels", "Clean what the model predicted; what you annotated never changes"
        )
        for cleanup, words in CLEANUP_WORDS.items():
            self.cleanup.addItem(words[0].upper() + words[1:], cleanup)
        self.run = _choice("Model", "Which training's predictions fill what nobody annotated")
        self.probabilities = QCheckBox("Also the probability of each class (takes longer)")
        self.probabilities.setToolTip("Volumes of values from 0 to 1 by the model, as NIfTI")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.RestoreDefaults
            | QDialogButtonBox.StandardButton.Cancel
        )
        note = QLabel(
            "Beside the masks: volumes in ml and who labeled which slice, as a page and as tables."
        )
        note.setWordWrap(True)

        # LAYOUT
        form = QFormLayout()
        form.addRow("Cases", self.cases)
        form.addRow("", self.reviewed_only)
        form.addRow("Files", self.files)
        form.addRow("Format", self.format)
        form.addRow("Model", self.run)
        form.addRow("Predicted voxels", self.cleanup)
        form.addRow("", self.probabilities)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(note)
        layout.addWidget(self.buttons)
        self.set_offer(ExportOffer())

        # CONNECTIONS
        self.reviewed_only.toggled.connect(self._on_reviewed_only)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)
        defaults = self.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        if defaults is not None:
            defaults.setToolTip("All cases as one compressed NIfTI each")
            defaults.clicked.connect(self._on_defaults)

    def set_offer(self, offer: ExportOffer) -> None:
        """Show what there is to choose from."""
        self._offer = offer
        with QSignalBlocker(self):
            self.cases.clear()
            count = len(offer.cases)
            self.cases.addItem("The only case" if count == 1 else f"All {count} cases", ())
            if offer.shown_case:
                self._row_of((offer.shown_case,))
            self.run.clear()
            self.run.addItem("The latest that predicted the case", None)
            for run_id in offer.runs:
                self.run.addItem(run_id, run_id)
        model, row = self.format.model(), self.format.findData(DICOM_SEG)
        item = model.item(row) if isinstance(model, QStandardItemModel) else None
        if item is not None:
            item.setEnabled(offer.is_dicom)

    def value(self) -> ExportOptions:
        """Options as set."""
        return ExportOptions(
            cases=tuple(self.cases.currentData() or ()),
            reviewed_only=self.reviewed_only.isChecked(),
            run_id=self.run.currentData(),
            file_format=self.format.currentData(),
            per_class=bool(self.files.currentData()),
            probabilities=self.probabilities.isChecked(),
            cleanup=self.cleanup.currentData(),
        )

    def setValue(self, options: ExportOptions) -> None:
        """Show options; cases or a run that are no more fall back to the first entry."""
        is_there = set(options.cases) <= set(self._offer.cases)
        self.cases.setCurrentIndex(self._row_of(tuple(options.cases)) if is_there else 0)
        self.reviewed_only.setChecked(options.reviewed_only)
        self.run.setCurrentIndex(max(0, self.run.findData(options.run_id)))
        self.format.setCurrentIndex(self.format.findData(options.file_format))
        self.files.setCurrentIndex(self.files.findData(options.per_class))
        self.cleanup.setCurrentIndex(self.cleanup.findData(options.cleanup))
        self.probabilities.setChecked(options.probabilities)
        self._on_reviewed_only(options.reviewed_only)

    def _row_of(self, cases: tuple[str, ...]) -> int:
        """Row of chosen cases, which is added where they are not on screen."""
        rows = [tuple(self.cases.itemData(row)) for row in range(self.cases.count())]
        if cases not in rows:
            self.cases.addItem(f"Only {', '.join(cases)}", cases)
            return len(rows)
        return rows.index(cases)

    def _on_reviewed_only(self, checked: bool) -> None:
        """Without predictions there is nothing to clean and no model to ask."""
        for widget in (self.run, self.cleanup, self.probabilities):
            widget.setEnabled(not checked)
        if checked:
            self.probabilities.setChecked(False)

    def _on_defaults(self) -> None:
        self.setValue(ExportOptions())

    def _on_accepted(self) -> None:
        self.accepted_options.emit(self.value())
        self.accept()


def _choice(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return box
