"""The files of a case's annotation: classes, known mask and ledger, and the autosave before them.

The ledger and the classes are what counts; the known mask follows from them and is written for
other programs. What changes is written to the autosave first, which is small, and taken away when
all three files are written: a crash between two of them loses nothing, as whoever reads lays the
autosave over the files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError, TransMedSegError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.io import open_image, read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelArray, LabelMap
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.ledger import Ledger, known_mask, painted_counts, with_paint
from napari_transmedseg.project.slice_file import (
    StoredSlices,
    encode_slices,
    read_header,
    read_slices,
)
from napari_transmedseg.project.when import now

ANNOTATIONS = "annotations"
"""Folder of a project in which its annotation lies."""
LEDGER_VERSION = 1
_MAX_LEDGER_BYTES = 16 * 2**20
_TRIES = 50
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AnnotationFiles:
    """Where the annotation of one case lies."""

    labels: Path
    known: Path
    ledger: Path
    autosave: Path
    """Slices that are being written into the others; there while that lasts, or after a crash."""

    @property
    def exist(self) -> bool:
        """Whether somebody saved classes of this case."""
        return self.labels.exists() or self.autosave.exists()

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file that belongs to the annotation."""
        return (self.labels, self.known, self.ledger, self.autosave)

    @classmethod
    def of(cls, folder: Path, case_id: str) -> AnnotationFiles:
        """Paths below the project folder."""
        root = folder / ANNOTATIONS
        return cls(
            labels=root / f"{case_id}.nii.gz",
            known=root / f"{case_id}.known.nii.gz",
            ledger=root / f"{case_id}.ledger.json",
            autosave=root / f"{case_id}.autosave",
        )


def read_ledger(files: AnnotationFiles, num_slices: int, slice_axis: int) -> Ledger:
    """Read the ledger; untouched where there is no file.

    Raises
    ------
    ProjectError
        If the file is damaged, of another number of slices, or of a newer version.
    """
    return _undisturbed(files, lambda: _read_ledger(files, num_slices, slice_axis))


def read_annotation(
    files: AnnotationFiles, geometry: Geometry, num_slices: int, slice_axis: int
) -> tuple[LabelMap, Ledger]:
    """Read classes and known mask on the image's geometry, and the ledger that agrees.

    Another program may be writing them meanwhile; what is returned was so at one moment.
    """
    return _undisturbed(files, lambda: _read(files, geometry, num_slices, slice_axis))


def write_annotation(
    files: AnnotationFiles,
    label_map: LabelMap,
    ledger: Ledger,
    slice_axis: int,
    *,
    changed: Iterable[int] | None = None,
) -> None:
    """Write the files, each in one step; a crash anywhere leaves the old or the new state.

    Parameters
    ----------
    files, label_map, ledger, slice_axis
        The state to store.
    changed
        Slices whose classes differ from what is stored; None: any may.
    """
    files.labels.parent.mkdir(parents=True, exist_ok=True)
    planes = np.moveaxis(label_map.array, slice_axis, 0)
    is_partial = changed is not None and not files.autosave.exists()  # else it holds more
    indices = sorted(changed or ()) if is_partial else list(range(len(planes)))
    _autosave(files, {index: planes[index] for index in indices}, ledger)
    if indices or not files.labels.exists():
        write_labels(files.labels, label_map)
    write_ledger(files, ledger, slice_axis)
    known = known_mask(label_map.array, ledger, slice_axis).astype(np.uint8)
    write_labels(files.known, LabelMap(array=known, geometry=label_map.geometry))
    files.autosave.unlink(missing_ok=True)


def write_ledger(files: AnnotationFiles, ledger: Ledger, slice_axis: int) -> None:
    """Replace the ledger's file."""
    rows = ledger.as_json()
    content = {
        "schema_version": LEDGER_VERSION,
        "slice_axis": slice_axis,
        "num_slices": len(ledger),
        "slices": rows,
        "checksum": _checksum(slice_axis, len(ledger), rows),
    }
    write_bytes(files.ledger, json.dumps(content, indent=1).encode() + b"\n")


