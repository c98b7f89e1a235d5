"""Competence decides when self-training begins; a failing teacher is not followed."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_cohort import Run, config, small_plan

from napari_transmedseg.engine.augment import WEAK
from napari_transmedseg.engine.events import DiceReport, MonitorReport, Notice, PhaseChanged
from napari_transmedseg.engine.oversight import oversee, teacher_dice


@pytest.fixture(scope="module")
def competent():
    """A teacher that knows ring and core, from supervised steps alone."""
    rules = {"augmentation": WEAK, "ema_decay": 0.8, "batch_size": 8, "learning_rate": 1e-2}
    run = Run(small_plan(**rules), self_training=False)
    run.steps(100, total=125)
    return run


@pytest.fixture
def run(competent):
    """The competent run, to be changed freely."""
    fresh = copy.copy(competent)
    fresh.state = copy.copy(competent.state)
    fresh.state.teacher = copy.deepcopy(competent.state.teacher)
    return fresh


@pytest.fixture
def newborn():
    return Run(small_plan(), self_training=False)


def _look(run, progress=0.9, entropy=0.1):
    return list(oversee(run.state, run.store, run.plan, progress, entropy))


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def _invert(run):
    """The teacher takes ring for core and core for ring."""
    with torch.no_grad():
        for values in (run.state.teacher.classifier.weight, run.state.teacher.classifier.bias):
            values.copy_(values[[0, 2, 1]])


def _blind(run):
    """The teacher never sees the core."""
    with torch.no_grad():
        run.state.teacher.classifier.bias[2] = -100


def test_dice_is_told_by_class_name(competent):
    (report,) = _of(DiceReport, _look(competent, progress=0.0))
    assert set(report.annotated) == {"ring", "core"} and not report.held_out
    assert all(dice > 0.8 for dice in report.annotated.values())


def test_dice_is_measured_on_known_voxels_only(competent):
    store, plan = competent.store, competent.plan
    measured = teacher_dice(competent.state, store, plan)
    assert measured.honest == measured.annotated
    known = store.label_LHW[store.known_LHW]
    for value in range(3):
        share = float((known == value).float().mean())
        assert measured.annotated_share[value] == pytest.approx(share)


@pytest.mark.parametrize("progress", [0.3, 0.6, 0.99])
def test_an_incompetent_model_never_begins_to_self_train_whatever_the_clock(newborn, progress):
    for step in (25, 250, 2500):
        newborn.state.step = step
        assert not _of(PhaseChanged, _look(newborn, progress))
    assert newborn.state.phase == "warm-up"


def test_a_warm_up_that_goes_on_late_is_explained(newborn):
    newborn.state.step = 250
    (notice,) = _of(Notice, _look(newborn, 0.8))
    assert "does not yet reproduce the annotated" in notice.sentence
    assert "annotate more slices" in notice.sentence
    assert not _of(Notice, _look(newborn, 0.4))


def test_a_competent_model_waits_for_its_share_of_the_budget(run):
    assert not _of(PhaseChanged, _look(run, progress=0.1))
    assert run.state.phase == "warm-up"


def test_a_competent_model_waits_until_it_has_seen_its_annotated_slices_often(run):
    run.plan = replace(run.plan, recipe=replace(run.plan.recipe, warmup_passes=200))
    needed = 200 * len(run.store.training_rows) / run.plan.recipe.batch_size
    run.state.step = int(needed) - 1
    assert not _of(PhaseChanged, _look(run, progress=0.5))
    run.state.step = int(needed) + 1
    assert _of(PhaseChanged, _look(run, progress=0.5))


def test_where_time_is_too_short_for_that_it_says_once_how_long_it_would_take(run):
    run.plan = replace(run.plan, recipe=replace(run.plan.recipe, warmup_passes=10_000))
    run.state.elapsed_s = 60.0
    assert not _of(Notice, _look(run, progress=0.5))
    (notice,) = _of(Notice, _look(run, progress=0.7))
    assert "annotated slices only; give it" in notice.sentence and "minutes" in notice.sentence
    assert not _of(Notice, _look(run, progress=0.8))


def test_a_competent_model_begins_and_progress_counts_from_there(run):
    (changed,) = _of(PhaseChanged, _look(run, progress=0.5))
    assert changed.phase == run.state.phase == "self-training"
    assert run.state.self_training_start == 0.5
    assert not _of(PhaseChanged, _look(run, progress=0.6))


def test_one_class_behind_is_enough_to_wait(run):
    run.plan = replace(run.plan, recipe=replace(run.plan.recipe, competence=0.6))
    _blind(run)
    assert not _of(PhaseChanged, _look(run))
    run.state.step = 250
    (notice,) = _of(Notice, _look(run))
    assert "annotated core," in notice.sentence


def test_a_supervised_run_stays_supervised(run):
    run.plan = small_plan(config(steps=40, method="supervised"))
    events = _look(run)
    assert run.state.phase == "warm-up"
    assert not _of(PhaseChanged, events) and not _of(Notice, events)


@pytest.mark.parametrize("spoil", [_invert, _blind])
def test_a_failing_teacher_is_not_trusted_until_it_recovers(run, spoil):
    run.state.phase = "self-training"
    run.state.predicted_share = torch.tensor([0.7, 0.15, 0.15])
    assert not _of(Notice, _look(run)) and run.state.trusted
    good = copy.deepcopy(run.state.teacher)

    spoil(run)
    (notice,) = _of(Notice, _look(run))
    assert not run.state.trusted
    assert "core" in notice.sentence and "annotate 2 more slices" in notice.sentence
    assert not _of(Notice, _look(run))  # said once
    assert not run.state.trusted

    run.state.teacher = good
    (notice,) = _of(Notice, _look(run))
    assert run.state.trusted and "used for training again" in notice.sentence


def test_a_class_that_vanishes_from_the_proposals_is_not_trusted(run):
    run.state.phase = "self-training"
    run.state.predicted_share = torch.tensor([0.85, 0.15, 0.001])
    (notice,) = _of(Notice, _look(run))
    assert not run.state.trusted and "proposals for core" in notice.sentence


def test_monitors_tell_every_class(run):
    run.state.phase = "self-training"
    run.state.predicted_share = torch.tensor([0.7, 0.15, 0.15])
    reports = _of(MonitorReport, _look(run, entropy=0.7))
    by_name = {(report.name, report.class_name): report for report in reports}
    assert by_name["entropy", ""].light == "warning"
    for name in ("ring", "core"):
        assert by_name["teacher_dice", name].light == "ok"
        for side in ("source", "target"):  # nothing was counted yet
            assert by_name[f"{side}_count", name].light != "ok"
        assert "annotate" in by_name["count", name].sentence


def test_uncertainty_and_modes_are_watched_for_every_class(run):
    run.state.phase = "self-training"
    run.state.predicted_share = torch.tensor([0.7, 0.15, 0.15])
    reports = _of(MonitorReport, _look(run))
    for name in ("entropy", "multi_modal"):
        of_class = {r.class_name: r.value for r in reports if r.name == name and r.class_name}
        assert set(of_class) == set(run.plan.class_names)
        assert all(0 <= value <= 1 for value in of_class.values() if value == value)
