"""Opening a project folder, and the question where that is not to be done without asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.errors import ProjectError, ProjectHeldError, UnlinkedError

if TYPE_CHECKING:
    from napari_transmedseg.widgets.desk import Desk

_READ_ONLY = ("Open read-only", "Look at it, and change nothing.", {"read_only": True})
_TAKE_OVER = (
    "Take over",
    "Only if nobody works there any more: the other program stops at its next save, and what it "
    "had not saved becomes a snapshot.",
    {"take_over": True},
)
_LINK = (
    "Link these files",
    "Only if you trust whoever made the project: its files outside the folder may be read.",
    {"trust_links": True},
)


class OpenQuestion(QDialog):
    """Says what speaks against opening a project, and offers what can be done; blocks nothing."""

    chosen = Signal(object)
    """How to open it: keyword arguments of `Project.open`."""

    def __init__(self, error: ProjectError, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("TransMedSeg")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        offers = (_LINK,) if isinstance(error, UnlinkedError) else (_READ_ONLY, _TAKE_OVER)

        # WIDGETS
        self.label = QLabel(str(error))
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.offers = [QPushButton(name) for name, _, _ in offers]
        for button, (name, tooltip, _) in zip(self.offers, offers, strict=True):
            button.setToolTip(tooltip)
            button.setAccessibleName(name)
            self._buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        cancel = self._buttons.button(QDialogButtonBox.StandardButton.Cancel)
        if cancel is not None:
            cancel.setDefault(True)
            cancel.setToolTip("Leave it closed.")

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        layout.addWidget(self._buttons)
        self.resize(520, 120)

        # CONNECTIONS
        self._buttons.rejected.connect(self.close)
        for button, (_, _, choice) in zip(self.offers, offers, strict=True):
            button.clicked.connect(lambda _=False, choice=choice: self._choose(choice))

    def _choose(self, choice: dict[str, bool]) -> None:
        self.close()
        self.chosen.emit(choice)


def open_folder(
    desk: Desk, change_project: Callable[[Callable[[], None]], None], folder: Path
) -> None:
    """Open a project folder; ask where another program holds it or it leads outside."""

    def attempt(choice: dict[str, bool]) -> None:
        try:
            change_project(lambda: desk.projects.open(folder, **choice))
        except (ProjectHeldError, UnlinkedError) as error:
            question = OpenQuestion(error, parent=desk.window)
            question.chosen.connect(desk.slot(attempt))
            question.open()

    desk.slot(attempt)({})
