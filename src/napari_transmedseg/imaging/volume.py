"""Intensities and labels, each with the geometry that they lie on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import Geometry

LabelArray = npt.NDArray[np.uint8 | np.uint16]


@dataclass(kw_only=True, slots=True, eq=False)
class Volume:
    """Intensities of one 3-D image, or of several that lie on the same voxels: its channels.

    Raises
    ------
    GeometryError
        If an array does not have the geometry's display shape, or channels lack names.
    """

    array: npt.NDArray[Any]
    """(I, P, L), any real dtype; usually a view of the file's order."""
    geometry: Geometry
    """Where the voxels lie."""
    name: str = ""
    """Case id: the file's stem."""
    notes: tuple[str, ...] = ()
    """Sentences about what is unusual in the file but was read right."""
    further: tuple[npt.NDArray[Any], ...] = ()
    """(I, P, L) each: the channels after `array`, each on its own scale."""
    channel_names: tuple[str, ...] = ()
    """Names of `array` and the further channels; empty for a single image."""

    def __post_init__(self) -> None:
        _check_shape(self.array, self.geometry, "intensities")
        for array in self.further:
            _check_shape(array, self.geometry, "intensities of a further channel")
        expected = 1 + len(self.further) if self.further else 0
        if len(self.channel_names) != expected:
            raise GeometryError(
                f"Expected {expected} names of channels, found {len(self.channel_names)}; name "
                "every channel, and none of a single image."
            )

    @property
    def channels(self) -> tuple[npt.NDArray[Any], ...]:
        """All channels, the first one is `array`."""
        return (self.array, *self.further)


@dataclass(kw_only=True, slots=True, eq=False)
class LabelMap:
    """Classes of one 3-D image; 0 is background where known.

    Raises
    ------
    GeometryError
        If classes or known mask do not have the geometry's display shape, or the classes are
        not uint8 or uint16.
    """

    array: LabelArray
    """(I, P, L), uint8 or uint16."""
    geometry: Geometry
    """Where the voxels lie."""
    known: npt.NDArray[np.bool_] | None = None
    """(I, P, L): voxels that a person vouches for; None: all of them."""
    names: dict[int, str] = field(default_factory=dict)
    """Class names by value, where they are known."""
    colors: dict[int, str] = field(default_factory=dict)
    """Class colours (#rrggbb) by value, where they are known."""
    notes: tuple[str, ...] = ()
    """Sentences about what reading had to decide, such as which of two overlapping segments won."""

    def __post_init__(self) -> None:
        _check_shape(self.array, self.geometry, "classes")
        if self.array.dtype not in (np.uint8, np.uint16):
            raise GeometryError(
                f"Expected classes as uint8 or uint16, found {self.array.dtype}; "
                "convert the array first."
            )
        if self.known is not None:
            _check_shape(self.known, self.geometry, "the known mask")

    @classmethod
    def empty(cls, geometry: Geometry, *, known: bool = False) -> LabelMap:
        """Label map of background on a geometry; by default nothing of it is known."""
        mask = (
            None
            if known
            else geometry.to_display(np.zeros(geometry.shape, dtype=np.bool_, order="F"))
        )
        array = geometry.to_display(np.zeros(geometry.shape, dtype=np.uint8, order="F"))
        return cls(array=array, geometry=geometry, known=mask)


def class_counts(array: LabelArray) -> dict[int, int]:
    """Voxels of each class that occurs, background too; one plane at a time, to spare memory."""
    axis = int(np.argmax(np.abs(array.strides)))
    total = np.zeros(int(np.iinfo(array.dtype).max) + 1, dtype=np.int64)
    for plane in np.moveaxis(array, axis, 0):
        found = np.bincount(plane.ravel(order="K"))
        total[: len(found)] += found
    return {int(value): int(total[value]) for value in np.flatnonzero(total)}


def _check_shape(array: npt.NDArray[Any], geometry: Geometry, what: str) -> None:
    if array.shape != geometry.display_shape:
        raise GeometryError(
            f"Expected {what} of shape {geometry.display_shape} (I, P, L), found {array.shape}; "
            "use the array that belongs to this geometry."
        )
