"""Each known weak point of the method is provoked, and the guard is seen to act (METHOD 4)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cohort import CLASSES, Run, case, config, ellipses, small_plan, whole_slices

from napari_transmedseg.engine.augment import WEAK
from napari_transmedseg.engine.events import MonitorReport, Notice
from napari_transmedseg.engine.oversight import oversee
from napari_transmedseg.engine.semantic_augmentation import (
    augmentation_moments,
    augmentation_table,
    ready_classes,
)
from napari_transmedseg.engine.step import train_step

QUICK = {"augmentation": WEAK, "ema_decay": 0.8, "batch_size": 8, "learning_rate": 1e-2}


def _trained(cases=None, steps=60, **settings):
    """A run that reproduces its slices and has begun to learn from the others."""
    run = Run(small_plan(config(steps=40, **settings), cases, **QUICK), cases, self_training=False)
    run.steps(steps, total=200)
    run.state.phase, run.state.self_training_start = "self-training", 0.0
    return run


def _events(run):
    return list(oversee(run.state, run.store, run.plan, 0.5, 0.1))


def _report(events, name, class_name):
    return next(
        e for e in events
        if isinstance(e, MonitorReport) and (e.name, e.class_name) == (name, class_name)
    )  # fmt: skip


def _moments(run):
    return augmentation_moments(run.state.source, run.state.targets[0])


def _rare_cohort():
    """The core is shown by one pixel-thin speck on one slice only."""
    cases = []
    for name in "ab":
        classes = np.minimum(ellipses(), 1)
        if name == "a":
            classes[2, 12, 12] = 2
        cases.append(case(name, classes, whole_slices([0, 2, 3])))
    return [*cases, case("c", ellipses(), None, annotated=False)]


def test_a_rare_class_is_not_augmented_and_the_report_asks_for_slices_that_show_it():
    run = _trained(_rare_cohort(), steps=20)
    run.state.trusted = True
    for _ in range(4):
        train_step(run.state, run.plan, run.sampler, 0.9)
    ready = ready_classes(run.state.source, run.state.targets[0])
    assert not ready[2]
    shift, covariance, ready = _moments(run)
    weight = torch.randn(3, shift.shape[1])
    table = augmentation_table(weight, shift, covariance, 0.25, ready)
    assert torch.count_nonzero(table[2]) == 0
    report = _report(_events(run), "source_count", "core")
    assert report.light == "advice" and "slices that show core" in report.sentence


def _invert(teacher):
    """The teacher takes ring for core and core for ring."""
    with torch.no_grad():
        for values in (teacher.classifier.weight, teacher.classifier.bias):
            values.copy_(values[[0, 2, 1]])


def test_an_inverted_teacher_is_not_followed_until_it_recovers():
    run = _trained()
    healthy = {name: value.clone() for name, value in run.state.teacher.state_dict().items()}
    assert run.state.trusted
    _invert(run.state.teacher)
    events = _events(run)
    assert not run.state.trusted
    notice = next(e for e in events if isinstance(e, Notice))
    assert "ring" in notice.sentence and "not used for training" in notice.sentence
    assert _report(events, "teacher_dice", "ring").light == "warning"

    plan = replace(run.plan, recipe=replace(run.plan.recipe, ema_decay=1.0))
    terms = train_step(run.state, plan, run.sampler, 0.9)
    assert "pseudo" not in terms  # u = 0

    run.state.teacher.load_state_dict(healthy)
    run.state.predicted_share = torch.tensor([0.7, 0.2, 0.1])
    assert any(isinstance(e, Notice) and "again" in e.sentence for e in _events(run))
    assert run.state.trusted
    assert "pseudo" in train_step(run.state, plan, run.sampler, 0.9)


@pytest.mark.parametrize("rank", [0, 1], ids=["no spread at all", "one direction only"])
def test_a_degenerate_covariance_is_smoothed_flagged_and_harmless(rank):
    run = _trained()
    for _ in range(4):
        train_step(run.state, run.plan, run.sampler, 0.9)
    target = run.state.targets[0]
    direction = torch.ones(target.num_features)
    target.covariance_CAA.copy_(rank * torch.outer(direction, direction).expand(3, -1, -1))
    _, covariance, _ = _moments(run)
    if rank:
        eigenvalues = torch.linalg.eigvalsh(covariance[1])
        assert eigenvalues.min() > 0 and eigenvalues.max() / eigenvalues.min() < 1e6
        report = _report(_events(run), "condition_number", "ring")
        assert report.light == "advice" and report.value > 1e6 and report.sentence
    terms = train_step(run.state, run.plan, run.sampler, 0.9)
    assert all(bool(torch.isfinite(value)) for value in terms.values())


def test_pseudo_labels_that_are_a_guess_are_flagged():
    run = _trained(steps=2)
    with torch.no_grad():
        run.state.teacher.classifier.weight.zero_()
        run.state.teacher.classifier.bias.zero_()
    (report,) = [
        e for e in oversee(run.state, run.store, run.plan, 0.5, entropy=0.99)
        if isinstance(e, MonitorReport) and (e.name, e.class_name) == ("entropy", "")
    ]  # fmt: skip
    assert report.light == "warning" and "unsure" in report.sentence


def test_a_teacher_that_sees_nothing_is_found_out_by_the_share_of_its_class():
    run = _trained()
    with torch.no_grad():
        run.state.teacher.classifier.bias[2] = -100
    run.state.predicted_share = torch.tensor([0.8, 0.2, 0.0])
    events = _events(run)
    assert not run.state.trusted
    assert _report(events, "pseudo_share", "core").light == "warning"


def test_features_of_a_class_that_moved_far_between_the_streams_are_reported():
    run = _trained()
    for _ in range(3):
        train_step(run.state, run.plan, run.sampler, 0.9)
    calm = _report(_events(run), "mean_shift", "ring").value
    run.state.targets[0].mean_CA[1] += 50 * run.state.targets[0].covariance_CAA[1].diag().sqrt()
    report = _report(_events(run), "mean_shift", "ring")
    assert report.value > 10 * calm and report.light == "advice"
    assert set(CLASSES) == {"ring", "core"}
