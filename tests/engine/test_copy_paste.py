"""Copy-paste and its masked losses (METHOD section 5, oracle 6)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_watch import LargestTensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import cross_entropy

from napari_transmedseg.engine.copy_paste import (
    box_mask,
    masked_segmentation_loss,
    masked_segmentation_losses,
    mix,
)

SPACES = [pytest.param((10, 7), id="2-D"), pytest.param((6, 5, 4), id="3-D")]


def _supervised(logits, target):
    """(CE + Dice)/2 over all voxels, written plainly."""
    probability, dice = logits.softmax(1), []
    for value in target.unique():
        p, y = probability[:, value], target == value
        dice.append(2 * p[y].sum() / (p.sum() + y.sum()))
    return (cross_entropy(logits, target) + 1 - torch.stack(dice).mean()) / 2


def _batch(space, batch=2, num_classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, num_classes, *space, generator=generator, dtype=torch.float32)
    target = torch.randint(0, num_classes, (batch, *space), generator=generator)
    return logits.requires_grad_(), target


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 20), min_size=2, max_size=3),
    side=st.floats(0.1, 1.0),
    seed=st.integers(0, 1000),
)
def test_each_mask_has_one_whole_box_of_the_asked_side(shape, side, seed):
    masks = box_mask(shape, side, torch.Generator().manual_seed(seed), batch=3)
    assert masks.shape == (3, *shape)
    expected = [min(length, max(1, round(side * length))) for length in shape]
    for mask in masks:
        corners = (mask == 0).nonzero()
        extent = corners.amax(0) - corners.amin(0) + 1
        assert extent.tolist() == expected
        assert len(corners) == torch.tensor(expected).prod()


def test_boxes_move_over_the_whole_image_and_follow_the_seed():
    masks = box_mask((9, 9), generator=torch.Generator().manual_seed(0), batch=300)
    again = box_mask((9, 9), generator=torch.Generator().manual_seed(0), batch=300)
    assert torch.equal(masks, again)
    starts = torch.stack([(mask == 0).nonzero()[0] for mask in masks])
    assert starts.unique(dim=0).shape == (16, 2)


def test_every_place_of_a_box_is_equally_likely():
    masks = box_mask((3, 8), 0.75, generator=torch.Generator().manual_seed(0), batch=6000)
    starts = torch.stack([(mask == 0).nonzero()[0] for mask in masks])
    for axis, num_places in enumerate((2, 3)):
        share = starts[:, axis].bincount() / len(masks)
        torch.testing.assert_close(
            share, torch.full((num_places,), 1 / num_places), atol=0.03, rtol=0
        )


def test_without_a_number_of_images_there_is_one_mask():
    assert box_mask((4, 5)).shape == (1, 4, 5)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.uint8])
def test_mixing_takes_a_outside_the_box_and_b_inside_for_any_type(space, dtype):
    mask = box_mask(space, batch=2)
    a, b = (torch.rand(2, 4, *space).mul(3).to(dtype) for _ in range(2))
    mixed = mix(a, b, mask)
    outside = mask.bool().unsqueeze(1).expand_as(a)
    assert mixed.dtype == dtype
    assert torch.equal(mixed[outside], a[outside])
    assert torch.equal(mixed[~outside], b[~outside])
    assert torch.equal(mix(a[:, 0], b[:, 0], mask), mixed[:, 0])


@pytest.mark.parametrize("space", SPACES)
def test_without_a_box_the_terms_are_supervision_and_u_times_pseudo_labels(space):
    mask, u = torch.ones(2, *space), 0.5
    (logits_in, pseudo_p), (logits_out, label_b) = _batch(space, seed=1), _batch(space, seed=2)
    label_a, pseudo_q = torch.zeros_like(label_b), torch.ones_like(pseudo_p)
    annotated, pseudo = masked_segmentation_losses(
        logits_out, mix(label_b, pseudo_q, mask), (mask, 1 - mask)
    )
    torch.testing.assert_close(annotated + u * pseudo, _supervised(logits_out, label_b))
    annotated, pseudo = masked_segmentation_losses(
        logits_in, mix(pseudo_p, label_a, mask), (1 - mask, mask)
    )
    torch.testing.assert_close(annotated + u * pseudo, u * _supervised(logits_in, pseudo_p))


@pytest.mark.parametrize("space", SPACES)
def test_a_part_is_normalised_by_its_own_voxels(space):
    logits, target = _batch(space)
    weight = torch.zeros(2, *space)
    weight[:, :3] = 1
    expected = _supervised(logits[:, :, :3], target[:, :3])
    torch.testing.assert_close(masked_segmentation_loss(logits, target, weight), expected)


@pytest.mark.parametrize("space", SPACES)
def test_unknown_voxels_have_exactly_no_gradient_whatever_their_label(space):
    logits, target = _batch(space)
    weight = torch.ones(2, *space)
    weight[:, :2] = 0
    target[:, :2] = torch.tensor([-1, 255])[torch.randint(0, 2, target[:, :2].shape)]
    masked_segmentation_loss(logits, target, weight).backward()
    assert not logits.grad[:, :, :2].any()
    assert logits.grad[:, :, 2:].any()


@pytest.mark.parametrize("space", SPACES)
def test_a_part_without_voxels_contributes_exactly_nothing(space):
    logits, target = _batch(space)
    loss = masked_segmentation_loss(logits, target, torch.zeros(2, *space))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("space", SPACES)
def test_without_a_box_the_part_inside_it_costs_nothing_and_the_other_is_a_number(space):
    logits, target = _batch(space)
    mask = torch.ones(2, *space)
    outside, inside = masked_segmentation_losses(logits, target, (mask, 1 - mask))
    (outside + inside).backward()
    assert inside.item() == 0
    assert outside.isfinite() and outside > 0
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("space", "box"),
    [
        pytest.param((256, 256), (171, 171), id="2-D"),
        pytest.param((80, 112, 112), (53, 75, 75), id="3-D, the papers' patch"),
        pytest.param((5, 48, 40), (3, 32, 27), id="3-D, few slices"),
    ],
)
def test_the_papers_box_is_two_thirds_of_every_axis(space, box):
    mask = box_mask(space, generator=torch.Generator().manual_seed(0))
    inside = (mask[0] == 0).nonzero()
    assert tuple((inside.amax(0) - inside.amin(0) + 1).tolist()) == box
    assert len(inside) == math.prod(box)


def test_parts_together_equal_parts_alone():
    logits, target = _batch((8, 8))
    weights = torch.rand(2, 8, 8), (torch.rand(2, 8, 8) > 0.5).float()
    together = masked_segmentation_losses(logits, target, weights)
    alone = [masked_segmentation_loss(logits, target, weight) for weight in weights]
    torch.testing.assert_close(together, tuple(alone))


def test_a_common_factor_of_the_weights_cancels_and_fractions_count():
    logits, target = _batch((8, 8))
    weight = torch.rand(2, 8, 8)
    loss = masked_segmentation_loss(logits, target, weight)
    torch.testing.assert_close(masked_segmentation_loss(logits, target, 0.25 * weight), loss)
    doubled = masked_segmentation_loss(
        torch.cat([logits, logits]), torch.cat([target, target]), torch.cat([weight, 1 - weight])
    )
    torch.testing.assert_close(doubled, _supervised(logits, target))


def test_weights_may_be_as_small_as_they_like():
    logits, target = _batch((8, 8))
    weight = torch.rand(2, 8, 8)
    loss = masked_segmentation_loss(logits, target, weight)
    torch.testing.assert_close(masked_segmentation_loss(logits, target, 1e-6 * weight), loss)


@pytest.mark.parametrize("value", range(3))
def test_of_a_target_with_one_class_only_its_dice_counts(value):
    logits, target = _batch((8, 8))
    target = torch.full_like(target, value)
    loss = masked_segmentation_loss(logits, target, torch.ones(2, 8, 8))
    torch.testing.assert_close(loss, _supervised(logits, target))


@pytest.mark.parametrize("space", [(3, 2), (2, 3, 2)], ids=["2-D", "3-D"])
def test_gradcheck_passes_for_every_part(space):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, *space, dtype=torch.float64, requires_grad=True)
    target, weight = torch.randint(-1, 3, (2, *space)), torch.rand(2, *space)
    known = (target >= 0) & (weight > 0.3)
    parts = weight * known, (~known & (target >= 0)).float(), torch.zeros(2, *space)
    assert torch.autograd.gradcheck(
        lambda values: masked_segmentation_losses(values, target, parts), (logits,)
    )


def test_a_perfect_answer_costs_nothing_and_a_class_that_is_absent_is_left_out():
    target = torch.randint(0, 2, (2, 6, 6))
    logits = 100 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    loss = masked_segmentation_loss(logits, target, torch.ones(2, 6, 6))
    torch.testing.assert_close(loss, torch.zeros(()), atol=1e-6, rtol=0)


def test_half_precision_logits_and_boolean_weights_are_taken():
    logits, target = _batch((8, 8))
    weight = torch.rand(2, 8, 8) > 0.5
    loss = masked_segmentation_loss(logits.to(torch.bfloat16), target, weight)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, masked_segmentation_loss(logits, target, weight.float()), atol=0.01, rtol=0
    )


@pytest.mark.parametrize("space", [(32, 32), (8, 16, 8)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("num_classes", [3, 21])
def test_nothing_larger_than_the_logits_is_built_and_nothing_waits_for_the_device(
    space, num_classes
):
    logits, target = _batch(space, num_classes=num_classes)
    with LargestTensor() as largest:
        masked_segmentation_loss(logits, target, torch.ones(2, *space)).backward()
    assert largest.elements <= logits.numel()
    with FakeTensorMode():
        logits = torch.empty(2, num_classes, *space, requires_grad=True)
        target = torch.empty(2, *space, dtype=torch.long)
        masked_segmentation_loss(logits, target, box_mask(space, batch=2)).backward()
