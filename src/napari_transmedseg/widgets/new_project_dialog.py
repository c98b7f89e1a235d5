"""What a new project needs: a folder, images, class names, the plane of annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.data_set_offer import DataSetOffer
from napari_transmedseg.project.project import Plane
from napari_transmedseg.widgets.adopt_dialog import AdoptedLayer
from napari_transmedseg.widgets.choosing import choose_files, choose_folder
from napari_transmedseg.widgets.data_set_box import DataSetBox, DataSetChoice
from napari_transmedseg.widgets.dropping import dropped_paths, welcome_files
from napari_transmedseg.widgets.file_filter import FILE_FILTER

PLANES = get_args(Plane)
_LAYER = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to be made."""

    folder: str = ""
    images: tuple[str, ...] = ()
    """Files or folders."""
    classes: tuple[str, ...] = ()
    plane: Plane = "auto"
    layers: tuple[AdoptedLayer, ...] = ()
    """Layers that are open and become images."""
    anonymous: bool = False
    """Number the cases instead of naming them after files and folders."""
    data_set: DataSetChoice | None = None
    """The one folder among the images is a data set, and is taken as one."""


class NewProjectDialog(QDialog):
    """Edits a `NewProject`; does not block the window."""

    createRequested = Signal(object)
    imagesChanged = Signal(object)
    """Paths that are listed; layers are not among them."""
    layersRequested = Signal()
    """A person wants to choose among the open layers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self._names = ""  # of the classes, as the data set calls them

        # WIDGETS
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("a new or empty folder")
        self.folder.setToolTip("Everything about the project is kept in this folder")
        self.folder.setAccessibleName("Project folder")
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip("Choose the project folder")
        self.images = QListWidget()
        self.images.setToolTip("Volumes of the cohort, or folders that are searched for them")
        self.images.setAccessibleName("Images")
        self.add_files = QPushButton("Add files…")
        self.add_files.setToolTip("Add volumes (NIfTI, NRRD, MetaImage, DICOM)")
        self.add_folder = QPushButton("Add folder…")
        self.add_folder.setToolTip("Add a folder; it is searched for volumes and DICOM series")
        self.add_layers = QPushButton("Use open layers…")
        self.add_layers.setToolTip("Make cases of image layers that are open in napari")
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Leave the chosen images out")
        self.data_set = DataSetBox()
        self.classes = QLineEdit()
        self.classes.setPlaceholderText("for example: right ventricle, myocardium, left ventricle")
        self.classes.setToolTip("Names of what you will paint, separated by commas")
        self.anonymous = QCheckBox("Number the cases instead of naming them after files")
        self.anonymous.setToolTip("Names of files and folders stay out of all results")
        self.plane = QComboBox()
        self.plane.addItems(PLANES)
        self.plane.setToolTip("Plane in which you annotate; auto takes the one of acquisition")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert ok is not None
        ok.setText("Create project")

        # LAYOUT
        folder = QHBoxLayout()
        folder.addWidget(self.folder)
        folder.addWidget(self.browse)
        images = QHBoxLayout()
        images.addWidget(self.add_files)
        images.addWidget(self.add_folder)
        images.addWidget(self.add_layers)
        images.addWidget(self.remove)
        images.addStretch()
        form = QFormLayout()
        form.addRow("Project folder", folder)
        form.addRow("Images", self.images)
        form.addRow("", images)
        form.addRow("", self.data_set)
        form.addRow("", self.anonymous)
        form.addRow("Classes", self.classes)
        form.addRow("Plane", self.plane)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(QLabel("Your images are read where they are and never changed."))
        layout.addWidget(self.buttons)
        self.images.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.setAcceptDrops(True)
        for line in (self.folder, self.classes):
            line.setAcceptDrops(False)  # what is dropped on them is an image, too
        self.resize(560, 400)

        # CONNECTIONS
        self.browse.clicked.connect(self._on_browse)
        self.add_files.clicked.connect(self._on_add_files)
        self.add_folder.clicked.connect(self._on_add_folder)
        self.add_layers.clicked.connect(self.layersRequested)
        self.remove.clicked.connect(self._on_remove)
        self.data_set.valueChanged.connect(self._on_data_set)
        listed = self.images.model()
        assert listed is not None
        for changed in (listed.rowsInserted, listed.rowsRemoved, listed.modelReset):
            changed.connect(self._on_images)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)

    def value(self) -> NewProject:
        """Project as described."""
        items = [self.images.item(row) for row in range(self.images.count())]
        given = [(one.text(), one.data(_LAYER)) for one in items if one is not None]
        names = (name.strip() for name in self.classes.text().split(","))
        return NewProject(
            folder=self.folder.text().strip(),
            images=tuple(text for text, layer in given if layer is None),
            classes=tuple(name for name in names if name),
            plane=cast(Plane, self.plane.currentText()),
            layers=tuple(layer for _, layer in given if layer is not None),
            anonymous=self.anonymous.isChecked(),
            data_set=self.data_set.value(),
        )

    def setValue(self, new: NewProject) -> None:
        """Show a project to be made."""
        self.images.clear()
        self.folder.setText(new.folder)
        self.classes.setText(", ".join(new.classes))
        self.plane.setCurrentText(new.plane)
        self.anonymous.setChecked(new.anonymous)
        self.images.addItems(list(new.images))  # may be a data set that names its classes
        self.add_open_layers(new.layers)

    def add_open_layers(self, layers: Sequence[AdoptedLayer]) -> None:
        """List layers among the images."""
        for layer in layers:
            labels = f", with the labels of {layer.labels.name}" if layer.labels else ""
            item = QListWidgetItem(f"open layer: {layer.opened.name}{labels}")
            item.setData(_LAYER, layer)
            self.images.addItem(item)

    def set_offer(self, offer: DataSetOffer | None) -> None:
        """Offer to take the one folder as the data set that it is; None: it is no data set."""
        self.data_set.set_offer(offer)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Welcome files and folders."""
        welcome_files(a0)

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Add what was dropped to the images."""
        self.images.addItems([str(path) for path in dropped_paths(a0)])

    def _on_browse(self) -> None:
        folder = choose_folder(self, "Project folder", self.folder.text())
        if folder:
            self.folder.setText(str(Path(folder)))

    def _on_add_files(self) -> None:
        self.images.addItems(choose_files(self, "Images", FILE_FILTER))

    def _on_add_folder(self) -> None:
        folder = choose_folder(self, "Folder of images")
        if folder:
            self.images.addItem(str(Path(folder)))

    def _on_images(self, *_: object) -> None:
        self.imagesChanged.emit(self.value().images)

    def _on_data_set(self) -> None:
        """Show its names of the classes, unless a person has typed others."""
        offer = self.data_set.offer if self.data_set.value() is not None else None
        names = "" if offer is None else ", ".join(offer.class_names)
        if self.classes.text() in ("", self._names):
            self.classes.setText(names)
        self._names = names

    def _on_remove(self) -> None:
        for item in self.images.selectedItems():
            self.images.takeItem(self.images.row(item))

    def _on_accepted(self) -> None:
        self.createRequested.emit(self.value())
