"""The time of a run: what counts, and what does not."""

import time

import pytest

from napari_transmedseg.engine.clock import RunClock


@pytest.fixture
def pass_time(monkeypatch):
    """Let the monotonic clock go on by so many seconds."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    return go_on


def counted(clock, pass_time, gaps):
    total = 0.0
    for gap in gaps:
        pass_time(gap)
        total += clock.tick()
    return total


def test_the_time_between_two_looks_counts(pass_time):
    clock = RunClock()
    assert counted(clock, pass_time, [0.5, 2.0, 1.5]) == pytest.approx(4.0)
    assert clock.take_sleep() == 0.0


def test_a_gap_that_no_step_explains_is_sleep_and_told_once(pass_time):
    clock = RunClock()
    assert counted(clock, pass_time, [0.5, 3600.0, 0.5]) == pytest.approx(1.0)
    assert clock.take_sleep() == pytest.approx(3600.0)
    assert clock.take_sleep() == 0.0


@pytest.mark.parametrize(
    "gaps",
    [
        pytest.param([1.0, 299.0], id="shorter than five minutes"),
        pytest.param([30.0, 590.0], id="not much longer than a slow step"),
        pytest.param([400.0], id="the first step, which may compile"),
    ],
)
def test_slow_work_is_no_sleep(pass_time, gaps):
    clock = RunClock()
    assert counted(clock, pass_time, gaps) == pytest.approx(sum(gaps))
    assert clock.take_sleep() == 0.0


def test_a_pause_is_left_out(pass_time):
    clock = RunClock()
    pass_time(50.0)
    clock.skip()
    assert counted(clock, pass_time, [1.0]) == pytest.approx(1.0)


def test_setting_the_computers_time_changes_nothing(pass_time, monkeypatch):
    clock = RunClock()
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert counted(clock, pass_time, [1.0, 1.0]) == pytest.approx(2.0)
