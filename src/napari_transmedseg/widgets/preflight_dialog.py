"""What a training would learn from, what stands in its way, and slices to mark done first."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.preflight import OpenSlice, Preflight, Severity

LIGHTS: dict[Severity, tuple[str, str]] = {
    "obstacle": ("◆", "#d55e00"),
    "advice": ("▲", "#e69f00"),
    "fact": ("●", "#009e73"),
}
"""Shape and colour, so that either is enough."""
MAX_LIST_HEIGHT = 130


class PreflightDialog(QDialog):
    """Shows a `Preflight`; does not block the window."""

    startRequested = Signal(object)
    """Slices to mark done (a list of `OpenSlice`), then train."""
    doneRequested = Signal(object)
    """Slices to mark done, and nothing more."""

    def __init__(self, found: Preflight, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Before training")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        # WIDGETS
        self.text = QLabel(lines_as_html(found))
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        scroll = QScrollArea()
        scroll.setWidget(self.text)
        scroll.setWidgetResizable(True)
        self.question = QLabel("Mark as done (the rest of the slice is background):")
        self.slices = QListWidget()
        self.slices.setToolTip("Tick the slices that you finished; Space ticks the chosen one")
        self.slices.setAccessibleName("Slices in progress")
        self.slices.setMaximumHeight(MAX_LIST_HEIGHT)
        for one in found.in_progress:
            self.slices.addItem(_item(one))
        self.tick_all = _button("Tick all", "Tick every slice in progress")
        self.mark = _button("Mark done", "Mark the ticked slices done; do not train yet")
        self.start = _button("Start training", "Mark the ticked slices done and train")
        self.start.setEnabled(found.is_clear)
        self.start.setDefault(found.is_clear)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in (self.tick_all, self.mark, self.start):
            self.buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        for widget in (self.question, self.slices, self.tick_all, self.mark):
            widget.setVisible(bool(found.in_progress))

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.question)
        layout.addWidget(self.slices)
        layout.addWidget(self.buttons)
        self.resize(520, 440 if found.in_progress else 320)

        # CONNECTIONS
        self.tick_all.clicked.connect(self._on_tick_all)
        self.mark.clicked.connect(self._on_mark)
        self.start.clicked.connect(self._on_start)
        self.buttons.rejected.connect(self.close)

    def value(self) -> list[OpenSlice]:
        """Slices that are ticked."""
        items = [self.slices.item(row) for row in range(self.slices.count())]
        return [
            item.data(Qt.ItemDataRole.UserRole)
            for item in items
            if item is not None and item.checkState() == Qt.CheckState.Checked
        ]

    def _on_tick_all(self) -> None:
        for row in range(self.slices.count()):
            item = self.slices.item(row)
            if item is not None:
                item.setCheckState(Qt.CheckState.Checked)

    def _on_mark(self) -> None:
        self.doneRequested.emit(self.value())
        self.close()

    def _on_start(self) -> None:
        self.startRequested.emit(self.value())
        self.close()


def lines_as_html(found: Preflight) -> str:
    """Sentences with their lights, one a line."""
    lines = []
    for line in found.lines:
        shape, color = LIGHTS[line.severity]
        lines.append(f'<span style="color:{color}">{shape}</span> {escape(line.sentence)}')
    return "<br>".join(lines)


def _item(one: OpenSlice) -> QListWidgetItem:
    item = QListWidgetItem(f"{one.case_id}, slice {one.index + 1}")
    item.setData(Qt.ItemDataRole.UserRole, one)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(Qt.CheckState.Unchecked)
    return item


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
