"""What of a label map counts as known: all of it, whole slices that have labels, or only these."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.io import case_id_of, read_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.label_files import KNOWN_SUFFIX
from napari_transmedseg.project.ledger import painted_counts

Known = Literal["all", "slices", "voxels"]
"""`all`: every slice, those without labels being empty. `slices`: slices that have labels, the
others stay open. `voxels`: only what is labeled, so that these slices are in progress."""


def with_own_mask(label_map: LabelMap, path: Path) -> LabelMap:
    """Label map with the known mask that lies beside its file, where there is one.

    Parameters
    ----------
    label_map
        As it was read from `path`.
    path
        A project's `annotations/<case>.nii.gz`, for example; its mask is `<case>.known.nii.gz`.

    Raises
    ------
    ImageReadError
        If the mask has other voxels.
    """
    mask_path = path.with_name(f"{case_id_of(path)}{KNOWN_SUFFIX}.nii.gz")
    if not mask_path.is_file():
        return label_map
    mask = read_labels(mask_path)
    if not label_map.geometry.same_space(mask.geometry):
        raise ImageReadError(
            f"Expected {mask_path} on the voxels of {path}, found others; write both again, or "
            "take the mask away where all of the label map is known."
        )
    known = mask.array > 0
    if label_map.known is not None:
        known = known & label_map.known
    return dataclasses.replace(label_map, known=known)


def known_as(label_map: LabelMap, known: Known, slice_axis: int) -> LabelMap:
    """Label map of which no more is known than a person says.

    Parameters
    ----------
    label_map
        Classes (I, P, L), with what of them is known at most.
    known
        What is to be known.
    slice_axis
        Display axis that is cut.
    """
    if known == "all":
        return label_map
    said = label_map.array > 0 if known == "voxels" else _labeled_slices(label_map, slice_axis)
    if label_map.known is not None:
        said = said & label_map.known
    return dataclasses.replace(label_map, known=said)


def _labeled_slices(label_map: LabelMap, slice_axis: int) -> npt.NDArray[np.bool_]:
    said = np.zeros(label_map.array.shape, dtype=np.bool_)
    np.moveaxis(said, slice_axis, 0)[painted_counts(label_map.array, slice_axis) > 0] = True
    return said
