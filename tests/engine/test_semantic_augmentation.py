"""L_tsa is the bound that it claims to be, and its table form is exact (oracles 1 to 3, 8)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_watch import LargestTensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import cross_entropy

from napari_transmedseg.engine.class_statistics import ClassStatistics, shrink_covariance
from napari_transmedseg.engine.semantic_augmentation import (
    augmentation_moments,
    augmentation_table,
    transferable_cross_entropy,
)


def _problem(num_voxels=40, num_classes=4, num_features=5, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    root = scale * randn(num_classes, num_features, num_features) / num_features**0.5
    return {
        "features": randn(num_voxels, num_features),
        "labels": torch.randint(0, num_classes, (num_voxels,), generator=generator),
        "weight": randn(num_classes, num_features),
        "bias": randn(num_classes),
        "shift": randn(num_classes, num_features),
        "covariance": root @ root.mT,
    }


def _loss(problem, strength):
    table = augmentation_table(problem["weight"], problem["shift"], problem["covariance"], strength)
    logits = problem["features"] @ problem["weight"].t() + problem["bias"]
    return transferable_cross_entropy(logits, problem["labels"], table)


def _naive_loss(problem, strength):
    """As TSA's published code does it: N x C x A and N x A x A tensors, voxel by voxel."""
    labels, weight = problem["labels"], problem["weight"]
    difference_NCA = weight[None] - weight[labels][:, None]
    covariance_NAA = problem["covariance"][labels]
    shift_NC = torch.einsum("nca,na->nc", difference_NCA, problem["shift"][labels])
    spread_NC = torch.einsum("nca,nab,ncb->nc", difference_NCA, covariance_NAA, difference_NCA)
    logits_NC = problem["features"] @ weight.t() + problem["bias"]
    moved_NC = logits_NC + strength * shift_NC + strength / 2 * spread_NC
    return cross_entropy(moved_NC, labels)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_no_finite_number_of_augmentations_exceeds_the_bound(seed, strength):
    num_draws = 100_000
    problem = _problem(num_voxels=3, num_classes=3, num_features=4, seed=seed, scale=0.7)
    generator = torch.Generator().manual_seed(seed)
    draws = []
    for feature, label in zip(problem["features"], problem["labels"], strict=True):
        root = torch.linalg.cholesky(strength * problem["covariance"][label])
        noise = torch.randn(num_draws, 4, generator=generator, dtype=torch.float64) @ root.t()
        augmented = feature + strength * problem["shift"][label] + noise
        logits = augmented @ problem["weight"].t() + problem["bias"]
        draws.append(cross_entropy(logits, label.expand(num_draws), reduction="none"))
    of_draw = torch.stack(draws).mean(0)
    standard_error = of_draw.std() / num_draws**0.5
    assert of_draw.mean() <= _loss(problem, strength) + 3 * standard_error


def test_without_variance_the_bound_is_the_loss_of_the_shifted_features():
    problem = _problem(seed=3)
    for size in (1e-3, 1e-6, 1e-12):
        vanishing = problem | {"covariance": size * problem["covariance"]}
        moved = problem["features"] + 0.25 * problem["shift"][problem["labels"]]
        expected = cross_entropy(moved @ problem["weight"].t() + problem["bias"], problem["labels"])
        torch.testing.assert_close(_loss(vanishing, 0.25), expected, atol=20 * size, rtol=0)


@settings(max_examples=50, deadline=None)
@given(
    num_voxels=st.integers(1, 60),
    num_classes=st.integers(2, 21),
    num_features=st.integers(1, 20),
    strength=st.floats(0, 2),
    seed=st.integers(0, 10_000),
)
def test_the_table_form_equals_the_form_voxel_by_voxel(
    num_voxels, num_classes, num_features, strength, seed
):
    problem = _problem(num_voxels, num_classes, num_features, seed)
    torch.testing.assert_close(
        _loss(problem, strength), _naive_loss(problem, strength), atol=1e-10, rtol=1e-10
    )


