"""The first screen: three ways to begin."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget


class StartPage(QWidget):
    """New project, open project, or try the sample."""

    newRequested = Signal()
    openRequested = Signal()
    sampleRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.title = QLabel("Segment a cohort from a few annotated slices")
        self.title.setWordWrap(True)
        self.new = _choice("New project…", "Choose images and name the classes")
        self.open = _choice("Open project…", "Go on with a project folder")
        self.sample = _choice("Try the sample", "Make a project of eight synthetic hearts")
        self.hint = QLabel("You can also drop images, folders or a project folder here.")
        self.hint.setWordWrap(True)
        for label in (self.title, self.hint):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(self.title)
        for button in (self.new, self.open, self.sample):
            layout.addWidget(button)
        layout.addWidget(self.hint)
        layout.addStretch(2)

        # CONNECTIONS
        self.new.clicked.connect(self.newRequested)
        self.open.clicked.connect(self.openRequested)
        self.sample.clicked.connect(self.sampleRequested)


def _choice(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setMinimumHeight(36)
    return button
