"""A project: a folder with classes, cases, annotations, predictions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Self

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import case_files
from napari_transmedseg.project.annotated import AnnotatedCohort
from napari_transmedseg.project.corrections import (
    CORRECTIONS_FILE,
    Correction,
    CorrectionLog,
    append_correction,
    read_corrections,
)
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.schema import (
    PROJECT_FILE,
    Case,
    ProjectFile,
    SegmentationClass,
    load_project_file,
    make_classes,
    save_project_file,
)

__all__ = ["Case", "Plane", "Project", "SegmentationClass"]

Plane = Literal["auto", "axial", "coronal", "sagittal"]


class Project(AnnotatedCohort):
    """Cohort, annotation and runs in one folder. Change it on one thread only.

    Human annotation (`annotations/`) and predictions (`predictions/`) never share a file.
    Use `Project.create` or `Project.open`, and `close` (or `with`) to let others write.
    """

    # --- opening and closing

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        images: Iterable[str | Path],
        classes: Sequence[str],
        plane: Plane = "auto",
        options: ImportOptions = NO_CHOICE,
    ) -> Project:
        """Make a project; nothing is annotated and nothing is trained.

        Parameters
        ----------
        folder
            New or existing folder without a project.
        images
            Image files, and folders that are searched; DICOM too.
        classes
            Names of the structures; values are 1, 2, … in this order, background is 0.
        plane
            Plane in which slices are cut; `auto` takes the plane of acquisition.
        options
            What to do with 4-D images, several DICOM series, and images of unknown place.

        Raises
        ------
        ProjectError, ImageReadError, GeometryError
            If there is a project already, or an image cannot be used. Nothing is written then.
        """
        folder = Path(folder)
        if (folder / PROJECT_FILE).exists():
            raise ProjectError(
                f"Expected a folder without a project, found {folder / PROJECT_FILE}; open that "
                "project, or choose another folder."
            )
        named = make_classes(classes)
        found = case_files.read_cases(images, folder, options=options)
        if not found:
            raise ProjectError(
                "Expected at least one image for the project, found none; choose NIfTI, NRRD, "
                "MetaImage or DICOM files or a folder that holds some."
            )
        axis = case_files.slice_axis_of([geometry for _, geometry in found], plane)
        content = ProjectFile(
            name=folder.absolute().name,
            slice_axis=axis,
            classes=named,
            cases=tuple(case for case, _ in found),
        )
        case_files.make_folder(folder)
        lock = ProjectLock(folder)
        try:
            save_project_file(folder, content)
        except BaseException:
            lock.release()
            raise
        return cls(folder, content, lock)

    @classmethod
    def open(cls, folder: str | Path, *, read_only: bool = False) -> Project:
        """Open a project; no image is read.

        Raises
        ------
        ProjectError
            If there is none, it is damaged or of a newer version; and, unless `read_only`, if
            another program has it open or the folder cannot be written.
        """
        folder = Path(folder)
        load_project_file(folder)
        lock = None if read_only else ProjectLock(folder)
        try:
            return cls(folder, load_project_file(folder), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- training

    def training_cases(self) -> list[TrainingCase]:
        """All cases as the engine wants them: images on demand, annotation where there is any.

        Raises
        ------
        ProjectError
            If an image is missing.
        """
        self.flush()
        cases = []
        for case in self.cases:
            path = self.image_path(case.case_id)
            case_files.check_present(case, path)
            annotation = self._known_annotation(case.case_id)
            cases.append(
                TrainingCase(
                    case_id=case.case_id,
                    load=partial(case_files.load_case, case, path),
                    annotation=annotation,
                    domain=case.domain,
                )
            )
        return cases

    # --- predictions

    def prediction_path(self, run_id: str, case_id: str) -> Path:
        """Where a run's prediction of a case is, or will be."""
        return self.folder / "predictions" / run_id / f"{self.case(case_id).case_id}.nii.gz"

    def save_prediction(self, run_id: str, case_id: str, label_map: LabelMap) -> Path:
        """Write what a run predicted, apart from all annotation; returns the file."""
        self._require_writable()
        checked = self._checked(case_id, label_map, f"the prediction of {case_id}")
        path = self.prediction_path(self.run(run_id).run_id, case_id)
        case_files.make_folder(path.parent)
        write_labels(path, checked)
        return path

    def prediction(self, case_id: str, run_id: str | None = None) -> LabelMap | None:
        """Read what a run predicted; without an id the latest run that predicted this case."""
        runs = [self.run(run_id)] if run_id is not None else list(reversed(self.runs))
        for run in runs:
            path = self.prediction_path(run.run_id, case_id)
            if path.exists():
                found = read_labels(path)
                geometry = self.geometry(case_id)
                require_same_space(geometry, found.geometry, str(path), f"the image of {case_id}")
                return LabelMap(array=found.array, geometry=geometry, names=self.class_names)
        return None

    # --- corrections

    def corrections(self) -> CorrectionLog:
        """How far predictions agreed with what people made of them, oldest first."""
        return read_corrections(self.folder / CORRECTIONS_FILE)

    def log_correction(self, entry: Correction) -> None:
        """Note how far a prediction agreed with what a person made of it."""
        self._require_writable()
        append_correction(self.folder / CORRECTIONS_FILE, entry)

    def _known_annotation(self, case_id: str) -> LabelMap | None:
        if not self._files(case_id).labels.exists():
            return None
        annotation = self.annotation(case_id)
        assert annotation.known is not None
        return annotation if annotation.known.any() else None
