"""Earlier states of a case's annotation: a list, and the way back to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.snapshots import Snapshot


class SnapshotsDialog(QDialog):
    """Shows the `Snapshot`s of a case and asks to restore one; does not block the window."""

    restoreRequested = Signal(str)
    """Id of the snapshot to go back to."""

    def __init__(
        self, case_id: str, snapshots: Sequence[Snapshot], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Earlier states of {case_id}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        # WIDGETS
        self.hint = QLabel(
            "What is there now is kept as a state of its own, so that you can come back to it."
            if snapshots
            else "There is no earlier state yet: one is kept before the first change of a session "
            "and every ten minutes of work."
        )
        self.hint.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Earlier states")
        self.list.setToolTip("Newest first; double-click restores one")
        for snapshot in snapshots:
            item = QListWidgetItem(in_words(snapshot), self.list)
            item.setData(Qt.ItemDataRole.UserRole, snapshot.snapshot_id)
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Bring the chosen state back")
        self.restore.setEnabled(bool(snapshots))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.buttons.addButton(self.restore, QDialogButtonBox.ButtonRole.ActionRole)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addWidget(self.hint)
        layout.addWidget(self.list)
        layout.addWidget(self.buttons)
        self.resize(560, 320)
        self.list.setCurrentRow(0)

        # CONNECTIONS
        self.restore.clicked.connect(self._on_restore)
        self.list.itemActivated.connect(self._on_restore)
        self.buttons.rejected.connect(self.close)

    def value(self) -> str:
        """Id of the chosen snapshot; empty where there is none."""
        item = self.list.currentItem()
        return "" if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def _on_restore(self, *_: object) -> None:
        if self.value():
            self.restoreRequested.emit(self.value())


def in_words(snapshot: Snapshot) -> str:
    """When and why a snapshot was taken, and what it holds."""
    when = datetime.fromisoformat(snapshot.when).astimezone().strftime("%d %b %Y, %H:%M")
    what = f"{snapshot.num_painted} slices painted, {snapshot.num_labeled} known"
    scope = "" if snapshot.is_whole else " (rescued slices only)"
    return f"{when}: {what}{scope}; {snapshot.reason}"
