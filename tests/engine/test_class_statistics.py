"""The memory module equals the pooled statistics (METHOD section 5, oracle 4)."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tensor_watch import LargestTensor

from napari_transmedseg.engine.class_statistics import (
    ClassStatistics,
    mean_shift,
    ready_classes,
    shrink_covariance,
)
from napari_transmedseg.engine.voxel_sampling import Layout


def _stream(num_voxels, num_features, num_classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, (num_voxels,), generator=generator)
    mixing = torch.randn(num_classes, num_features, num_features, generator=generator).double()
    noise = torch.randn(num_voxels, num_features, generator=generator).double()
    features = torch.einsum("nij,nj->ni", mixing[labels], noise) + 3 * labels[:, None]
    return features, labels


def _exact(num_classes, num_features, **kwargs):
    return ClassStatistics(
        num_classes, num_features, dtype=torch.float64, **{"max_batch_count": 10_000} | kwargs
    )


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 400), max_size=6),
    num_classes=st.integers(1, 5),
    num_features=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_any_split_into_batches_gives_numpys_mean_and_covariance(
    cuts, num_classes, num_features, seed
):
    features, labels = _stream(400, num_features, num_classes, seed)
    statistics = _exact(num_classes, num_features)
    borders = [0, *sorted(cuts), 400]
    for start, stop in pairwise(borders):
        statistics.update(features[start:stop], labels[start:stop])
    for value in range(num_classes):
        of_class = features[labels == value].numpy()
        assert statistics.count_C[value] == len(of_class)
        if len(of_class):
            expected = np.atleast_2d(np.cov(of_class, rowvar=False, bias=True))
            assert_allclose(statistics.mean_CA[value], of_class.mean(0), atol=1e-10)
            assert_allclose(statistics.covariance_CAA[value], expected, atol=1e-10)


@pytest.mark.parametrize("space", [(6, 5), (4, 3, 5)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_maps_and_voxel_lists_give_the_same_statistics(space, channels_last):
    features = torch.randn(3, 4, *space, dtype=torch.float64)
    if channels_last:
        form = torch.channels_last if len(space) == 2 else torch.channels_last_3d
        features = features.to(memory_format=form)
    labels = torch.randint(-1, 3, (3, *space))
    slices = torch.tensor([4, 1, 4])
    of_maps, of_voxels = _exact(3, 4, num_slices=5), _exact(3, 4, num_slices=5)
    of_maps.update_maps(features, labels, slices)
    of_voxels.update(
        features.movedim(1, -1).reshape(-1, 4),
        labels.flatten(),
        slices.repeat_interleave(labels[0].numel()),
    )
    for name, value in of_maps.state_dict().items():
        assert torch.equal(value, of_voxels.state_dict()[name]), name


@pytest.mark.parametrize("space", [(40, 50), (8, 10, 25)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("num_classes", [4, 21])
def test_maps_of_many_classes_give_numpys_mean_and_covariance(space, num_classes):
    features = torch.randn(3, 6, *space, dtype=torch.float64)
    labels = torch.randint(-1, num_classes, (3, *space))
    features += labels.unsqueeze(1)
    statistics = _exact(num_classes, 6)
    for image in range(3):
        statistics.update_maps(features[image : image + 1], labels[image : image + 1])
    rows = features.movedim(1, -1)
    for value in range(num_classes):
        of_class = rows[labels == value].numpy()
        assert_allclose(statistics.mean_CA[value], of_class.mean(0), atol=1e-12)
        expected = np.cov(of_class, rowvar=False, bias=True)
        assert_allclose(statistics.covariance_CAA[value], expected, atol=1e-12)


def test_relabeling_the_classes_only_permutes_the_statistics():
    features, labels = _stream(3000, 4, 3)
    permutation = torch.tensor([2, 0, 1])
    plain, renamed = _exact(3, 4, max_batch_count=100), _exact(3, 4, max_batch_count=100)
    plain.update(features, labels, generator=torch.Generator().manual_seed(1))
    renamed.update(features, permutation[labels], generator=torch.Generator().manual_seed(1))
    assert torch.equal(renamed.mean_CA[permutation], plain.mean_CA)
    assert torch.equal(renamed.covariance_CAA[permutation], plain.covariance_CAA)
    assert torch.equal(renamed.count_C[permutation], plain.count_C)


def test_sampled_statistics_of_a_stationary_stream_approach_the_population():
    statistics = ClassStatistics(2, 3, max_batch_count=500)
    features, labels = _stream(100_000, 3, 2)
    for part in range(20):
        rows = slice(part * 5000, (part + 1) * 5000)
        statistics.update(features[rows].float(), labels[rows], generator=torch.Generator())
    for value in range(2):
        of_class = features[labels == value].numpy()
        assert statistics.count_C[value] == 20 * 500
        expected = np.cov(of_class, rowvar=False)
        assert_allclose(statistics.mean_CA[value], of_class.mean(0), atol=0.1)
        assert_allclose(statistics.covariance_CAA[value], expected, atol=0.05 * expected.max())


def test_above_the_limit_the_statistics_forget_like_a_moving_average():
    statistics = _exact(1, 2, max_count=1000)
    old, new = torch.zeros(1000, 2).double(), torch.ones(1000, 2).double()
    labels = torch.zeros(1000, dtype=torch.long)
    for _ in range(5):
        statistics.update(old, labels)
    assert statistics.count_C[0] == 1000
    for repeat in range(1, 4):
        statistics.update(new, labels)
        assert_allclose(statistics.mean_CA[0], 1 - 0.5**repeat, atol=1e-12)


def test_single_precision_holds_where_the_mean_is_far_from_zero():
    features = torch.randn(4000, 2, dtype=torch.float64) + 1000
    labels = torch.zeros(4000, dtype=torch.long)
    statistics = ClassStatistics(1, 2)
    for part in features.split(500):
        statistics.update(part.float(), labels[:500])
    expected = np.cov(features.numpy(), rowvar=False, bias=True)
    assert_allclose(statistics.covariance_CAA[0], expected, atol=1e-3)


def test_voxels_outside_the_classes_and_empty_batches_change_nothing():
    statistics = ClassStatistics(2, 3, num_slices=2)
    statistics.update(torch.full((5, 3), torch.nan), torch.tensor([-1, 2, 255, -1, 7]))
    statistics.update(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert all(not value.any() for value in statistics.state_dict().values())


def test_no_gradient_is_kept_and_half_precision_is_taken():
    statistics = ClassStatistics(2, 3)
    features = torch.randn(50, 3, requires_grad=True)
    statistics.update(features.to(torch.bfloat16), torch.randint(0, 2, (50,)))
    assert statistics.mean_CA.dtype == torch.float32
    assert not statistics.mean_CA.requires_grad
    assert statistics.count_C.sum() == 50


@pytest.mark.parametrize("space", [(20, 30), (4, 10, 15)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("limit", [40, 10_000], ids=["a sample", "all voxels"])
def test_the_accelerators_way_of_merging_agrees_with_the_cpus(space, limit):
    features = torch.randn(2, 5, *space, dtype=torch.float64)
    labels = torch.randint(-1, 4, (2, *space)).where(torch.rand(2, *space) < 0.7, 0)
    slices, layout = torch.tensor([3, 7]), Layout(600, 150)
    of_cpu, of_device = (_exact(5, 5, num_slices=9, max_batch_count=limit) for _ in range(2))
    for seed in range(3):
        generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
        of_cpu.update_maps(features + seed, labels, slices, generators[0], voxels_per_slice=150)
        of_device._update_on_device(
            (features + seed).flatten(2), labels.flatten(), slices, layout, generators[1]
        )
    assert torch.equal(of_cpu.count_C, of_device.count_C)
    assert torch.equal(of_cpu.distinct_slices_C, of_device.distinct_slices_C)
    assert_allclose(of_cpu.mean_CA, of_device.mean_CA, atol=1e-12)
    assert_allclose(of_cpu.covariance_CAA, of_device.covariance_CAA, atol=1e-12)


def test_distinct_slices_are_counted_per_class():
    statistics = ClassStatistics(3, 2, num_slices=4)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    slices = torch.tensor([0, 3, 2, 2, -1, 9])
    for _ in range(2):
        statistics.update(torch.randn(6, 2), labels, slices)
    assert statistics.distinct_slices_C.tolist() == [2, 1, 0]


@pytest.mark.parametrize("on_cpu", [True, False], ids=["CPU", "device"])
def test_a_patch_counts_the_slices_that_it_holds(on_cpu):
    statistics = ClassStatistics(3, 2, num_slices=6)
    labels = torch.full((2, 4, 3, 5), -1)
    labels[0, 1:3, 0, 0] = 1  # slices 2 and 3
    labels[1, 0, 2, 4] = 1  # slice 3 again
    labels[1, 3, 1, 1] = 2  # slice 6, which is none
    labels[:, 2] = torch.where(labels[:, 2] < 0, 0, labels[:, 2])  # slices 3 and 5
    first_slices, features = torch.tensor([1, 3]), torch.randn(2, 2, 4, 3, 5)
    if on_cpu:
        statistics.update_maps(features, labels, first_slices, voxels_per_slice=15)
    else:
        layout = Layout(60, 15)
        statistics._update_on_device(
            features.flatten(2), labels.flatten(), first_slices, layout, None
        )
    assert statistics.distinct_slices_C.tolist() == [2, 2, 0]


def test_a_slice_is_one_whether_it_comes_as_an_image_or_within_a_patch():
    features, labels = torch.randn(2, 4, 3, 6, 5), torch.randint(-1, 3, (2, 3, 6, 5))
    of_patches, of_images = (ClassStatistics(3, 4, num_slices=9) for _ in range(2))
    of_patches.update_maps(features, labels, torch.tensor([0, 5]), voxels_per_slice=30)
    of_images.update_maps(
        features.transpose(1, 2).flatten(0, 1),
        labels.flatten(0, 1),
        torch.tensor([0, 1, 2, 5, 6, 7]),
    )
    assert torch.equal(of_patches.distinct_slices_C, of_images.distinct_slices_C)
    assert torch.equal(of_patches.count_C, of_images.count_C)
    torch.testing.assert_close(of_patches.covariance_CAA, of_images.covariance_CAA)


@pytest.mark.parametrize(
    ("count", "num_slices", "ready"),
    [
        pytest.param(40, 3, True, id="ten voxels a channel from three slices"),
        pytest.param(39, 3, False, id="a voxel too few"),
        pytest.param(400, 2, False, id="a slice too few"),
    ],
)
def test_a_class_is_ready_with_enough_voxels_and_slices_on_both_sides(count, num_slices, ready):
    enough, other = (ClassStatistics(1, 4, num_slices=9) for _ in range(2))
    enough.update(torch.randn(900, 4), torch.zeros(900, dtype=torch.long), torch.arange(900) % 9)
    labels = torch.zeros(count, dtype=torch.long)
    other.update(torch.randn(count, 4), labels, torch.arange(count) % num_slices)
    assert ready_classes(enough, enough).item()
    assert ready_classes(enough, other).item() is ready
    assert ready_classes(other, enough).item() is ready


def test_without_an_account_of_slices_the_counts_alone_decide():
    statistics = ClassStatistics(2, 4)
    labels = torch.tensor([0] * 40 + [1] * 39)
    statistics.update(torch.randn(79, 4), labels, torch.zeros(79, dtype=torch.long))
    assert ready_classes(statistics, statistics).tolist() == [True, False]
    assert statistics.distinct_slices_C.tolist() == [0, 0]


@pytest.mark.parametrize("on_cpu", [True, False], ids=["CPU", "device"])
def test_voxels_of_no_slice_count_for_none_after_slices_were_numbered_anew(on_cpu):
    old, new = ClassStatistics(1, 2, num_slices=4), ClassStatistics(1, 2, num_slices=6)
    features, labels = torch.randn(5, 2, 1), torch.zeros(5, dtype=torch.long)
    slices = torch.tensor([-1, 0, 3, 4, 5])
    update = old._update_on_cpu if on_cpu else old._update_on_device
    update(features, labels, slices, Layout(1, 1), None)
    new.load_state_dict(old.state_dict())
    assert old.distinct_slices_C.tolist() == new.distinct_slices_C.tolist() == [2]


def test_the_mean_shift_points_from_source_to_target():
    source, target = _exact(2, 3), _exact(2, 3)
    labels = torch.tensor([0, 1])
    source.update(torch.zeros(2, 3).double(), labels)
    target.update(torch.tensor([[1.0, 2, 3], [4, 5, 6]]).double(), labels)
    assert mean_shift(source, target).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_shrinking_keeps_the_trace_and_repairs_a_singular_covariance():
    direction = torch.randn(2, 5, 1, dtype=torch.float64)
    singular = direction @ direction.mT
    shrunk = shrink_covariance(singular, 0.05)
    assert_allclose(
        shrunk.diagonal(dim1=1, dim2=2).sum(1), singular.diagonal(dim1=1, dim2=2).sum(1)
    )
    assert torch.linalg.cond(shrunk).max() < 1000
    assert torch.equal(shrink_covariance(singular, 0.0), singular)
    assert torch.equal(shrink_covariance(singular), shrunk)
    sphere = singular.diagonal(dim1=1, dim2=2).mean(1).view(2, 1, 1) * torch.eye(5)
    assert_allclose(shrink_covariance(singular, 1.0), sphere)


def test_statistics_go_on_from_a_checkpoint():
    features, labels = _stream(600, 3, 2)
    slices = torch.arange(600) % 7
    whole, first, second = (_exact(2, 3, num_slices=7) for _ in range(3))
    for statistics, rows in ((whole, slice(0, 300)), (whole, slice(300, 600)), (first, slice(300))):
        statistics.update(features[rows], labels[rows], slices[rows])
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    second.update(features[300:], labels[300:], slices[300:])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_slices_seen_under_other_numbers_are_not_added_to_those_seen_since():
    first, second, third = (ClassStatistics(1, 2, num_slices=number) for number in (4, 6, 7))
    first.update(torch.randn(4, 2), torch.zeros(4, dtype=torch.long), torch.arange(4))
    second.load_state_dict(first.state_dict())
    second.update(torch.randn(2, 2), torch.zeros(2, dtype=torch.long), torch.arange(2))
    third.load_state_dict(second.state_dict())
    assert second.distinct_slices_C.tolist() == third.distinct_slices_C.tolist() == [4]


def test_slices_seen_before_more_were_annotated_still_count():
    old, new = ClassStatistics(1, 2, num_slices=4), ClassStatistics(1, 2, num_slices=6)
    old.update(torch.randn(4, 2), torch.zeros(4, dtype=torch.long), torch.arange(4))
    new.load_state_dict(old.state_dict())
    assert new.distinct_slices_C.tolist() == [4]


def test_statistics_of_other_classes_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(1, 2\)"):
        ClassStatistics(3, 2).load_state_dict(ClassStatistics(1, 2).state_dict())


@pytest.mark.parametrize("num_classes", [4, 21])
@pytest.mark.parametrize("on_cpu", [True, False], ids=["CPU", "device"])
@pytest.mark.parametrize(
    ("space", "limit"),
    [
        pytest.param((15, 20), 4096, id="2-D, small"),
        pytest.param((100, 200), 4096, id="2-D"),
        pytest.param((100, 200), 50, id="2-D, few voxels a class"),
        pytest.param((20, 40, 25), 4096, id="3-D"),
    ],
)
def test_no_intermediate_grows_with_voxels_times_classes_times_channels(
    space, limit, on_cpu, num_classes
):
    num_features = 16
    statistics = ClassStatistics(num_classes, num_features, num_slices=9, max_batch_count=limit)
    features, labels = torch.randn(1, num_features, *space), torch.randint(0, num_classes, space)
    num_voxels, slices = labels.numel(), torch.zeros(1, dtype=torch.long)
    with LargestTensor() as largest:
        if on_cpu:
            statistics.update_maps(features, labels[None], slices)
        else:
            layout = Layout(num_voxels, num_voxels)
            statistics._update_on_device(
                features.flatten(2), labels.flatten(), slices, layout, None
            )
    assert largest.elements <= max(
        num_voxels * max(num_features, num_classes),
        num_classes * num_features**2,
        num_classes * min(limit, num_voxels),
    )


def test_an_update_does_not_wait_for_the_device():
    # The meta device holds no data, so that anything read back from it is an error.
    statistics = ClassStatistics(3, 4, num_slices=5, device="meta")
    features = torch.empty(2, 4, 8, 8, device="meta")
    labels = torch.empty(2, 8, 8, device="meta", dtype=torch.long)
    slices = torch.empty(2, device="meta", dtype=torch.long)
    statistics.update_maps(features, labels, slices)
    assert ready_classes(statistics, statistics).shape == (3,)
