"""Offers to take a folder as the data set that it is: its labels, classes and domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QVBoxLayout, QWidget

from napari_transmedseg.project.data_set_offer import DataSetOffer


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetChoice:
    """How a folder is taken that is a data set."""

    frame: int | Literal["channels"] | None = None
    """Of several channels the one that is taken, or all of them."""
    with_labels: bool = True
    """Whether label maps become annotation."""


class DataSetBox(QWidget):
    """Its value is a choice, or None where there is no data set that can be taken."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offer: DataSetOffer | None = None

        # WIDGETS
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.taken = QCheckBox("Take its labels as annotation")
        self.taken.setToolTip("Without, its images, classes and domains are taken alone")
        self.channels = QComboBox()
        self.channels.setAccessibleName("Channels of the data set")
        self.channels.setToolTip("Which of the images of a case the network sees")

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.told, self.taken, self.channels):
            layout.addWidget(part)
        self.set_offer(None)

        # CONNECTIONS
        self.taken.toggled.connect(self.valueChanged)

    @property
    def offer(self) -> DataSetOffer | None:
        """What was found."""
        return self._offer

    def value(self) -> DataSetChoice | None:
        """What a person wants of the data set."""
        if self._offer is None or self._offer.problem:
            return None
        frame = self.channels.currentData()
        return DataSetChoice(frame=frame, with_labels=self.taken.isChecked())

    def set_offer(self, offer: DataSetOffer | None) -> None:
        """Say what was found, and propose to take it."""
        self._offer = offer
        self.setVisible(offer is not None)
        self.channels.clear()
        if offer is not None:
            self.told.setText(offer.sentence())
            self.taken.setVisible(not offer.problem and offer.num_labeled > 0)
            self.taken.setChecked(True)
            if offer.channel_names:
                self.channels.addItem("All its channels together", "channels")
            for frame, name in enumerate(offer.channel_names):
                self.channels.addItem(f"Only {name}", frame)
        self.channels.setVisible(self.channels.count() > 0)
        self.valueChanged.emit()
