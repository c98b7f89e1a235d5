"""The terminal shows phase, loss, Dice and time left; Ctrl-C asks to stop, then ends."""

import io
import os
import signal

import pytest
from cohorts import made_up_events
from rich.console import Console

from napari_transmedseg.cli.console import dice_text, duration_text
from napari_transmedseg.cli.interrupt import stop_on_interrupt
from napari_transmedseg.cli.progress import CountView, TrainingView
from napari_transmedseg.engine.control import TrainingControl


def shown(*, terminal, quiet=False):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    with TrainingView(console=console, quiet=quiet) as view:
        for event in made_up_events("run-001"):
            view.show(event)
        view._bar.refresh()
    return file.getvalue()


def test_terminal_shows_phase_loss_dice_and_time_left():
    text = shown(terminal=True)
    for part in ("self-training", "step 39", "loss 0.030", "Dice 0.970", "0:00 min left"):
        assert part in text


def test_lines_are_printed_where_there_is_no_terminal():
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "run-001 on cpu: 6 annotated slices, 26 without annotation."
    assert any("step 0" in line and "loss 1.500" in line for line in lines)
    assert "Annotate 2 more slices that show core <here>." in lines
    assert lines[-1] == "The budget is spent."


def test_quiet_view_prints_nothing():
    assert shown(terminal=False, quiet=True) == ""


def test_count_view_takes_odd_names(capsys):
    with CountView("Predicting") as view:
        view.show(1, 2, "case [1]")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00 min"), (61.4, "1:01 min"), (3600, "1:00 h"), (5400.2, "1:30 h"), (-3, "0:00 min")],
)
def test_durations_carry_their_unit(seconds, text):
    assert duration_text(seconds) == text


def test_absent_dice_is_a_dash():
    assert (dice_text(float("nan")), dice_text(0.8126)) == ("\N{EN DASH}", "0.813")


def test_first_interrupt_asks_to_stop_and_the_second_ends(capsys):
    control = TrainingControl()
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt(control):
        os.kill(os.getpid(), signal.SIGINT)
        assert control.stop_requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "saving" in capsys.readouterr().err
