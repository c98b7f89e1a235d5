"""Suggested slices are unsure, and spread over cases, positions and domains."""

from collections import Counter

import numpy as np
import pytest

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.review_queue import review_queue
from napari_transmedseg.project.slice_scores import (
    SliceScores,
    latest_scores,
    read_scores,
    scores_of,
    write_scores,
)
from napari_transmedseg.project.suggesting import CaseSlices, suggest, suggest_slices

UNSEEN = SliceState.UNSEEN


def case(name: str, num_slices: int = 20, labeled=(), **facts) -> CaseSlices:
    states = [SliceState.ANNOTATED if i in labeled else UNSEEN for i in range(num_slices)]
    return CaseSlices(case_id=name, states=states, **facts)


def test_without_predictions_slices_are_spread_over_cases_and_positions() -> None:
    chosen = suggest_slices([case(name) for name in "abcd"], 8)
    assert Counter(one.case_id for one in chosen) == dict.fromkeys("abcd", 2)
    for name in "abcd":
        first, second = (one.index for one in chosen if one.case_id == name)
        assert abs(first - second) >= 4
    assert len({one.index for one in chosen}) >= 5
    assert chosen[0].reason == "no prediction yet, nothing annotated in this case"
    assert abs(chosen[0].index - 9.5) < 1


def test_the_most_unsure_slice_goes_first() -> None:
    unsure = [0.1] * 20
    unsure[7] = 0.6
    (first,) = suggest_slices([case("a", uncertainty=[0.1] * 20), case("b", uncertainty=unsure)])
    assert (first.case_id, first.index, first.score) == ("b", 7, 1.0)
    assert first.reason.startswith("unsure here")


def test_a_slice_beside_an_annotated_one_can_wait() -> None:
    unsure = [0.1] * 20
    unsure[7], unsure[15] = 0.6, 0.5
    (first,) = suggest_slices([case("a", labeled=[6, 8], uncertainty=unsure)])
    assert first.index == 15
    assert first.reason == "unsure here, far from what is annotated"


def test_disagreement_of_student_and_teacher_counts() -> None:
    apart = [0.0] * 20
    apart[12] = 0.9
    (first,) = suggest_slices([case("a", uncertainty=[0.2] * 20, disagreement=apart)])
    assert first.index == 12
    assert first.reason.startswith("student and teacher disagree")


def test_a_domain_without_annotation_goes_first() -> None:
    cohort = [
        case("a", labeled=[2, 9], domain="Aachen"),
        case("b", domain="Aachen"),
        case("c", domain="Basel"),
    ]
    (first,) = suggest_slices(cohort)
    assert first.case_id == "c"
    assert first.reason.endswith("first slice of Basel")


def test_cases_without_a_prediction_are_worth_an_average_slice() -> None:
    cohort = [case("a", uncertainty=[0.9] + [0.1] * 19), case("b")]
    assert [(one.case_id, one.index) for one in suggest_slices(cohort)] == [("a", 0)]
    cohort = [case("a", labeled=range(0, 20, 3), uncertainty=[0.2] * 20), case("b")]
    (first,) = suggest_slices(cohort)
    assert first.case_id == "b"
    assert first.reason.startswith("not predicted yet")


def test_what_was_seen_is_not_suggested_again_before_all_else() -> None:
    states = [UNSEEN, SliceState.SUGGESTED, SliceState.REJECTED, SliceState.IN_PROGRESS, UNSEEN]
    cohort = [CaseSlices(case_id="a", states=states)]
    avoid = {("a", 0)}
    assert [one.index for one in suggest_slices(cohort, 5, avoid=avoid)] == [4]
    avoid.add(("a", 4))
    assert [one.index for one in suggest_slices(cohort, 5, avoid=avoid)] == [1]
    assert suggest_slices([], 3) == []
    assert suggest_slices([case("a", 3, labeled=range(3))], 3) == []


def test_suggestions_are_the_same_every_time() -> None:
    rng = np.random.default_rng(0)
    cohort = [
        case(f"{i}", 30, uncertainty=rng.random(30).tolist(), domain="xy"[i % 2]) for i in range(6)
    ]
    chosen = suggest_slices(cohort, 12)
    assert chosen == suggest_slices(cohort, 12)
    assert len({(one.case_id, one.index) for one in chosen}) == 12
    assert len({one.case_id for one in chosen}) == 6


