"""Asks what files leave open before they become cases: series, frames, channels, size, names."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGroupBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.imaging.dicom import DicomSeries
from napari_transmedseg.project.import_options import CHANNELS, ImportOptions
from napari_transmedseg.project.import_questions import ImportQuestions
from napari_transmedseg.widgets.channel_question import ChannelQuestion

FrameChoice = int | Literal["all", "channels"]
_LISTED = 6
_SERIES_COLUMNS = ("Description", "Type", "Size", "Spacing (mm)", "Slices from", "Problem")


class ImportDialog(QDialog):
    """Shows only the questions that there are; its value is the options that answer them.

    What is answered by `accepted` goes out as `answered`. Does not block the window.
    """

    answered = Signal(object)

    def __init__(
        self, questions: ImportQuestions, options: ImportOptions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Before these images come in")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._questions, self._options = questions, options

        # WIDGETS
        self.series = SeriesTable(questions.series)
        self.frames = QComboBox()
        self.frames.setAccessibleName("Frames")
        self.frames.setToolTip("What to take of images that hold several volumes")
        for text, choice in frame_choices(questions.most_frames):
            self.frames.addItem(text, choice)
        self.frame_names = QLineEdit()
        self.frame_names.setPlaceholderText("optional: their names, such as t1, t2, flair")
        self.frame_names.setAccessibleName("Names of the channels")
        self.frame_names.setToolTip("In the order of the volumes, separated by commas")
        self.frame_names.hide()
        self.channels = ChannelQuestion(questions.channels) if questions.channels else None
        self.spacing = QCheckBox("The voxel sizes are right")
        self.spacing.setToolTip("Masks are then written on these sizes; volumes in ml need them")
        self.anonymous = QCheckBox("Number the cases (case_001, …) instead of using folder names")
        self.anonymous.setToolTip("Names of patients stay out of the project and of all results")
        self.anonymous.setChecked(options.anonymous_ids)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        ok = self.buttons.button(buttons.Ok)
        assert ok is not None
        self.ok = ok
        self.ok.setText("Bring in")

        # LAYOUT
        layout = QVBoxLayout(self)
        if questions.series:
            layout.addWidget(_group("Which series?", self.series))
        if questions.frames:
            told = QLabel(_frames_text(questions))
            layout.addWidget(
                _group("Images of several volumes", told, self.frames, self.frame_names)
            )
        if self.channels is not None:
            layout.addWidget(_group("Several images of one person?", self.channels))
        if questions.unplaced:
            told = QLabel(_spacing_text(questions))
            layout.addWidget(_group("Images that do not say where they lie", told, self.spacing))
        if questions.named_by_scanner:
            layout.addWidget(_group("Names", self.anonymous))
        layout.addWidget(self.buttons)
        self.resize(620 if questions.series or questions.channels else 460, 0)

        # CONNECTIONS
        self.series.itemChanged.connect(self._on_changed)
        self.spacing.toggled.connect(self._on_changed)
        self.frames.currentIndexChanged.connect(self._on_changed)
        if self.channels is not None:
            self.channels.valueChanged.connect(self._on_changed)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)
        self._on_changed()

    def value(self) -> ImportOptions:
        """Options with the answers."""
        asked = self._questions
        options = self._options
        if asked.series:
            options = replace(options, series=self.series.value())
        if asked.frames:
            options = replace(options, frame=self.frames.currentData(), channels=self._names())
        if self.channels is not None:
            options = self.channels.value(options)
        if asked.unplaced:
            options = replace(options, confirm_spacing=self.spacing.isChecked())
        return replace(options, anonymous_ids=self.anonymous.isChecked())

    def _names(self) -> tuple[str, ...]:
        """Names of the channels, where volumes of one image become channels."""
        if self.frames.currentData() != CHANNELS:
            return ()
        names = (name.strip() for name in self.frame_names.text().split(","))
        return tuple(name for name in names if name)

    def _on_changed(self, *_: object) -> None:
        self.frame_names.setVisible(self.frames.currentData() == CHANNELS)
        is_chosen = bool(self.series.value()) or not self._questions.series
        is_confirmed = self.spacing.isChecked() or not self._questions.unplaced
        is_aligned = self.channels is None or self.channels.is_answered
        self.ok.setEnabled(is_chosen and is_confirmed and is_aligned)
        self.ok.setToolTip(
            "Choose a series first" if not is_chosen
            else "Allow other voxels, or make a case of each image" if not is_aligned
            else "Confirm the voxel sizes first" if not is_confirmed
            else "Make cases of these images"
        )  # fmt: skip

    def _on_accepted(self) -> None:
        self.answered.emit(self.value())
        self.accept()


class SeriesTable(QTableWidget):
    """DICOM series with a box each; its value is the keys of those that are ticked."""

    def __init__(self, series: tuple[DicomSeries, ...], parent: QWidget | None = None) -> None:
        super().__init__(len(series), len(_SERIES_COLUMNS), parent)
        self._series = series
        self.setHorizontalHeaderLabels(_SERIES_COLUMNS)
        self.setAccessibleName("Series")
        self.setToolTip("Tick the series that are to become cases")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and columns is not None
        rows.setVisible(False)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setStretchLastSection(True)
        for row, one in enumerate(series):
            for column, text in enumerate(_series_texts(one)):
                item = QTableWidgetItem(text)
                item.setToolTip(one.problem or " ".join(one.notes) or one.title)
                item.setFlags(_flags_of(one, is_box=column == 0))
                if column == 0 and not one.problem:
                    item.setCheckState(Qt.CheckState.Unchecked)
                self.setItem(row, column, item)
        self.setMinimumHeight(120)

    def value(self) -> tuple[str, ...]:
        """Keys of the ticked series."""
        boxes = ((one.key, self.item(row, 0)) for row, one in enumerate(self._series))
        return tuple(
            key
            for key, box in boxes
            if box is not None and box.checkState() == Qt.CheckState.Checked
        )


def frame_choices(count: int) -> list[tuple[str, FrameChoice]]:
    """Ways to take 4-D images, as they are called on the screen."""
    ways: list[tuple[str, FrameChoice]] = [("Each volume is a case of its own", "all")]
    ways += [(f"Only volume {frame + 1}", frame) for frame in range(count)]
    return [*ways, ("They are the channels of one case", "channels")]


def _flags_of(series: DicomSeries, *, is_box: bool) -> Qt.ItemFlag:
    if series.problem:
        return Qt.ItemFlag.NoItemFlags
    shown = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
    return shown | Qt.ItemFlag.ItemIsUserCheckable if is_box else shown


def _series_texts(series: DicomSeries) -> tuple[str, ...]:
    size = "" if series.shape is None else "×".join(str(n) for n in series.shape)
    spacing = series.spacing
    return (
        series.description or "without description",
        series.modality,
        f"{size} in {series.num_phases} phases" if series.num_phases > 1 else size,
        "" if spacing is None else " × ".join(f"{mm:.3g}" for mm in spacing),
        series.folder.name,
        series.problem,
    )


def _frames_text(questions: ImportQuestions) -> str:
    return _listed([f"{name}: {count} volumes" for name, count in questions.frames])


def _spacing_text(questions: ImportQuestions) -> str:
    told = [
        f"{image.name}: {'×'.join(map(str, image.shape))} voxels of "
        f"{' × '.join(f'{mm:.3g}' for mm in image.spacing)} mm"
        for image in questions.unplaced
    ]
    return (
        f"{_listed(told)}\nIf a size is wrong, cancel, and convert the original again so that its "
        "place is kept."
    )


def _listed(lines: list[str]) -> str:
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join(lines[:_LISTED] + more)


def _group(title: str, *parts: QWidget) -> QGroupBox:
    group = QGroupBox(title)
    layout = QVBoxLayout(group)
    for part in parts:
        if isinstance(part, QLabel):
            part.setWordWrap(True)
        layout.addWidget(part)
    return group
