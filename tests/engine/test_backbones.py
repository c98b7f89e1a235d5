"""Semantic augmentation on networks that it was not made for: twenty steps, in 2-D and 3-D."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import CLASSES, Run, case, config, ellipses, whole_slices
from volumes import ORGAN, ball, near_cubic, settings

from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.errors import ConfigError

SIDE = 32


def _slices():
    shape = (4, SIDE, SIDE)
    known = whole_slices([0, 1, 2], shape)
    return [
        case("a", ellipses(shape, -1), known),
        case("b", ellipses(shape, 1), known),
        case("c", ellipses(shape), None, annotated=False),
    ]


def _volumes():
    sides = (SIDE,) * 3
    place = near_cubic(sides)
    return [
        case("a", ball(sides), None, place=place),
        case("b", ball(sides, (0.5, 0.45, 0.55)), None, place=place),
        case("c", ball(sides), None, place=place, annotated=False),
    ]


def _run(network, dims):
    cases = _slices() if dims == 2 else _volumes()
    names = CLASSES if dims == 2 else ORGAN
    make = config if dims == 2 else settings
    plan = plan_training(make(steps=40, network=network, ema_decay=0.5), cases, names, 0)
    recipe = replace(plan.recipe, batch_size=2, confidence=0.0, bank_volumes=0, graph_nodes=64)
    plan = replace(plan, recipe=recipe, channels=(4, 8, 16, 16, 16))
    return Run(plan, cases)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("network", ["segresnet", "swinunetr"])
@pytest.mark.slow
def test_it_trains_with_semantic_augmentation_for_twenty_steps(network, dims):
    _twenty_steps(_run(network, dims))


def test_segresnet_trains_with_semantic_augmentation_on_slices():
    _twenty_steps(_run("segresnet", 2))


def _twenty_steps(run):
    before = run.weights()
    losses = run.steps(20)
    assert all({"supervised", "pseudo", "graph", "tsa"} <= set(terms) for terms in losses)
    assert all(torch.isfinite(torch.tensor(list(terms.values()))).all() for terms in losses)
    first, last = (sum(terms["supervised"] for terms in part) for part in (losses[:5], losses[-5:]))
    assert last < first
    moved = [name for name, value in run.weights().items() if not torch.equal(value, before[name])]
    assert any(name.startswith("student") for name in moved)
    assert any(name.startswith("teacher") for name in moved)
    assert float(run.state.source.count_C.min()) > 0
    features = run.state.student.classifier_weight().shape[1]
    assert run.state.source.mean_CA.shape == (run.plan.num_classes, features)


@pytest.mark.parametrize("network", ["unet", "vnet", "segresnet", "swinunetr"])
@pytest.mark.parametrize("dims", [2, 3])
def test_the_plan_gives_a_network_sides_that_it_can_take(network, dims):
    cases, names = (_slices(), CLASSES) if dims == 2 else (_volumes(), ORGAN)
    make = config if dims == 2 else settings
    space = plan_training(make(steps=4, network=network), cases, names, 0).space
    multiple = {"unet": 8, "vnet": 8, "segresnet": 8, "swinunetr": 32}[network]
    assert space.dims == dims and all(side % multiple == 0 for side in space.patch_size)


def test_an_unknown_network_is_refused_with_the_names_that_there_are():
    with pytest.raises(ConfigError, match=r"unet, vnet, .*found 'resnet'"):
        plan_training(config(steps=4, network="resnet"), _slices(), CLASSES, 0)
