"""The annotation of a cohort: what people said about its slices, and how it is kept."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.errors import ProjectError, ProjectTakenError, TransMedSegError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import case_files
from napari_transmedseg.project.annotation import (
    AnnotationFiles,
    read_annotation,
    read_ledger,
    write_annotation,
)
from napari_transmedseg.project.importing import merge_labels
from napari_transmedseg.project.ledger import Ledger, SliceState, painted_counts, with_paint
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.runs import TrainedCohort
from napari_transmedseg.project.saving import AnnotationSaver, SliceChanges
from napari_transmedseg.project.schema import ProjectFile
from napari_transmedseg.project.slice_file import StoredSlices
from napari_transmedseg.project.snapshots import SnapshotFolder, whole_state
from napari_transmedseg.project.when import now

RESCUE_MARK = "-rescued"


class AnnotatedCohort(TrainedCohort):
    """A cohort, its runs, and what people annotated. Change it on one thread only."""

    annotation_changed: ClassVar[Signal] = Signal(str)
    ledger_changed: ClassVar[Signal] = Signal(str)

    def __init__(self, folder: Path, content: ProjectFile, lock: ProjectLock | None) -> None:
        super().__init__(folder, content, lock)
        self._ledgers: dict[str, Ledger] = {}
        self._saver = AnnotationSaver(self._write_changes)
        self._stored: tuple[str, LabelMap, Ledger] | None = None  # the saver's case, as on disk
        self._snapshots = SnapshotFolder(folder)
        self._rescues: dict[str, tuple[Path, SliceChanges]] = {}  # after somebody took over
        self._taken_over: ProjectTakenError | None = None  # not told to anybody yet

    def close(self) -> None:
        """Store what waits for it, then let other programs write; errors as in `flush`."""
        try:
            self.flush()
        finally:
            super().close()

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
            self._ledgers[case_id] = read_ledger(
                self._files(case_id), self.num_slices(case_id), self.slice_axis
            )
        return self._ledgers[case_id]

    def readable_ledger(self, case_id: str) -> Ledger | None:
        """As `ledger`; None where its file is damaged: whoever looks at all cases leaves it out."""
        try:
            return self.ledger(case_id)
        except ProjectError:
            return None

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
        self.flush(case_id)
        checked = self._checked(case_id, label_map, f"the annotation of {case_id}")
        before = self.ledger(case_id)
        painted = painted_counts(checked.array, self.slice_axis)
        after = with_paint(before, painted, who=who, when=now())
        if self._snapshots.is_due(case_id):
            self._keep_what_is_stored(case_id, "before changes")
        self._write(case_id, checked, after)
        self.annotation_changed.emit(case_id)
        if after != before:
            self.ledger_changed.emit(case_id)

    def save_slices(
        self, case_id: str, slices: Mapping[int, npt.NDArray[np.uint8]], ledger: Ledger
    ) -> None:
        """Save some slices and all states in the background; returns at once.

        Whatever is read through this object afterwards holds them. An error of writing comes
        with `take_save_error` or `flush`; the slices are kept until they are written.

        Parameters
        ----------
        case_id
            Case that they belong to.
        slices
            Classes (Y, X) by slice index; not to be changed any more.
        ledger
            State of every slice.

        Raises
        ------
        ProjectError
            If they hold classes that the project does not have.
        ProjectTakenError
            If another program took the project over; the slices go into a snapshot of their own.
        """
        self.require_keeping()
        for index, labels_YX in slices.items():
            self._require_classes(labels_YX, f"slice {index + 1} of {case_id}")
        before, self._ledgers[case_id] = self.ledger(case_id), ledger
        self._saver.submit(case_id, SliceChanges(dict(slices), ledger))
        if slices:
            self.annotation_changed.emit(case_id)
        if ledger != before:
            self.ledger_changed.emit(case_id)
        if self._obstacle is not None:
            raise self._obstacle

    def require_keeping(self) -> None:
        """Refuse work on slices that would not be kept; after a take-over it is, as a rescue.

        Raises
        ------
        ProjectError
            If the project is read-only or closed.
        """
        if self.read_only and not isinstance(self._obstacle, ProjectTakenError):
            self._require_writable()

    @property
    def is_saving(self) -> bool:
        """Whether slices are being written."""
        return self._saver.is_busy

    def take_save_error(self) -> Exception | None:
        """Error of writing in the background that nobody was told of yet."""
        error, self._taken_over = self._taken_over, None
        return error or self._saver.take_error()

    def flush(self, case_id: str | None = None) -> None:
        """Wait until the slices of a case, or of all, are written.

        Raises
        ------
        ProjectError, OSError
            If they cannot be written; they are kept, and tried again with the next ones.
        ProjectTakenError
            If another program took the project over; they are rescued. Told once.
        """
        self._saver.flush(case_id)
        error, self._taken_over = self._taken_over, None
        if error is not None:
            raise error

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
        after = before.with_states(chosen, SliceState(state), who=who, when=now())
        if not SliceState(state).may_carry_paint:
            _refuse_paint(label_map, chosen, self.slice_axis, SliceState(state), case_id)
        self._keep_snapshot(case_id, label_map, before, "before changes")
        self._write(case_id, label_map, after, changed=())
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
            who=who, when=now(), overwrite=overwrite,
        )  # fmt: skip
        self._keep_snapshot(case_id, current, ledger, "before labels were brought in", always=True)
        self._write(case_id, merged, after)
        self.annotation_changed.emit(case_id)
        self.ledger_changed.emit(case_id)

    # --- helpers

    def _files(self, case_id: str) -> AnnotationFiles:
        return AnnotationFiles.of(self.folder, self.case(case_id).case_id)

    def _read(self, case_id: str) -> tuple[LabelMap, Ledger]:
        self.flush(case_id)
        return self._read_files(case_id)

    def _read_files(self, case_id: str) -> tuple[LabelMap, Ledger]:
        return read_annotation(
            self._files(case_id),
            self.geometry(case_id),
            self.num_slices(case_id),
            self.slice_axis,
        )

    def _write(
        self,
        case_id: str,
        label_map: LabelMap,
        ledger: Ledger,
        *,
        changed: Iterable[int] | None = None,
    ) -> None:
        files = self._files(case_id)
        case_files.make_folder(files.labels.parent)
        self._stored = None
        self._ledgers.pop(case_id, None)
        write_annotation(files, label_map, ledger, self.slice_axis, changed=changed)
        self._ledgers[case_id] = ledger

    def _write_changes(self, case_id: str, changes: SliceChanges) -> None:
        """Write slices over what is stored; runs in the saver's thread."""
        try:
            self._require_writable()
        except ProjectTakenError as error:
            self._rescue(case_id, changes, error)
            return
        stored = self._stored
        if stored is None or stored[0] != case_id:
            stored = (case_id, *self._read_files(case_id))
        self._keep_snapshot(*stored, "before changes")
        slices = np.moveaxis(stored[1].array, self.slice_axis, 0)
        for index, labels_YX in changes.slices.items():
            slices[index] = labels_YX
        files = self._files(case_id)
        case_files.make_folder(files.labels.parent)
        write_annotation(files, stored[1], changes.ledger, self.slice_axis, changed=changes.slices)
        self._stored = (case_id, stored[1], changes.ledger)

    def _as_stored(self, changes: SliceChanges, reason: str) -> StoredSlices:
        """Changed slices as a snapshot file holds them."""
        stored = StoredSlices(changes.slices, changes.ledger, False, now(), reason)
        return self._noting_classes(stored)

    def _as_whole(self, label_map: LabelMap, ledger: Ledger, reason: str) -> StoredSlices:
        """All of a case's annotation as a snapshot file holds it."""
        stored = whole_state(label_map.array, ledger, self.slice_axis, reason)
        return self._noting_classes(stored)

    def _noting_classes(self, stored: StoredSlices) -> StoredSlices:
        return dataclasses.replace(
            stored,
            class_names=tuple(self.class_names.values()),
            num_removed=len(self._content.removed_classes),
        )

    def _rescue(self, case_id: str, changes: SliceChanges, error: ProjectTakenError) -> None:
        """Keep slices that must not be written any more; runs in the saver's thread."""
        known = self._rescues.get(case_id)
        merged = changes if known is None else known[1].followed_by(changes)
        stored = self._as_stored(merged, "not saved when another program took over")
        if known is not None:
            self._snapshots.replace(known[0], stored)
            self._rescues[case_id] = (known[0], merged)
            return
        path = self._snapshots.keep(case_id, stored, mark=RESCUE_MARK)
        self._rescues[case_id] = (path, merged)
        self._obstacle = self._taken_over = ProjectTakenError(
            f"{str(error).split(';')[0]}; what you changed since is kept as snapshot {path.stem} "
            f"of {case_id}: open the project again and restore it."
        )

    def _keep_what_is_stored(self, case_id: str, reason: str) -> None:
        """Make a snapshot of what lies on the disk; what is damaged is put aside."""
        files = self._files(case_id)
        try:
            self._keep_snapshot(case_id, *self._read_files(case_id), reason, always=True)
        except TransMedSegError:
            self._snapshots.set_aside(case_id, files.all)

    def _keep_snapshot(
        self,
        case_id: str,
        label_map: LabelMap,
        ledger: Ledger,
        reason: str,
        *,
        always: bool = False,
    ) -> None:
        """Make a snapshot if it is time; where there is no room for it, saving goes on."""
        if always or self._snapshots.is_due(case_id):
            with contextlib.suppress(ProjectError, OSError):
                self._snapshots.take(case_id, self._as_whole(label_map, ledger, reason))

    def _checked(self, case_id: str, label_map: LabelMap, what: str) -> LabelMap:
        geometry = self.geometry(case_id)
        require_same_space(geometry, label_map.geometry, what, f"the image of {case_id}")
        self._require_classes(label_map.array, what)
        array = label_map.array.astype(np.uint8, copy=False)
        return LabelMap(array=array, geometry=geometry, known=label_map.known)

    def _require_classes(self, labels: npt.NDArray[Any], what: str) -> None:
        if int(labels.max()) > len(self.classes):
            values = [int(v) for v in np.unique(labels) if v > len(self.classes)]
            raise ProjectError(
                f"Expected the classes 0 to {len(self.classes)} "
                f"({', '.join(self.class_names.values())}) in {what}, found "
                f"{', '.join(map(str, values[:5]))}; add the missing classes, or remove these "
                "labels."
            )


def _refuse_paint(
    label_map: LabelMap, indices: Sequence[int], slice_axis: int, state: SliceState, case_id: str
) -> None:
    painted = painted_counts(label_map.array, slice_axis)
    for index in indices:
        if painted[index]:
            raise ProjectError(
                f"Expected slice {index + 1} of {case_id} without paint to mark it {state}, found "
                f"{painted[index]} painted voxels; erase them, or mark the slice done."
            )