def test_gradients_of_table_and_naive_form_agree():
    problem = _problem()
    gradients = []
    for loss in (_loss, _naive_loss):
        inputs = {
            name: value.clone().requires_grad_(name in ("features", "weight", "bias"))
            for name, value in problem.items()
        }
        loss(inputs, 0.5).backward()
        gradients.append([inputs[name].grad for name in ("features", "weight", "bias")])
    torch.testing.assert_close(*gradients, atol=1e-10, rtol=1e-10)


def test_gradcheck_passes_for_features_and_classifier():
    problem = _problem(num_voxels=6, num_classes=3, num_features=3)
    inputs = [problem[name].requires_grad_() for name in ("features", "weight", "bias")]

    def loss(features, weight, bias):
        return _loss(problem | {"features": features, "weight": weight, "bias": bias}, 0.5)

    assert torch.autograd.gradcheck(loss, inputs)


SPACES = [pytest.param((3, 2), id="2-D"), pytest.param((2, 3, 2), id="3-D")]


@pytest.mark.parametrize("space", SPACES)
def test_gradcheck_passes_for_maps_with_unknown_voxels(space):
    problem = _problem(num_classes=3, num_features=3)
    logits = torch.randn(2, 3, *space, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(-1, 3, (2, *space))
    weight, ready = problem["weight"].requires_grad_(), torch.tensor([True, False, True])

    def loss(logits, weight):
        table = augmentation_table(weight, problem["shift"], problem["covariance"], 0.5, ready)
        return transferable_cross_entropy(logits, labels, table)

    assert torch.autograd.gradcheck(loss, (logits, weight))


def test_statistics_receive_no_gradient():
    problem = _problem()
    for name in ("weight", "shift", "covariance"):
        problem[name].requires_grad_()
    _loss(problem, 0.5).backward()
    assert problem["weight"].grad is not None
    assert problem["shift"].grad is None
    assert problem["covariance"].grad is None


def test_without_strength_the_loss_is_the_plain_cross_entropy():
    problem = _problem()
    logits = problem["features"] @ problem["weight"].t() + problem["bias"]
    torch.testing.assert_close(_loss(problem, 0.0), cross_entropy(logits, problem["labels"]))


def test_the_diagonal_is_exactly_zero_and_rows_that_are_not_ready_too():
    problem = _problem()
    moments = problem["weight"], problem["shift"], problem["covariance"]
    ready = torch.tensor([True, False, True, False])
    table = augmentation_table(*moments, 0.25, ready)
    assert table.diagonal().tolist() == [0, 0, 0, 0]
    assert not table[~ready].any()
    assert torch.equal(table[ready], augmentation_table(*moments, 0.25)[ready])


def test_statistics_without_meaning_of_a_class_that_is_not_ready_do_no_harm():
    problem = _problem()
    problem["covariance"][1] = torch.nan
    weight = problem["weight"].requires_grad_()
    ready = torch.tensor([True, False, True, True])
    table = augmentation_table(weight, problem["shift"], problem["covariance"], 0.25, ready)
    assert table.isfinite().all()


@pytest.mark.parametrize("space", [(6, 5), (4, 3, 5)], ids=["2-D", "3-D"])
def test_maps_and_voxel_lists_have_the_same_loss(space):
    logits, table = torch.randn(2, 4, *space), torch.randn(4, 4)
    labels = torch.randint(-1, 5, (2, *space))
    flat = logits.movedim(1, -1).reshape(-1, 4)
    known = (labels.flatten() >= 0) & (labels.flatten() < 4)
    expected = cross_entropy(flat[known] + table[labels.flatten()[known]], labels.flatten()[known])
    torch.testing.assert_close(transferable_cross_entropy(logits, labels, table), expected)
    torch.testing.assert_close(transferable_cross_entropy(flat, labels.flatten(), table), expected)


@pytest.mark.parametrize("space", SPACES)
def test_unknown_voxels_have_exactly_no_gradient(space):
    logits = torch.randn(2, 3, *space, requires_grad=True)
    labels = torch.randint(0, 3, (2, *space))
    labels[:, :1] = -1
    transferable_cross_entropy(logits, labels, torch.randn(3, 3)).backward()
    assert not logits.grad[:, :, :1].any()
    assert logits.grad[:, :, 1:].all()


@pytest.mark.parametrize("space", SPACES)
def test_a_batch_without_labeled_voxels_contributes_exactly_nothing(space):
    logits = torch.randn(2, 3, *space, requires_grad=True)
    weight = torch.randn(3, 5, requires_grad=True)
    table = augmentation_table(weight, torch.randn(3, 5), torch.eye(5).expand(3, 5, 5), 0.25)
    loss = transferable_cross_entropy(logits, torch.full((2, *space), -1), table)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert not weight.grad.any()


def test_autocast_changes_neither_table_nor_loss():
    problem = {
        name: value.float() if value.is_floating_point() else value
        for name, value in _problem().items()
    }
    moments = problem["weight"], problem["shift"], problem["covariance"]
    logits = problem["features"] @ problem["weight"].t()
    table = augmentation_table(*moments, 0.5)
    exact = augmentation_table(*(moment.double() for moment in moments), 0.5)
    torch.testing.assert_close(table.double(), exact, rtol=1e-4, atol=1e-4)
    loss = transferable_cross_entropy(logits, problem["labels"], table)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentation_table(*moments, 0.5), table)
        assert torch.equal(transferable_cross_entropy(logits, problem["labels"], table), loss)


