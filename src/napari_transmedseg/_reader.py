"""npe2 reader: volumes of files and DICOM folders as layers in millimetres."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_transmedseg.layer_data import LayerData

SUFFIXES = (
    ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".hdr", ".img", ".dcm",
    ".dicom", ".ima",
)  # fmt: skip


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Offer `read` when every path ends like a volume or is a folder; opens no file, never raises.

    A folder may hold DICOM series.
    """
    paths = [path] if isinstance(path, str) else list(path)
    matches = (str(one).lower().endswith(SUFFIXES) or os.path.isdir(one) for one in paths)
    return read if paths and all(matches) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Read each image as an image layer, or as a labels layer where it holds classes.

    Raises
    ------
    napari_transmedseg.errors.ImageReadError
        When something is no image, is damaged, or cannot be shown.
    """
    from napari_transmedseg.layer_data import read_layers

    return read_layers([path] if isinstance(path, str) else path)
