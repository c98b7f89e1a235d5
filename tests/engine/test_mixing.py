"""What the student sees: two-way copy-paste and whole slices."""

import pytest
import torch

from napari_transmedseg.engine.mixing import (
    PseudoLabels,
    copy_paste,
    warm_up_batch,
    whole_images,
    with_targets,
)
from napari_transmedseg.engine.sampling import Stream

BATCH, SIDE = 6, 9


def _stream(first: int) -> Stream:
    """Image i holds the value first + i; its labels are first + i as well."""
    number = torch.arange(first, first + BATCH)
    image = number.float()[:, None, None, None].expand(BATCH, 1, SIDE, SIDE)
    known = torch.zeros(BATCH, SIDE, SIDE, dtype=torch.bool)
    known[:, :, :7] = True
    inside = torch.zeros_like(known)
    inside[:, :8] = True
    return Stream(
        plain_B1HW=image,
        strong_B1HW=image,
        label_BHW=number[:, None, None].expand(BATCH, SIDE, SIDE),
        known_BHW=known,
        inside_BHW=inside,
        slice_B=number,
        domain_B=torch.zeros_like(number),
    )


def _arranged(arrangement, streams, filled=None):
    """The student's batch of two streams with its targets."""
    labeled, unlabeled, pseudo = streams
    image = arrangement.combine(labeled.strong_B1HW, unlabeled.strong_B1HW)
    return with_targets(arrangement, image, labeled, unlabeled, pseudo, filled)


def _pasted(streams, seed):
    return _arranged(copy_paste(streams[0], torch.Generator().manual_seed(seed)), streams)


@pytest.fixture
def streams():
    labeled, unlabeled = _stream(10), _stream(50)
    pseudo = PseudoLabels(
        label_BHW=unlabeled.label_BHW,
        weight_BHW=unlabeled.inside_BHW.float(),
        entropy_BHW=torch.zeros(BATCH, SIDE, SIDE),
    )
    return labeled, unlabeled, pseudo


def test_x_in_shows_a_labeled_box_in_an_unlabeled_slice_and_x_out_the_reverse(streams):
    mixed = _pasted(streams, 0)
    half = BATCH // 2
    assert mixed.parts == (slice(0, half), slice(half, BATCH))
    for row, image in enumerate(mixed.image_B1HW[:, 0]):
        from_labeled = image < 50
        box = from_labeled if row < half else ~from_labeled
        assert box.sum() == 6 * 6
        assert image.unique().tolist() == [10 + row, 50 + row]


def test_targets_and_weights_go_with_their_pixels(streams):
    labeled, unlabeled, _ = streams
    mixed = _pasted(streams, 1)
    from_labeled = mixed.image_B1HW[:, 0] < 50
    assert torch.equal(mixed.target_BHW.float(), mixed.image_B1HW[:, 0])
    known = labeled.known_BHW & labeled.inside_BHW
    assert torch.equal(mixed.annotated_BHW > 0, from_labeled & known)
    assert torch.equal(mixed.pseudo_BHW > 0, ~from_labeled & unlabeled.inside_BHW)
    assert not ((mixed.annotated_BHW > 0) & (mixed.pseudo_BHW > 0)).any()
    assert torch.equal(mixed.slice_B, labeled.slice_B)


def test_both_mixed_images_of_a_pair_share_the_mask(streams):
    mixed = _pasted(streams, 2)
    from_labeled = mixed.image_B1HW[:, 0] < 50
    assert torch.equal(from_labeled[:3], ~from_labeled[3:])


def test_whole_slices_are_the_annotated_ones_and_then_the_unlabeled_ones(streams):
    mixed = _arranged(whole_images(*streams[:2]), streams)
    expected = [10, 11, 12, 13, 14, 15, 50, 51, 52, 53, 54, 55]
    assert mixed.image_B1HW[:, 0, 0, 0].tolist() == expected
    assert mixed.annotated_BHW[6:].sum() == mixed.pseudo_BHW[:6].sum() == 0
    assert mixed.annotated_BHW[:6].sum() == 6 * 8 * 7
    assert mixed.pseudo_BHW[6:].sum() == 6 * 8 * 9


def test_warm_up_shows_annotated_slices_as_they_are(streams):
    labeled = streams[0]
    mixed = warm_up_batch(labeled, False, torch.Generator().manual_seed(0))
    assert torch.equal(mixed.image_B1HW, labeled.strong_B1HW)
    assert torch.equal(mixed.annotated_BHW > 0, labeled.known_BHW & labeled.inside_BHW)
    assert mixed.pseudo_BHW.sum() == 0


def test_copy_paste_in_warm_up_pastes_one_half_of_the_batch_into_the_other(streams):
    mixed = warm_up_batch(streams[0], True, torch.Generator().manual_seed(0))
    assert torch.equal(mixed.target_BHW.float(), mixed.image_B1HW[:, 0])
    for row, image in enumerate(mixed.image_B1HW[:, 0]):
        other = 10 + (row + BATCH // 2) % BATCH
        assert sorted(image.unique().tolist()) == sorted([10 + row, other])
        assert (image == other).sum() == 6 * 6


@pytest.mark.parametrize("mixing", [True, False], ids=["copy-paste", "whole"])
def test_unknown_voxels_of_annotated_images_take_the_teachers_labels_where_it_fills_gaps(
    streams, mixing
):
    labeled, _, pseudo = streams
    filled = PseudoLabels(
        label_BHW=torch.full_like(pseudo.label_BHW, 7),
        weight_BHW=labeled.inside_BHW.float(),
        entropy_BHW=pseudo.entropy_BHW,
    )
    generator = torch.Generator().manual_seed(0)
    arrangement = copy_paste(labeled, generator) if mixing else whole_images(*streams[:2])
    mixed = _arranged(arrangement, streams, filled)
    from_labeled = mixed.image_B1HW[:, 0] < 50
    known = arrangement.combine(labeled.known_BHW, torch.zeros_like(labeled.known_BHW))
    inside = arrangement.combine(labeled.inside_BHW, torch.zeros_like(labeled.inside_BHW))
    gaps = from_labeled & inside & ~known
    assert gaps.any() and (mixed.target_BHW[gaps] == 7).all()
    assert (mixed.pseudo_BHW[gaps] == 1).all() and (mixed.annotated_BHW[gaps] == 0).all()
    assert (mixed.target_BHW[from_labeled & known & inside] < 50).all()
    assert not (mixed.pseudo_BHW[from_labeled & ~gaps] > 0).any()
