"""The three files of a case's annotation: classes, known mask and ledger.

The ledger and the classes are what counts; the known mask follows from them and is written for
other programs. A crash between two files therefore loses nothing: paint on a slice that the
ledger does not know yet is in progress.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.io import read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelArray, LabelMap
from napari_transmedseg.project.ledger import Ledger, known_mask, painted_counts, with_paint

LEDGER_VERSION = 1


@dataclass(frozen=True, slots=True)
class AnnotationFiles:
    """Where the annotation of one case lies."""

    labels: Path
    known: Path
    ledger: Path

    @classmethod
    def of(cls, folder: Path, case_id: str) -> AnnotationFiles:
        """Paths below the project folder."""
        root = folder / "annotations"
        return cls(
            labels=root / f"{case_id}.nii.gz",
            known=root / f"{case_id}.known.nii.gz",
            ledger=root / f"{case_id}.ledger.json",
        )


def read_ledger(files: AnnotationFiles, num_slices: int) -> Ledger:
    """Read the ledger; untouched where there is no file.

    Raises
    ------
    ProjectError
        If the file is damaged, of another number of slices, or of a newer version.
    """
    try:
        content = json.loads(files.ledger.read_bytes())
    except FileNotFoundError:
        return Ledger.untouched(num_slices)
    except (OSError, ValueError) as error:
        raise _damaged(files.ledger, str(error)) from error
    try:
        if content["schema_version"] > LEDGER_VERSION:
            raise ValueError("a newer version")
        if content["num_slices"] != num_slices:
            raise ValueError(f"{content['num_slices']} slices instead of {num_slices}")
        return Ledger.from_json(num_slices, content["slices"])
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(files.ledger, str(error)) from error


def read_annotation(
    files: AnnotationFiles, geometry: Geometry, num_slices: int, slice_axis: int
) -> tuple[LabelMap, Ledger]:
    """Read classes and known mask on the image's geometry, and the ledger that agrees."""
    ledger = read_ledger(files, num_slices)
    if files.labels.exists():
        stored = read_labels(files.labels)
        require_same_space(geometry, stored.geometry, str(files.labels), "its image")
        array: LabelArray = stored.array
    else:
        array = LabelMap.empty(geometry).array
    ledger = with_paint(ledger, painted_counts(array, slice_axis), who="", when="")
    known = known_mask(array, ledger, slice_axis)
    return LabelMap(array=array, geometry=geometry, known=known), ledger


def write_annotation(
    files: AnnotationFiles,
    label_map: LabelMap,
    ledger: Ledger,
    slice_axis: int,
    *,
    labels_changed: bool = True,
) -> None:
    """Write the files, each in one step; classes first, as they cannot be made again."""
    files.labels.parent.mkdir(parents=True, exist_ok=True)
    if labels_changed or not files.labels.exists():
        write_labels(files.labels, label_map)
    write_ledger(files, ledger, slice_axis)
    known = known_mask(label_map.array, ledger, slice_axis).astype(np.uint8)
    write_labels(files.known, LabelMap(array=known, geometry=label_map.geometry))


def write_ledger(files: AnnotationFiles, ledger: Ledger, slice_axis: int) -> None:
    """Replace the ledger's file."""
    content = {
        "schema_version": LEDGER_VERSION,
        "slice_axis": slice_axis,
        "num_slices": len(ledger),
        "slices": ledger.as_json(),
    }
    write_bytes(files.ledger, json.dumps(content, indent=1).encode() + b"\n")


def _damaged(path: Path, reason: str) -> ProjectError:
    return ProjectError(
        f"Expected a ledger in {path}, found a damaged one ({reason}); restore it from a backup, "
        "or delete it and mark the annotated slices again (painted voxels stay)."
    )
