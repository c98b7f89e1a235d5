"""Commands and facts about the slice on screen."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.widgets.ledger_strip import STATE_MEANINGS, LedgerLegend, LedgerStrip
from napari_transmedseg.widgets.steady_label import SteadyLabel

NEXT_STEPS = {
    SliceState.UNSEEN: ". Paint it (2: brush, 1: eraser), or mark it empty.",
    SliceState.SUGGESTED: ". Paint (2) or mark empty.",
    SliceState.IN_PROGRESS: ". Press D when all of it is painted.",
}
"""What a person may do about a slice that is still open."""


class AnnotateBox(QWidget):
    """Shows the ledger of a case and asks for changes of its slices."""

    sliceRequested = Signal(int)
    doneRequested = Signal()
    emptyRequested = Signal()
    unannotateRequested = Signal()
    clearRequested = Signal()
    copyRequested = Signal(int)
    """Index of the slice to copy from."""
    fillRequested = Signal()
    suggestionRequested = Signal()
    backRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ledger: Ledger | None = None

        # WIDGETS
        self.strip = LedgerStrip()
        self.legend = LedgerLegend()
        self.slice_label = SteadyLabel(lines=2)
        self.reason_label = QLabel()
        self.reason_label.setWordWrap(True)
        self.reason_label.setToolTip("Why this slice was suggested")
        self.suggest = _button("Next suggested (N)", "Go to the slice that would help most")
        self.back = _button("Back (Shift+N)", "Go to the slice that was suggested before")
        self.previous = _button("◀ Annotated", "Go to the annotated slice before this one")
        self.next = _button("Annotated ▶", "Go to the next annotated slice")
        self.done = _button("Slice done (D)", "The whole slice is known: the rest is background")
        self.empty = _button("Mark empty (W)", "This slice holds none of the classes")
        self.unannotate = _button(
            "Un-annotate (U)", "Only the painted voxels are known again; the rest is open"
        )
        self.fill = _button(
            "Fill between (Shift+F)",
            "Fill the open slices between the annotated ones before and behind, by their shapes. "
            "What you painted stays. Ctrl+Z takes all of it back.",
        )
        self.clear_slice = _button(
            "Clear slice (Shift+U)",
            "Take all paint off this slice and open it again. Ctrl+Z brings it back.",
        )
        self.copy_previous = _button("Copy from ◀", _copy_tip(None))
        self.copy_next = _button("Copy from ▶", _copy_tip(None))

        # LAYOUT
        buttons = QGridLayout()
        rows = (
            (self.suggest, self.back), (self.previous, self.next), (self.done, self.empty),
            (self.unannotate, self.clear_slice), (self.copy_previous, self.copy_next),
        )  # fmt: skip
        for row, pair in enumerate(rows):
            for column, button in enumerate(pair):
                buttons.addWidget(button, row, column)
        buttons.addWidget(self.fill, len(rows), 0, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.strip, self.legend, self.slice_label):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.reason_label)  # which comes and goes: the buttons stay in place
        self.set_reason("")

        # CONNECTIONS
        self.strip.valueChanged.connect(self.sliceRequested)
        self.previous.clicked.connect(self._on_previous)
        self.next.clicked.connect(self._on_next)
        self.done.clicked.connect(self.doneRequested)
        self.empty.clicked.connect(self.emptyRequested)
        self.unannotate.clicked.connect(self.unannotateRequested)
        self.clear_slice.clicked.connect(self.clearRequested)
        self.fill.clicked.connect(self.fillRequested)
        self.copy_previous.clicked.connect(self._on_copy_previous)
        self.copy_next.clicked.connect(self._on_copy_next)
        self.suggest.clicked.connect(self.suggestionRequested)
        self.back.clicked.connect(self.backRequested)

    def value(self) -> int:
        """Index of the slice that is shown."""
        return self.strip.value()

    def setValue(self, index: int, ledger: Ledger) -> None:
        """Show a slice of a case, without a signal."""
        self._ledger = ledger
        state = ledger.states[index]
        self.strip.set_ledger(ledger)
        self.strip.setValue(index)
        self.slice_label.setText(
            f"Slice {index + 1} of {len(ledger)}: <b>{state.value}</b>, {STATE_MEANINGS[state]}"
            f"{NEXT_STEPS.get(state, '')}"
        )
        self.legend.set_counts(ledger.counts())
        before, after = ledger.previous_labeled(index), ledger.next_labeled(index)
        is_open = not state.is_labeled
        self.done.setEnabled(state is not SliceState.ANNOTATED)
        self.unannotate.setEnabled(state not in (SliceState.UNSEEN, SliceState.IN_PROGRESS))
        self.clear_slice.setEnabled(state is not SliceState.UNSEEN)
        self.fill.setEnabled(is_open and before is not None and after is not None)
        for button, other in ((self.previous, before), (self.next, after)):
            button.setEnabled(other is not None)
        for button, other in ((self.copy_previous, before), (self.copy_next, after)):
            button.setEnabled(is_open and other is not None)
            button.setToolTip(_copy_tip(other))

    def set_reason(self, reason: str, note: str = "") -> None:
        """Say why this slice was suggested, nothing where it was not; a note is a sentence."""
        self.reason_label.setText(f"Suggested: {reason}. {note}".strip() if reason else "")
        self.reason_label.setVisible(bool(reason))

    def _on_previous(self) -> None:
        self._go(self._neighbours()[0])

    def _on_next(self) -> None:
        self._go(self._neighbours()[1])

    def _on_copy_previous(self) -> None:
        self._copy(self._neighbours()[0])

    def _on_copy_next(self) -> None:
        self._copy(self._neighbours()[1])

    def _neighbours(self) -> tuple[int | None, int | None]:
        if self._ledger is None:
            return None, None
        index = self.value()
        return self._ledger.previous_labeled(index), self._ledger.next_labeled(index)

    def _go(self, index: int | None) -> None:
        if index is not None:
            self.sliceRequested.emit(index)

    def _copy(self, index: int | None) -> None:
        if index is not None:
            self.copyRequested.emit(index)


def _copy_tip(index: int | None) -> str:
    if index is None:
        return "There is no annotated slice on this side to copy from"
    return (
        f"Copy the labels of slice {index + 1} here, under what you painted; the slice is in "
        "progress then. Ctrl+Z takes it back."
    )


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
