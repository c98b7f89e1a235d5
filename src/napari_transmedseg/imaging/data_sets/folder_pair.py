"""Images and label maps of the same names in two folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import nibabel as nib
from nibabel.spatialimages import SpatialImage

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import (
    DataSet,
    DataSetCase,
    ImageFile,
    own_group,
)
from napari_transmedseg.imaging.data_sets.names import pair_by_name
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume

_NAMED = 5
"""Case ids that a sentence names before it counts the rest."""


def is_folder_pair(folder: Path) -> bool:
    """Whether a folder holds images/ and labels/."""
    return (folder / "images").is_dir() and (folder / "labels").is_dir()


def read_folder_pair(
    folder: Path,
    *,
    group_of: Callable[[str], str] = own_group,
    domain_of: Callable[[Path], str] | None = None,
) -> DataSet:
    """Pair `images/<case>` with `labels/<case>` or `labels/<case>_seg`, in any readable format.

    Parameters
    ----------
    folder
        Holds the two folders; both are searched to the bottom.
    group_of
        Person of a case id.
    domain_of
        Site or scanner of an image file, where its path or header tells.

    Returns
    -------
    DataSet
        Images without a label map are cases without reference; label maps without an image are
        left out. Both are said in the notes.

    Raises
    ------
    DataSetError
        If a folder is missing, empty, or holds two files of one case.
    """
    if not is_folder_pair(folder):
        raise DataSetError(
            f"Expected the folders images/ and labels/ in {folder}, found them missing; "
            "give the folder that holds both."
        )
    images, labels = _by_case(folder / "images"), _by_case(folder / "labels")
    if not images:
        raise DataSetError(
            f"Expected images in {folder / 'images'}, found none; put NIfTI, NRRD or MetaImage "
            "files there."
        )
    paired, strays = pair_by_name(images, labels)
    cases = tuple(
        DataSetCase(
            case_id=case_id,
            load_image=partial(read_volume, path),
            load_labels=partial(read_labels, paired[case_id]) if case_id in paired else None,
            images=(ImageFile(path=path),),
            labels=(paired[case_id],) if case_id in paired else (),
            group=group_of(case_id),
            domain="" if domain_of is None else domain_of(path),
        )
        for case_id, path in sorted(images.items())
    )
    return DataSet(cases=cases, notes=unpaired_notes(sorted(images.keys() - paired.keys()), strays))


def stored_type(path: Path) -> str:
    """Data type in which a NIfTI file stores its voxels, such as `uint8`."""
    image = cast(SpatialImage, nib.load(path))
    return str(image.get_data_dtype())


def unpaired_notes(without_labels: Sequence[str], without_image: Sequence[str]) -> tuple[str, ...]:
    """Say which images have no label map and which label maps no image."""
    notes = []
    if without_labels:
        notes.append(
            f"{_count(without_labels, 'image')} without a label map: {_names(without_labels)}."
        )
    if without_image:
        notes.append(
            f"{_count(without_image, 'label map')} without an image, left out: "
            f"{_names(without_image)}."
        )
    return tuple(notes)


def named_count(items: Sequence[str], noun: str) -> str:
    """How many, and which: `2 cases (a, b)`."""
    return f"{_count(items, noun)} ({_names(items)})"


def _by_case(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_images([folder]):
        case_id = case_id_of(path)
        if case_id in found:
            raise DataSetError(
                f"Expected one file of case '{case_id}' in {folder}, found {found[case_id].name} "
                f"and {path}; keep one of them."
            )
        found[case_id] = path
    return found


def _count(items: Sequence[str], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _names(items: Sequence[str]) -> str:
    rest = len(items) - _NAMED
    return ", ".join(items[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
