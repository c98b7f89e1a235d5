"""Before a training a person reads what it learns from, needs, and what stands in its way."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import StepReport, TrainingStarted
from napari_transmedseg.engine.plan import TrainingPlan, plan_training
from napari_transmedseg.project import expected_cost
from napari_transmedseg.project.expected_cost import device_in_words, memory_of, time_of
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.preflight import OpenSlice, preflight
from napari_transmedseg.project.project import Project

from .conftest import paint

STEPS = TrainingConfig(steps=50, device="cpu", threads=1)


@pytest.fixture
def annotated(project: Project) -> Project:
    """Case `a` with all classes on two slices, and an empty one."""
    label_map = paint(project, "a", 1, 2)
    label_map.array[label_map.array > 0] = 1
    label_map.array[1:3, 5, 5] = 2
    label_map.array[1:3, 6, 6] = 3
    project.save_annotation("a", label_map)
    project.set_slice_states("a", [1, 2], SliceState.ANNOTATED)
    project.set_slice_state("a", 5, SliceState.EMPTY)
    return project


def test_says_what_is_labeled_and_what_is_not(annotated: Project):
    found = preflight(annotated, STEPS)
    assert found.is_clear
    text = " ".join(found.of("fact"))
    assert "3 slices of 1 case are annotated, 1 of them as empty." in text
    assert "15 slices without annotation are learned from, too, those of b and c as a whole." in (
        text
    )
    assert "Painted: RV on 2 slices, myocardium on 2 slices, LV on 2 slices." in text
    assert "The network is 2-D" in text
    assert "CPU, with 1 of" in text
    assert "for 50 steps" in text
    assert "GiB of memory" in text


def test_slices_in_progress_are_listed_as_advice(annotated: Project):
    annotated.save_annotation("b", paint(annotated, "b", 3))
    found = preflight(annotated, STEPS)
    assert found.is_clear
    assert found.in_progress == (OpenSlice(case_id="b", index=3),)
    assert "1 slice of b is still in progress" in found.of("advice")[0]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        pytest.param(STEPS, "found none of myocardium, LV", id="class without an example"),
        pytest.param(TrainingConfig(steps=5, minutes=1), "found both", id="two budgets"),
        pytest.param(TrainingConfig(tsa_strength=99), "'tsa_strength' of at most 10", id="limit"),
    ],
)
def test_real_obstacles_block(project: Project, config: TrainingConfig, says: str):
    project.save_annotation("a", paint(project, "a", 2))
    project.set_slice_state("a", 2, SliceState.ANNOTATED)
    found = preflight(project, config)
    assert not found.is_clear
    assert says in found.of("obstacle")[0]


def test_nothing_annotated_is_an_obstacle(project: Project):
    found = preflight(project, STEPS)
    assert "found none in 3 cases" in found.of("obstacle")[0]
    assert found.of("fact") == ()


def test_missing_image_is_an_obstacle(annotated: Project, images: list[Path]):
    images[1].unlink()
    found = preflight(annotated, STEPS)
    assert not found.is_clear
    assert "b.nii.gz" in found.of("obstacle")[0]
    assert "3 slices of 1 case are annotated" in found.of("fact")[0]


def test_a_damaged_ledger_is_an_obstacle_and_not_an_error(annotated: Project):
    folder = annotated.folder
    annotated.flush()
    annotated.close()
    damaged = sorted((folder / "annotations").glob("*.json"))[0]
    damaged.write_text("{")
    with Project.open(folder) as opened:
        found = preflight(opened, TrainingConfig())
    assert not found.is_clear
    assert damaged.name in found.of("obstacle")[0]


def test_class_on_one_slice_and_scanner_without_annotation_are_advice(annotated: Project):
    label_map = annotated.annotation("a")
    label_map.array[2, 6, 6] = 0
    annotated.save_annotation("a", label_map)
    for case_id, domain in (("a", "north"), ("b", "south"), ("c", "south")):
        annotated.set_domain(case_id, domain)
    advice = preflight(annotated, STEPS).of("advice")
    assert "LV is on one slice only; annotate 2 more that show it." in advice
    assert "No case of south is annotated; 2 slices of it would show how it looks there." in advice


def test_time_of_steps_follows_the_latest_run_of_the_kind(annotated: Project):
    run = annotated.new_run(STEPS)
    started, *_, last = (
        event
        for event in scripted_training(TrainingControl(), steps=5, step_s=0.001)
        if isinstance(event, TrainingStarted | StepReport)
    )
    alike = replace(started, network="unet 2-D, 0.46 million weights")
    for _ in run.record([alike, replace(last, steps_per_second=0.25)]):
        pass
    text = " ".join(preflight(annotated, STEPS).of("fact"))
    assert "about 3 min for 50 steps, at 0.2 steps/s as run-001 made them" in text


def test_minutes_are_said_as_they_are_set(annotated: Project):
    facts = preflight(annotated, TrainingConfig(minutes=2, device="cpu")).of("fact")
    assert any(fact.startswith("It takes 2 min") for fact in facts)


def test_reads_a_project_that_another_one_writes(annotated: Project):
    annotated.save_annotation("b", paint(annotated, "b", 3))
    with Project.open(annotated.folder, read_only=True) as reader:
        found = preflight(reader, STEPS)
    assert found == preflight(annotated, STEPS)


@pytest.fixture
def plan(annotated: Project) -> TrainingPlan:
    cases = annotated.training_cases()
    names = list(annotated.class_names.values())
    return plan_training(STEPS, cases, names, annotated.slice_axis)


def test_where_nothing_was_measured_the_first_steps_tell(plan: TrainingPlan):
    on_gpu = replace(plan, device="cuda:0")
    assert device_in_words(on_gpu) == "It trains on the GPU (cuda:0)."
    assert time_of(on_gpu, STEPS, ()) == (
        "It takes 50 steps; the first ones will tell how long a step takes."
    )


def test_runs_of_another_kind_or_unreadable_say_nothing_about_time(
    annotated: Project, plan: TrainingPlan
):
    """Another device, another network, no step of the longest phase, damaged rows."""
    expected = time_of(plan, STEPS, ())
    events = [
        event
        for event in scripted_training(TrainingControl(), steps=5, step_s=0.001)
        if isinstance(event, TrainingStarted | StepReport)
    ]
    started, last = events[0], replace(events[-1], steps_per_second=0.25)
    assert isinstance(started, TrainingStarted)
    for first in (
        replace(started, network="unet 2-D", device="cuda"),
        replace(started, network="vnet 3-D"),
    ):
        list(annotated.new_run(STEPS).record([first, last]))
    list(annotated.new_run(STEPS).record([replace(started, network="unet 2-D")]))
    (annotated.new_run(STEPS).folder / "metrics.jsonl").mkdir()
    assert time_of(plan, STEPS, annotated.runs) == expected


def test_too_little_memory_is_said_with_a_way_out(
    plan: TrainingPlan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expected_cost, "free_memory_bytes", lambda device: 2**20)
    fact, advice = memory_of(plan, 18)
    assert "0.0 are free" in fact
    assert advice == [
        "The memory may not suffice; close other programs, or choose the CPU or the U-Net under "
        "'Advanced settings'."
    ]
