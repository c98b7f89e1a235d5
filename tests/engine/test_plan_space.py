"""Slices or volumes, and how large a part the network sees."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tiny_cohort import case, config, ellipses, whole_slices
from volumes import ORGAN, SIDES, ball, near_cubic, sparse_cohort, volume_case, whole_cohort

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.engine.plan_space import affordable_voxels, choose_dimensions
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap


def _annotations(shape, spacing, *, whole, count=3):
    place = Geometry.from_spacing(shape[::-1], spacing[::-1], orientation="LPS")
    known = None if whole else whole_slices([1, 2], shape)
    return [LabelMap(array=ball(shape), geometry=place, known=known) for _ in range(count)]


CUBIC = ((32, 20, 20), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("annotations", "settings", "device", "dims", "why"),
    [
        pytest.param(_annotations(*CUBIC, whole=True), {"steps": 9}, "cpu", 3, "near-cubic",
                     id="whole near-cubic volumes"),
        pytest.param(_annotations(*CUBIC, whole=True), {}, "cuda", 3, "3 volumes",
                     id="on a GPU the time does not matter"),
        pytest.param(_annotations(*CUBIC, whole=True), {"minutes": 10}, "cpu", 2, "GPU",
                     id="no time on a CPU"),
        pytest.param(_annotations(*CUBIC, whole=False), {"steps": 9}, "cpu", 2, "0 volumes",
                     id="single slices"),
        pytest.param(_annotations(*CUBIC, whole=True, count=2), {"steps": 9}, "cpu", 2,
                     "2 volumes", id="too few volumes"),
        pytest.param(_annotations((10, 20, 20), (1.0, 1.0, 1.0), whole=True), {"steps": 9}, "cpu",
                     2, "only 10 slices", id="few slices"),
        pytest.param(_annotations((32, 20, 20), (5.0, 1.0, 1.25), whole=True), {"steps": 9},
                     "cuda", 2, "4.0 times as thick", id="thick slices"),
        pytest.param(_annotations((10, 20, 20), (5.0, 1.0, 1.0), whole=False),
                     {"steps": 9, "dimensions": "3d"}, "cpu", 3, "settings", id="overruled"),
        pytest.param(_annotations(*CUBIC, whole=True), {"steps": 9, "dimensions": "2d"}, "cuda",
                     2, "settings", id="overruled the other way"),
    ],
)  # fmt: skip
def test_slices_or_volumes_and_why(annotations, settings, device, dims, why):
    found, sentence = choose_dimensions(TrainingConfig(**settings), annotations, 0, device)
    assert found == dims and why in sentence


def test_the_plan_tells_why():
    plan = plan_training(config(steps=5), whole_cohort(), ORGAN, 0)
    assert plan.dims == 3 and any("The network is 3-D: 3 volumes" in n for n in plan.notes)
    plan = plan_training(config(steps=5), sparse_cohort(), ORGAN, 0)
    assert plan.dims == 2 and any("The network is 2-D" in note for note in plan.notes)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_axes_of_a_volume_are_slices_rows_and_columns(slice_axis):
    sides, spacing = [30, 40, 50], [1.0, 1.5, 2.0]
    order = [slice_axis, *(axis for axis in range(3) if axis != slice_axis)]
    place = Geometry.from_spacing(sides[::-1], spacing[::-1], orientation="LPS")
    cases = [case(name, np.ones(sides, np.uint8), None, place=place) for name in "abc"]
    plan = plan_training(config(steps=5, dimensions="3d"), cases, ORGAN, slice_axis)
    assert plan.space.spacing_mm == tuple(spacing[axis] for axis in order)
    assert plan.space.size == tuple(-(-sides[axis] // 8) * 8 for axis in order)


def test_along_the_slices_only_whole_annotation_tells_where_a_structure_ends():
    classes = np.zeros((64, 64, 64), np.uint8)
    classes[20:36, 20:36, 20:36] = 1
    place = near_cubic((64, 64, 64))

    def size(known):
        cases = [case("a", classes, known, place=place), volume_case("d", annotated=False)]
        return plan_training(config(steps=5, dimensions="3d"), cases, ORGAN, 0).space.size

    assert size(None) == (24, 24, 24)
    assert size(whole_slices([22, 30, 60], (64, 64, 64))) == (64, 24, 24)


def test_a_large_window_is_seen_in_patches_that_the_network_can_take():
    sides = (96, 104, 120)
    annotated = case("a", np.ones(sides, np.uint8), None, place=near_cubic(sides))
    settings = config(steps=5, dimensions="3d")
    space = plan_training(settings, [annotated, *whole_cohort()[3:]], ORGAN, 0).space
    assert space.spacing_mm == (1.0, 1.0, 1.0) and space.size == sides
    assert math.prod(space.patch_size) <= affordable_voxels(settings, "cpu", 3)
    assert all(side % 8 == 0 and side <= of for side, of in zip(space.patch, sides, strict=True))


def test_with_little_time_a_volume_is_seen_coarser_and_its_finest_axes_first():
    sides = (40, 120, 120)
    place = Geometry.from_spacing(sides[::-1], (0.5, 0.5, 2.0), orientation="LPS")
    annotated = case("a", np.ones(sides, np.uint8), None, place=place)
    settings = config(minutes=1, dimensions="3d")
    space = plan_training(settings, [annotated, *whole_cohort()[3:]], ORGAN, 0).space
    assert space.spacing_mm[0] == 2.0
    assert space.spacing_mm[1] == space.spacing_mm[2] > 0.5
    assert math.prod(space.size) < 3 * affordable_voxels(settings, "cpu", 3)


def test_the_papers_recipe_looks_at_whole_images():
    small = np.zeros((6, 160, 160), np.uint8)
    small[2:4, 30:54, 40:64] = 1
    cases = [
        case("a", small, whole_slices([0, 2, 3], small.shape)),
        case("b", ellipses(), None, annotated=False),
    ]
    plan = plan_training(config(steps=5, preset="paper"), cases, ORGAN, 0)
    assert plan.space.size == (160, 160) and plan.space.centre == (0.5, 0.5)
    assert len(plan.channels) == 5


def test_intensities_are_clipped_where_asked():
    plan = plan_training(
        config(steps=5, dimensions="3d", clip_low=-125.0, clip_high=275.0), whole_cohort(), ORGAN, 0
    )
    assert plan.space.clip == (-125.0, 275.0)


def test_the_in_plane_part_of_a_volume_space_is_a_slice_space():
    space = plan_training(config(steps=5, dimensions="3d"), whole_cohort(), ORGAN, 0).space
    flat = replace(space, patch=(16, 16, 16)).in_plane()
    assert flat.dims == 2 and flat.size == space.size[1:] and flat.patch_size == flat.size
    assert space.dims == 3 and space.size == SIDES
