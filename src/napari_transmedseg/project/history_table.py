"""The curves of a training as a table, for other programs."""

from __future__ import annotations

import csv
import io
from bisect import bisect_right

from napari_transmedseg.project.history import Curve, TrainingHistory


def history_as_csv(history: TrainingHistory) -> str:
    """One row per step that has a value: step, run, losses by term, both kinds of Dice by class.

    Steps count on through the runs that a run started from, as on the curves. Cells without a
    value are empty.
    """
    columns = {f"loss {name}": curve for name, curve in history.losses.items()}
    for kind, dice in (("annotated", history.annotated_dice), ("held-out", history.held_out_dice)):
        columns |= {f"Dice {name} ({kind})": curve for name, curve in dice.items()}
    values = {name: dict(zip(c.steps, c.values, strict=True)) for name, c in columns.items()}
    steps = sorted({step for curve in columns.values() for step in curve.steps})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "run", *columns])
    for step in steps:
        cells = [values[name].get(step) for name in columns]
        writer.writerow([step, run_at(history, step), *map(_cell, cells)])
    return text.getvalue()


def run_at(history: TrainingHistory, step: int) -> str:
    """Run that a step of the curves belongs to."""
    begun = [mark.text.split(" ")[0] for mark in history.marks if mark.step < step]
    return begun[-1] if begun else history.run_id


def value_at(curve: Curve, step: float) -> float | None:
    """Latest value of a curve at a step; None before its first."""
    index = bisect_right(curve.steps, step) - 1
    return curve.values[index] if index >= 0 else None


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"
