"""The case table with the box that filters it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit, QToolButton, QVBoxLayout, QWidget

from napari_transmedseg.widgets.case_table import CaseTable


class CaseBox(QWidget):
    """Lays a filter over the table. Enter in the filter opens the first case left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter cases by name, state, domain …")
        self.filter.setToolTip("Shows only cases in which every word occurs")
        self.filter.setAccessibleName("Filter of the cases")
        self.filter.setClearButtonEnabled(True)
        for clear in self.filter.findChildren(QToolButton):
            clear.setToolTip("Show all cases")
            clear.setAccessibleName("Clear the filter")
        self.table = CaseTable()

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.filter)
        layout.addWidget(self.table)

        # CONNECTIONS
        self.filter.textChanged.connect(self.table.set_filter)
        self.filter.returnPressed.connect(self._on_return)

    def _on_return(self) -> None:
        """Enter in the filter opens the first case that is left."""
        self.table.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if found := self.table.visible_ids():
            self.table.valueChanged.emit(found[0])
