"""What a new project needs: a folder, images, class names, the plane of annotation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.project import Plane

PLANES = get_args(Plane)
FILE_FILTER = "Volumes (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd);;All files (*)"


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to be made."""

    folder: str = ""
    images: tuple[str, ...] = ()
    """Files or folders."""
    classes: tuple[str, ...] = ()
    plane: Plane = "auto"


class NewProjectDialog(QDialog):
    """Edits a `NewProject`; does not block the window."""

    createRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")

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
        self.add_files.setToolTip("Add volumes (NIfTI, NRRD, MetaImage)")
        self.add_folder = QPushButton("Add folder…")
        self.add_folder.setToolTip("Add a folder; it is searched for volumes")
        self.classes = QLineEdit()
        self.classes.setPlaceholderText("for example: right ventricle, myocardium, left ventricle")
        self.classes.setToolTip("Names of what you will paint, separated by commas")
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
        images.addStretch()
        form = QFormLayout()
        form.addRow("Project folder", folder)
        form.addRow("Images", self.images)
        form.addRow("", images)
        form.addRow("Classes", self.classes)
        form.addRow("Plane", self.plane)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(QLabel("Your images are read where they are and never changed."))
        layout.addWidget(self.buttons)
        self.resize(560, 360)

        # CONNECTIONS
        self.browse.clicked.connect(self._on_browse)
        self.add_files.clicked.connect(self._on_add_files)
        self.add_folder.clicked.connect(self._on_add_folder)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)

    def value(self) -> NewProject:
        """Project as described."""
        items = [self.images.item(row) for row in range(self.images.count())]
        names = (name.strip() for name in self.classes.text().split(","))
        return NewProject(
            folder=self.folder.text().strip(),
            images=tuple(item.text() for item in items if item is not None),
            classes=tuple(name for name in names if name),
            plane=cast(Plane, self.plane.currentText()),
        )

    def setValue(self, new: NewProject) -> None:
        """Show a project to be made."""
        self.folder.setText(new.folder)
        self.images.clear()
        self.images.addItems(list(new.images))
        self.classes.setText(", ".join(new.classes))
        self.plane.setCurrentText(new.plane)

    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Project folder", self.folder.text())
        if folder:
            self.folder.setText(str(Path(folder)))

    def _on_add_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Images", "", FILE_FILTER)
        self.images.addItems(files)

    def _on_add_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of images")
        if folder:
            self.images.addItem(str(Path(folder)))

    def _on_accepted(self) -> None:
        self.createRequested.emit(self.value())
