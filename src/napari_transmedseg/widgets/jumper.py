"""Goes to a slice of any case, as if the person had clicked the case and the slice."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_transmedseg.widgets.desk import Desk


class Jumper(QObject):
    """Opens a case and goes to a slice of it once it is on screen."""

    arrived = Signal(str, int)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._target: tuple[str, int] | None = None
        desk.session.case_changed.connect(self._on_case)

    def go(self, case_id: str, index: int) -> None:
        """Go to a slice; another case is opened as the case table does it."""
        self._target = (case_id, index)
        if case_id == self._desk.session.case_id and self._desk.annotator.layers.is_open:
            self._on_case(case_id)
        else:
            self._desk.loop.cases.setValue(case_id)
            self._desk.loop.cases.valueChanged.emit(case_id)

    def _on_case(self, case_id: str) -> None:
        if self._target is None or self._target[0] != case_id:
            return
        index, self._target = self._target[1], None
        self._desk.annotator.layers.slice_index = index
        self.arrived.emit(case_id, index)
