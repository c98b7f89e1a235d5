"""The first screen: three ways to begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.recent import RecentProject
from napari_transmedseg.widgets.scrolling import scrolling


class StartPage(QWidget):
    """New project, open project (or one of the last), or try the sample."""

    newRequested = Signal()
    openRequested = Signal()
    recentRequested = Signal(str)
    """Folder of a project that was open before."""
    sampleRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.title = QLabel("Segment a cohort from a few annotated slices")
        self.title.setWordWrap(True)
        self.new = _choice("New project…", "Choose images and name the classes")
        self.open = _choice("Open project…", "Go on with a project folder")
        self.recent = QListWidget()
        self.recent.setAccessibleName("Recent projects")
        self.recent.setToolTip("Click a project that was open before, or choose it with Enter")
        self.recent.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.recent.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.sample = _choice("Try the sample", "Make a project of eight synthetic hearts")
        self.hint = QLabel("You can also drop images, folders or a project folder here.")
        self.hint.setWordWrap(True)
        for label in (self.title, self.hint):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)

        # LAYOUT
        body = QWidget()
        parts = QVBoxLayout(body)
        parts.addStretch(1)
        for part in (self.title, self.new, self.open, self.recent, self.sample, self.hint):
            parts.addWidget(part)
        parts.addStretch(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolling(body))  # below napari's own panels little height is left

        # CONNECTIONS
        self.new.clicked.connect(self.newRequested)
        self.open.clicked.connect(self.openRequested)
        self.sample.clicked.connect(self.sampleRequested)
        self.recent.itemClicked.connect(self._on_recent)
        self.recent.itemActivated.connect(self._on_recent)
        self.set_recent([])

    def set_recent(self, projects: Sequence[RecentProject]) -> None:
        """Show the projects that were open last; those that are gone are grey and say why."""
        self.recent.clear()
        for one in projects:
            self.recent.addItem(_item_of(one))
        self.recent.setVisible(bool(projects))
        height = self.recent.sizeHintForRow(0) * len(projects) + 2 * self.recent.frameWidth()
        self.recent.setFixedHeight(max(1, height))

    def _on_recent(self, item: QListWidgetItem) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.recentRequested.emit(str(item.data(Qt.ItemDataRole.UserRole)))


def _item_of(project: RecentProject) -> QListWidgetItem:
    folder: Path = project.folder
    text = f"{folder.name} — {project.problem}" if project.problem else folder.name
    item = QListWidgetItem(f"{text}\n{folder.parent}")
    item.setData(Qt.ItemDataRole.UserRole, str(folder))
    item.setToolTip(f"{folder}\n{project.problem}".strip())
    if project.problem:
        item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item


def _choice(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setMinimumHeight(36)
    return button
