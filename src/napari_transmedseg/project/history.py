"""What a training run told so far, gathered for curves and sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

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

LOSS_TERMS = ("total", "supervised", "pseudo", "graph", "tsa")


@dataclass(slots=True)
class Curve:
    """Values over training steps."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def append(self, step: int, value: float) -> None:
        """Add one value; later ones go, as a resumed run begins at its checkpoint again."""
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.values.pop()
        self.steps.append(step)
        self.values.append(value)


@dataclass(frozen=True, slots=True)
class RunMark:
    """Where on the curves a run begins, or goes on after it was stopped."""

    step: int
    text: str


class TrainingHistory:
    """Curves, monitors and sentences of a run; filled on the main thread only.

    The curves of a run that started from another one go on where that one ended.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self.marks: list[RunMark] = []
        """One per run, and one where it went on; by ascending step."""
        self.losses: dict[str, Curve] = {}
        self.annotated_dice: dict[str, Curve] = {}
        """Per class name: on the slices that are trained on."""
        self.held_out_dice: dict[str, Curve] = {}
        """Per class name: on slices kept out of the training, where there are some."""
        self.dice_is_held_out = False
        """Whether the latest run measures on held-out slices; only those say how good it is."""
        self.monitors: dict[tuple[str, str], MonitorReport] = {}
        self.sentences: list[str] = []
        self.latest: StepReport | None = None
        self.finished: TrainingFinished | None = None
        self._first_step = 0
        self._is_resumed = False

    def begin_run(self) -> None:
        """Go on with the curves of the run that a new one starts from."""
        drawn = [curve.steps[-1] for curve in self.losses.values() if curve.steps]
        self._first_step = max(drawn, default=0)
        self.run_id = ""
        self.monitors, self.sentences = {}, []
        self.latest = self.finished = None

    def apply(self, event: TrainingEvent) -> None:
        """Take one event in; events that are no part of a history are left out."""
        match event:
            case TrainingStarted():
                self._begin(event.run_id)
                self.sentences += event.notes
            case StepReport():
                self._mark_resumed(event.step)
                self.latest = event
                self._append(self.losses, event.step, event.losses)
            case DiceReport():
                self.dice_is_held_out = bool(event.held_out)
                self._append(self.annotated_dice, event.step, event.annotated)
                self._append(self.held_out_dice, event.step, event.held_out)
            case MonitorReport():
                self.monitors[event.name, event.class_name] = event
            case PhaseChanged() | Notice():
                self.sentences.append(event.sentence)
            case TrainingFinished():
                self.finished = event
                self.sentences.append(event.sentence)

    def advice(self) -> list[str]:
        """Sentences of the monitors that are not healthy, warnings first."""
        unhealthy = [report for report in self.monitors.values() if report.light != "ok"]
        unhealthy.sort(key=lambda report: (report.light != "warning", report.name))
        return [report.sentence for report in unhealthy if report.sentence]

    @property
    def dice(self) -> dict[str, Curve]:
        """Per class name, of one kind: as the latest run measures it, see `dice_is_held_out`."""
        return self.held_out_dice if self.dice_is_held_out else self.annotated_dice

    @property
    def mean_dice(self) -> float | None:
        """Mean over classes of the latest Dice, or None before the first."""
        latest = [curve.values[-1] for curve in self.dice.values() if curve.values]
        known = [value for value in latest if value == value]
        return sum(known) / len(known) if known else None

    def _begin(self, run_id: str) -> None:
        self.finished = None
        if self.latest is not None:  # the same run, after a stop or a crash
            self._is_resumed = True
        elif not self.marks or self.marks[-1].text != run_id:
            self.marks.append(RunMark(self._first_step, run_id))
        self.run_id = run_id

    def _mark_resumed(self, step: int) -> None:
        """A resumed run begins at its checkpoint: only its first step says where."""
        if self._is_resumed:
            place = self._first_step + step
            self.marks = [mark for mark in self.marks if mark.step < place]
            self.marks.append(RunMark(place, f"{self.run_id} goes on"))
            self._is_resumed = False

    def _append(self, curves: dict[str, Curve], step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            curves.setdefault(name, Curve()).append(self._first_step + step, value)


def replay(events: Iterable[TrainingEvent]) -> TrainingHistory:
    """History of events that were kept."""
    history = TrainingHistory()
    for event in events:
        history.apply(event)
    return history
