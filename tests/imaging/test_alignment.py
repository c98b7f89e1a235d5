"""Label maps onto their image's grid: the same voxels exactly, others with an account."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.alignment import onto_same_grid, resample_labels
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap

IMAGE = Geometry.from_spacing((10, 12, 8), (1.0, 1.5, 3.0), orientation="LPS", origin=(5, 6, 7))


def labels_on(geometry: Geometry, seed: int = 0) -> LabelMap:
    array = np.random.default_rng(seed).integers(0, 4, geometry.display_shape).astype(np.uint8)
    return LabelMap(array=array, geometry=geometry, names={1: "a"})


def permuted(geometry: Geometry, axes: tuple[int, int, int], flips: tuple[int, ...]) -> Geometry:
    """The same voxels, stored in another order."""
    to_source = np.zeros((4, 4))
    to_source[3, 3] = 1
    for new, old in enumerate(axes):
        to_source[old, new] = -1 if flips[new] else 1
        to_source[old, 3] = geometry.shape[old] - 1 if flips[new] else 0
    shape = tuple(geometry.shape[axis] for axis in axes)
    return Geometry(shape=shape, affine=geometry.affine @ to_source)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(0, 0, 0), (1, 0, 1), (1, 1, 1)])
def test_the_same_voxels_in_another_order_are_taken_exactly(axes, flips) -> None:
    labels = labels_on(permuted(IMAGE, axes, flips))

    found = onto_same_grid(labels, IMAGE, "labels", "the image")

    assert found.geometry is IMAGE
    assert found.names == {1: "a"}
    assert_array_equal(found.array, labels.array)


def test_another_grid_is_refused_unless_asked_for() -> None:
    other = Geometry.from_spacing((10, 12, 8), (1.0, 1.5, 3.0), orientation="LPS", origin=(5, 9, 7))
    with pytest.raises(GeometryError, match="3 mm away"):
        onto_same_grid(labels_on(other), IMAGE, "labels", "the image")


def test_slices_that_a_sparse_label_map_lacks_are_empty() -> None:
    affine = IMAGE.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    part = labels_on(Geometry(shape=(10, 12, 3), affine=affine))

    found = onto_same_grid(part, IMAGE, "labels", "the image", sparse=True)

    stored = IMAGE.to_source(found.array)
    assert_array_equal(stored[..., 2:5], part.geometry.to_source(part.array))
    assert not stored[..., :2].any()
    assert not stored[..., 5:].any()
    with pytest.raises(GeometryError, match="voxels"):
        onto_same_grid(part, IMAGE, "labels", "the image")


def test_labels_beyond_the_image_are_not_cut_off_silently() -> None:
    affine = IMAGE.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    part = labels_on(Geometry(shape=(10, 12, 3), affine=affine))
    with pytest.raises(GeometryError, match="beyond"):
        onto_same_grid(part, IMAGE, "labels", "the image", sparse=True)


def test_a_finer_grid_takes_the_nearest_class_and_keeps_volumes() -> None:
    labels = LabelMap.empty(IMAGE, known=True)
    labels.array[2:6, 3:9, 2:8] = 2
    affine = IMAGE.affine @ np.diag([0.5, 0.5, 1 / 3, 1])
    affine[:3, 3] += IMAGE.affine[:3, :3] @ np.array([-0.25, -0.25, -1 / 3])
    fine = Geometry(shape=(20, 24, 24), affine=affine)

    found, report = resample_labels(labels, fine, "labels", "the image")

    assert report.method == "nearest"
    assert report.before_ml == report.after_ml
    assert report.outside_ml == 0
    assert found.known is None
    assert_array_equal(found.array[1::3, ::2, ::2], labels.array)
    assert "2 → 0.648" not in report.sentence({2: "liver"})
    assert "liver" in report.sentence({2: "liver"})


def test_a_coarser_grid_takes_the_majority() -> None:
    labels = LabelMap.empty(IMAGE, known=True)
    labels.array[:, :, :5] = 1
    labels.array[:, 0, :] = 3
    affine = IMAGE.affine @ np.diag([2, 2, 2, 1])
    affine[:3, 3] += IMAGE.affine[:3, :3] @ np.array([0.5, 0.5, 0.5])
    coarse = Geometry(shape=(5, 6, 4), affine=affine)

    found, report = resample_labels(labels, coarse, "labels", "the image")

    assert report.method == "majority"
    blocks = labels.array.reshape(4, 2, 6, 2, 5, 2).transpose(0, 2, 4, 1, 3, 5).reshape(4, 6, 5, 8)
    counts = np.stack([(blocks == value).sum(-1) for value in range(4)])
    winners = counts.max(0)
    chosen = np.take_along_axis(counts, found.array[None].astype(int), 0)[0]
    assert_array_equal(chosen, winners)


def test_what_a_label_map_does_not_cover_is_unknown() -> None:
    part = Geometry(shape=(10, 12, 4), affine=IMAGE.affine)
    found, _ = resample_labels(labels_on(part), IMAGE, "labels", "the image")
    assert found.known is not None
    known = IMAGE.to_source(found.known)
    assert known[..., :4].all()
    assert not known[..., 4:].any()


def test_another_space_is_refused() -> None:
    far = Geometry.from_spacing((10, 12, 8), (1, 1.5, 3), orientation="LPS", origin=(500, 0, 0))
    with pytest.raises(GeometryError, match="100 % of what is labeled beyond"):
        resample_labels(labels_on(far), IMAGE, "labels", "the image")
