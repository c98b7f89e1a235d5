"""Takes layers that are open already into a project, and asks for the voxel size where needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.adopting import OpenArray, OpenLabels

_AXES = ("first axis (slices)", "second axis (rows)", "third axis (columns)")
_MOST_MM = 100.0
WIDTH = 560


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AdoptedLayer:
    """A layer that becomes an image of the project."""

    opened: OpenArray
    spacing: tuple[float, float, float] | None = None
    """Voxel size in mm that a person vouches for; None where the place is known."""
    labels: OpenLabels | None = None
    """Labels layer that becomes the annotation of the image's case."""


class AdoptDialog(QDialog):
    """Lists layers; its value is the ticked ones. Does not block the window."""

    adoptRequested = Signal(object)

    def __init__(self, arrays: Sequence[OpenArray], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Adopt open layers")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._arrays = tuple(arrays)

        # WIDGETS
        told = QLabel(
            "Layers without a known place need their voxel size; their axes are taken as they are "
            "drawn. Masks of them fit the adopted image, not the file that it came from."
        )
        told.setWordWrap(True)
        self.boxes = [_tick(one) for one in self._arrays]
        self.sizes = [_sizes(one) for one in self._arrays]
        self.labels = _label_choices(self._arrays)
        self.confirmed = QCheckBox("These voxel sizes are right")
        self.confirmed.setToolTip("Volumes in ml and the thickness of slices rest on them")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        ok = self.buttons.addButton("Adopt", QDialogButtonBox.ButtonRole.AcceptRole)
        assert ok is not None
        self.ok = ok

        # LAYOUT
        grid = QGridLayout()
        for row, (one, box, sizes) in enumerate(
            zip(self._arrays, self.boxes, self.sizes, strict=True)
        ):
            about = QLabel(one.sentence())
            about.setWordWrap(True)
            grid.addWidget(box, 4 * row, 0, 1, 3)
            grid.addWidget(about, 4 * row + 1, 0, 1, 3)
            for column, size in enumerate(sizes):
                grid.addWidget(size, 4 * row + 2, column)
            if one.labels:
                grid.addWidget(self.labels[row], 4 * row + 3, 0, 1, 3)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        for part in (told, self.confirmed, self.buttons):
            layout.addWidget(part)
        if not any(self.sizes):
            told.hide()
        self.resize(WIDTH, layout.totalHeightForWidth(WIDTH))

        # CONNECTIONS
        for box in (*self.boxes, self.confirmed):
            box.toggled.connect(self._offer)
        for size in (size for sizes in self.sizes for size in sizes):
            size.valueChanged.connect(self._on_size)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)
        self._offer()

    def value(self) -> tuple[AdoptedLayer, ...]:
        """Layers that are ticked, with the sizes given for them."""
        chosen = []
        for one, box, sizes, labels in zip(
            self._arrays, self.boxes, self.sizes, self.labels, strict=True
        ):
            if box.isChecked():
                given = [size.value() for size in sizes]
                spacing = (given[0], given[1], given[2]) if given else None
                index = labels.currentIndex() - 1
                with_labels = one.labels[index] if index >= 0 else None
                chosen.append(AdoptedLayer(opened=one, spacing=spacing, labels=with_labels))
        return tuple(chosen)

    def _on_size(self) -> None:
        self.confirmed.setChecked(False)
        self._offer()

    def _offer(self, *_: object) -> None:
        for box, labels in zip(self.boxes, self.labels, strict=True):
            labels.setEnabled(box.isChecked())
        unplaced = [one.spacing for one in self.value() if one.spacing is not None]
        self.confirmed.setVisible(bool(unplaced))
        is_sized = all(min(spacing) > 0 for spacing in unplaced)
        self.confirmed.setEnabled(is_sized)
        is_sure = not unplaced or (is_sized and self.confirmed.isChecked())
        self.ok.setEnabled(bool(self.value()) and is_sure)
        self.ok.setToolTip(
            "Make cases of these layers" if self.ok.isEnabled()
            else "Tick a layer, and give and confirm voxel sizes where they are asked for"
        )  # fmt: skip

    def _on_accepted(self) -> None:
        self.adoptRequested.emit(self.value())
        self.accept()


def _tick(opened: OpenArray) -> QCheckBox:
    box = QCheckBox(opened.name)
    box.setToolTip(f"Make a case of the layer {opened.name}")
    box.setChecked(opened.is_placed)
    return box


def _label_choices(arrays: Sequence[OpenArray]) -> list[QComboBox]:
    """For each array the labels that lie on it; labels are offered first to one array alone."""
    fields, taken = [], set()
    for opened in arrays:
        field = QComboBox()
        field.addItem("without labels")
        field.addItems([f"with the labels of the layer ‘{one.name}’" for one in opened.labels])
        field.setAccessibleName(f"Labels of {opened.name}")
        field.setToolTip("These labels become annotation; you are asked which value is which class")
        free = [place for place, one in enumerate(opened.labels, 1) if one.name not in taken]
        if free:
            field.setCurrentIndex(free[0])
            taken.add(opened.labels[free[0] - 1].name)
        fields.append(field)
    return fields


def _sizes(opened: OpenArray) -> list[QDoubleSpinBox]:
    """Fields for the voxel size of an array whose place is not known, else none."""
    if opened.is_placed:
        return []
    given = opened.scale if _tells_size(opened) else (0.0, 0.0, 0.0)
    fields = []
    for mm, axis in zip(given, _AXES, strict=True):
        field = QDoubleSpinBox()
        field.setDecimals(3)
        field.setRange(0.0, _MOST_MM)
        field.setSuffix(" mm")
        field.setSpecialValueText("? mm")
        field.setValue(mm)
        field.setAccessibleName(f"Voxel size of {opened.name} along the {axis}")
        field.setToolTip(f"Voxel size along the {axis}")
        fields.append(field)
    return fields


def _tells_size(opened: OpenArray) -> bool:
    """Whether the viewer's scale may be a size in mm: it says so, or is not just 1."""
    return opened.unit == "mm" or set(opened.scale) != {1.0}
