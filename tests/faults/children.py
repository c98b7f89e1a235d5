"""Forks children that write until they are killed; reads orders on standard input, one JSON a line.

Forking from a process that has loaded everything makes a moment cost milliseconds.
"""

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.export import export
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.training import train

CASE = "case_1"
WRITING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}


def turn_of(number: int, array_IPL: np.ndarray, ledger: Ledger) -> tuple[np.ndarray, Ledger, int]:
    """State after one more turn of painting, and the slice that it painted."""
    array, index = array_IPL.copy(), 1 + number % 6
    array[index] = 0
    array[index, 2 + number % 9, :] = 1 + number % 2
    state = SliceState.UNSEEN if number % 4 == 3 else SliceState.ANNOTATED
    if state is SliceState.UNSEEN:
        array[index] = 0
    return array, ledger.with_states([index], state, who=f"turn {number}", when=""), index


def autosave(folder: Path, progress: int) -> None:
    """Paint slice after slice; note each that is stored."""
    with Project.open(folder) as project:
        array, ledger = project.annotation(CASE).array, project.ledger(CASE)
        for number in count(1):
            array, ledger, index = turn_of(number, array, ledger)
            project.save_slices(CASE, {index: array[index].copy()}, ledger)
            if number % 3:
                project.flush()
                os.write(progress, f"{number}\n".encode())


def exports(folder: Path, progress: int) -> None:
    """Export again and again, everything and what is reviewed in turn."""
    with Project.open(folder, read_only=True) as project:
        for number in count():
            options = ExportOptions(reviewed_only=bool(number % 2))
            export(project, folder.parent / "out", options)
            os.write(progress, f"{number}\n".encode())


def migration(folder: Path, progress: int) -> None:
    """Open a project of the first version."""
    with Project.open(folder):
        os.write(progress, b"open\n")


def training(folder: Path, progress: int) -> None:
    """Train, with a checkpoint after almost every step."""
    config = TrainingConfig(steps=40, checkpoint_interval_s=1e-3, device="cpu", threads=1)
    with Project.open(folder) as project:
        for event in train(project, config):
            os.write(progress, f"{type(event).__name__}\n".encode())


JOBS = {"autosave": autosave, "export": exports, "migration": migration, "training": training}


def die_at(number: int, root: str) -> None:
    """End this process just before its n-th change of a file below a folder."""
    left = count(1)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WRITING and any(str(one).startswith(root) for one in arguments[:2]):
            reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not reads and next(left) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        folder = Path(order["folder"])
        child = os.fork()
        if child == 0:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                progress = os.open(folder.parent / "progress", flags)
                if order["at_change"]:
                    die_at(order["at_change"], str(folder.parent))
                JOBS[order["job"]](folder, progress)
            finally:
                os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main()
