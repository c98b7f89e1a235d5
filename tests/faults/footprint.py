"""What a process holds, cycle after cycle, and whether it grows."""

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from outcomes import times
from qtpy.QtCore import QCoreApplication, QEvent, QObject
from qtpy.QtWidgets import QApplication
from vispy.scene import Node

CSV_VARIABLE = "TRANSMEDSEG_SOAK_CSV"


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What the process holds at the end of a cycle."""

    memory_mib: float
    """Resident, after the allocator gave back what it could."""
    open_files: int
    threads: int
    """Of Python."""
    system_threads: int
    widgets: int
    qt_objects: int
    """Below the windows and the application."""
    layers: int
    vispy_nodes: int
    python_objects: int
    """Tracked by the garbage collector."""
    duration_s: float
    """Of the cycle."""


NAMES = {
    "memory_mib": "resident memory (MiB)", "open_files": "open files", "threads": "Python threads",
    "system_threads": "system threads", "widgets": "widgets", "qt_objects": "Qt objects",
    "layers": "layers", "vispy_nodes": "vispy nodes", "python_objects": "Python objects",
    "duration_s": "seconds a cycle",
}  # fmt: skip


LIMITS = {
    "memory_mib": times(15.0, 1.0), "open_files": 0.2, "threads": 0.2, "system_threads": 0.2,
    "widgets": 0.2, "qt_objects": 0.2, "layers": 0.2, "vispy_nodes": 0.2,
}  # fmt: skip
"""Most that a cycle may add. A single widget that stays at each second cycle is more. Memory
takes steps of some 12 MiB up and down: over a few cycles only gross growth shows."""


def settle() -> None:
    """Let go of all that is on its way out."""
    for _ in range(3):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()


def measure(viewer: Any, since_s: float) -> Footprint:
    """Footprint now; `since_s` is when the cycle began (`time.monotonic`)."""
    duration_s = time.monotonic() - since_s
    settle()
    _trim()
    process, tracked = psutil.Process(), gc.get_objects()
    return Footprint(
        memory_mib=process.memory_info().rss / 2**20,
        open_files=process.num_fds() if os.name == "posix" else process.num_handles(),
        threads=threading.active_count(),
        system_threads=process.num_threads(),
        widgets=len(QApplication.allWidgets()),
        qt_objects=_count_qt_objects(),
        layers=len(viewer.layers),
        vispy_nodes=sum(issubclass(type(one), Node) for one in tracked),
        python_objects=len(tracked),
        duration_s=duration_s,
    )


def slope(values: Sequence[float]) -> float:
    """Growth a cycle: the median over all pairs (Theil and Sen), so that outliers do not count."""
    pairs = combinations(enumerate(values), 2)
    return median((later - sooner) / (j - i) for (i, sooner), (j, later) in pairs)


def growth(found: Sequence[Footprint]) -> dict[str, float]:
    """What grows by more than its limit, and by how much a cycle."""
    slopes = {name: slope([getattr(one, name) for one in found]) for name in LIMITS}
    return {name: value for name, value in slopes.items() if value > LIMITS[name]}


def table(found: Sequence[Footprint]) -> list[str]:
    """Markdown: each quantity in the first, middle and last cycle, and its growth a cycle."""
    chosen = (0, len(found) // 2, len(found) - 1)
    heads = " | ".join(f"cycle {i + 1}" for i in chosen)
    lines = [
        f"| held at the end of each of {len(found)} cycles | {heads} | growth a cycle |",
        "|---|" + "---:|" * (len(chosen) + 1),
    ]
    for field in fields(Footprint):
        values = [getattr(one, field.name) for one in found]
        shown = " | ".join(f"{values[i]:,.6g}" for i in chosen)
        lines.append(f"| {NAMES[field.name]} | {shown} | {slope(values):+.3g} |")
    return lines


def note(path: Path, number: int, found: Footprint) -> None:
    """Add a row to a CSV file, so that it can be watched."""
    if not path.exists():
        path.write_text(",".join(["cycle", *(one.name for one in fields(Footprint))]) + "\n")
    with path.open("a") as file:
        file.write(",".join(f"{value:.6g}" for value in (number, *astuple(found))) + "\n")


def _count_qt_objects() -> int:
    roots = [*QApplication.topLevelWidgets(), QApplication.instance()]
    return sum(len(root.findChildren(QObject)) for root in roots)


def _trim() -> None:
    """Let glibc give free memory back: what it keeps for later says nothing about leaks."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
