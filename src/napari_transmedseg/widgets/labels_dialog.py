"""Brings label maps of other programs in: which value is which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.project.known_parts import Known
from napari_transmedseg.project.label_classes import BACKGROUND, UNKNOWN
from napari_transmedseg.project.label_questions import ForeignLabels
from napari_transmedseg.widgets.choosing import choose_file, choose_folder
from napari_transmedseg.widgets.file_filter import FILE_FILTER
from napari_transmedseg.widgets.overlap_edit import OverlapEdit

_COLUMNS = ("In the file", "Voxels", "Cases", "Becomes")
_KNOWN: tuple[tuple[str, Known], ...] = (
    ("All are known; without a label they are empty", "all"),
    ("Those that have labels are done, the others stay open", "slices"),
    ("Those that have labels are in progress, the others stay open", "voxels"),
)
_TABLES = "Label names (*.txt *.ctbl *.csv *.json);;All files (*)"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelsRequest:
    """Label maps to be brought in."""

    found: ForeignLabels
    mapping: dict[str, str]
    """Class, `background` or `unknown` by what the file calls it."""
    replace: bool
    resample: bool
    names: str = ""
    known: Known = "all"
    overlap: OverlapRule | None = None
    who: Mapping[str, str] = field(default_factory=dict)
    """Where they come from, by case; empty: files."""


class LabelsDialog(QDialog):
    """Shows what label maps hold and maps it to classes; does not block the window."""

    lookRequested = Signal(str, str)
    """Path of label maps, and of a file with their names or an empty text."""
    importRequested = Signal(object)

    def __init__(
        self,
        classes: Sequence[str],
        case_id: str = "",
        parent: QWidget | None = None,
        *,
        layers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(parent)
        self._layers = dict(layers or {})  # names of open layers by case, instead of files
        self.setWindowTitle(f"Bring in labels for {case_id}" if case_id else "Bring in labels")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.case_id = case_id
        self._classes = tuple(classes)
        self._found: ForeignLabels | None = None
        self._looked_into = ("", "")

        # WIDGETS
        self.path = _line("Label maps", "A label map, or a folder of them named after the cases")
        self.file = _button("File…", "Choose one label map")
        self.folder = _button("Folder…", "Choose a folder; label maps are named after their cases")
        self.folder.setEnabled(not case_id)
        self.names = _line("Names", "File that names the values, if you have one")
        self.names.setPlaceholderText("optional: names of the values (ITK-SNAP, 3D Slicer)")
        self.names_file = _button("Names…", "Choose a file that names the values")
        self.told = QLabel("Choose label maps that lie on the images of this project.")
        self.told.setWordWrap(True)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setAccessibleName("Values and classes")
        self.table.setToolTip("Choose what each value of the label maps becomes")
        columns, rows = self.table.horizontalHeader(), self.table.verticalHeader()
        assert columns is not None and rows is not None
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        rows.setVisible(False)
        self.overlap = OverlapEdit()
        self.known = QComboBox()
        for text, known in _KNOWN:
            self.known.addItem(text, known)
        self.known.setAccessibleName("Slices")
        self.known.setToolTip(
            "What is known of the slices; where a slice is open, nothing counts as background"
        )
        self.replace = QCheckBox("Replace labels that these cases have already")
        self.replace.setToolTip("Without this, cases with labels are refused")
        self.resample = QCheckBox("Resample label maps that have other voxels than the image")
        self.resample.setToolTip("What is lost by it is told for each class")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        ok = self.buttons.addButton("Bring in", QDialogButtonBox.ButtonRole.AcceptRole)
        assert ok is not None
        self.ok = ok

        # LAYOUT
        layout = QVBoxLayout(self)
        for parts in ((self.path, self.file, self.folder), (self.names, self.names_file)):
            line = QHBoxLayout()
            for control in parts:
                line.addWidget(control)
            layout.addLayout(line)
        slices = QHBoxLayout()
        slices.addWidget(QLabel("Slices"))
        slices.addWidget(self.known, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.table)
        layout.addWidget(self.overlap)
        layout.addLayout(slices)
        for part in (self.replace, self.resample, self.buttons):
            layout.addWidget(part)
        self.resize(560, 440)
        if self._layers:
            self._take_layers()
        self._offer()

        # CONNECTIONS
        self.path.editingFinished.connect(self._on_path)
        self.names.editingFinished.connect(self._on_path)
        self.file.clicked.connect(self._on_file)
        self.folder.clicked.connect(self._on_folder)
        self.names_file.clicked.connect(self._on_names)
        self.replace.toggled.connect(self._offer)
        self.resample.toggled.connect(self._offer)
        self.overlap.valueChanged.connect(self._on_overlap)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)

    def set_found(self, found: ForeignLabels | None) -> None:
        """Show what the chosen label maps hold; None: nothing that can be brought in."""
        before = {} if self._found is None else self._mapping()
        self._found = found
        self.overlap.set_shared(() if found is None else found.overlaps)
        labels = () if found is None else found.labels
        self.table.setRowCount(len(labels))
        for row, label in enumerate(labels):
            for column, text in enumerate(
                (label.key, f"{label.num_voxels:,}", str(label.num_cases))
            ):
                item = QTableWidgetItem(text)
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(row, column, item)
            choice = QComboBox()
            choice.addItems([*self._classes, BACKGROUND, UNKNOWN])
            choice.setCurrentText(before.get(label.key, label.suggestion))
            choice.setAccessibleName(f"Class of {label.key}")
            choice.setToolTip(f"What the voxels of {label.key} become; unknown: left open")
            self.table.setCellWidget(row, len(_COLUMNS) - 1, choice)
        self._offer()

    def value(self) -> LabelsRequest | None:
        """What is to be brought in, and how; None where nothing was found."""
        if self._found is None:
            return None
        return LabelsRequest(
            found=self._found,
            mapping=self._mapping(),
            replace=self.replace.isChecked(),
            resample=self.resample.isChecked(),
            names=self.names.text().strip(),
            known=self.known.currentData(),
            overlap=self.overlap.value(),
            who={case_id: f"layer {name}" for case_id, name in self._layers.items()},
        )

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Enter in a line looks into its path, and takes nothing yet."""
        if a0 is None or a0.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(a0)

    def _take_layers(self) -> None:
        """Ask about open layers: there are no files to choose, and nothing is replaced."""
        self.setWindowTitle("Take over open labels")
        for part in (self.path, self.file, self.folder, self.names, self.names_file):
            part.hide()
        columns = ("In the layer", *_COLUMNS[1:])
        self.table.setHorizontalHeaderLabels(columns)
        self.known.setCurrentIndex(1)

    def _mapping(self) -> dict[str, str]:
        assert self._found is not None
        chosen = {}
        for row, label in enumerate(self._found.labels):
            box = self.table.cellWidget(row, len(_COLUMNS) - 1)
            assert isinstance(box, QComboBox)
            chosen[label.key] = box.currentText()
        return chosen

    def _offer(self, *_: object) -> None:
        found = self._found
        self.replace.setVisible(bool(found and found.annotated) and not self._layers)
        self.resample.setVisible(bool(found and found.off_grid))
        is_open = found is not None and bool(found.files)
        if found is not None:
            self.told.setText(_told(found, self._layers))
            is_open &= not found.overlaps or self.overlap.value() is not None
            is_open &= not found.annotated or self.replace.isChecked()
            is_open &= not found.off_grid or self.resample.isChecked()
        self.ok.setEnabled(is_open)
        self.ok.setToolTip(
            "Take these labels as annotation" if is_open
            else "Choose label maps, and answer what is asked about them"
        )  # fmt: skip

    def _on_overlap(self) -> None:
        self._offer()
        if self._looked_into[0] and self.overlap.value() is not None:  # counts are others now
            self.lookRequested.emit(*self._looked_into)

    def _on_path(self) -> None:
        wanted = (self.path.text().strip(), self.names.text().strip())
        if wanted[0] and wanted != self._looked_into:
            self._looked_into, self._found = wanted, None
            self.lookRequested.emit(*wanted)

    def _on_file(self) -> None:
        self._take(self.path, choose_file(self, "Label map", FILE_FILTER))

    def _on_folder(self) -> None:
        self._take(self.path, choose_folder(self, "Folder of label maps"))

    def _on_names(self) -> None:
        self._take(self.names, choose_file(self, "Names of the values", _TABLES))

    def _take(self, line: QLineEdit, name: str) -> None:
        if name:
            line.setText(str(Path(name)))
            self._on_path()

    def _on_accepted(self) -> None:
        request = self.value()
        if request is not None:
            self.importRequested.emit(request)


def _told(found: ForeignLabels, layers: Mapping[str, str]) -> str:
    count = len(found.files)
    if layers:
        pairs = [f"‘{name}’ for {case_id}" for case_id, name in layers.items()]
        return " ".join([f"Labels of open layers: {_some(pairs)}.", *found.advice])
    told = [f"{count} label map{'s' if count != 1 else ''} for cases of this project."]
    if found.annotated:
        told.append(f"Labels are there already in {_some(found.annotated)}.")
    if found.off_grid:
        told.append(f"Other voxels than the image in {_some(found.off_grid)}.")
    return " ".join([*told, *found.advice])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _line(name: str, tip: str) -> QLineEdit:
    line = QLineEdit()
    line.setAccessibleName(name)
    line.setPlaceholderText(tip)
    line.setToolTip(tip)
    return line


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
