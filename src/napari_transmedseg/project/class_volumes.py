"""Volumes of the classes of a case, kept up to date slice by slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_transmedseg.imaging.geometry import Geometry


class ClassVolumes:
    """Voxels of each class on each slice; a changed slice is counted anew by itself."""

    def __init__(
        self, labels_IPL: npt.NDArray[np.uint8], slice_axis: int, num_classes: int
    ) -> None:
        self._slices = np.moveaxis(labels_IPL, slice_axis, 0)
        self._counts_SC = np.zeros((len(self._slices), num_classes), np.int64)
        for index in range(len(self._slices)):
            self.update(index)

    def update(self, index: int) -> None:
        """Count a slice of the array again."""
        for value in range(1, self._counts_SC.shape[1] + 1):
            self._counts_SC[index, value - 1] = np.count_nonzero(self._slices[index] == value)

    def in_ml(self, geometry: Geometry) -> list[float]:
        """Volume of each class, by ascending value, background left out."""
        voxel_ml = abs(float(np.linalg.det(geometry.affine[:3, :3]))) / 1000.0
        return [float(count) * voxel_ml for count in self._counts_SC.sum(0)]
