"""The last few states of each case's annotation, and slices that were rescued, with a way back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.volume import LabelArray
from napari_transmedseg.project.case_files import make_folder
from napari_transmedseg.project.ledger import Ledger, painted_counts
from napari_transmedseg.project.slice_file import (
    SlicesHeader,
    StoredSlices,
    encode_slices,
    parse_header,
    read_header,
    read_slices,
)
from napari_transmedseg.project.when import now

FOLDER = "snapshots"
INTERVAL_S = 600.0
"""Time between two snapshots of a case that is worked on."""
MAX_COUNT = 8
"""Snapshots of a case; the newest two stay, older ones stand ever farther apart."""
MAX_BYTES = 64 * 2**20
"""Size of all snapshots of a case; the newest stays whatever its size."""
_SUFFIX = ".slices"


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A state of a case's annotation that can be restored."""

    snapshot_id: str
    """Name among those of its case, such as `0007`; a greater number was taken later."""
    case_id: str
    when: str
    """When it was taken, ISO 8601 with time zone."""
    reason: str
    """Why it was taken, for a person."""
    num_painted: int
    """Slices with paint in it."""
    num_labeled: int
    """Slices that are known as a whole."""
    is_whole: bool
    """Whether restoring replaces the whole case; else only the slices that it holds."""
    path: Path
    num_bytes: int


class SnapshotFolder:
    """Takes, lists and reads snapshots below `snapshots/` of a project folder.

    Used by one thread at a time.
    """

    def __init__(self, project_folder: Path) -> None:
        self._root = project_folder / FOLDER
        self._taken: dict[str, float] = {}

    def is_due(self, case_id: str) -> bool:
        """Whether the last snapshot that this program took of a case is long ago."""
        taken = self._taken.get(case_id)
        return taken is None or time.monotonic() - taken >= INTERVAL_S

    def take(self, case_id: str, stored: StoredSlices) -> None:
        """Keep a state unless nothing is in it or the newest snapshot is the same.

        Raises
        ------
        ProjectError
            If it cannot be written.
        """
        if stored.slices or any(entry.when for entry in stored.ledger.entries):
            self.keep(case_id, stored)
        self._taken[case_id] = time.monotonic()

    def keep(self, case_id: str, stored: StoredSlices, *, mark: str = "") -> Path:
        """Write slices as the next snapshot, and let the oldest go; errors as in `take`.

        One with a mark in its name stays until a person deletes it.
        """
        folder = self._folder(case_id)
        files = self._files(case_id)
        path = folder / f"{_next_number(files):04d}{mark}{_SUFFIX}"
        content = encode_slices(stored)
        newest = files[-1] if files else None
        if newest is not None and mark in newest.name and _is_same(newest, parse_header(content)):
            return newest
        make_folder(folder)
        write_bytes(path, content)
        self._thin_out([file for file in [*files, path] if not _is_marked(file)])
        return path

    def replace(self, path: Path, stored: StoredSlices) -> None:
        """Write a snapshot anew under its name; errors as in `take`."""
        make_folder(path.parent)
        write_bytes(path, encode_slices(stored))

    def set_aside(self, case_id: str, files: Sequence[Path]) -> None:
        """Copy damaged files beside the snapshots, so that they can be looked at.

        Raises
        ------
        ProjectError
            If they cannot be written.
        """
        folder = self._folder(case_id) / "damaged"
        make_folder(folder)
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                write_bytes(folder / file.name, file.read_bytes())

    def of(self, case_id: str) -> tuple[Snapshot, ...]:
        """Snapshots of a case, newest first; damaged ones are left out."""
        found = []
        for path in reversed(self._files(case_id)):
            with contextlib.suppress(ProjectError):
                found.append(_describe(path, case_id, read_header(path)))
        return tuple(found)

    def read(self, case_id: str, snapshot_id: str | None) -> StoredSlices:
        """Read a snapshot; without an id the newest that holds the whole case and is undamaged.

        Raises
        ------
        ProjectError
            If there is none of that id, or it is damaged.
        """
        known = self.of(case_id)
        for one in known:
            if one.snapshot_id == snapshot_id:
                return read_slices(one.path)
            if snapshot_id is None and one.is_whole:
                with contextlib.suppress(ProjectError):  # the one before it may be whole
                    return read_slices(one.path)
        names = ", ".join(one.snapshot_id for one in known) or "none"
        wanted = "an undamaged snapshot" if snapshot_id is None else f"the snapshot {snapshot_id}"
        raise ProjectError(
            f"Expected {wanted} of {case_id} in {self._folder(case_id)}, found {names}; choose "
            "another one, or restore the annotation from a backup."
        )

    def _folder(self, case_id: str) -> Path:
        return self._root / case_id

    def _files(self, case_id: str) -> list[Path]:
        found = self._folder(case_id).glob(f"*{_SUFFIX}")
        return sorted((path for path in found if _number(path)), key=lambda p: (_number(p), p.name))

    def _thin_out(self, files: Sequence[Path]) -> None:
        ages, sizes = [], []
        for path in files:
            status = path.stat()
            ages.append(max(0.0, time.time() - status.st_mtime))
            sizes.append(status.st_size)
        for index in surplus(ages, sizes):
            with contextlib.suppress(OSError):
                files[index].unlink()


