"""npe2 reader: NIfTI, NRRD and MetaImage volumes as layers in millimetres."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_transmedseg.layer_data import LayerData

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Offer `read` when every path ends like a volume; opens nothing and never raises."""
    paths = [path] if isinstance(path, str) else list(path)
    matches = bool(paths) and all(str(one).lower().endswith(SUFFIXES) for one in paths)
    return read if matches else None


def read(path: str | list[str]) -> list[LayerData]:
    """Read each file as an image layer, or as a labels layer where it holds classes.

    Raises
    ------
    napari_transmedseg.errors.ImageReadError
        When a file is no image, is damaged, or cannot be shown.
    """
    from napari_transmedseg.layer_data import read_layer

    return [read_layer(one) for one in ([path] if isinstance(path, str) else path)]
