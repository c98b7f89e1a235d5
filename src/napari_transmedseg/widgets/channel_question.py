"""Asks whether images are channels of one case, and shows the cases that would come of it."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QRadioButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.channel_guess import ChannelGuess
from napari_transmedseg.project.import_options import ImportOptions

_ROWS = 6
_BARS = 24
"""Pixels for the frame and a scroll bar below."""


class ChannelQuestion(QWidget):
    """Its value is options in which the question is answered."""

    valueChanged = Signal()

    def __init__(self, guess: ChannelGuess, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._guess = guess

        # WIDGETS
        told = QLabel(guess.sentence())
        told.setWordWrap(True)
        self.together = QRadioButton("They are channels of one case; the network sees all of them")
        self.together.setToolTip("For images of one person that lie on each other, voxel by voxel")
        self.apart = QRadioButton("Each image is a case of its own")
        self.apart.setToolTip("For images of other persons, or of other times")
        self.first = QComboBox()
        self.first.addItems(guess.names)
        self.first.setAccessibleName("Channel on screen")
        self.first.setToolTip("This one is shown and painted on; masks lie on its voxels")
        self.resample = QCheckBox(_resampling(guess))
        self.resample.setToolTip("Their intensities are interpolated; each case notes it")
        self.resample.setVisible(bool(guess.off_grid))
        self.table = _table(guess)

        # LAYOUT
        shown = QHBoxLayout()
        shown.addWidget(QLabel("First, shown and painted on:"))
        shown.addWidget(self.first)
        shown.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (told, self.together, self.apart, self.table):
            layout.addWidget(part)
        layout.addLayout(shown)
        layout.addWidget(self.resample)
        (self.apart if guess.left_out else self.together).setChecked(True)
        self._offer()

        # CONNECTIONS
        self.together.toggled.connect(self._on_changed)
        self.resample.toggled.connect(self._on_changed)
        self.first.currentIndexChanged.connect(self._on_changed)

    def value(self, options: ImportOptions) -> ImportOptions:
        """Answer, among what is decided otherwise."""
        if not self.together.isChecked():
            return options
        channels = self._guess.options(self.first.currentText())
        return replace(options, channels=channels, resample_channels=self.resample.isChecked())

    @property
    def is_answered(self) -> bool:
        """Whether cases can be made; channels with other voxels have to be allowed."""
        is_aligned = not self._guess.off_grid or self.resample.isChecked()
        return is_aligned or not self.together.isChecked()

    def _on_changed(self, *_: object) -> None:
        self._offer()
        self.valueChanged.emit()

    def _offer(self) -> None:
        for part in (self.table, self.first, self.resample):
            part.setEnabled(self.together.isChecked())


def _table(guess: ChannelGuess) -> QTableWidget:
    table = QTableWidget(len(guess.cases), 1 + len(guess.names))
    table.setHorizontalHeaderLabels(["Case", *guess.names])
    table.setAccessibleName("Cases and their channels")
    table.setToolTip("The cases that would be made, and the image of each channel")
    rows, columns = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None and columns is not None
    rows.setVisible(False)
    columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    columns.setStretchLastSection(True)
    for row, case in enumerate(guess.cases):
        for column, text in enumerate((case.case_id, *case.names)):
            item = QTableWidgetItem(text)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setToolTip(text if column == 0 else str(case.images[column - 1].path))
            table.setItem(row, column, item)
    shown = min(len(guess.cases), _ROWS)
    table.setFixedHeight(columns.sizeHint().height() + shown * rows.defaultSectionSize() + _BARS)
    return table


def _resampling(guess: ChannelGuess) -> str:
    count = len(guess.off_grid)
    where = guess.off_grid[0] if count == 1 else f"{count} cases"
    return f"Bring channels with other voxels onto those of the first (in {where})"
