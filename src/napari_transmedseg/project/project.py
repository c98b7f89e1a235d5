"""A project: a folder with classes, cases, annotations, predictions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.errors import ProjectError, TransMedSegError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import (
    open_image,
    read_fractions,
    read_labels,
    write_fractions,
    write_labels,
)
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import case_files
from napari_transmedseg.project.channel_files import require_present
from napari_transmedseg.project.corrections import (
    CORRECTIONS_FILE,
    Correction,
    CorrectionFile,
    CorrectionLog,
)
from napari_transmedseg.project.curating import CuratedCohort
from napari_transmedseg.project.image_sources import ImageSource
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.label_files import UNCERTAINTY_SUFFIX
from napari_transmedseg.project.links import check_links, remember_cases
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.opening import (
    bring_up_to_date,
    is_newer,
    newer_version,
    read_description,
)
from napari_transmedseg.project.replacing import finish_replacing, require_finished
from napari_transmedseg.project.restoring import RestorableCohort
from napari_transmedseg.project.schema import (
    PROJECT_FILE,
    Case,
    ProjectFile,
    SegmentationClass,
    make_classes,
    save_project_file,
)

__all__ = ["Case", "Plane", "Project", "SegmentationClass"]

Plane = Literal["auto", "axial", "coronal", "sagittal"]


class Project(CuratedCohort, RestorableCohort):
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
        images: Iterable[str | Path | ImageSource],
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
            Image files, and folders that are searched; DICOM too. An `ImageSource` says the id,
            series and frame itself; cases of several images come by `options.channels`, or one by
            one with `channel_case`.
        classes
            Names of the structures; values are 1, 2, … in this order, background is 0.
        plane
            Plane in which slices are cut; `auto` takes the plane of acquisition.
        options
            What to do with 4-D images, several DICOM series, channels, and images of unknown
            place.

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
        remember_cases(content.cases, folder)
        return cls(folder, content, lock)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        read_only: bool = False,
        take_over: bool = False,
        trust_links: bool = False,
    ) -> Project:
        """Open a project; no image is read. What is to be told stands in `notices` then.

        Parameters
        ----------
        folder
            Its folder. A project of a newer version is opened read-only.
        read_only
            Whether nothing is to be changed; others may write meanwhile.
        take_over
            Whether to take it from a program that has it open: that one stops at its next save
            and puts what it had not saved into a snapshot.
        trust_links
            Whether this person links all files outside the folder that the project names.

        Raises
        ------
        ProjectHeldError
            If another program has it open, unless `read_only` or `take_over`.
        UnlinkedError
            If it leads outside its folder to what this person did not link.
        ProjectError
            If there is none, it is damaged, or (unless `read_only`) the folder cannot be written.
        """
        folder = Path(folder)
        content, notices = read_description(folder)
        check_links(content.cases, folder, trust=trust_links)
        if read_only or is_newer(content):
            require_finished(folder)
            project = cls(folder, content, None)
            if is_newer(content):
                project._obstacle = ProjectError(newer_version(folder, content))
            project.notices = notices
            return project
        lock = ProjectLock(folder, take_over=take_over)
        try:
            finish_replacing(folder)
            content, notices = read_description(folder)
            check_links(content.cases, folder, trust=trust_links)  # it may be another one now
            changed = bring_up_to_date(folder, content)
            project = cls(folder, content, lock)
            restored = project._finish_autosaves(lock.left_behind)
        except BaseException:
            lock.release()
            raise
        project.notices = (*notices, *changed, *((restored,) if restored else ()))
        return project

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
            paths = self.image_paths(case.case_id)
            for path, name in zip(paths, case.channel_names or ("",), strict=True):
                require_present(case, path, name)
            annotation = self._known_annotation(case.case_id)
            cases.append(
                TrainingCase(
                    case_id=case.case_id,
                    load=partial(case_files.load_case, case, *paths),
                    annotation=annotation,
                    domain=case.domain,
                    channels=case.channel_names,
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
        with suppress(OSError):  # what an earlier prediction was unsure of is no word on this one
            self._uncertainty_path(run_id, case_id).unlink()
        write_labels(path, checked)
        return path

    def save_uncertainty(
        self, run_id: str, case_id: str, uncertainty_IPL: npt.NDArray[np.floating]
    ) -> None:
        """Write how unsure a run is of each voxel, in [0, 1], beside its prediction of a case.

        Raises
        ------
        ProjectError, GeometryError
            If the project or its disk takes nothing, or the array is of another shape.
        """
        self._require_writable()
        path = self._uncertainty_path(run_id, case_id)
        write_fractions(path, uncertainty_IPL, self.geometry(case_id))

    def uncertainty_map(self, case_id: str, run_id: str) -> npt.NDArray[np.uint8] | None:
        """Read how unsure a run is of each voxel of a case it predicted: entropy over log C.

        Returns
        -------
        npt.NDArray[np.uint8] | None
            (I, P, L), 0 to 255 for 0 to 1. None where there is none that lies on the image:
            predictions of older versions have none, nor those that filled the disk.
        """
        path = self._uncertainty_path(run_id, case_id)
        try:
            return read_fractions(path, self.geometry(case_id))
        except TransMedSegError:
            return None

    def prediction(self, case_id: str, run_id: str | None = None) -> LabelMap | None:
        """Read what a run predicted; without an id the latest that did and is not discarded.

        Predictions from before a class was removed mean other classes, and are left out.
        """
        predicted_by = self.predicted_by(case_id, run_id)
        if predicted_by is None:
            return None
        path, geometry = self.prediction_path(predicted_by, case_id), self.geometry(case_id)
        place = open_image(path).geometry  # before voxels take memory
        require_same_space(geometry, place, str(path), f"the image of {case_id}")
        found = read_labels(path)
        return LabelMap(array=found.array, geometry=geometry, names=self.class_names)

    def predicted_by(self, case_id: str, run_id: str | None = None) -> str | None:
        """Run whose prediction of a case counts: that of the id, else the latest in use."""
        runs = [self.run(run_id)] if run_id is not None else list(reversed(self.runs))
        for run in runs:
            is_there = self.prediction_path(run.run_id, case_id).exists()
            if is_there and (run.is_in_use if run_id is None else not run.outdated):
                return run.run_id
        return None

    # --- corrections

    def corrections(self) -> CorrectionLog:
        """How far predictions agreed with what people made of them, oldest first."""
        return self._corrections.read()

    def log_correction(self, entry: Correction) -> None:
        """Note how far a prediction agreed with what a person made of it."""
        self._require_writable()
        self._corrections.add(entry)

    @cached_property
    def _corrections(self) -> CorrectionFile:
        return CorrectionFile(self.folder / CORRECTIONS_FILE)

    def _uncertainty_path(self, run_id: str, case_id: str) -> Path:
        mask = self.prediction_path(run_id, case_id)
        return mask.with_name(f"{case_id}{UNCERTAINTY_SUFFIX}.nii.gz")

    def _known_annotation(self, case_id: str) -> LabelMap | None:
        if not self._files(case_id).exist:
            return None
        annotation = self.annotation(case_id)
        assert annotation.known is not None
        return annotation if annotation.known.any() else None
