"""Dice, Jaccard and surface distances, against plain definitions and MONAI."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from napari_transmedseg.engine.metrics import DiceCounter, asd, dice, hd95, jaccard

LABELS = arrays(np.uint8, (4, 5, 3), elements=st.integers(0, 2))


def _ball(shape, center, radius, spacing):
    grid = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    squared = sum((axis - middle) ** 2 for axis, middle in zip(grid, center, strict=True))
    return (squared <= radius**2).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(prediction=LABELS, reference=LABELS, mask=arrays(np.bool_, (4, 5, 3)))
def test_dice_and_jaccard_follow_their_definitions(prediction, reference, mask):
    scores = dice(prediction, reference, 3, mask), jaccard(prediction, reference, 3, mask)
    for value in range(3):
        p, r = prediction[mask] == value, reference[mask] == value
        if not (p | r).any():
            assert np.isnan(scores[0][value]) and np.isnan(scores[1][value])
            continue
        assert scores[0][value] == pytest.approx(2 * (p & r).sum() / (p.sum() + r.sum()))
        assert scores[1][value] == pytest.approx((p & r).sum() / (p | r).sum())


@settings(max_examples=30, deadline=None)
@given(prediction=LABELS, reference=LABELS)
def test_slices_pooled_one_by_one_equal_the_volume_at_once(prediction, reference):
    counter = DiceCounter(3)
    for pred, ref in zip(prediction, reference, strict=True):
        counter.update(torch.from_numpy(pred), torch.from_numpy(ref))
    assert_allclose(counter.dice(), dice(prediction, reference, 3))
    assert_allclose(counter.jaccard(), jaccard(prediction, reference, 3))


def test_both_empty_is_nan_and_one_empty_is_nought():
    empty, full = np.zeros((3, 3), np.uint8), np.ones((3, 3), np.uint8)
    assert np.isnan(dice(empty, empty, 2)[1])
    assert dice(empty, full, 2)[1] == 0
    assert dice(full, empty, 2)[1] == 0
    assert np.isnan(hd95(empty, full, 2)[1])
    assert np.isnan(asd(full, empty, 2)[1])


def test_label_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        dice(np.zeros((2, 2), int), np.zeros((2, 3), int), 2)
    with pytest.raises(ValueError, match="classes 0 to 1, found 0 to 5"):
        dice(np.array([0, 5]), np.array([0, 1]), 2)


@pytest.mark.parametrize("metric", [hd95, asd])
@pytest.mark.parametrize("spacing", [(1, 1), (2.0, 0.5), (3, 1, 1)], ids=str)
def test_equal_masks_have_no_distance_and_a_shift_is_measured_in_mm(metric, spacing):
    shape = (40,) * len(spacing)
    mask = np.zeros(shape, np.uint8)
    mask[(slice(10, 20),) * len(shape)] = 1
    assert metric(mask, mask, 2, spacing)[1] == 0
    mask, far = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    mask[(5,) * len(shape)] = far[(9, *(5,) * (len(shape) - 1))] = 1
    assert metric(mask, far, 2, spacing)[1] == pytest.approx(4 * spacing[0])


def test_distances_without_a_spacing_are_in_voxels():
    mask, far = np.zeros((9, 9), int), np.zeros((9, 9), int)
    mask[1, 1] = far[1, 6] = 1
    assert hd95(mask, far, 2)[1] == asd(mask, far, 2)[1] == 5


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 1.25, 1.25)], ids=str)
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_surface_distances_agree_with_monai_and_with_all_pairs(spacing):
    import monai.metrics as monai

    shape = (14, 30, 30)
    center = [n * s / 2 for n, s in zip(shape, spacing, strict=True)]
    pred = _ball(shape, center, 9, spacing)
    ref = _ball(shape, [c + 2 for c in center], 8, spacing)
    one_hot = [torch.from_numpy(mask)[None, None].float() for mask in (pred, ref)]
    expected = monai.compute_average_surface_distance(
        *one_hot, include_background=True, spacing=spacing
    )
    assert asd(pred, ref, 2, spacing)[1] == pytest.approx(expected.item(), rel=1e-5)
    points = [_surface_points(mask, spacing) for mask in (pred, ref)]
    distances = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
    pooled = np.concatenate([distances.min(1), distances.min(0)])
    assert hd95(pred, ref, 2, spacing)[1] == pytest.approx(np.percentile(pooled, 95))
    assert asd(pred, ref, 2, spacing)[1] == pytest.approx(distances.min(1).mean())


def test_distances_are_per_class_and_take_tensors():
    pred, ref = torch.zeros(12, 12, dtype=torch.long), torch.zeros(12, 12, dtype=torch.long)
    pred[2, 2] = ref[2, 2] = 1
    pred[8, 2], ref[8, 5] = 2, 2
    assert hd95(pred, ref, 4)[1:].tolist()[:2] == [0, 3]
    assert np.isnan(hd95(pred, ref, 4)[3])


def _surface_points(mask, spacing):
    padded = np.pad(mask, 1).astype(bool)
    inner = padded.copy()
    for axis in range(mask.ndim):
        for step in (1, -1):
            inner &= np.roll(padded, step, axis)
    return (np.argwhere(padded & ~inner) - 1) * np.asarray(spacing)
