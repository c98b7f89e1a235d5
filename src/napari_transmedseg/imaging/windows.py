"""Which intensities are shown from black to white: CT windows by name, and percentiles.

Centre and width of the CT windows in HU as radiology teaches them (Hofer, CT Teaching Manual;
Radiopaedia, "Windowing (CT)").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CT_AIR = -900.0
"""HU; only CT has air that is this far below zero."""
CT_DENSEST = 200.0
"""HU; a CT of a body has bone above it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A choice of intensities by name: centre and width, or percentiles of the volume."""

    name: str
    center: float = 0.0
    """In the image's unit (CT: HU)."""
    width: float = 0.0
    """0: the percentiles count."""
    percentiles: tuple[float, float] = (0.0, 100.0)

    @property
    def label(self) -> str:
        """Name with its numbers, for a list."""
        if self.width:
            return f"{self.name} ({self.center:g} / {self.width:g} HU)"
        return self.name

    def limits(self, array: npt.NDArray[np.generic]) -> tuple[float, float]:
        """Black and white point for a volume; never the same."""
        if self.width:
            return self.center - self.width / 2, self.center + self.width / 2
        if self.percentiles == (0.0, 100.0):
            low, high = float(array.min()), float(array.max())
        else:
            values: npt.NDArray[Any] = sampled(array)
            low, high = (float(value) for value in np.percentile(values, self.percentiles))
        return (low, high) if high > low else (low, low + 1.0)


CT_WINDOWS = (
    Window(name="Abdomen", center=50.0, width=400.0),
    Window(name="Liver", center=30.0, width=150.0),
    Window(name="Mediastinum", center=50.0, width=350.0),
    Window(name="Lung", center=-600.0, width=1500.0),
    Window(name="Bone", center=400.0, width=1800.0),
    Window(name="Brain", center=40.0, width=80.0),
)
PERCENTILES = (
    Window(name="0.5–99.5 %", percentiles=(0.5, 99.5)),
    Window(name="1–99 %", percentiles=(1.0, 99.0)),
    Window(name="Minimum–maximum"),
)


def windows_for(modality: str, array: npt.NDArray[np.generic]) -> tuple[Window, ...]:
    """Windows that make sense for a volume, the best guess first.

    Parameters
    ----------
    modality
        DICOM's word; empty where the file does not say it, then the intensities decide.
    array
        Intensities of the volume, any axis order.
    """
    return CT_WINDOWS + PERCENTILES if looks_like_ct(modality, array) else PERCENTILES


def looks_like_ct(modality: str, array: npt.NDArray[np.generic]) -> bool:
    """Whether intensities are Hounsfield units, by DICOM's word or by air and bone."""
    if modality:
        return modality.upper() == "CT"
    values = sampled(array)
    return bool(values.min() <= CT_AIR and values.max() >= CT_DENSEST)


def overlap(kept: tuple[float, float], own: tuple[float, float]) -> bool:
    """Whether an image of intensities `own` shows anything between the limits `kept`."""
    return kept[0] < own[1] and own[0] < kept[1]


def sampled(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """About 64 voxels along each axis, spread over all of an array; a view."""
    return array[tuple(slice(None, None, max(1, n // 64)) for n in array.shape)]
