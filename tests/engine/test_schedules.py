"""Budgets and the schedules that hang on them."""

import pytest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.schedules import (
    Budget,
    early_decay,
    learning_rate,
    ramp,
    self_training_progress,
)

SHARES = [share / 20 for share in range(21)]


def test_a_run_without_a_budget_has_ten_minutes():
    assert Budget.of(TrainingConfig()) == Budget(steps=None, seconds=600)


@pytest.mark.parametrize(
    ("config", "step", "elapsed_s", "progress"),
    [
        (TrainingConfig(steps=40), 10, 1e6, 0.25),
        (TrainingConfig(steps=40), 80, 0, 1.0),
        (TrainingConfig(minutes=2), 10**6, 30, 0.25),
        (TrainingConfig(minutes=2), 0, 121, 1.0),
    ],
)
def test_progress_is_the_share_of_steps_or_of_seconds(config, step, elapsed_s, progress):
    assert Budget.of(config).progress(step, elapsed_s) == progress


def test_what_remains_is_told_in_seconds():
    assert Budget.of(TrainingConfig(minutes=1)).remaining_s(5, 45, 2) == 15
    assert Budget.of(TrainingConfig(minutes=1)).remaining_s(5, 90, 2) == 0
    assert Budget.of(TrainingConfig(steps=30)).remaining_s(10, 45, 2) == 10
    assert Budget.of(TrainingConfig(steps=30)).remaining_s(10, 45, 0) == 0


def test_the_learning_rate_rises_shortly_then_decays_and_never_stops():
    assert learning_rate(1.0, 0, 0) == pytest.approx(0.02)
    assert learning_rate(1.0, 0, 49) == 1.0
    later = [learning_rate(1.0, share, 1000) for share in SHARES]
    assert later == sorted(later, reverse=True)
    assert later[10] == pytest.approx(0.5**0.9)
    assert 0 < later[-1] <= 1e-3


def test_terms_grow_to_their_weight_over_the_ramp():
    values = [ramp(step, 10) for step in range(14)]
    assert values[0] < 0.01 and values == sorted(values)
    assert values[10:] == [1.0] * 4
    assert ramp(0, 0) == 1.0


def test_the_teacher_forgets_its_start_and_then_averages_as_long_as_asked():
    decays = [early_decay(0.99, step) for step in range(2000)]
    assert decays[0] < 0.2 and decays == sorted(decays)
    assert decays[-1] == 0.99


def test_progress_of_self_training_is_its_own():
    assert self_training_progress(0.4, 0.4) == 0
    assert self_training_progress(0.7, 0.4) == pytest.approx(0.5)
    assert self_training_progress(1.0, 0.4) == 1
    assert self_training_progress(0.2, 0.4) == 0
    assert self_training_progress(1.0, 1.0) == 0
