"""Going back: snapshots of annotation, and what a crash left half-written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime

from napari_transmedseg.errors import ProjectError, TransMedSegError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotated import RESCUE_MARK, AnnotatedCohort
from napari_transmedseg.project.annotation import fitting, laid_over
from napari_transmedseg.project.earlier_classes import with_classes_of_now
from napari_transmedseg.project.ledger import Ledger, LedgerEntry
from napari_transmedseg.project.lock import LockOwner
from napari_transmedseg.project.slice_file import read_header
from napari_transmedseg.project.snapshots import Snapshot

NOT_SAVED = "could not be saved"


class RestorableCohort(AnnotatedCohort):
    """A cohort whose annotation can be brought back to an earlier state."""

    def snapshots(self, case_id: str) -> tuple[Snapshot, ...]:
        """States of a case that can be restored, newest first.

        One is taken before the first change of a session and every ten minutes of work, and
        before labels are brought in, a class is removed or a snapshot is restored. The last eight
        stay, spread over time; slices that were rescued, and what there was before a class was
        removed, stay until somebody deletes them.
        """
        return self._snapshots.of(self.case(case_id).case_id)

    def restore_snapshot(self, case_id: str, snapshot_id: str | None = None) -> tuple[str, ...]:
        """Bring a case's annotation back; what is there now becomes a snapshot first.

        Annotation files that are damaged are copied to `snapshots/<case>/damaged/` instead.
        Classes that were removed since and have voxels in it are added again, with a new value.

        Parameters
        ----------
        case_id
            Case to restore.
        snapshot_id
            Which state, as `snapshots` lists it; None: the newest whole one. One of rescued
            slices replaces only these.

        Returns
        -------
        tuple of str
            Names of the classes that are back.

        Raises
        ------
        ProjectError
            If there is none, it is damaged, the image is missing, or there is no room to keep
            what is there now. Nothing is changed then.
        """
        self._require_writable()
        stored = self._snapshots.read(self.case(case_id).case_id, snapshot_id)
        removed = self._content.removed_classes
        stored, back = with_classes_of_now(stored, self.classes, removed)
        fitting(stored.ledger, self.num_slices(case_id), self._files(case_id).ledger)
        geometry = self.geometry(case_id)
        current = self._set_current_aside(case_id)
        if current is None and not stored.is_whole:
            raise ProjectError(
                f"Expected annotation of {case_id} that the rescued slices fit into, found a "
                "damaged one; restore a snapshot of the whole case first."
            )
        label_map, ledger = current or (LabelMap.empty(geometry), stored.ledger)
        array = laid_over(label_map.array, stored, self.slice_axis, self._files(case_id).labels)
        if stored.is_whole:
            ledger = stored.ledger
        else:
            ledger = merged_ledger(ledger, stored.ledger, stored.slices)
        for one in back:
            self.add_class(one.name, one.color)
        self._write(case_id, LabelMap(array=array, geometry=geometry), ledger)
        self.annotation_changed.emit(case_id)
        self.ledger_changed.emit(case_id)
        return tuple(one.name for one in back)

    def _set_current_aside(self, case_id: str) -> tuple[LabelMap, Ledger] | None:
        """Make a snapshot of what is there, unsaved slices included; None where it is damaged."""
        unsaved = self._saver.withdraw(case_id)
        self._stored = None
        try:
            label_map, ledger = self._read_files(case_id)
        except TransMedSegError:
            self._snapshots.set_aside(case_id, self._files(case_id).all)
            if unsaved is not None:
                self._snapshots.keep(case_id, self._as_stored(unsaved, NOT_SAVED), mark=RESCUE_MARK)
            return None
        if unsaved is not None:
            path = self._files(case_id).labels
            stored = self._as_stored(unsaved, NOT_SAVED)
            array = laid_over(label_map.array, stored, self.slice_axis, path)
            label_map, ledger = LabelMap(array=array, geometry=label_map.geometry), unsaved.ledger
        self._snapshots.take(case_id, self._as_whole(label_map, ledger, "before a restore"))
        return label_map, ledger

    def _finish_autosaves(self, left_behind: LockOwner | None) -> str:
        """Write autosaves of a crash into the annotation, and say what was restored.

        Returns
        -------
        str
            One sentence; empty where the last session ended well.
        """
        restored = []
        for case in self.cases:
            files = self._files(case.case_id)
            if not files.autosave.exists():
                continue
            with contextlib.suppress(TransMedSegError, OSError):  # told when the case is read
                count = len(read_header(files.autosave).indices)
                label_map, ledger = self._read_files(case.case_id)
                self._write(case.case_id, label_map, ledger)
                restored.append(f"{count} slices of {case.case_id}")
        if left_behind is None and not restored:
            return ""
        who = "The last session"
        if left_behind is not None:
            who += f" ({left_behind.name}, since {left_behind.time})"
        last = self._last_saved()
        kept = f"everything saved until {last} is here" if last else "nothing had been saved yet"
        finished = f", and {', '.join(restored)} from the autosave" if restored else ""
        return f"{who} ended without closing the project; {kept}{finished}."

    def _last_saved(self) -> str:
        times = []
        for case in self.cases:
            with contextlib.suppress(OSError):
                times.append(self._files(case.case_id).ledger.stat().st_mtime)
        return "" if not times else f"{datetime.fromtimestamp(max(times)):%Y-%m-%d %H:%M:%S}"


def merged_ledger(current: Ledger, rescued: Ledger, indices: Iterable[int]) -> Ledger:
    """States of slices that were rescued, where listed or set later, and the others as they are."""
    listed = set(indices)
    return Ledger(
        tuple(
            other if index in listed or _is_later(other, entry) else entry
            for index, (entry, other) in enumerate(
                zip(current.entries, rescued.entries, strict=True)
            )
        )
    )


def _is_later(one: LedgerEntry, other: LedgerEntry) -> bool:
    try:
        return datetime.fromisoformat(one.when) > datetime.fromisoformat(other.when)
    except (ValueError, TypeError):
        return bool(one.when) and not other.when
