"""GraphCL's structure term finds groups without being told how many (METHOD section 3)."""

import math

import pytest
import torch
from tensor_watch import LargestTensor
from torch._subclasses.fake_tensor import FakeTensorMode

from napari_transmedseg.engine.graph_clustering import (
    GraphClustering,
    clustering_loss,
    normalized_nodes,
    pick_level,
)


def _three_groups(space=(12, 12), num_features=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(3, num_features, generator=generator)
    group = torch.arange(math.prod(space)) % 3
    noise = 0.3 * torch.randn(len(group), num_features, generator=generator)
    features = (centers[group] + noise).t().reshape(1, num_features, *space)
    return features.contiguous(), group


def _likeness_between_groups(features, group):
    nodes = normalized_nodes(features)[0].t().detach()
    means = torch.stack([nodes[group == value].mean(0) for value in range(3)])
    means = torch.nn.functional.normalize(means, dim=1)
    return (means @ means.t())[~torch.eye(3, dtype=torch.bool)].mean()


@pytest.mark.parametrize(
    ("space", "seed"),
    [
        pytest.param((12, 12), 0, id="2-D, seed 0"),
        pytest.param((12, 12), 1, id="2-D, seed 1"),
        pytest.param((12, 12), 2, id="2-D, seed 2"),
        pytest.param((4, 5, 6), 0, id="3-D"),
    ],
)
def test_alone_for_400_steps_it_keeps_groups_apart_and_clusters_alive(space, seed):
    torch.manual_seed(seed)
    features, group = _three_groups(space, seed=seed)
    features.requires_grad_()
    before = _likeness_between_groups(features, group)
    term = GraphClustering(features.shape[1], num_clusters=8)
    optimizer = torch.optim.Adam([features, *term.parameters()], lr=1e-2)
    losses = []
    for _ in range(400):
        loss = term(features)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    clusters = term.assign(features)[0].argmax(0)
    shares = clusters.bincount(minlength=8) / len(clusters)
    assert losses[-1] < losses[0]
    assert (shares > 0.05).sum() >= 2
    assert _likeness_between_groups(features, group) <= before + 0.05
    of_group = [clusters[group == value].mode().values for value in range(3)]
    for value in range(3):
        assert (clusters[group == value] == of_group[value]).float().mean() > 0.9


@pytest.mark.parametrize("space", [(4, 3), (2, 3, 2)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("alpha_cc", [1.5, 2.0, 4.0])
def test_the_loss_without_a_matrix_equals_the_definition(space, alpha_cc):
    torch.manual_seed(0)
    nodes = normalized_nodes(torch.randn(2, 5, *space, dtype=torch.float64))
    assignment = torch.randn(2, 6, 12, dtype=torch.float64).softmax(1)
    affinity = nodes.mT @ nodes
    largest = affinity.amax((1, 2), keepdim=True)
    clustering = affinity - largest / alpha_cc
    expected = -(clustering * (assignment.mT @ assignment)).sum((1, 2)).mean() / 12**2
    torch.testing.assert_close(clustering_loss(nodes, assignment, alpha_cc), expected)


@pytest.mark.parametrize("space", [(4, 3), (2, 3, 2)], ids=["2-D", "3-D"])
def test_gradcheck_passes_for_the_assignment_and_for_the_terms_weights(space):
    torch.manual_seed(0)
    features = torch.randn(2, 4, *space, dtype=torch.float64)
    valid = torch.rand(2, *space) < 0.8
    term = GraphClustering(4, 3, alpha_cc=3.0, hidden=5).double()
    names = [name for name, _ in term.named_parameters()]

    def loss(*weights):
        weights = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(term, weights, (features, valid))

    assert torch.autograd.gradcheck(loss, tuple(term.parameters()))
    nodes = normalized_nodes(features)
    assignment = torch.rand(2, 3, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: clustering_loss(nodes, s, 2.0), (assignment,))


@pytest.mark.parametrize("num_clusters", [2, 6, 42])
def test_the_number_of_clusters_is_free(num_clusters):
    assignment = GraphClustering(4, num_clusters).assign(torch.randn(2, 4, 3, 4, 5))
    assert assignment.shape == (2, num_clusters, 60)
    torch.testing.assert_close(assignment.sum(1), torch.ones(2, 60))


def test_gradient_flows_through_the_assignment_only():
    torch.manual_seed(0)
    nodes = torch.randn(1, 4, 9, requires_grad=True)
    assignment = torch.randn(1, 3, 9, requires_grad=True)
    clustering_loss(nodes, assignment.softmax(1), 2.0).backward()
    assert nodes.grad is None
    assert assignment.grad.any()
    features = torch.randn(1, 4, 3, 3, requires_grad=True)
    GraphClustering(4, 3)(features).backward()
    assert features.grad.any()


def test_equal_features_everywhere_are_no_minimum():
    term = GraphClustering(4, 6)
    constant = torch.ones(1, 4, 5, 5, requires_grad=True)
    loss = term(constant)
    loss.backward()
    assert loss.item() == 0
    assert constant.grad.isfinite().all()


@pytest.mark.parametrize("space", [(6, 5), (3, 4, 5)], ids=["2-D", "3-D"])
def test_padding_takes_part_in_nothing(space):
    torch.manual_seed(0)
    term = GraphClustering(4, 6)
    features = torch.randn(2, 4, *space, requires_grad=True)
    valid = torch.ones(2, *space, dtype=torch.bool)
    valid[..., -2:] = False
    loss = term(features, valid)
    loss.backward()
    torch.testing.assert_close(loss, term(features[..., :-2]))
    assert not features.grad[..., -2:].any()
    torch.testing.assert_close(term(features, torch.ones_like(valid)), term(features))


def test_a_mask_at_the_images_resolution_is_brought_to_the_level():
    torch.manual_seed(0)
    term = GraphClustering(4, 6)
    features = torch.randn(1, 4, 4, 4)
    valid = torch.ones(1, 16, 16, dtype=torch.bool)
    valid[:, :, 8:] = False
    torch.testing.assert_close(term(features, valid), term(features[..., :2]))


def test_an_image_that_is_all_padding_contributes_nothing():
    loss = GraphClustering(4, 6)(torch.randn(1, 4, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool))
    assert loss.item() == 0


@pytest.mark.parametrize(
    ("sides", "max_nodes", "picked"),
    [
        pytest.param((64, 32, 16, 8), 1024, 32, id="finest that fits"),
        pytest.param((40, 20, 10, 5), 256, 10, id="a smaller limit"),
        pytest.param((128, 64), 1024, 64, id="none fits: the coarsest"),
        pytest.param((8, 16, 32), 300, 16, id="any order"),
    ],
)
def test_the_finest_level_that_fits_is_picked(sides, max_nodes, picked):
    levels = [torch.empty(1, 2, side, side) for side in sides]
    assert pick_level(levels, max_nodes).shape[-1] == picked


@pytest.mark.parametrize(
    ("sides", "max_nodes", "picked"),
    [
        pytest.param((32, 16, 8, 4), 1024, 8, id="finest that fits"),
        pytest.param((96, 48, 24, 12, 6), 1024, 6, id="a large patch"),
        pytest.param((96, 48, 24, 12, 6), 2000, 12, id="more nodes"),
    ],
)
def test_the_finest_level_of_a_patch_that_fits_is_picked(sides, max_nodes, picked):
    levels = [torch.empty(1, 2, side, side, side, device="meta") for side in sides]
    assert pick_level(levels, max_nodes).shape[-1] == picked


@pytest.mark.parametrize("space", [(16, 16), (4, 8, 8)], ids=["2-D", "3-D"])
def test_one_matrix_of_nodes_by_nodes_per_image_is_the_most_that_is_built(space):
    features = torch.randn(2, 8, *space, requires_grad=True)
    with LargestTensor() as largest:
        GraphClustering(8, 6)(features).backward()
    assert largest.elements <= 2 * 256**2


def test_autocast_does_not_change_the_loss():
    torch.manual_seed(0)
    term, features = GraphClustering(8, 6), torch.randn(2, 8, 6, 6)
    expected = term(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(term(features), expected)


def test_the_term_does_not_wait_for_the_device():
    with FakeTensorMode():
        features = torch.empty(2, 4, 6, 6, requires_grad=True)
        GraphClustering(4, 6)(features, torch.empty(2, 12, 12, dtype=torch.bool)).backward()
        assert features.grad.shape == features.shape
