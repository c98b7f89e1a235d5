"""Where and what to export, how far it is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_transmedseg.project.export_options import CLEANUP_WORDS, FORMAT_WORDS, ExportOptions
from napari_transmedseg.widgets.choosing import choose_folder
from napari_transmedseg.widgets.task_progress import TaskProgress


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """Where to export to, and what."""

    folder: str = ""
    options: ExportOptions = field(default_factory=ExportOptions)


class ExportBox(QWidget):
    """Edits an `ExportChoice`, asks for the export, and shows how it goes."""

    valueChanged = Signal(object)
    exportRequested = Signal(object)
    optionsRequested = Signal()
    cancelRequested = Signal()
    openRequested = Signal(object)
    """A file or folder to open outside."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options = ExportOptions()
        self._written = Path()

        # WIDGETS
        self.folder = QLineEdit()
        self.folder.setToolTip("Folder that the masks are written to, with a summary of them")
        self.folder.setAccessibleName("Export folder")
        self.browse = _button("Browse…", "Choose the folder")
        self.reviewed_only = QCheckBox("Only reviewed slices")
        self.reviewed_only.setToolTip("Leave out what no person has annotated or accepted")
        self.options = _button(
            "Options…", "Choose cases, file format, clean-up of predictions, probabilities"
        )
        self.options_label = QLabel()
        self.options_label.setWordWrap(True)
        self.export = _button("Export masks", "Write the masks, each exactly on its image")
        self.progress = TaskProgress(
            "export",
            tip="Cases written so far",
            cancel_tip="Stop after this case; nothing is written then",
        )
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.open_folder = _button("Open folder", "Show the masks in the file manager")
        self.open_summary = _button(
            "Open summary", "Show volumes and who labeled which slice, in the browser"
        )

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.folder, 0, 0)
        layout.addWidget(self.browse, 0, 1)
        layout.addWidget(self.reviewed_only, 1, 0)
        layout.addWidget(self.options, 1, 1)
        layout.addWidget(self.options_label, 2, 0, 1, 2)
        layout.addWidget(self.export, 3, 0, 1, 2)
        layout.addWidget(self.progress, 4, 0, 1, 2)
        layout.addWidget(self.result, 5, 0, 1, 2)
        layout.addWidget(self.open_folder, 6, 0)
        layout.addWidget(self.open_summary, 6, 1)
        layout.setColumnStretch(0, 1)
        self._show_parts(written=False)
        self._describe()

        # CONNECTIONS
        self.folder.textChanged.connect(self._on_changed)
        self.reviewed_only.toggled.connect(self._on_changed)
        self.browse.clicked.connect(self._on_browse)
        self.options.clicked.connect(self.optionsRequested)
        self.export.clicked.connect(self._on_export)
        self.progress.cancelRequested.connect(self.cancelRequested)
        self.open_folder.clicked.connect(self._on_open_folder)
        self.open_summary.clicked.connect(self._on_open_summary)

    def value(self) -> ExportChoice:
        """Choice as set."""
        return ExportChoice(self.folder.text().strip(), self._options)

    def setValue(self, choice: ExportChoice) -> None:
        """Show a choice, without a signal."""
        with QSignalBlocker(self), QSignalBlocker(self.reviewed_only):
            self.folder.setText(choice.folder)
            self.reviewed_only.setChecked(choice.options.reviewed_only)
        self._options = choice.options
        self._describe()

    def begin(self) -> None:
        """Show that an export is under way, and not what became of the one before."""
        self.result.setText("")
        self._show_parts(written=False)
        self.progress.begin()

    def set_result(self, sentence: str, folder: Path | None) -> None:
        """Say how the export ended; with a folder, offer to open it."""
        self._written = folder or Path()
        self.result.setText(sentence)
        self.progress.setVisible(False)
        self._show_parts(written=folder is not None)

    def _show_parts(self, *, written: bool) -> None:
        self.result.setVisible(bool(self.result.text()))
        self.open_folder.setVisible(written)
        self.open_summary.setVisible(written)

    def _describe(self) -> None:
        words = options_in_words(self._options)
        self.options_label.setText(words)
        self.options_label.setVisible(bool(words))

    def _on_changed(self) -> None:
        options = replace(self._options, reviewed_only=self.reviewed_only.isChecked())
        if options.reviewed_only:
            options = replace(options, probabilities=False)
        self._options = options
        self._describe()
        self.valueChanged.emit(self.value())

    def _on_browse(self) -> None:
        folder = choose_folder(self, "Export folder", self.folder.text())
        if folder:
            self.folder.setText(str(Path(folder)))

    def _on_export(self) -> None:
        self.exportRequested.emit(self.value())

    def _on_open_folder(self) -> None:
        self.openRequested.emit(self._written)

    def _on_open_summary(self) -> None:
        self.openRequested.emit(self._written / "export.html")


def options_in_words(options: ExportOptions) -> str:
    """What of an export is not as usual; empty where all is."""
    usual, words = ExportOptions(), []
    if options.cases:
        words.append("only " + ", ".join(options.cases))
    if options.file_format != usual.file_format:
        words.append(FORMAT_WORDS[options.file_format])
    if options.per_class:
        words.append("one file per class")
    if options.cleanup != usual.cleanup:
        words.append(CLEANUP_WORDS[options.cleanup])
    if options.probabilities:
        words.append("with probabilities")
    if options.run_id is not None:
        words.append(f"predictions of {options.run_id}")
    text = "; ".join(words)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
