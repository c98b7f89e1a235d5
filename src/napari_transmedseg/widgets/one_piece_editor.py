"""A switch per class: keep only the largest piece of it, or all its pieces."""

from __future__ import annotations

from collections.abc import Sequence

from psygnal import Signal
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_transmedseg.engine.one_piece import class_word, with_names_of_now

AUTO, ALL, NONE = "auto", "all", "none"


class OnePieceEditor:
    """Edits `TrainingConfig.largest_component`; looks to a form like magicgui's own editors."""

    changed = Signal(str)

    def __init__(self) -> None:
        self._value = AUTO
        self._switches: list[tuple[str, QCheckBox]] = []
        self._names: list[str] = []
        self.native = QWidget()
        self.auto = QCheckBox("as annotated")
        self.auto.setToolTip(
            "Decide class by class from your slices: kidneys and lesions keep all their pieces"
        )
        layout = QVBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.auto)
        self.auto.toggled.connect(self._on_toggled)
        self._show()

    @property
    def value(self) -> str:
        """`auto`, `all`, `none`, or classes separated by commas."""
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        self._value = value.strip() or AUTO
        self._show()

    @property
    def switches(self) -> list[QCheckBox]:
        """The switch of each class, in the order of their values."""
        return [box for _, box in self._switches]

    def set_classes(self, names: Sequence[str]) -> None:
        """Show a switch for each of these classes; what is chosen stays so, renamed or not.

        Without any class the value stays as it is: those of another project come then.
        """
        if self._names and names:
            is_renamed = len(names) == len(self._names)
            now = names if is_renamed else [one if one in names else None for one in self._names]
            self._value = with_names_of_now(self._value, self._names, now)
        self._names = list(names)
        layout = self.native.layout()
        assert layout is not None
        for _, box in self._switches:
            layout.removeWidget(box)
            box.deleteLater()
        self._switches = []
        for value, name in enumerate(names, start=1):
            box = QCheckBox(name)
            box.setToolTip(f"Keep only the largest piece of '{name}' in what the model proposes")
            box.toggled.connect(self._on_toggled)
            layout.addWidget(box)
            self._switches.append((class_word(name, value), box))
        self._show()

    def _show(self) -> None:
        words = {word.strip().casefold() for word in self._value.split(",")}
        with QSignalBlocker(self.auto):
            self.auto.setChecked(self._value == AUTO)
        for number, (word, box) in enumerate(self._switches, start=1):
            with QSignalBlocker(box):
                named = bool(words & {word.casefold(), str(number)})
                box.setChecked(self._value in (AUTO, ALL) or named)
            box.setEnabled(self._value != AUTO)

    def _on_toggled(self) -> None:
        chosen = [word for word, box in self._switches if box.isChecked()]
        if self.auto.isChecked():
            self._value = AUTO
        elif len(chosen) == len(self._switches):
            self._value = ALL
        else:
            self._value = ", ".join(chosen) or NONE
        self._show()
        self.changed.emit(self._value)
