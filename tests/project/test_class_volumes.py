"""Volumes of classes follow the voxels, slice by slice."""

import numpy as np
import pytest

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.class_volumes import ClassVolumes

GEOMETRY = Geometry(shape=(5, 6, 4), affine=np.diag([-1.5, -2.0, 6.0, 1.0]))
VOXEL_ML = 1.5 * 2.0 * 6.0 / 1000


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_volumes_are_those_of_a_plain_count_and_follow_a_changed_slice(slice_axis: int):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, GEOMETRY.display_shape).astype(np.uint8)
    volumes = ClassVolumes(labels, slice_axis, 3)

    def counted() -> list[float]:
        return [VOXEL_ML * np.count_nonzero(labels == value) for value in (1, 2, 3)]

    assert volumes.in_ml(GEOMETRY) == pytest.approx(counted())
    before = volumes.in_ml(GEOMETRY)
    np.moveaxis(labels, slice_axis, 0)[2] = 3
    assert volumes.in_ml(GEOMETRY) == before
    volumes.update(2)
    assert volumes.in_ml(GEOMETRY) == pytest.approx(counted())
    assert volumes.in_ml(GEOMETRY)[2] > before[2]
