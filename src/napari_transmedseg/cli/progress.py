"""Progress on the terminal; a line now and then where the output is no terminal."""

import math
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from napari_transmedseg.cli.console import duration_text, err
from napari_transmedseg.engine.events import (
    DiceReport,
    MonitorReport,
    Notice,
    PhaseChanged,
    StepReport,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)

LINE_INTERVAL_S = 15.0
"""Seconds between two lines where the output is no terminal."""
REDRAWS_PER_SECOND = 4
"""More would only take time from the training."""


class _BarView:
    """Shows a bar while it is entered."""

    _bar: Progress

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class TrainingView(_BarView):
    """Shows phase, loss, Dice and time left of a run while it goes on."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or err()
        self._quiet = quiet
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}"),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
            refresh_per_second=REDRAWS_PER_SECOND,
        )
        self._task = self._bar.add_task("preparing", total=None, text="")
        self._dice: Mapping[str, float] = {}
        self._dice_name = "Dice"
        self._last_line_s = -math.inf
        self._said: set[str] = set()

    def tell(self, sentences: Iterable[str]) -> None:
        """Print sentences before the first event; the events will not repeat them."""
        for sentence in sentences:
            self._say(sentence, once=True)

    def show(self, event: TrainingEvent) -> None:
        """Take one event in."""
        match event:
            case TrainingStarted():
                self._say(
                    f"{event.run_id} on {event.device}: {event.num_labeled_slices} annotated "
                    f"slices, {event.num_unlabeled_slices} without annotation."
                )
                for note in event.notes:
                    self._say(note, once=True)
            case StepReport():
                self._show_step(event)
            case DiceReport():
                self._dice = event.held_out or event.annotated
                self._dice_name = "held-out Dice" if event.held_out else "Dice"
            case PhaseChanged() | Notice():
                self._say(event.sentence)
            case MonitorReport(light="warning"):
                self._say(event.sentence, once=True)
            case TrainingFinished():
                self._say(event.sentence)
            case _:
                pass

    def _show_step(self, event: StepReport) -> None:
        text = self._step_text(event)
        self._bar.update(
            self._task,
            description=event.phase,
            total=1.0,
            completed=event.progress,
            text=text,
        )
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line_s >= LINE_INTERVAL_S:
            self._last_line_s = now
            self._say(f"{event.phase} {event.progress:4.0%}  {text}")

    def _step_text(self, event: StepReport) -> str:
        parts = [f"step {event.step}"]
        if "total" in event.losses:
            parts.append(f"loss {event.losses['total']:.3f}")
        values = [value for value in self._dice.values() if not math.isnan(value)]
        if values:
            parts.append(f"{self._dice_name} {sum(values) / len(values):.3f}")
        parts.append(f"{duration_text(event.remaining_s)} left")
        return "  ".join(parts)

    def _say(self, sentence: str, *, once: bool = False) -> None:
        if self._quiet or not sentence or (once and sentence in self._said):
            return
        self._said.add(sentence)
        self._bar.console.print(escape(sentence))
        sys.stderr.flush()


class CountView(_BarView):
    """Shows how many of a number of cases are done."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        console = err()
        self._bar = Progress(
            TextColumn(title),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} {task.description}"),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def show(self, done: int, total: int, name: str) -> None:
        """Show that `done` of `total` are done, the last one being `name`."""
        self._bar.update(self._task, completed=done, total=total, description=escape(name))
