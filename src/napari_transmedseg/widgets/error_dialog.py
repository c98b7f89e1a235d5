"""What went wrong, in a dialog that can be scrolled, selected and copied."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.diagnostics import diagnostics_text
from napari_transmedseg.project.logs import Scrubber
from napari_transmedseg.project.project import Project


class ErrorDialog(QDialog):
    """What was expected and found, what to do now, and details on request; blocks nothing."""

    def __init__(
        self,
        sentence: str,
        details: str = "",
        parent: QWidget | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("TransMedSeg")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sentence, self._details, self._project = sentence, details, project

        # WIDGETS
        happened, way_out = parts_of(sentence)
        self._label = _text(happened)
        self._way_out = _text(f"▲ {way_out}" if way_out else "")
        font = self._way_out.font()
        font.setBold(True)
        self._way_out.setFont(font)
        body = QWidget()
        scroll = QScrollArea()
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        self._more = QToolButton()
        self._more.setText("Details")
        self._more.setCheckable(True)
        self._more.setToolTip("Show what the program was doing")
        self._more.setVisible(bool(details))
        self._text = QPlainTextEdit(details)
        self._text.setReadOnly(True)
        self._text.setToolTip("What the program was doing")
        self._text.setAccessibleName("Details")
        self._text.setVisible(False)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the message and its details")
        self.copy_diagnostics = QPushButton("Copy diagnostics")
        self.copy_diagnostics.setToolTip(
            "Copy them with versions, machine and log, to report; without paths and case names"
        )
        for button in (self.copy, self.copy_diagnostics):
            self._buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)

        # LAYOUT
        inside = QVBoxLayout(body)
        inside.addWidget(self._label)
        inside.addWidget(self._way_out)
        inside.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._more)
        layout.addWidget(self._text, 2)
        layout.addWidget(self._buttons)
        self.resize(520, 200)

        # CONNECTIONS
        self._buttons.rejected.connect(self.close)
        self._more.toggled.connect(self._on_more)
        self.copy.clicked.connect(self._on_copy)
        self.copy_diagnostics.clicked.connect(self._on_copy_diagnostics)

    def text(self) -> str:
        """Message and details, as they are copied."""
        return f"{self._sentence}\n\n{self._details}".strip()

    def _on_more(self, is_open: bool) -> None:
        self._text.setVisible(is_open)
        self.resize(self.width(), max(self.height(), 420) if is_open else 200)

    def _on_copy(self) -> None:
        _to_clipboard(self.text())

    def _on_copy_diagnostics(self) -> None:
        _to_clipboard(report_of(self.text(), self._project))


def parts_of(sentence: str) -> tuple[str, str]:
    """What happened, and the way out, as our errors have them on either side of a semicolon."""
    happened, mark, way_out = sentence.partition("; ")
    if not mark:
        return sentence, ""
    return f"{happened}.", way_out[:1].upper() + way_out[1:]


def report_of(message: str, project: Project | None) -> str:
    """Message without paths and case names, and what helps whoever is asked for help."""
    case_ids = [] if project is None else [case.case_id for case in project.cases]
    return f"{Scrubber(case_ids)(message)}\n\n{diagnostics_text(project)}"


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse
        | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    label.setVisible(bool(text))
    return label


def _to_clipboard(text: str) -> None:
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