def surplus(ages_s: Sequence[float], sizes: Sequence[int]) -> list[int]:
    """Which snapshots go, so that few and small ones cover hours as well as minutes.

    Of too many, the one goes whose two neighbours are closest to each other for their age; of too
    large ones the oldest. The newest two always outlive the count, the newest one also the size.

    Parameters
    ----------
    ages_s, sizes
        Seconds and bytes, in the order in which they were taken.
    """
    kept = list(range(len(ages_s)))
    while len(kept) > MAX_COUNT:
        inner = range(1, len(kept) - 2)
        crowded = min(
            inner,
            key=lambda i: (ages_s[kept[i - 1]] - ages_s[kept[i + 1]]) / (1.0 + ages_s[kept[i]]),
        )
        del kept[crowded]
    while len(kept) > 1 and sum(sizes[index] for index in kept) > MAX_BYTES:
        del kept[0]
    return sorted(set(range(len(ages_s))) - set(kept))


def whole_state(
    array: LabelArray, ledger: Ledger, slice_axis: int, reason: str = ""
) -> StoredSlices:
    """All of a case's annotation; blank slices are left out."""
    planes = np.moveaxis(array, slice_axis, 0)
    painted = np.flatnonzero(painted_counts(array, slice_axis))
    return StoredSlices(
        slices={int(index): planes[index] for index in painted},
        ledger=ledger,
        is_whole=True,
        when=now(),
        reason=reason,
    )


def _describe(path: Path, case_id: str, header: SlicesHeader) -> Snapshot:
    return Snapshot(
        snapshot_id=path.name.removesuffix(_SUFFIX),
        case_id=case_id,
        when=header.when,
        reason=header.reason,
        num_painted=len(header.indices),
        num_labeled=len(header.ledger.labeled_indices()),
        is_whole=header.is_whole,
        path=path,
        num_bytes=os.stat(path).st_size,
    )


def _is_same(newest: Path, header: SlicesHeader) -> bool:
    try:
        known = read_header(newest)
    except ProjectError:
        return False
    return (known.checksum, known.is_whole) == (header.checksum, header.is_whole)


def _is_marked(path: Path) -> bool:
    return "-" in path.name


def _number(path: Path) -> int:
    digits = path.name.split("-")[0].removesuffix(_SUFFIX)
    return int(digits) if digits.isdecimal() else 0


def _next_number(files: Sequence[Path]) -> int:
    return max(map(_number, files), default=0) + 1
