"""The store of slices, and two-stream batches from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cohort import case, cohort, config, ellipses, geometry, small_plan, whole_slices

from napari_transmedseg.engine.augment import WEAK, AugmentationRanges
from napari_transmedseg.engine.images import build_store
from napari_transmedseg.engine.sampling import Sampler
from napari_transmedseg.errors import PlanError

STILL = AugmentationRanges(geometry_probability=0, elastic_probability=0, intensity=False)
CPU = torch.device("cpu")


def _store(cases=None, *, share=0.0, cache=None, in_memory=True, seed=0):
    cases = cases or cohort()
    plan = replace(small_plan(cases=cases), in_memory=in_memory)
    return build_store(cases, plan, validation_share=share, seed=seed, cache=cache)


def _sampler(store, ranges=STILL, seed=0):
    return Sampler(store, ranges, torch.Generator().manual_seed(seed), CPU)


def test_the_store_knows_which_slices_are_labeled_and_which_are_open():
    store = _store()
    assert store.num_images == 24
    assert store.start == {"a": 0, "b": 6, "c": 12, "d": 18}
    assert store.labeled_L.tolist() == [0, 2, 3, 8, 9, 11]
    assert store.unlabeled_U.tolist() == [n for n in range(24) if n not in {0, 2, 3, 8, 9, 11}]
    assert store.case_N.tolist() == sorted([0, 1, 2, 3] * 6)
    assert store.training_rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(store.held_out_rows) == 0


def test_a_partly_known_slice_is_labeled_and_open():
    known = whole_slices([0, 1])
    known[3, :, :12] = True
    store = _store([case("a", ellipses(), known)])
    assert store.labeled_L.tolist() == [0, 1, 3]
    assert store.unlabeled_U.tolist() == [2, 3, 4, 5]
    assert store.known_LHW[2].sum() == 24 * 12


def test_batches_come_from_their_stream_with_their_labels():
    store = _store()
    sampler = _sampler(store)
    labeled, unlabeled = sampler.labeled(64), sampler.unlabeled(64)
    assert set(labeled.slice_B.tolist()) == set(store.labeled_L.tolist())
    assert set(unlabeled.slice_B.tolist()) <= set(store.unlabeled_U.tolist())
    assert not unlabeled.known_BHW.any() and not unlabeled.label_BHW.any()
    assert labeled.known_BHW.all() and labeled.inside_BHW.all()
    shift = {"a": -1, "b": 1}
    for place, label in zip(labeled.slice_B.tolist(), labeled.label_BHW, strict=True):
        truth = ellipses(shift="ab"[place // 6] and shift["ab"[place // 6]])[place % 6]
        assert np.array_equal(label.numpy(), truth)
    image = store.image_N1HW[labeled.slice_B]
    torch.testing.assert_close(labeled.plain_B1HW, image, atol=1e-4, rtol=0)


def test_without_intensity_augmentation_student_and_teacher_see_the_same():
    stream = _sampler(_store(), WEAK).unlabeled(8)
    assert torch.equal(stream.plain_B1HW, stream.strong_B1HW)


def test_intensity_augmentation_is_the_students_alone():
    store = _store()
    quiet = AugmentationRanges(geometry_probability=0, elastic_probability=0, probability=1)
    stream = _sampler(store, quiet).unlabeled(8)
    image = store.image_N1HW[stream.slice_B]
    torch.testing.assert_close(stream.plain_B1HW, image, atol=1e-4, rtol=0)
    assert (stream.strong_B1HW - stream.plain_B1HW).abs().mean() > 0.05


def test_image_and_label_stay_together_under_augmentation():
    stream = _sampler(_store(), AugmentationRanges(intensity=False, probability=1)).labeled(32)
    image, label = stream.plain_B1HW[:, 0], stream.label_BHW
    means = [float(image[stream.known_BHW & (label == value)].mean()) for value in range(3)]
    spread = float(image[label == 1].std())
    assert means[0] < means[2] < means[1]  # as the phantom's levels: background, core, ring
    assert spread < 0.6
    assert not (stream.known_BHW & ~stream.inside_BHW).any()


@pytest.mark.parametrize("ranges", [STILL, AugmentationRanges()], ids=["still", "strong"])
def test_memory_mapped_slices_give_the_same_batches(tmp_path, ranges):
    cache = tmp_path / "deep" / "slices.bin"
    mapped, kept = _store(cache=cache, in_memory=False), _store()
    assert cache.stat().st_size == kept.image_N1HW.numel() * 4
    assert torch.equal(mapped.image_N1HW, kept.image_N1HW)
    for draw in ("labeled", "unlabeled", "labeled"):
        one = getattr(_sampler(mapped, ranges), draw)(8)
        other = getattr(_sampler(kept, ranges), draw)(8)
        for name in ("plain_B1HW", "strong_B1HW", "label_BHW", "known_BHW", "slice_B"):
            assert torch.equal(getattr(one, name), getattr(other, name))


def test_a_smaller_case_is_padded_and_its_padding_is_not_inside():
    small = (6, 14, 24)
    store = _store([*cohort(), case("e", ellipses(small), None, annotated=False)])
    assert store.inside_KHW[:4].all()
    assert store.inside_KHW[4].sum() == 14 * 24
    assert torch.count_nonzero(store.image_N1HW[24:, 0, ~store.inside_KHW[4]]) == 0


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
def test_held_out_slices_are_not_trained_on_and_every_class_keeps_an_example(share):
    store = _store(share=share)
    training, held_out = set(store.training_rows.tolist()), set(store.held_out_rows.tolist())
    assert training | held_out == set(range(6)) and not training & held_out
    assert len(held_out) == max(1, round(share * 6))
    assert set(torch.unique(store.label_LHW[store.training_rows]).tolist()) == {0, 1, 2}
    assert set(_sampler(store).labeled(64).slice_B.tolist()) == {
        int(store.labeled_L[row]) for row in training
    }


def test_the_only_example_of_a_class_is_never_held_out():
    cases = [case("a", ellipses(), whole_slices([0, 2])), *cohort()[2:]]
    for seed in range(5):
        store = _store(cases, share=0.5, seed=seed)
        assert store.held_out_rows.tolist() == [0]


def test_annotation_too_thin_for_the_networks_pixels_is_refused_with_the_way_out():
    place = geometry((6, 24, 24), (4.0, 1.0, 1.0))
    known = np.zeros((6, 24, 24), bool)
    classes = np.zeros((6, 24, 24), np.uint8)
    known[2, 10, 4:20] = True
    classes[2, 10, 4:12], classes[2, 10, 12:20] = 1, 2
    cases = [case("a", classes, known, place=place), *cohort()[2:]]
    plan = small_plan(config(steps=5), cases)
    coarse = replace(plan, space=replace(plan.space, spacing_mm=(3.0, 3.0)))
    with pytest.raises(PlanError, match="whole slice"):
        build_store(cases, coarse, validation_share=0, seed=0, cache=None)
