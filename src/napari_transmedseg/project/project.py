"""A project: a folder with classes, cases, annotations, predictions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from psygnal import Signal

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import case_files
from napari_transmedseg.project.annotation import (
    AnnotationFiles,
    read_annotation,
    read_ledger,
    write_annotation,
)
from napari_transmedseg.project.importing import merge_labels
from napari_transmedseg.project.ledger import (
    Ledger,
    SliceState,
    painted_counts,
    with_paint,
)
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.runs import TrainedCohort
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


class Project(TrainedCohort):
    """Cohort, annotation and runs in one folder. Change it on one thread only.

    Human annotation (`annotations/`) and predictions (`predictions/`) never share a file.
    Use `Project.create` or `Project.open`, and `close` (or `with`) to let others write.
    """

    annotation_changed: ClassVar[Signal] = Signal(str)
    ledger_changed: ClassVar[Signal] = Signal(str)

    def __init__(self, folder: Path, content: ProjectFile, lock: ProjectLock | None) -> None:
        super().__init__(folder, content, lock)
        self._ledgers: dict[str, Ledger] = {}

    # --- opening and closing

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        images: Iterable[str | Path],
        classes: Sequence[str],
        plane: Plane = "auto",
    ) -> Project:
        """Make a project; nothing is annotated and nothing is trained.

        Parameters
        ----------
        folder
            New or existing folder without a project.
        images
            Image files, and folders that are searched.
        classes
            Names of the structures; values are 1, 2, … in this order, background is 0.
        plane
            Plane in which slices are cut; `auto` takes the plane of acquisition.

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
        found = case_files.read_cases(images, folder)
        if not found:
            raise ProjectError(
                "Expected at least one image for the project, found none; choose NIfTI, NRRD or "
                "MetaImage files or a folder that holds some."
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

    # --- annotation

    def annotation(self, case_id: str) -> LabelMap:
        """Read what people said about a case, and what of it is known; a fresh copy.

        Where nothing is annotated yet: zeros, nothing known.
        """
        label_map, ledger = self._read(case_id)
        self._ledgers[case_id] = ledger
        label_map.names = self.class_names
        return label_map

    def ledger(self, case_id: str) -> Ledger:
        """State of every slice of a case; a snapshot."""
        if case_id not in self._ledgers:
            self._ledgers[case_id] = read_ledger(self._files(case_id), self.num_slices(case_id))
        return self._ledgers[case_id]

    def save_annotation(self, case_id: str, label_map: LabelMap, *, who: str = "") -> None:
        """Save painted classes. Painted slices that were not begun are in progress now.

        What is known follows from the ledger; a known mask given here is not read.

        Raises
        ------
        GeometryError
            If the label map does not lie on the image.
        ProjectError
            If it holds classes that the project does not have, or cannot be written.
        """
        self._require_writable()
        checked = self._checked(case_id, label_map, f"the annotation of {case_id}")
        before = self.ledger(case_id)
        painted = painted_counts(checked.array, self.slice_axis)
        after = with_paint(before, painted, who=who, when=_now())
        self._write(case_id, checked, after)
        self.annotation_changed.emit(case_id)
        if after != before:
            self.ledger_changed.emit(case_id)

    def set_slice_state(
        self, case_id: str, index: int, state: SliceState, *, who: str = ""
    ) -> None:
        """Set the state of one slice, and with it what of the slice is known.

        Raises
        ------
        ProjectError
            If there is no such slice, or it carries paint that the state denies.
        """
        self.set_slice_states(case_id, [index], state, who=who)

    def set_slice_states(
        self, case_id: str, indices: Iterable[int], state: SliceState, *, who: str = ""
    ) -> None:
        """Set the state of several slices at once; errors as in `set_slice_state`."""
        self._require_writable()
        label_map, before = self._read(case_id)
        chosen = list(indices)
        after = before.with_states(chosen, SliceState(state), who=who, when=_now())
        if not SliceState(state).may_carry_paint:
            _refuse_paint(label_map, chosen, self.slice_axis, SliceState(state), case_id)
        self._write(case_id, label_map, after, labels_changed=False)
        self.ledger_changed.emit(case_id)

    def import_labels(
        self,
        case_id: str,
        label_map: LabelMap,
        slices: Sequence[int] | None = None,
        *,
        who: str = "",
        overwrite: bool = False,
    ) -> None:
        """Bring in labels of another tool as annotation; slices without a class are empty.

        Parameters
        ----------
        case_id
            Case that they belong to.
        label_map
            On the image's grid. Slices that its known mask leaves open stay open.
        slices
            Which slices to take; None takes all.
        who
            Where they come from, for the ledger.
        overwrite
            Whether slices that are annotated differently already may be replaced.

        Raises
        ------
        GeometryError
            If the label map does not lie on the image.
        ProjectError
            If it holds other classes, or would replace annotation.
        """
        self._require_writable()
        incoming = self._checked(case_id, label_map, f"the labels for {case_id}")
        current, ledger = self._read(case_id)
        chosen = range(self.num_slices(case_id)) if slices is None else slices
        merged, after = merge_labels(
            current, ledger, incoming, chosen, self.slice_axis,
            who=who, when=_now(), overwrite=overwrite,
        )  # fmt: skip
        self._write(case_id, merged, after)
        self.annotation_changed.emit(case_id)
        self.ledger_changed.emit(case_id)

    def training_cases(self) -> list[TrainingCase]:
        """All cases as the engine wants them: images on demand, annotation where there is any.

        Raises
        ------
        ProjectError
            If an image is missing.
        """
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

    # --- helpers

    def _files(self, case_id: str) -> AnnotationFiles:
        return AnnotationFiles.of(self.folder, self.case(case_id).case_id)

    def _read(self, case_id: str) -> tuple[LabelMap, Ledger]:
        return read_annotation(
            self._files(case_id),
            self.geometry(case_id),
            self.num_slices(case_id),
            self.slice_axis,
        )

    def _write(
        self, case_id: str, label_map: LabelMap, ledger: Ledger, *, labels_changed: bool = True
    ) -> None:
        files = self._files(case_id)
        case_files.make_folder(files.labels.parent)
        write_annotation(files, label_map, ledger, self.slice_axis, labels_changed=labels_changed)
        self._ledgers[case_id] = ledger

    def _known_annotation(self, case_id: str) -> LabelMap | None:
        if not self._files(case_id).labels.exists():
            return None
        annotation = self.annotation(case_id)
        assert annotation.known is not None
        return annotation if annotation.known.any() else None

    def _checked(self, case_id: str, label_map: LabelMap, what: str) -> LabelMap:
        geometry = self.geometry(case_id)
        require_same_space(geometry, label_map.geometry, what, f"the image of {case_id}")
        highest = int(label_map.array.max())
        if highest > len(self.classes):
            values = [int(v) for v in np.unique(label_map.array) if v > len(self.classes)]
            raise ProjectError(
                f"Expected the classes 0 to {len(self.classes)} "
                f"({', '.join(self.class_names.values())}) in {what}, found "
                f"{', '.join(map(str, values[:5]))}; add the missing classes, or remove these "
                "labels."
            )
        array = label_map.array.astype(np.uint8, copy=False)
        return LabelMap(array=array, geometry=geometry, known=label_map.known)


def _refuse_paint(
    label_map: LabelMap, indices: Sequence[int], slice_axis: int, state: SliceState, case_id: str
) -> None:
    painted = painted_counts(label_map.array, slice_axis)
    for index in indices:
        if painted[index]:
            raise ProjectError(
                f"Expected slice {index} of {case_id} without paint to mark it {state}, found "
                f"{painted[index]} painted voxels; erase them, or mark the slice done."
            )


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
