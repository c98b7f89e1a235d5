"""A disk that is full, read-only or gone at every single step of everything that writes."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cohorts import disc_classes
from outcomes import CASE, TALLY, State, is_one_of, is_same, problem_with, state_of, times

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.export import export
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.status import project_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS = (
    (os, "fsync"), (os, "replace"), (os, "mkdir"), (tempfile, "mkstemp"), (tempfile, "mkdtemp")
)  # fmt: skip
MOST_STEPS = 100


def _labels(project: Project) -> LabelMap:
    return LabelMap(array=disc_classes(3), geometry=project.geometry(CASE))


def _save_slices(project: Project) -> None:
    plane = np.full(project.case(CASE).shape[1:], 2, np.uint8)
    ledger = project.ledger(CASE).with_states([5], SliceState.ANNOTATED, who="b", when="2026")
    project.save_slices(CASE, {5: plane}, ledger)
    project.flush()


ACTIONS: dict[str, Callable[[Project], object]] = {
    "autosave": _save_slices,
    "save annotation": lambda project: project.save_annotation(CASE, _labels(project)),
    "slice state": lambda project: project.set_slice_state(CASE, 6, SliceState.EMPTY),
    "import": lambda project: project.import_labels(CASE, _labels(project), overwrite=True),
    "restore": lambda project: project.restore_snapshot(CASE),
    "domain": lambda project: project.set_domain(CASE, "somewhere"),
    "class": lambda project: project.add_class("new"),
    "run": lambda project: project.new_run(TrainingConfig()),
    "prediction": lambda project: project.save_prediction("run-001", CASE, _labels(project)),
    "uncertainty": lambda project: project.save_uncertainty(
        "run-001", CASE, np.zeros(project.geometry(CASE).display_shape, np.float32)
    ),
    "export": lambda project: export(project, project.folder.parent / "out"),
}


@contextmanager
def broken_at(number: int, code: int) -> Iterator[list[int]]:
    """Let the n-th step that writes fail, and all after it, as a full disk does."""
    steps = [0]
    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, _failing(getattr(module, name), steps, number, code))
        yield steps


def _failing(
    real: Callable[..., object], steps: list[int], number: int, code: int
) -> Callable[..., object]:
    def step(*args: object, **kwargs: object) -> object:
        steps[0] += 1
        if steps[0] >= number:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    return step


def attempt(action: Callable[[Project], object], project: Project) -> tuple[bool, str]:
    """Whether it failed, and what is wrong with how it did."""
    try:
        action(project)
    except Exception as error:
        return True, problem_with(error)
    return False, ""


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize(
    "code",
    [
        pytest.param(errno.ENOSPC, id="full"),
        *([pytest.param(errno.EIO, id="broken")] if times(0, 1) else []),
    ],
)
def test_a_disk_that_fails_at_every_step(copy, name, code):
    fault = f"disk {'full' if code == errno.ENOSPC else 'broken'} during {name}"
    for number in range(1, MOST_STEPS):
        folder = copy()
        with Project.open(folder) as project:
            before = state_of(project)
            with broken_at(number, code) as steps:
                has_failed, problem = attempt(ACTIONS[name], project)
            if steps[0] < number:
                break
            if has_failed or not problem:
                problem = problem or _after(folder, project, name, before)
            TALLY.count(fault, problem and f"step {number}: {problem}")
        shutil.rmtree(folder.parent)
    TALLY.check(fault)


def _after(folder: Path, project: Project, name: str, before: State) -> str:
    """Problem with what a failure left behind; the action is repeated then."""
    with Project.open(folder, read_only=True) as reader:
        between = state_of(reader)
        project_status(reader)
    has_failed, problem = attempt(ACTIONS[name], project)
    if has_failed:
        return problem or "it does not work afterwards"
    after = state_of(project)
    with Project.open(folder, read_only=True) as reader:
        if not is_same(state_of(reader), after):
            return "what is stored is not what is told"
    return "" if is_one_of(between, [before, after]) or name == "restore" else "half a state"


@pytest.mark.parametrize("name", ACTIONS)
def test_a_project_folder_that_is_gone(copy, name):
    folder = copy()
    away = folder.with_name("away")
    with Project.open(folder) as project:
        before = state_of(project)
        folder.rename(away)
        has_failed, problem = attempt(ACTIONS[name], project)
        made_anew = folder.exists()
        if made_anew:
            shutil.rmtree(folder)
        away.rename(folder)
        if name == "autosave":
            project.flush()
            problem = problem or ("lost" if is_same(state_of(project), before) else "")
        elif name != "export":
            problem = problem or ("" if is_same(state_of(project), before) else "changed")
    if made_anew or not has_failed:
        problem = problem or "the folder was made anew"
    TALLY.count("folder gone", problem)
    TALLY.check("folder gone")


@pytest.mark.parametrize("name", ["annotations", "snapshots", "predictions", "runs"])
def test_a_part_of_the_project_that_is_gone(copy, name):
    folder = copy()
    shutil.rmtree(folder / name)
    problem = ""
    with Project.open(folder) as project:
        for action in (state_of, project_status, _save_slices, lambda p: p.prediction(CASE)):
            _, wrong = attempt(action, project)
            problem = problem or wrong
    TALLY.count("part of the folder gone", problem)
    TALLY.check("part of the folder gone")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows folders ignore the read-only flag")
@pytest.mark.parametrize("name", ["autosave", "save annotation", "restore", "domain", "prediction",
                                  "run"])  # fmt: skip
def test_a_folder_that_became_read_only(template, name):
    with tempfile.TemporaryDirectory() as base:  # pytest's own are closed to others
        shutil.copytree(template, Path(base) / "copy")
        for path in (Path(base), Path(base) / "copy"):
            path.chmod(0o755)
        problem = _when_read_only(Path(base) / "copy" / "project", name)
    TALLY.count("folder read-only", problem)
    TALLY.check("folder read-only")


def _when_read_only(folder: Path, name: str) -> str:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with Project.open(folder) as project:
        before = state_of(project)
        _set_modes(folder, 0o555, 0o444)
        if root:
            os.seteuid(65534)
        try:
            has_failed, problem = attempt(ACTIONS[name], project)
            problem = problem or ("" if has_failed else "it was written")
            with Project.open(folder, read_only=True) as reader:
                problem = problem or ("" if is_same(state_of(reader), before) else "changed")
        finally:
            if root:
                os.seteuid(0)
            _set_modes(folder, 0o755, 0o644)
        if name == "autosave":
            project.flush()
            problem = problem or ("lost" if is_same(state_of(project), before) else "")
    return problem


def _set_modes(folder: Path, for_folders: int, for_files: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(for_folders if path.is_dir() else for_files)
