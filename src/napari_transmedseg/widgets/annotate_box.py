"""Commands and facts about the slice on screen."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.widgets.ledger_strip import LedgerStrip


class AnnotateBox(QWidget):
    """Shows the ledger of a case and asks for changes of its slices."""

    sliceRequested = Signal(int)
    doneRequested = Signal()
    emptyRequested = Signal()
    unannotateRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ledger: Ledger | None = None

        # WIDGETS
        self.strip = LedgerStrip()
        self.slice_label = QLabel()
        self.slice_label.setWordWrap(True)
        self.counts_label = QLabel()
        self.counts_label.setWordWrap(True)
        self.counts_label.setToolTip("How many slices of this case are in which state")
        self.previous = _button("◀ Previous annotated", "Go to the annotated slice before this one")
        self.next = _button("Next annotated ▶", "Go to the next annotated slice")
        self.done = _button("Slice done (D)", "The whole slice is known: the rest is background")
        self.empty = _button("Mark empty (W)", "This slice holds none of the classes")
        self.unannotate = _button(
            "Un-annotate (U)", "Only the painted voxels are known again; the rest is open"
        )

        # LAYOUT
        buttons = QGridLayout()
        buttons.addWidget(self.previous, 0, 0)
        buttons.addWidget(self.next, 0, 1)
        buttons.addWidget(self.done, 1, 0, 1, 2)
        buttons.addWidget(self.empty, 2, 0)
        buttons.addWidget(self.unannotate, 2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.strip)
        layout.addWidget(self.slice_label)
        layout.addWidget(self.counts_label)
        layout.addLayout(buttons)

        # CONNECTIONS
        self.strip.valueChanged.connect(self.sliceRequested)
        self.previous.clicked.connect(self._on_previous)
        self.next.clicked.connect(self._on_next)
        self.done.clicked.connect(self.doneRequested)
        self.empty.clicked.connect(self.emptyRequested)
        self.unannotate.clicked.connect(self.unannotateRequested)

    def value(self) -> int:
        """Index of the slice that is shown."""
        return self.strip.value()

    def setValue(self, index: int, ledger: Ledger) -> None:
        """Show a slice of a case, without a signal."""
        self._ledger = ledger
        state = ledger.states[index]
        self.strip.set_states(ledger.states)
        self.strip.setValue(index)
        self.slice_label.setText(
            f"Slice {index + 1} of {len(ledger.states)}: <b>{state.value}</b>{_meaning(state)}"
        )
        self.counts_label.setText(counts_in_words(ledger.counts()))
        self.done.setEnabled(state is not SliceState.ANNOTATED)
        self.unannotate.setEnabled(state.is_labeled)
        self.previous.setEnabled(ledger.previous_labeled(index) is not None)
        self.next.setEnabled(ledger.next_labeled(index) is not None)

    def _on_previous(self) -> None:
        self._go(None if self._ledger is None else self._ledger.previous_labeled(self.value()))

    def _on_next(self) -> None:
        self._go(None if self._ledger is None else self._ledger.next_labeled(self.value()))

    def _go(self, index: int | None) -> None:
        if index is not None:
            self.sliceRequested.emit(index)


def counts_in_words(counts: Mapping[SliceState, int]) -> str:
    """Slices per state, those without any left out."""
    return ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)


def _meaning(state: SliceState) -> str:
    if state.is_labeled:
        return ", the whole slice is known"
    if state is SliceState.IN_PROGRESS:
        return ", painted voxels are known"
    return ", nothing is known"


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
