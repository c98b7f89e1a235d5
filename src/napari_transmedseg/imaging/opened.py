"""What the header of an image says, before any voxel is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Geometry


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenedImage:
    """Grid of one image file, and how to get its voxels."""

    geometry: Geometry
    """Of one frame."""
    load: Callable[[int], npt.NDArray[Any]]
    """Voxels (x, y, z) of a frame, source order, scaling applied."""
    num_frames: int = 1
    """Volumes in the file: time points, or channels."""
    notes: tuple[str, ...] = ()
    """Sentences about what is unusual but was read right."""
    header: Mapping[str, str] = field(default_factory=dict)
    """Fields of a text header, lower-case keys where the format ignores case."""
    label_names: Mapping[int, str] = field(default_factory=dict)
    """Names of label values, where the header of a label map gives them."""
    label_colors: Mapping[int, str] = field(default_factory=dict)
    """Their colours, #rrggbb."""
    modality: str = ""
    """DICOM's word, such as CT; empty where the format has none."""
    description: str = ""
    """What the scanner's operator called the series."""

    def confirmed(self) -> OpenedImage:
        """The same with a geometry that somebody vouched for."""
        return replace(self, geometry=replace(self.geometry, known=True))


def pick_frame(image: OpenedImage, frame: int | None, path: Path) -> int:
    """Check which frame is asked for.

    Raises
    ------
    ImageReadError
        If there are several and none was chosen, or there is none of that number.
    """
    if frame is None and image.num_frames > 1:
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found 4-D data with {image.num_frames} frames "
            f"(or channels); choose one of them (0 to {image.num_frames - 1}), or open each as "
            "a case, or all as the channels of one."
        )
    if frame is not None and not 0 <= frame < image.num_frames:
        raise ImageReadError(
            f"Expected a frame from 0 to {image.num_frames - 1} of {path}, found {frame}; choose "
            "one of these."
        )
    return frame or 0


def make_geometry(path: Path, **facts: Any) -> Geometry:
    """Geometry of a file's header.

    Raises
    ------
    ImageReadError
        Naming the file, where its header holds no usable grid.
    """
    try:
        return Geometry(**facts)
    except GeometryError as error:
        raise ImageReadError(f"{path}: {error}") from error
