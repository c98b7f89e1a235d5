"""What a person takes out of a cohort, cases and classes, and the plane that it is cut in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import ProjectError, TransMedSegError
from napari_transmedseg.imaging.io import case_id_of, read_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import case_files
from napari_transmedseg.project.annotated import AnnotatedCohort
from napari_transmedseg.project.annotation import (
    ANNOTATIONS,
    AnnotationFiles,
    read_annotation,
    write_annotation,
)
from napari_transmedseg.project.class_removal import (
    Become,
    ClassUsage,
    check_become,
    usage_of,
    without_class,
)
from napari_transmedseg.project.label_files import KNOWN_SUFFIX
from napari_transmedseg.project.ledger import Ledger
from napari_transmedseg.project.planes import (
    put_away,
    require_nothing_said,
    spoken_for,
)
from napari_transmedseg.project.replacing import is_unfinished, replacing
from napari_transmedseg.project.run import CONFIG_FILE, OUTDATED, Run
from napari_transmedseg.project.schema import (
    ProjectFile,
    SegmentationClass,
    check_class_names,
    load_project_file,
    save_project_file,
)
from napari_transmedseg.project.when import now, now_in_name

BACKUPS = "backups"
REMOVAL_MARK = "-before-removal"


class CuratedCohort(AnnotatedCohort):
    """A cohort whose cases, classes and plane can be taken back. Change it on one thread only."""

    def remove_case(self, case_id: str) -> None:
        """Take a case out of the project; its image, labels and predictions stay on the disk.

        When the same image is added again, its labels are there.
        """
        removed = self.case(case_id)
        self.flush(case_id)
        self._update(cases=tuple(case for case in self.cases if case is not removed))
        self._ledgers.pop(case_id, None)
        with self._caches:
            self._geometries.pop(case_id, None)
            self._volumes.pop(case_id, None)
        self.cases_changed.emit()

    def set_plane(self, plane: str) -> Path | None:
        """Count slices in another plane; only while nothing is said of those of this one.

        Parameters
        ----------
        plane
            `axial`, `coronal`, `sagittal`, or `auto`: that of acquisition.

        Returns
        -------
        Path or None
            Folder that holds snapshots and the log of corrections of the plane before; None where
            the slices lie in that plane already, and nothing was done.

        Raises
        ------
        ProjectError
            If anything is annotated, in a case that was removed too; or there is no such plane.
        """
        self._require_writable()
        grids = [self.geometry(case.case_id) for case in self.cases] if plane == "auto" else []
        axis = case_files.slice_axis_of(grids, plane)
        if axis == self.slice_axis:
            return None
        said = [
            (case_id, spoken_for(*self._read_any(case_id), self.slice_axis))
            for case_id in self._annotated_ids(with_removed=True)
        ]
        require_nothing_said(said, self.folder, self.slice_axis, axis)
        backup = self.folder / BACKUPS / f"{now_in_name()}-before-another-plane"
        put_away(self.folder, backup)
        self._update(slice_axis=axis)
        self._ledgers.clear()
        self._stored = None
        self.cases_changed.emit()
        for case in self.cases:
            self.annotation_changed.emit(case.case_id)
            self.ledger_changed.emit(case.case_id)
        return backup

    def class_usage(self, value: int) -> ClassUsage:
        """Count the annotated voxels of a class; reads the annotation of every case."""
        self._class(value)
        arrays = (self._read(case_id)[0].array for case_id in self._annotated_ids())
        return usage_of(value, arrays, self.slice_axis)

    def remove_class(self, value: int, *, become: Become = "unknown", who: str = "") -> None:
        """Take a class away; the classes above it move down by one.

        All cases change or none, whatever happens meanwhile. What a case was before becomes a
        snapshot of it; restoring that brings the class back. Models trained before, and what they
        predicted, mean other classes and are not used any more.

        Parameters
        ----------
        value
            Of the class.
        become
            What becomes of its voxels, as in `without_class`.
        who
            Person, for the ledger.

        Raises
        ------
        ProjectError
            If it is the only class, or an annotation cannot be read or written.
        """
        self._require_writable()
        check_become(become)
        removed = self._class(value)
        content = self._without(removed)
        reason = f"before the class '{removed.name}' was removed"
        try:
            with replacing(self.folder) as stage:
                for case_id in self._annotated_ids(with_removed=True):
                    before, ledger = self._read_any(case_id)
                    array, after = without_class(
                        before.array, ledger, value, self.slice_axis,
                        become=become, who=who, when=now(),
                    )  # fmt: skip
                    if after == ledger and np.array_equal(array, before.array):
                        continue
                    state = self._as_whole(before, ledger, reason)
                    self._snapshots.keep(case_id, state, mark=REMOVAL_MARK)
                    changed = LabelMap(array=array, geometry=before.geometry)
                    files = AnnotationFiles.of(stage, case_id)
                    write_annotation(files, changed, after, self.slice_axis)
                for run in self.runs:
                    _stage_outdated(run, stage, f"the class '{removed.name}' was removed")
                save_project_file(stage, content)
        finally:
            if is_unfinished(self.folder):  # what is in memory is older than the files
                self.read_only = True
        self._take_in()
        self.runs_changed.emit()

    def _without(self, removed: SegmentationClass) -> ProjectFile:
        kept = [item for item in self.classes if item is not removed]
        check_class_names([item.name for item in kept])
        order = [item.value for item in self.ordered_classes if item is not removed]
        classes = [item.model_copy(update={"value": n}) for n, item in enumerate(kept, start=1)]
        left = [None if item is removed else item.name for item in self.classes]
        update = {
            "classes": tuple(classes),
            "config": self._config_with(left),
            "class_order": tuple(v - (v > removed.value) for v in order),
            "removed_classes": (*self._content.removed_classes, removed),
        }
        return self._content.model_copy(update=update)

    def _annotated_ids(self, *, with_removed: bool = False) -> list[str]:
        """Cases that have any annotation, on request those too that were taken out."""
        self.flush()
        own = [case.case_id for case in self.cases if self._files(case.case_id).labels.exists()]
        if not with_removed:
            return own
        names = (case_id_of(path) for path in (self.folder / ANNOTATIONS).glob("*.nii.gz"))
        others = {name for name in names if not name.endswith(KNOWN_SUFFIX)} - set(own)
        return own + [name for name in sorted(others) if self._is_readable(name)]

    def _read_any(self, case_id: str) -> tuple[LabelMap, Ledger]:
        """Annotation of a case, or of one that was taken out, on its own grid."""
        if case_id in self._cases:
            return self._read(case_id)
        files = AnnotationFiles.of(self.folder, case_id)
        geometry = read_labels(files.labels).geometry
        num_slices = geometry.display_shape[self.slice_axis]
        return read_annotation(files, geometry, num_slices, self.slice_axis)

    def _is_readable(self, case_id: str) -> bool:
        try:
            self._read_any(case_id)
        except TransMedSegError:
            return False
        return True

    def _take_in(self) -> None:
        """Forget what was read before files changed, and tell the views."""
        self._content = load_project_file(self.folder)
        self._cases = {case.case_id: case for case in self._content.cases}
        self._ledgers.clear()
        self._stored = None
        self.classes_changed.emit()
        for case in self.cases:
            self.annotation_changed.emit(case.case_id)
            self.ledger_changed.emit(case.case_id)


def _stage_outdated(run: Run, stage: Path, reason: str) -> None:
    """Note that a run is older than the classes; one that cannot be read stays as it is."""
    try:
        details = run.details()
    except ProjectError:
        return
    target = stage / "runs" / run.run_id
    target.mkdir(parents=True)
    content = {OUTDATED: reason, **details}
    (target / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
