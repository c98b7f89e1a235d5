"""Pseudo-labels: classes, largest components, entropy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_transmedseg.engine.pseudo_labels import (
    begin_largest_components,
    largest_components,
    normalized_entropy,
    predict_labels,
)


def _plain_largest_components(labels, num_classes):
    """Image by image and class by class, with scipy."""
    kept = labels.copy()
    for image, result in zip(labels, kept, strict=True):
        structure = np.ones((3,) * image.ndim)
        for value in range(1, num_classes):
            components, count = ndimage.label(image == value, structure)
            if count:
                sizes = np.bincount(components.ravel())[1:]
                result[(image == value) & (components != 1 + sizes.argmax())] = 0
    return kept


@pytest.mark.parametrize("shape", [(3, 9, 8), (2, 5, 6, 4)], ids=["2-D", "3-D"])
def test_largest_components_agree_with_one_class_at_a_time(shape):
    @settings(max_examples=60, deadline=None)
    @given(arrays(np.int64, shape, elements=st.integers(0, 3)))
    def agree(labels):
        kept = largest_components(torch.from_numpy(labels), 4)
        assert np.array_equal(kept.numpy(), _plain_largest_components(labels, 4))

    agree()


@pytest.mark.parametrize("space", [(4, 4), (4, 4, 3)], ids=["2-D", "3-D"])
def test_components_of_neighbours_in_the_batch_are_kept_apart(space):
    labels = torch.zeros(2, *space, dtype=torch.long)
    labels[0, 3, :2] = 1
    labels[1, 0, :2] = 1
    assert torch.equal(largest_components(labels, 2), labels)


def test_of_two_components_in_a_patch_the_larger_stays_although_slices_alone_show_the_other():
    labels = torch.zeros(1, 5, 6, 6, dtype=torch.long)
    labels[0, :, 0, 0] = 1  # five voxels over all slices
    labels[0, 2, 4:6, 4:6] = 1  # four in one slice, where they are the majority
    expected = labels.clone()
    expected[0, 2, 4:6, 4:6] = 0
    assert torch.equal(largest_components(labels, 2), expected)


def test_voxels_of_a_patch_that_touch_only_at_a_corner_are_connected():
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[0, 0, 0, 0] = labels[0, 1, 1, 1] = labels[0, 2, 2, 2] = 1
    labels[0, 0, 3, 2:] = 1
    expected = labels.clone()
    expected[0, 0, 3, 2:] = 0
    assert torch.equal(largest_components(labels, 2), expected)


@pytest.mark.parametrize("shape", [(3, 9, 8), (2, 5, 6, 4)], ids=["2-D", "3-D"])
@pytest.mark.parametrize(
    "classes",
    [
        pytest.param((), id="none"),
        pytest.param([2], id="one of three"),
        pytest.param({1, 3, 9}, id="two, and one that does not exist"),
    ],
)
def test_only_the_classes_that_are_named_lose_components(shape, classes):
    labels = torch.randint(0, 4, shape)
    everything = largest_components(labels, 4)
    expected = labels.clone()
    for value in {1, 2, 3} & set(classes):
        expected[(labels == value) & (everything != value)] = 0
    assert torch.equal(largest_components(labels, 4, classes), expected)


@pytest.mark.parametrize("classes", [None, [1]])
def test_a_result_that_is_fetched_later_is_the_same(classes):
    labels = torch.randint(-1, 4, (2, 6, 7, 5))
    pending = begin_largest_components(labels, 4, classes)
    assert torch.equal(pending.result(), largest_components(labels, 4, classes))
    assert pending.result() is pending.result()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_other_work_goes_on_and_the_labels_come_back_there():
    labels = torch.randint(-1, 4, (2, 6, 7, 5))
    pending = begin_largest_components(labels.cuda(), 4)
    torch.randn(512, 512, device="cuda").mm(torch.ones(512, 512, device="cuda"))
    kept = pending.result()
    assert kept.device.type == "cuda"
    assert torch.equal(kept.cpu(), largest_components(labels, 4))


def test_of_equal_components_the_first_stays_and_values_that_are_no_class_pass():
    labels = torch.tensor([[[1, 0, 1, 0, -1], [0, 0, 0, 0, 9]]])
    assert largest_components(labels, 2).tolist() == [[[1, 0, 0, 0, -1], [0, 0, 0, 0, 9]]]


def test_the_input_is_not_changed_and_maps_without_foreground_pass():
    labels = torch.tensor([[[1, 0, 1]]])
    before = labels.clone()
    largest_components(labels, 2)
    assert torch.equal(labels, before)
    assert not largest_components(torch.zeros(2, 3, 3, dtype=torch.long), 4).any()


@pytest.mark.parametrize("num_classes", [3, 5])
@pytest.mark.parametrize("space", [(7, 6), (4, 5, 3)], ids=["2-D", "3-D"])
def test_the_likeliest_class_is_predicted(num_classes, space):
    probabilities = torch.randn(2, num_classes, *space).softmax(1)
    assert torch.equal(predict_labels(probabilities), probabilities.argmax(1))


def test_of_two_classes_the_foreground_is_taken_from_one_half_on():
    foreground = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 1, 3)
    probabilities = torch.cat([1 - foreground, foreground], 1)
    assert predict_labels(probabilities).flatten().tolist() == [0, 1, 1]


@pytest.mark.parametrize("num_classes", [2, 4])
def test_entropy_is_nought_when_sure_and_one_when_undecided(num_classes):
    sure = torch.zeros(1, num_classes, 2, 2).index_fill(1, torch.tensor(1), 1)
    undecided = torch.full((1, num_classes, 2, 2), 1 / num_classes)
    torch.testing.assert_close(normalized_entropy(sure), torch.zeros(1, 2, 2))
    torch.testing.assert_close(normalized_entropy(undecided), torch.ones(1, 2, 2))


def test_entropy_is_shannons_over_the_logarithm_of_the_number_of_classes():
    probabilities = torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1)
    expected = 1.5 * math.log(2) / math.log(3)
    assert normalized_entropy(probabilities).item() == pytest.approx(expected)