@pytest.mark.parametrize(
    ("direction", "sign", "spread_of"),
    [
        pytest.param("to-target", 1, "target", id="the paper's equations"),
        pytest.param("to-source", -1, "source", id="the ablation's other direction"),
    ],
)
def test_the_direction_chooses_whose_mean_and_covariance_are_aimed_at(direction, sign, spread_of):
    statistics = {name: ClassStatistics(2, 3) for name in ("source", "target")}
    labels = torch.arange(400) % 2
    statistics["source"].update(torch.randn(400, 3), labels)
    statistics["target"].update(2 * torch.randn(400, 3) + 5, labels)
    shift, covariance, ready = augmentation_moments(**statistics, direction=direction, rho=0)
    assert (sign * shift > 3).all()
    assert torch.equal(covariance, statistics[spread_of].covariance_CAA)
    assert ready.all()
    shift.zero_()
    covariance.zero_()
    assert statistics[spread_of].covariance_CAA.any()


def test_the_covariance_aimed_at_is_shrunk_by_a_twentieth_unless_told():
    source, target = ClassStatistics(2, 3), ClassStatistics(2, 3)
    target.update(torch.randn(400, 3), torch.arange(400) % 2)
    for rho, expected in (({}, 0.05), ({"rho": 0.5}, 0.5)):
        _, covariance, ready = augmentation_moments(source, target, **rho)
        wanted = shrink_covariance(target.covariance_CAA, expected)
        assert torch.equal(covariance, wanted)
        assert not ready.any()


@pytest.mark.parametrize("num_classes", [4, 21])
@pytest.mark.parametrize("space", [(50, 50), (10, 25, 20)], ids=["2-D", "3-D"])
def test_no_tensor_per_voxel_and_class_and_channel_is_built(space, num_classes):
    num_features = 16
    problem = _problem(1, num_classes, num_features)
    problem["weight"].requires_grad_()
    logits = torch.randn(2, num_classes, *space, requires_grad=True)
    labels = torch.randint(-1, num_classes, (2, *space))
    with LargestTensor() as largest:
        table = augmentation_table(problem["weight"], problem["shift"], problem["covariance"], 0.25)
        transferable_cross_entropy(logits, labels, table).backward()
    assert largest.elements <= max(labels.numel() * num_classes, num_classes * num_features**2)


def test_table_and_loss_do_not_wait_for_the_device():
    # Fake tensors hold no data, so that anything read back from them is an error.
    with FakeTensorMode():
        weight, shift = torch.empty(3, 4, requires_grad=True), torch.empty(3, 4)
        ready = torch.empty(3, dtype=torch.bool)
        table = augmentation_table(weight, shift, torch.empty(3, 4, 4), 0.25, ready)
        logits = torch.empty(2, 3, 6, 6, requires_grad=True)
        labels = torch.empty(2, 6, 6, dtype=torch.long)
        transferable_cross_entropy(logits, labels, table).backward()
        assert weight.grad.shape == (3, 4)
