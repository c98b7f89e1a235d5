"""Voxels of each class are drawn fairly, and alike on every device."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from napari_transmedseg.engine.voxel_sampling import (
    Layout,
    sample_lists,
    sample_per_class,
    take_voxels,
)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=300),
    limit=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_a_sample_has_distinct_voxels_of_its_class_and_as_many_as_allowed(labels, limit, seed):
    labels_N = torch.tensor(labels)
    index, valid = sample_per_class(labels_N, 4, limit, torch.Generator().manual_seed(seed))
    for value in range(4):
        chosen = index[value][valid[value]]
        assert len(chosen.unique()) == len(chosen) == min(limit, labels.count(value))
        assert (labels_N[chosen] == value).all()


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=300),
    limit=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_lists_hold_the_voxels_of_the_sample_in_their_order(labels, limit, seed):
    labels_N = torch.tensor(labels)
    generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
    index, valid = sample_per_class(labels_N, 4, limit, generators[0])
    lists = sample_lists(labels_N, 4, limit, generators[1])
    for value in range(4):
        assert lists[value].tolist() == index[value][valid[value]].tolist()
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_every_voxel_of_a_large_class_is_equally_likely():
    labels = torch.zeros(50, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    hits = torch.zeros(50)
    for _ in range(2000):
        hits[sample_lists(labels, 1, 20, generator)[0]] += 1
    assert_allclose(hits / 2000, 0.4, atol=0.06)


@pytest.mark.parametrize("space", [(6, 5), (3, 2, 5)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_features_are_taken_from_their_voxels_in_any_memory_format(space, channels_last):
    features = torch.randn(2, 4, *space)
    if channels_last:
        form = torch.channels_last if len(space) == 2 else torch.channels_last_3d
        features = features.to(memory_format=form)
    index = torch.tensor([[0, 29, 30], [59, 7, 7]])
    taken = take_voxels(features.flatten(2), index, Layout(30, 30))
    assert torch.equal(taken, features.movedim(1, -1).reshape(-1, 4)[index])


@pytest.mark.parametrize(
    ("layout", "slices"),
    [
        pytest.param(Layout(30, 30), [4, 4, 4, 9, 9], id="an image is one slice"),
        pytest.param(Layout(30, 10), [4, 4, 5, 9, 11], id="a patch of three slices"),
    ],
)
def test_a_voxels_slice_follows_from_its_place(layout, slices):
    index = torch.tensor([0, 9, 10, 30, 59])
    assert layout.slice_of(torch.tensor([4, 9]), index).tolist() == slices
