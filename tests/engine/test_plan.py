"""The plan: what is decided from the data, and the sentences when nothing can be trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cohort import CLASSES, case, cohort, config, ellipses, geometry, whole_slices

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.machine import resolve_device
from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.engine.plan_space import affordable_voxels
from napari_transmedseg.errors import ConfigError, PlanError
from napari_transmedseg.imaging.geometry import Geometry


def _plan(cases, class_names=CLASSES, slice_axis=0, **settings):
    return plan_training(config(**settings), cases, class_names, slice_axis)


def _unannotated():
    return cohort()[2:]


def _empty_known():
    return [case("a", ellipses(), whole_slices([]))]


def _only_background():
    return [case("a", ellipses(), whole_slices([0, 5])), *_unannotated()]


def _core_only():
    classes = np.where(ellipses() == 2, 2, 0).astype(np.uint8)
    return [case("a", classes, whole_slices([0, 2])), *_unannotated()]


def _class_of_another_list():
    return [case("a", ellipses() * 3, whole_slices([0, 2])), *_unannotated()]


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        pytest.param([], "at least one case, found none; add images", id="no case"),
        pytest.param(_unannotated(), "annotated slice, found none in 2 cases", id="no annotation"),
        pytest.param(_empty_known(), "found none in 1 cases; annotate", id="nothing known"),
        pytest.param(
            _only_background(), "only background.*shows ring or core", id="only background"
        ),
        pytest.param(_core_only(), "example of every class, found none of ring", id="no example"),
        pytest.param(
            _class_of_another_list(), "classes up to 2.*found 6", id="class outside the list"
        ),
    ],
)
def test_what_cannot_be_trained_is_said_with_the_way_out(cases, sentence):
    with pytest.raises(PlanError, match=sentence):
        _plan(cases)


def test_a_project_without_classes_is_refused():
    with pytest.raises(PlanError, match="at least one class, found none; add a class"):
        _plan(cohort(), class_names=())


def test_contradicting_settings_are_refused_first():
    with pytest.raises(ConfigError, match="leave one out"):
        _plan([], minutes=1, steps=10)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="'cuda' device, found none.*--device auto"):
        _plan(cohort(), device="cuda")


def test_auto_takes_a_device_that_is_there():
    assert resolve_device("auto") in {"cpu", "cuda", "mps"}
    assert resolve_device("cpu") == "cpu"


def test_unknown_voxels_are_no_example_of_a_class():
    known = whole_slices([0, 5])  # beyond them the array holds class 1 everywhere
    with pytest.raises(PlanError, match="only background"):
        _plan([case("a", ellipses(), known), *_unannotated()])


def test_where_everything_is_annotated_it_trains_supervised_and_says_so():
    plan = _plan([case("a", ellipses(), None), case("b", ellipses(shift=1), None)])
    assert (plan.method, plan.graph_weight, plan.tsa_weight) == ("supervised", 0.0, 0.0)
    assert any("nothing unlabeled to learn from" in note for note in plan.notes)


def test_one_unknown_slice_is_enough_to_learn_from():
    plan = _plan([case("a", ellipses(), whole_slices(range(5)))])
    assert (plan.method, plan.graph_weight, plan.tsa_weight) == ("transmedseg", 0.1, 0.4)
    assert not any("nothing unlabeled" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("slices", "advised"), [([2, 3], True), ([0, 2], False)], ids=["none empty", "one empty"]
)
def test_annotation_without_an_empty_slice_brings_advice(slices, advised):
    plan = _plan([case("a", ellipses(), whole_slices(slices)), *_unannotated()])
    assert any("No annotated slice is empty" in note for note in plan.notes) == advised


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_the_window_is_planned_in_the_slices_plane(slice_axis):
    spacing = np.roll([4.0, 1.0, 1.5], slice_axis)
    shape = tuple(np.roll([6, 40, 30], slice_axis))
    classes = np.zeros(shape, np.uint8)
    inner = [slice(2, 4), slice(4, 36), slice(3, 27)]
    classes[tuple(np.roll(np.array(inner, dtype=object), slice_axis))] = 1
    annotated = case("a", classes, None, place=geometry(shape, spacing))
    plan = _plan([annotated, *_unannotated()], ("organ",), slice_axis)
    axes = [axis for axis in range(3) if axis != slice_axis]
    assert plan.space.spacing_mm == tuple(spacing[axis] for axis in axes)
    assert plan.space.size == tuple(-(-shape[axis] // 8) * 8 for axis in axes)
    assert plan.space.centre == (0.5, 0.5)


def _small_organ(shape=(6, 160, 160), at=(30, 40), side=24):
    classes = np.zeros(shape, np.uint8)
    classes[2:4, at[0] : at[0] + side, at[1] : at[1] + side] = 1
    return case("a", classes, whole_slices([0, 2, 3], shape), place=geometry(shape))


def test_the_window_holds_what_is_annotated_with_room_around_it():
    plan = _plan([_small_organ(), *_unannotated()], ("organ",))
    rows, columns = plan.space.size
    assert (rows, columns) == (40, 40)  # 24 pixels and 30 % of them on each side, in eighths
    assert plan.space.centre == pytest.approx((42 / 160, 52 / 160), abs=0.01)
    assert len(plan.channels) == 4


def test_large_windows_have_a_deeper_network_and_divide_by_its_sixteen():
    plan = _plan([_small_organ(side=60), *_unannotated()], ("organ",))
    assert len(plan.channels) == 5
    assert all(side % 16 == 0 and side >= 96 for side in plan.space.size)


def test_a_window_of_too_many_pixels_is_seen_coarser():
    organ = _small_organ(shape=(4, 512, 512), at=(50, 50), side=400)
    plan = _plan([organ, *_unannotated()], ("organ",), minutes=None, steps=10)
    rows, columns = plan.space.size
    assert rows * columns <= 160 * 160 * 1.3
    assert plan.space.spacing_mm == pytest.approx((3.2, 3.2))


@pytest.mark.parametrize(
    ("given", "pixels"),
    [
        pytest.param({"minutes": 0.5, "threads": 2}, 64 * 64, id="never below a floor"),
        pytest.param({"minutes": 4, "threads": 1}, 18 * 240, id="in proportion to the budget"),
        pytest.param({"minutes": 60, "threads": 2}, 160 * 160, id="never above the device's limit"),
        pytest.param({"steps": 10}, 160 * 160, id="steps do not hurry"),
    ],
)
def test_on_a_cpu_slices_are_as_fine_as_the_budget_affords(given, pixels):
    assert affordable_voxels(TrainingConfig(**given), "cpu") == pytest.approx(pixels)


def test_the_window_covers_what_is_annotated_in_every_case():
    cases = [_small_organ(at=(20, 30)), replace(_small_organ(at=(90, 100)), case_id="b")]
    plan = _plan([*cases, *_unannotated()], ("organ",))
    low = np.array(plan.space.centre) * 160 - np.array(plan.space.size) / 2
    high = low + plan.space.size
    assert (low <= [20, 30]).all() and (high >= [114, 124]).all()


def test_spacing_is_the_median_of_the_annotated_cases():
    places = [Geometry.from_spacing((24, 24, 6), (s, s, 4.0), orientation="LPS") for s in (1, 2, 5)]
    cases = [
        case(name, ellipses(), whole_slices([0, 2]), place=place)
        for name, place in zip("abc", places, strict=True)
    ]
    assert _plan(cases).space.spacing_mm == (2.0, 2.0)


def test_the_plan_keeps_to_the_settings():
    plan = _plan(cohort(), preset="paper", tsa_weight=0.6, tsa_strength=0.5, threads=3)
    assert (plan.tsa_weight, plan.tsa_strength, plan.threads) == (0.6, 0.5, 3)
    assert plan.recipe.optimizer == "sgd" and plan.space.normalisation == "unit"
    assert plan.class_names == CLASSES and plan.num_classes == 3
    assert plan.in_memory


def test_threads_are_the_cores_that_this_process_may_use():
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert _plan(cohort(), threads=0).threads == cores
