"""The parts of the loop, top to bottom, in one column that scrolls."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.widgets.annotate_box import AnnotateBox
from napari_transmedseg.widgets.case_box import CaseBox
from napari_transmedseg.widgets.class_list import ClassList
from napari_transmedseg.widgets.display_box import DisplayBox
from napari_transmedseg.widgets.export_box import ExportBox
from napari_transmedseg.widgets.overlay_edit import OverlayEdit
from napari_transmedseg.widgets.plane_button import PlaneButton
from napari_transmedseg.widgets.review_box import ReviewBox
from napari_transmedseg.widgets.scrolling import scrolling
from napari_transmedseg.widgets.section import Section
from napari_transmedseg.widgets.shortcuts import ShortcutTable
from napari_transmedseg.widgets.steady_label import SteadyLabel
from napari_transmedseg.widgets.train_box import TrainBox
from napari_transmedseg.widgets.wheel_guard import WheelGuard

LAID_OUT_MS = 100
"""Milliseconds after which a part that grew has its new size."""


class LoopPage(QWidget):
    """Lays out the parts; knows nothing of what they do."""

    newRequested = Signal()
    openRequested = Signal()
    addRequested = Signal()
    addFolderRequested = Signal()
    adoptRequested = Signal()
    labelsRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.project_box = QWidget()
        self.name = QLabel()
        self.plane = PlaneButton()
        self.new = _small("New…", "Make another project")
        self.open = _small("Open…", "Open another project")
        self.add = _small("Add images…", "Add images to this project")
        self.add_folder = _small("Add folder…", "Add the images in a folder, DICOM too")
        self.adopt = _small("Use open layers…", "Make cases of image layers that are open")
        self.labels = _small("Bring in labels…", "Take label maps of other programs as annotation")
        self.case_box = CaseBox()
        self.cases = self.case_box.table
        self.classes = ClassList()
        self.annotate = AnnotateBox()
        self.display = DisplayBox()
        self.train = TrainBox()
        self.overlay = OverlayEdit()
        self.review = ReviewBox()
        self.export = ExportBox()
        self.message = SteadyLabel(lines=2, is_selectable=True)
        keys = ShortcutTable()

        # LAYOUT
        grid = QGridLayout(self.project_box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.name, 0, 0, 1, 2)
        grid.addWidget(self.plane, 0, 2)
        for column, button in enumerate((self.new, self.open, self.add)):
            grid.addWidget(button, 1, column)
        for column, button in enumerate((self.add_folder, self.adopt, self.labels)):
            grid.addWidget(button, 2, column)
        grid.addWidget(self.case_box, 3, 0, 1, 3)
        self.sections = {
            "Project": Section("Project", self.project_box),
            "Classes": Section("Classes", self.classes),
            "Annotate": Section("Annotate", self.annotate),
            "Display": Section("Display", self.display),
            "Train": Section("Train", self.train),
            "Overlay": Section("Overlay", self.overlay),
            "Review": Section("Review", self.review),
            "Export": Section("Export", self.export),
            "Shortcuts": Section("Shortcuts", keys, is_open=False),
        }
        body = QWidget()
        parts = QVBoxLayout(body)
        parts.setContentsMargins(4, 2, 8, 2)
        parts.setSpacing(6)
        for section in self.sections.values():
            parts.addWidget(section)
        parts.addStretch()
        self.scroll_area = scrolling(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll_area)
        layout.addWidget(self.message)
        WheelGuard(self.scroll_area)

        # CONNECTIONS
        self.new.clicked.connect(self.newRequested)
        self.open.clicked.connect(self.openRequested)
        self.add.clicked.connect(self.addRequested)
        self.add_folder.clicked.connect(self.addFolderRequested)
        self.adopt.clicked.connect(self.adoptRequested)
        self.labels.clicked.connect(self.labelsRequested)

    def showEvent(self, a0: QShowEvent | None) -> None:
        """Ask for the width at which nothing is cut off; the theme's letters are known now."""
        super().showEvent(a0)
        body, bar = self.scroll_area.widget(), self.scroll_area.verticalScrollBar()
        if body is not None and bar is not None:
            width = body.minimumSizeHint().width() + bar.sizeHint().width()
            self.scroll_area.setMinimumWidth(width)

    def bring_into_view(self, part: QWidget) -> None:
        """Scroll so far that all of a part that just grew is seen."""
        later = QTimer(self)  # goes with the page, should that be closed before
        later.setSingleShot(True)
        later.timeout.connect(lambda: self.scroll_area.ensureWidgetVisible(part, 0, 8))
        later.timeout.connect(later.deleteLater)
        later.start(LAID_OUT_MS)

    def show_part(self, name: str) -> None:
        """Unfold a part and scroll so that it begins at the top."""
        section = self.sections[name]
        section.heading.setChecked(True)
        bar = self.scroll_area.verticalScrollBar()
        if bar is not None:
            bar.setValue(section.y())


def _small(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
