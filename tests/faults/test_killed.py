"""Kill −9 at random moments of autosave, export, migration and training: nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from children import turn_of
from outcomes import TALLY, State, is_same, problem_with, state_of, times

from napari_transmedseg.imaging.atomic import left_stages
from napari_transmedseg.project.export import export
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import SCHEMA_VERSION

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork and signals"),
]
OF_VERSION_1 = ("case_id", "image", "image_absolute", "domain", "shape", "spacing")
LOOK_AHEAD = 12
"""Turns that may have been written although nobody noted it."""


class Nursery:
    """Starts children and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, job: str, folder: Path, rng: np.random.Generator, *, most_s: float,
             most_changes: int) -> list[str]:  # fmt: skip
        """Let a child work until a random change of a file or a random time; gives its notes."""
        at_change = int(rng.integers(1, most_changes)) if rng.random() < 0.6 else 0
        order = {"job": job, "folder": str(folder), "at_change": at_change}
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        child = int(self._read())
        later = threading.Timer(most_s * (1.0 if at_change else rng.random()), _end, args=(child,))
        later.start()
        assert self._read() == "ended"
        later.cancel()
        later.join()
        progress = folder.parent / "progress"
        return progress.read_text().split() if progress.exists() else []

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _end(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("children.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def turns(start: State) -> Iterator[State]:
    """States after 0, 1, 2, … turns of the child that paints."""
    array, ledger = start
    number = 0
    while True:
        yield array, ledger
        number += 1
        array, ledger, _ = turn_of(number, array, ledger)


def look(fault: str, check: Callable[[], str]) -> None:
    """Count a fault; whatever `check` raises is a problem, too."""
    try:
        TALLY.count(fault, check())
    except Exception as error:
        TALLY.count(fault, problem_with(error) or f"did not open: {error}")


def test_autosave(copy, nursery):
    for number in range(times(8, 100)):
        kill_autosave(copy(), nursery, number)
    TALLY.check("kill -9 during autosave")


def kill_autosave(folder: Path, nursery: Nursery, number: int) -> None:
    with Project.open(folder, read_only=True) as project:
        start = state_of(project)
    notes = nursery.kill(
        "autosave", folder, np.random.default_rng(number), most_s=0.4, most_changes=60
    )
    done = int(notes[-1]) if notes else 0

    def check() -> str:
        with Project.open(folder, read_only=True) as reader:
            seen = state_of(reader)
        with Project.open(folder) as project:
            found = state_of(project)
            told = any("ended without closing" in notice for notice in project.notices)
        later = islice(turns(start), done, done + LOOK_AHEAD)
        if not is_same(seen, found) or not any(is_same(found, state) for state in later):
            return f"turn {done} was stored, but the annotation is another one"
        return "" if told or not notes else "nobody was told of the crash"

    look("kill -9 during autosave", check)


def test_export(copy, nursery):
    for number in range(times(4, 50)):
        kill_export(copy(), nursery, number)
    TALLY.check("kill -9 during export")


def kill_export(folder: Path, nursery: Nursery, number: int) -> None:
    out = folder.parent / "out"
    with Project.open(folder, read_only=True) as project:
        start = state_of(project)
    nursery.kill(
        "export", folder, np.random.default_rng(1000 + number), most_s=0.4, most_changes=60
    )

    def check() -> str:
        with Project.open(folder) as project:
            if not is_same(state_of(project), start):
                return "the annotation changed"
            for path in out.glob("*.nii.gz"):
                np.asarray(nib.load(path).dataobj)
            done = export(project, out)
        if left_stages(out) or (out / ".export.lock").exists():
            return "something was left behind"
        return "" if all(case.path.exists() for case in done) else "masks are missing"

    look("kill -9 during export", check)


def test_migration(copy, nursery):
    for number in range(times(4, 40)):
        kill_migration(copy(), nursery, number)
    TALLY.check("kill -9 during migration")


def kill_migration(folder: Path, nursery: Nursery, number: int) -> None:
    with Project.open(folder, read_only=True) as project:
        start = state_of(project)
    content = json.loads((folder / "project.json").read_text())
    content["schema_version"] = 1
    content["cases"] = [{key: case[key] for key in OF_VERSION_1} for case in content["cases"]]
    old = json.dumps(content).encode()
    (folder / "project.json").write_bytes(old)
    (folder / "project.backup.json").unlink()
    nursery.kill(
        "migration", folder, np.random.default_rng(2000 + number), most_s=0.1, most_changes=16
    )

    def check() -> str:
        with Project.open(folder) as project:
            if not is_same(state_of(project), start) or len(project.cases) != 2:
                return "the project changed"
        if json.loads((folder / "project.json").read_text())["schema_version"] != SCHEMA_VERSION:
            return "the project was not brought up to date"
        return "" if (folder / "project.v1.json").read_bytes() == old else "no old description"

    look("kill -9 during migration", check)


def test_training(copy, nursery):
    for number in range(times(1, 24)):
        kill_training(copy(), nursery, number)
    TALLY.check("kill -9 during training")


def kill_training(folder: Path, nursery: Nursery, number: int) -> None:
    from napari_transmedseg.engine.checkpoint import load_checkpoint
    from napari_transmedseg.project.training import train

    with Project.open(folder, read_only=True) as project:
        start, runs = state_of(project), len(project.runs)
    rng = np.random.default_rng(3000 + number)
    notes = nursery.kill("training", folder, rng, most_s=12.0, most_changes=120)

    def check() -> str:
        with Project.open(folder) as project:
            if not is_same(state_of(project), start):
                return "the annotation changed"
            begun = project.runs[runs:]
            if "CheckpointSaved" in notes and not (begun and begun[-1].checkpoint):
                return "a checkpoint was saved and is gone"
            for run in begun:
                if run.checkpoint is not None:
                    load_checkpoint(run.checkpoint)
            if number == 0 and begun and begun[-1].checkpoint:
                events = list(train(project, resume=begun[-1].run_id))
                return "" if type(events[-1]).__name__ == "TrainingFinished" else "cannot resume"
        return ""

    look("kill -9 during training", check)
