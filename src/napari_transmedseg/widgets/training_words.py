"""A training in words: what it begins with, how far it is, how long it takes."""

from __future__ import annotations

from napari_transmedseg.engine.events import StepReport
from napari_transmedseg.project.continuing import Continuation
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity

_NBSP = "\u00a0"
"""A space at which no line ends: a figure stays with its unit."""


def course_in_words(continuation: Continuation, warm_start: str) -> str:
    """What the next training begins with, and whether a run can be finished."""
    if continuation.obstacle:
        return f"The next training begins afresh. {continuation.obstacle}"
    if not continuation.warm_start:
        return ""
    begins = "The next training begins afresh; what was trained before stays on disk."
    if warm_start:
        begins = f"Goes on from what {warm_start} learned, with your labels of now."
    if continuation.interrupted:
        begins = f"{continuation.interrupted} was cut off: Resume finishes it. {begins}"
    return begins


def status_in_words(history: TrainingHistory, activity: Activity) -> str:
    """One or two lines: phase, step, rate, time left, Dice, memory, the latest sentence."""
    lines = [*_numbers(history.latest, history, activity)]
    if activity is Activity.PREPARING:
        lines.append("Preparing: reading the cases and planning…")
    elif activity is Activity.STOPPING:
        lines.append("Stopping: the step ends, then what was learned is saved…")
    elif activity is Activity.TRAINING and history.latest and history.latest.progress >= 1:
        lines.append("The budget is spent: measuring and saving…")
    elif history.sentences:
        lines.append(history.sentences[-1])
    return "<br>".join(lines)


def _numbers(report: StepReport | None, history: TrainingHistory, activity: Activity) -> list[str]:
    if report is None:
        return []
    phase = activity.value if activity is Activity.PAUSED else report.phase
    parts = [f"<b>{phase}</b>, step {report.step}", rate_in_words(report.steps_per_second)]
    if activity in TRAINING_ACTIVITIES:
        parts.append(f"{duration_in_words(report.remaining_s)} left")
    if history.mean_dice is not None:
        where = "held-out" if history.dice_is_held_out else "annotated"
        parts.append(f"Dice {history.mean_dice:.2f} ({where} slices)")
    parts.append(f"pseudo-labels on {100 * report.pseudo_label_share:.0f}{_NBSP}%")
    parts.append(f"{report.memory_mib:.0f}{_NBSP}MiB")
    return [" · ".join(parts)]


def rate_in_words(steps_per_second: float) -> str:
    """Steps a second, or seconds a step where that says more."""
    if 0 < steps_per_second < 0.5:
        return f"{1 / steps_per_second:.0f} s a step"
    return f"{steps_per_second:.1f} steps/s"


def duration_in_words(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60}:{whole % 60:02d} min"