@pytest.fixture
def predicted(project: Project) -> Project:
    """The project of three cases, two of them predicted by made-up runs."""
    from napari_transmedseg.engine.config import TrainingConfig

    for run_id, names in (("run-001", "ab"), ("run-002", "b")):
        project.new_run(TrainingConfig())
        for name in names:
            project.save_prediction(run_id, name, project.annotation(name))
            unsure = tuple(0.1 * i + 0.01 * (name == "b") for i in range(6))
            scores = SliceScores(
                slice_uncertainty=unsure, slice_disagreement=(0.0,) * 6,
                slice_class=(0, 1, 2, 3, 2, 1),
            )  # fmt: skip
            write_scores(project, name, run_id, scores)
    return project


def test_the_queue_holds_open_slices_the_most_unsure_first(predicted: Project) -> None:
    predicted.set_slice_state("b", 5, SliceState.ACCEPTED)
    predicted.set_slice_state("a", 4, SliceState.REJECTED)
    queue = review_queue(predicted, latest_scores(predicted), limit=3)
    assert [(one.case_id, one.index) for one in queue.head] == [("a", 5), ("b", 4), ("b", 3)]
    assert [one.class_name for one in queue.head] == ["RV", "myocardium", "LV"]
    assert queue.total == 10
    assert predicted.predicted_by("b") == "run-002"
    assert predicted.predicted_by("c") is None


def test_suggestions_of_a_project_follow_its_predictions(predicted: Project) -> None:
    (first,) = suggest(predicted)
    assert (first.case_id, first.index) == ("b", 5)


@pytest.mark.parametrize("why", ["discarded", "outdated"])
def test_slices_of_a_run_that_is_not_used_are_neither_queued_nor_suggested(
    predicted: Project, why: str
) -> None:
    run = predicted.run("run-002")
    run.write_details({**run.details(), why: True})
    assert predicted.predicted_by("b") == "run-001"
    run = predicted.run("run-001")
    run.write_details({**run.details(), why: True})
    assert predicted.predicted_by("b") is None
    assert latest_scores(predicted) == {}
    assert review_queue(predicted, latest_scores(predicted)).total == 0
    assert suggest(predicted)[0].reason.startswith("no prediction yet")


def test_scores_without_disagreement_are_read(predicted: Project) -> None:
    path = predicted.prediction_path("run-001", "a").with_name("a.json")
    path.write_text('{"slice_uncertainty": [0, 0, 0, 0, 0, 0.5]}')
    scores = read_scores(predicted, "a", "run-001")
    assert scores == SliceScores(slice_uncertainty=(0, 0, 0, 0, 0, 0.5))
    assert review_queue(predicted, {"a": scores}).head[0].class_name == ""
    path.write_text('{"slice_uncertainty": [0.5]}')
    assert set(latest_scores(predicted)) == {"b"}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scores_are_those_of_each_slice(axis: int) -> None:
    rng = np.random.default_rng(axis)
    labels, student = (rng.integers(0, 3, (4, 5, 6)).astype(np.uint8) for _ in range(2))
    unsure = rng.random((4, 5, 6)).astype(np.float32)
    scores = scores_of(labels, unsure, student, axis)
    for index in range(labels.shape[axis]):
        one, other = (np.take(a, index, axis) for a in (labels, student))
        union = (one > 0) | (other > 0)
        assert scores.slice_disagreement[index] == pytest.approx(
            np.mean((one != other)[union]), abs=1e-6
        )
        assert scores.slice_uncertainty[index] == pytest.approx(
            np.take(unsure, index, axis).mean(), abs=1e-5
        )
        counts = [np.count_nonzero(one == value) for value in (1, 2)]
        assert counts[scores.slice_class[index] - 1] == max(counts)
    nothing = np.zeros((2, 3, 3), np.uint8)
    blank = scores_of(nothing, np.zeros(nothing.shape, np.float32), nothing, 0)
    assert (blank.slice_disagreement, blank.slice_class) == ((0.0, 0.0), (0, 0))