def _read_ledger(files: AnnotationFiles, num_slices: int, slice_axis: int) -> Ledger:
    if files.autosave.exists():
        return fitting(read_header(files.autosave).ledger, num_slices, files.autosave)
    try:
        content = read_json(files.ledger, max_bytes=_MAX_LEDGER_BYTES)
    except FileNotFoundError:
        return Ledger.untouched(num_slices)
    except (OSError, ValueError) as error:
        raise _damaged(files.ledger, str(error)) from error
    try:
        if content["schema_version"] > LEDGER_VERSION:
            raise ValueError("a newer version")
        if content["num_slices"] != num_slices:
            raise ValueError(f"{content['num_slices']} slices instead of {num_slices}")
        if content.get("slice_axis", slice_axis) != slice_axis:
            raise ValueError(f"slices along axis {content['slice_axis']} instead of {slice_axis}")
        checksum = _checksum(slice_axis, num_slices, content["slices"])
        if content.get("checksum", checksum) != checksum:  # left out where changed by hand
            raise ValueError("a wrong checksum")
        return Ledger.from_json(num_slices, content["slices"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(files.ledger, str(error)) from error


def _autosave(files: AnnotationFiles, slices: dict[int, LabelArray], ledger: Ledger) -> None:
    planes = {index: plane.astype(np.uint8, copy=False) for index, plane in slices.items()}
    stored = StoredSlices(slices=planes, ledger=ledger, is_whole=False, when=now())
    write_bytes(files.autosave, encode_slices(stored))


def _read(
    files: AnnotationFiles, geometry: Geometry, num_slices: int, slice_axis: int
) -> tuple[LabelMap, Ledger]:
    autosave = read_slices(files.autosave) if files.autosave.exists() else None
    if files.labels.exists():
        place = open_image(files.labels).geometry  # before voxels take memory
        require_same_space(geometry, place, str(files.labels), "its image")
        array: LabelArray = read_labels(files.labels).array
    else:
        array = LabelMap.empty(geometry).array
    if autosave is None:
        ledger = _read_ledger(files, num_slices, slice_axis)
    else:
        ledger = fitting(autosave.ledger, num_slices, files.autosave)
        array = laid_over(array, autosave, slice_axis, files.autosave)
    ledger = with_paint(ledger, painted_counts(array, slice_axis), who="", when="")
    known = known_mask(array, ledger, slice_axis)
    return LabelMap(array=array, geometry=geometry, known=known), ledger


def laid_over(
    array: LabelArray, stored: StoredSlices, slice_axis: int, path: Path
) -> npt.NDArray[np.uint8]:
    """Classes (I, P, L) with stored slices in their places.

    Raises
    ------
    ProjectError
        If those are of another size.
    """
    merged = np.zeros_like(array) if stored.is_whole else array.copy()
    planes = np.moveaxis(merged, slice_axis, 0)
    for index, labels_YX in stored.slices.items():
        if labels_YX.shape != planes.shape[1:] or index >= len(planes):
            raise ProjectError(
                f"Expected up to {len(planes)} slices of {_times(planes.shape[1:])} voxels in "
                f"{path}, found slice {index + 1} of {_times(labels_YX.shape)}; delete that file, "
                "or put the case's own image back."
            )
        planes[index] = labels_YX
    return merged.astype(np.uint8, copy=False)


def fitting(ledger: Ledger, num_slices: int, path: Path) -> Ledger:
    """Ledger of a file, if it has as many slices as its case.

    Raises
    ------
    ProjectError
        If it has others.
    """
    if len(ledger) != num_slices:
        raise ProjectError(
            f"Expected {num_slices} slices in {path}, found {len(ledger)}; delete that file, or "
            "put the case's own image back."
        )
    return ledger


def _undisturbed(files: AnnotationFiles, read: Callable[[], _T]) -> _T:
    """Result of reading several files that nobody changed meanwhile.

    Raises
    ------
    ProjectError
        If they change all the time.
    """
    for _ in range(_TRIES):
        before = _marks(files)
        error = None
        try:
            result = read()
        except (TransMedSegError, OSError) as caught:  # of a file that just went, perhaps
            error = caught
        if _marks(files) == before:
            if error is not None:
                raise error
            return result
    raise ProjectError(
        f"Expected to read {files.labels}, found that another program changes it again and again; "
        "wait until it is done."
    )


def _marks(files: AnnotationFiles) -> list[tuple[int, int, int] | None]:
    """What tells one state from the next; while an autosave is there, it alone does."""
    autosave = _mark(files.autosave)
    return [_mark(files.labels), _mark(files.ledger), None] if autosave is None else [autosave]


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _checksum(slice_axis: int, num_slices: int, rows: list[dict[str, Any]]) -> int:
    return zlib.crc32(json.dumps([slice_axis, num_slices, rows]).encode())


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _damaged(path: Path, reason: str) -> ProjectError:
    return ProjectError(
        f"Expected a ledger in {path}, found a damaged one ({reason}); restore a snapshot of the "
        "case, or delete it and mark the annotated slices again (painted voxels stay)."
    )
