"""Drawing features, which the closed form replaces, approaches its bound from below."""

import pytest
import torch
from tensor_watch import LargestTensor
from torch.nn.functional import cross_entropy

from napari_transmedseg.engine import semantic_augmentation
from napari_transmedseg.engine.semantic_augmentation import (
    augmentation_table,
    sampled_cross_entropy,
    transferable_cross_entropy,
)

SPACES = [pytest.param((4, 3), id="2-D"), pytest.param((2, 3, 2), id="3-D")]


def _problem(space=(4, 3), num_classes=3, num_features=4, seed=0, scale=0.7):
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    root = scale * randn(num_classes, num_features, num_features) / num_features**0.5
    return {
        "features": randn(1, num_features, *space),
        "weight_CA": randn(num_classes, num_features),
        "bias_C": randn(num_classes),
        "labels": torch.randint(-1, num_classes, (1, *space), generator=generator),
        "mean_shift_CA": randn(num_classes, num_features),
        "covariance_CAA": root @ root.mT,
    }


def _drawn(problem, strength, num_samples, seed=0, **kwargs):
    generator = torch.Generator().manual_seed(seed)
    return sampled_cross_entropy(
        **problem, strength=strength, num_samples=num_samples, generator=generator, **kwargs
    )


def _logits(problem):
    bias_C1 = problem["bias_C"].unsqueeze(1)
    logits_BCN = problem["weight_CA"] @ problem["features"].flatten(2) + bias_C1
    return logits_BCN.unflatten(2, problem["labels"].shape[1:])


def _bound(problem, strength):
    table = augmentation_table(
        problem["weight_CA"], problem["mean_shift_CA"], problem["covariance_CAA"], strength
    )
    return transferable_cross_entropy(_logits(problem), problem["labels"], table)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_many_draws_stay_below_the_closed_form(space, strength):
    problem = _problem(space)
    repeats = torch.stack([_drawn(problem, strength, 1000, seed) for seed in range(20)])
    standard_error = repeats.std() / len(repeats) ** 0.5
    assert repeats.mean() <= _bound(problem, strength) + 3 * standard_error
    assert repeats.mean() > cross_entropy(_logits(problem), problem["labels"], ignore_index=-1) / 2


def test_few_small_moves_come_near_the_closed_form():
    problem = _problem(scale=0.05)
    torch.testing.assert_close(
        _drawn(problem, 0.25, 2000), _bound(problem, 0.25), rtol=0.01, atol=0
    )


@pytest.mark.parametrize("space", SPACES)
def test_without_strength_it_is_the_plain_cross_entropy(space):
    problem = _problem(space)
    expected = cross_entropy(_logits(problem), problem["labels"], ignore_index=-1)
    torch.testing.assert_close(_drawn(problem, 0.0, 3), expected)


def test_draws_have_the_shifted_mean_and_the_covariance_of_their_class():
    problem = _problem()
    root = semantic_augmentation._square_root(problem["covariance_CAA"])
    mean = torch.tensor([[1.0, 2, 3, 4]], dtype=torch.float64)
    drawn = semantic_augmentation._draw(mean, root[1], 200_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.t().cov(), problem["covariance_CAA"][1], atol=0.02, rtol=0)


@pytest.mark.parametrize("space", SPACES)
def test_gradcheck_passes_for_features_and_classifier(space):
    problem = _problem(space, num_classes=2, num_features=2)
    names = ("features", "weight_CA", "bias_C")

    def loss(*inputs):
        return _drawn(problem | dict(zip(names, inputs, strict=True)), 0.5, 3)

    assert torch.autograd.gradcheck(loss, [problem[name].requires_grad_() for name in names])


def test_the_generator_decides_the_draws_and_chunks_change_no_expectation(monkeypatch):
    problem = _problem()
    first = _drawn(problem, 0.5, 500)
    assert torch.equal(first, _drawn(problem, 0.5, 500))
    assert not torch.equal(first, _drawn(problem, 0.5, 500, seed=1))
    monkeypatch.setattr(semantic_augmentation, "_MOST_DRAWS", 1000)
    torch.testing.assert_close(_drawn(problem, 0.5, 500), first, rtol=0.05, atol=0)


def test_a_class_that_is_not_ready_stays_where_it_is():
    problem = _problem()
    problem["covariance_CAA"][1] = torch.nan
    ready = torch.tensor([True, False, True])
    of_one = problem | {"labels": torch.where(problem["labels"] == 1, 1, -1)}
    expected = cross_entropy(_logits(problem), of_one["labels"], ignore_index=-1)
    torch.testing.assert_close(_drawn(of_one, 0.5, 2, ready_C=ready), expected)
    assert _drawn(problem, 0.5, 2, ready_C=ready).isfinite()


def test_unknown_voxels_have_no_gradient_and_nothing_labeled_costs_nothing():
    problem = _problem()
    features = problem["features"].requires_grad_()
    _drawn(problem, 0.5, 2).backward()
    unknown = problem["labels"][0] < 0
    assert unknown.any()
    assert not features.grad[0][:, unknown].any()
    assert features.grad[0][:, ~unknown].all()
    loss = _drawn(problem | {"labels": torch.full_like(problem["labels"], -1)}, 0.5, 2)
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize("num_samples", [100, 300])
def test_memory_is_that_of_one_chunk_however_many_draws(num_samples, monkeypatch):
    monkeypatch.setattr(semantic_augmentation, "_MOST_DRAWS", 1000)
    problem = _problem((20, 20))
    problem["features"].requires_grad_()
    with LargestTensor() as largest:
        _drawn(problem, 0.5, num_samples).backward()
    assert largest.elements <= 1000 * 4


def test_a_classifier_without_bias_and_half_precision_features_are_taken():
    problem = _problem()
    without = _drawn(problem | {"bias_C": None}, 0.5, 5)
    zero = _drawn(problem | {"bias_C": torch.zeros(3, dtype=torch.float64)}, 0.5, 5)
    assert torch.equal(without, zero)
    half = _drawn(problem | {"features": problem["features"].to(torch.bfloat16)}, 0.5, 5)
    assert half.dtype == torch.float64
    torch.testing.assert_close(half, _drawn(problem, 0.5, 5), rtol=0.05, atol=0)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_covariance_without_full_rank_has_a_root(rank):
    vectors = torch.randn(5, 4, rank, dtype=torch.float64)
    covariance = vectors @ vectors.mT
    root = semantic_augmentation._square_root(covariance)
    torch.testing.assert_close(root @ root, covariance)
    torch.testing.assert_close(root, root.mT)


def test_one_voxel_and_one_draw_without_strength_are_its_cross_entropy():
    problem = _problem((1, 1))
    problem["labels"][:] = 1
    expected = cross_entropy(_logits(problem), problem["labels"])
    torch.testing.assert_close(_drawn(problem, 0.0, 1), expected)


def test_more_draws_than_a_chunk_holds_are_taken_voxel_by_voxel(monkeypatch):
    problem = _problem()
    monkeypatch.setattr(semantic_augmentation, "_MOST_DRAWS", 10)
    with LargestTensor() as largest:
        loss = _drawn(problem, 0.0, 50)
    torch.testing.assert_close(
        loss, cross_entropy(_logits(problem), problem["labels"], ignore_index=-1)
    )
    assert largest.elements <= 50 * 4


def test_autocast_changes_nothing():
    problem = {
        name: value.float() if value.is_floating_point() else value
        for name, value in _problem().items()
    }
    loss = _drawn(problem, 0.5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(_drawn(problem, 0.5, 5), loss)
