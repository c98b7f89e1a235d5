"""Splits and annotation draws: the same for every method, nothing leaks, nothing is missing."""

from dataclasses import replace

import numpy as np
import pytest
from cohorts import make_cohort

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.experiments.draw import class_names_of, draw_cases, sectors_of
from napari_transmedseg.experiments.experiment import Labeling, Setup, Split
from napari_transmedseg.imaging.data_sets import DataSet, DataSetCase
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.project import Project

SHAPE_IPL = (8, 10, 10)
GEOMETRY = Geometry.from_spacing(SHAPE_IPL, orientation="IPL")


def labels(seen: int = 2) -> LabelMap:
    """Class 1 on slices 1 to 6, class 2 on the first `seen` of them."""
    array = np.zeros(SHAPE_IPL, np.uint8)
    array[1:7, 2:8, 2:8] = 1
    array[1 : 1 + seen, 4:6, 4:6] = 2
    return LabelMap(array=array, geometry=GEOMETRY)


def cohort(persons: int = 6, frames: int = 2) -> DataSet:
    cases = tuple(
        DataSetCase(
            case_id=f"p{person}_f{frame}",
            load_image=lambda: pytest.fail("the draw reads no images"),
            load_labels=None if person == 0 else labels,
            group=f"p{person}",
            domain="A" if person < 3 else "B",
            split="test" if person == persons - 1 else "train",
        )
        for person in range(persons)
        for frame in range(frames)
    )
    return DataSet(cases=cases, class_names=("one", "two"))


def setup(**changes) -> Setup:
    settings = {"labeling": Labeling(cases=3, slices_per_case=3), "steps": 1}
    return Setup(source="hippocampus", **(settings | changes))


