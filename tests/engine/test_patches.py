"""Patches of volumes: labeled ones show what is known, all lie inside the window."""

from dataclasses import replace

import pytest
import torch
from volumes import sparse_cohort, volume_plan, whole_cohort

from napari_transmedseg.engine.images import build_store
from napari_transmedseg.engine.patches import (
    cut_images,
    cut_inside,
    cut_labels,
    known_starts,
    labeled_starts,
    middle_starts,
    slice_ids,
    unlabeled_starts,
)
from napari_transmedseg.engine.sampling import Sampler

PATCH = (16, 8, 8)


def _store(cases, patch=PATCH):
    plan = volume_plan(cases)
    plan = replace(plan, space=replace(plan.space, patch=patch))
    return plan, build_store(cases, plan, validation_share=0, seed=0, cache=None)


@pytest.fixture(scope="module")
def sparse():
    return _store(sparse_cohort())[1]


def _generator():
    return torch.Generator().manual_seed(0)


def test_every_labeled_patch_holds_known_voxels_and_most_show_the_class(sparse):
    rows = torch.arange(4).repeat(32)
    starts = labeled_starts(sparse, rows, _generator())
    label, known = cut_labels(sparse, rows, starts)
    assert label.shape == known.shape == (128, *PATCH)
    assert known.flatten(1).any(1).all()
    assert (label * known).flatten(1).any(1).float().mean() > 0.6


def test_patches_stay_inside_the_window_and_reach_its_ends(sparse):
    for starts in (
        labeled_starts(sparse, torch.arange(4).repeat(64), _generator()),
        unlabeled_starts(sparse, 256, _generator()),
    ):
        assert starts.min() == 0 and starts.amax(0).tolist() == [24 - 16, 16 - 8, 16 - 8]


def test_an_image_and_its_labels_are_cut_at_the_same_place(sparse):
    rows = torch.tensor([0, 1, 3])
    starts = labeled_starts(sparse, rows, _generator())
    image = cut_images(sparse, sparse.labeled_L[rows], starts, "cpu")
    label, _ = cut_labels(sparse, rows, starts)
    for row, start, one, mask in zip(rows, starts.tolist(), image, label, strict=True):
        where = tuple(slice(s, s + p) for s, p in zip(start, PATCH, strict=True))
        assert torch.equal(one[0], sparse.image_N1HW[sparse.labeled_L[row], 0][where])
        assert torch.equal(mask, sparse.label_LHW[row][where])
    assert cut_inside(sparse, sparse.labeled_L[rows], starts).all()


def test_the_patch_that_measures_is_always_the_same_and_shows_a_known_slice(sparse):
    rows = torch.arange(4)
    starts = known_starts(sparse, rows)
    assert torch.equal(starts, known_starts(sparse, rows))
    _, known = cut_labels(sparse, rows, starts)
    assert known.flatten(1).any(1).all()
    assert middle_starts(sparse, 2).tolist() == [[4, 4, 4], [4, 4, 4]]


def test_a_patch_knows_its_slices_among_all(sparse):
    images, starts = torch.tensor([0, 2]), torch.tensor([[3, 0, 0], [8, 1, 2]])
    assert sparse.slices_per_image == 24
    assert slice_ids(sparse, images, starts).tolist() == [3, 2 * 24 + 8]


def test_windows_that_fit_are_not_cut():
    _, store = _store(whole_cohort(), patch=())
    rows = torch.tensor([0, 2])
    assert labeled_starts(store, rows, _generator()).tolist() == [[0, 0, 0]] * 2
    label, known = cut_labels(store, rows, labeled_starts(store, rows, _generator()))
    assert torch.equal(label, store.label_LHW[rows]) and known.all()


def test_batches_of_patches_have_what_the_step_needs(sparse):
    plan, store = _store(sparse_cohort())
    sampler = Sampler(store, plan.recipe.augmentation, _generator(), torch.device("cpu"))
    labeled, unlabeled = sampler.labeled(3), sampler.unlabeled(2)
    assert labeled.strong_B1HW.shape == (3, 1, *PATCH)
    assert labeled.known_BHW.any() and not labeled.known_BHW.all()
    assert not unlabeled.known_BHW.any() and unlabeled.inside_BHW.any()
    assert sampler.fills_gaps


def test_only_sparse_volumes_have_gaps_to_fill():
    plan, store = _store(whole_cohort())
    sampler = Sampler(store, plan.recipe.augmentation, _generator(), torch.device("cpu"))
    assert not sampler.fills_gaps
    assert store.num_labeled_slices == 3 * 24 and store.num_unlabeled_slices == 2 * 24