def test_the_same_seed_draws_the_same_and_another_seed_differently():
    draws = [draw_cases(cohort(), setup(), 0, seed).slices for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_slices_are_spread_over_the_stack_and_only_they_are_known():
    draw = draw_cases(cohort(), setup(), 0, 4)
    for case_id, slices in draw.slices.items():
        assert [index // (8 / 3) for index in slices] == [0, 1, 2]
        known = draw.annotations[case_id].known
        assert sorted(np.flatnonzero(known.all(axis=(1, 2)))) == list(slices)
        assert known.sum() == 3 * 100
        assert not draw.annotations[case_id].array[~known].any()


def test_a_draw_without_a_class_is_drawn_again():
    one_slice = setup(labeling=Labeling(cases=1, slices_per_case=2))
    draws = [draw_cases(cohort(), one_slice, 0, seed) for seed in range(6)]
    assert any(draw.attempt for draw in draws)
    for draw in draws:
        assert {2} <= set(np.unique(next(iter(draw.annotations.values())).array))


def test_other_images_of_annotated_persons_are_not_measured():
    draw = draw_cases(cohort(), setup(), 0, 0)
    annotated = {case_id.split("_")[0] for case_id in draw.slices}
    for case in draw.test:
        assert case.case_id in draw.slices or case.group not in annotated
    assert all(case.load_labels is not None for case in draw.test)
    assert not draw.held_out


@pytest.mark.parametrize(
    ("split", "held_out"),
    [
        pytest.param(Split(test_groups=("p2", "p9")), {"p2"}, id="named"),
        pytest.param(Split(use_own=True), {"p5"}, id="the data set's own"),
        pytest.param(Split(train_groups=("p0", "p1", "p2", "p3"), test_others=True), {"p4", "p5"},
                     id="who is not in the training list"),
        pytest.param(Split(train_groups=("p1", "p2"), test_groups=("p5",)), {"p5"},
                     id="some take no part"),
    ],
)  # fmt: skip
def test_held_out_persons_are_measured_and_not_trained_on(split, held_out):
    draw = draw_cases(cohort(), setup(split=split), 0, 0)
    assert {case.group for case in draw.test} == held_out
    assert not held_out & {case.group for case in draw.training}
    assert draw.held_out
    if split.train_groups:
        assert {case.group for case in draw.training} <= set(split.train_groups)


def test_a_drawn_hold_out_is_the_same_for_all_seeds_and_leaves_the_labeled_alone():
    shared = setup(split=Split(test_share=0.5), labeling=Labeling(groups=("p1", "p2")))
    draws = [draw_cases(cohort(), shared, 0, seed) for seed in range(3)]
    sides = [{case.group for case in draw.test} for draw in draws]
    assert sides[0] == sides[1] == sides[2]
    assert len(sides[0]) == 3 or sides[0] < {"p0", "p3", "p4", "p5"}
    assert not sides[0] & {"p1", "p2"}


def test_named_persons_are_annotated_whole():
    draw = draw_cases(cohort(), setup(labeling=Labeling(groups=("p1",))), 0, 0)
    assert draw.slices == {"p1_f0": tuple(range(8)), "p1_f1": tuple(range(8))}


def test_a_share_of_the_persons_is_annotated_with_all_their_cases():
    draw = draw_cases(cohort(), setup(labeling=Labeling(share=0.4)), 0, 0)
    groups = {case_id.split("_")[0] for case_id in draw.slices}
    assert len(groups) == 2
    assert len(draw.slices) == 4


def test_only_one_domain_is_annotated():
    labeling = Labeling(cases=3, slices_per_case=3, domains=("B",))
    draw = draw_cases(cohort(), setup(labeling=labeling), 0, 0)
    assert {case_id[:2] for case_id in draw.slices} <= {"p3", "p4", "p5"}


def test_a_rare_class_is_annotated_on_few_slices():
    labeling = Labeling(cases=5, rare_class="two", rare_slices=1)
    rare = draw_cases(cohort(), setup(labeling=labeling), 0, 0)
    shown = sum(
        int((label_map.array == 2).any(axis=(1, 2)).sum())
        for label_map in rare.annotations.values()
    )
    assert shown == 1
    assert sum(map(len, rare.slices.values())) == 5 * 8 - (5 * 2 - 1)


def test_a_pattern_and_a_limit_leave_cases_out_but_no_labeled_ones():
    small = setup(
        only="*_f0", split=Split(max_groups=3), labeling=Labeling(groups=("p5",)),
    )  # fmt: skip
    draw = draw_cases(cohort(), small, 0, 0)
    assert [case.case_id for case in draw.training] == ["p0_f0", "p1_f0", "p5_f0"]


@pytest.mark.parametrize(
    ("labeling", "sentence"),
    [
        pytest.param(Labeling(cases=99), "at least 99 cases", id="too many"),
        pytest.param(Labeling(groups=("p0", "p1")), "found none of p0", id="no labels"),
    ],
)
def test_draws_that_cannot_be_are_refused(labeling, sentence):
    with pytest.raises(DataSetError, match=sentence):
        draw_cases(cohort(), setup(labeling=labeling), 0, 0)


def test_a_class_that_nobody_shows_is_refused():
    with pytest.raises(DataSetError, match="found no draw"):
        draw_cases(replace(cohort(), class_names=("one", "two", "three")), setup(), 0, 0)


def test_sectors_cut_every_class_into_equal_parts():
    cut = setup(sectors=4)
    parts = sectors_of(labels(), cut, 0)
    assert len(class_names_of(cohort(), cut)) == 8
    counts = np.bincount(parts.array[3].ravel(), minlength=9)
    assert counts[1:5].tolist() == [9, 9, 9, 9]
    assert np.array_equal((parts.array + 3) // 4, labels().array)


def test_cases_and_slices_are_those_of_the_annotate_command(tmp_path):
    images, references = make_cohort(tmp_path, 6)
    with Project.create(tmp_path / "p", images=[images], classes=["ring", "core"]) as project:
        planned = annotate_from_labels(
            project, references, num_cases=3, slices_per_case=4, seed=2
        ).cases
    from napari_transmedseg.imaging.data_sets import read_data_set

    data = replace(read_data_set(tmp_path), class_names=("ring", "core"))
    draw = draw_cases(data, setup(labeling=Labeling(cases=3, slices_per_case=4)), 0, 2)
    assert draw.slices == {case.case_id: case.slices for case in planned}
