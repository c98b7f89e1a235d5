"""Byte flips and truncation of every file of a project: nothing wrong is believed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from outcomes import CASE, DONE, TALLY, State, is_one_of, problem_with, state_of, times

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import UnlinkedError
from napari_transmedseg.project import annotation
from napari_transmedseg.project.annotation import AnnotationFiles
from napari_transmedseg.project.continuing import continuation_of, history_of
from napari_transmedseg.project.export import export
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.status import project_status
from napari_transmedseg.project.training import predict, train, uncertainty

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FILES = {
    "project": "project.json",
    "project's copy": "project.backup.json",
    "annotation": f"annotations/{CASE}.nii.gz",
    "known mask": f"annotations/{CASE}.known.nii.gz",
    "ledger": f"annotations/{CASE}.ledger.json",
    "autosave": f"annotations/{CASE}.autosave",
    "snapshot": f"snapshots/{CASE}/0002.slices",
    "prediction": f"predictions/run-001/{CASE}.nii.gz",
    "uncertainty": f"predictions/run-001/{CASE}.json",
    "uncertainty map": f"predictions/run-001/{CASE}.uncertainty.nii.gz",
    "run's settings": "runs/run-001/config.json",
    "run's events": "runs/run-001/metrics.jsonl",
}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits, overwrite, or cut off."""
    changed = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(len(changed))])
    start = int(rng.integers(len(changed)))
    if kind == 1:
        changed[start] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        changed[start : start + 32] = bytes(len(changed[start : start + 32]))
    else:
        for position in rng.integers(len(changed), size=5):
            changed[position] = int(rng.integers(256))
    return bytes(changed)


def with_autosave(folder: Path) -> State:
    """Leave an autosave as a crash does; gives the state that it makes."""
    with Project.open(folder) as project:
        array, ledger = state_of(project)
        array[5, 4:8] = 1
        ledger = ledger.with_states([5], SliceState.ANNOTATED, who="b", when="2026")
        files = AnnotationFiles.of(folder, CASE)
        annotation._autosave(files, {5: array[5]}, ledger)
        return state_of(project)


def everything(folder: Path, allowed: list[State]) -> str:
    """Use all of a project; gives the first problem."""
    told = ""
    try:
        with _opened(folder) as project:
            for action in _uses(project):
                try:
                    action()
                except Exception as error:
                    if problem := problem_with(error):
                        return problem
                    told = told or str(error)
            return _annotation_problem(project, allowed)
    except Exception as error:
        return problem_with(error) or f"did not open: {error}"


def _opened(folder: Path) -> Project:
    """Open a project; a damaged path counts as one that nobody linked, until a person does."""
    try:
        return Project.open(folder)
    except UnlinkedError as error:
        assert not problem_with(error)
        return Project.open(folder, trust_links=True)


def _uses(project: Project) -> list[Callable[[], object]]:
    out = project.folder.parent / "out"
    return [
        lambda: project_status(project),
        lambda: continuation_of(project),
        lambda: history_of(project, "run-001"),
        lambda: project.prediction(CASE, "run-001"),
        lambda: uncertainty(project, CASE, "run-001"),
        lambda: project.uncertainty_map(CASE, "run-001"),
        lambda: project.config,
        lambda: export(project, out, ExportOptions(reviewed_only=True)),
        lambda: export(project, out),
    ]


def _annotation_problem(project: Project, allowed: list[State]) -> str:
    """A wrong annotation must not be believed, and must be restored from a snapshot."""
    if CASE not in {case.case_id for case in project.cases}:
        return "" if project.notices else "a case went and nobody was told"
    try:
        found = state_of(project)
    except Exception as error:
        if problem := problem_with(error):
            return problem
        if CASE not in str(error) or ";" not in str(error):
            return f"neither file nor way out: {error}"
        project.restore_snapshot(CASE)
        if not all(project.annotation(CASE).array[index].any() for index in DONE[:1]):
            return "the snapshot restored nothing"
        return ""
    return "" if is_one_of(found, allowed) else "a wrong annotation was believed"


@pytest.mark.parametrize("name", FILES)
def test_damaged_file(copy, name):
    source = copy()
    with Project.open(source, read_only=True) as project:
        allowed = [state_of(project)]
    if name == "autosave":
        allowed = [with_autosave(source)]
    for number in range(times(10, 95)):
        root = source.parent.with_name("damaged")
        shutil.copytree(source.parent, root)
        path = root / "project" / FILES[name]
        path.write_bytes(damaged(path.read_bytes(), np.random.default_rng(number)))
        problem = everything(root / "project", allowed)
        TALLY.count(f"damaged {name}", problem and f"damage {number}: {problem}")
        shutil.rmtree(root)
    TALLY.check(f"damaged {name}")


def test_damaged_checkpoint(copy):
    folder = copy()
    with Project.open(folder) as project:
        before = state_of(project)
        list(train(project, TrainingConfig(steps=2, device="cpu", threads=1)))
        run = project.runs[-1]
        good = run.require_checkpoint().read_bytes()
        for number in range(times(3, 40)):
            content = damaged(good, np.random.default_rng(number))
            (run.folder / "checkpoints" / "last.pt").write_bytes(content)
            problem = ""
            try:
                for _ in predict(project, run.run_id, case_ids=[CASE], device="cpu"):
                    pass
            except Exception as error:
                problem = problem_with(error)
            if not problem and not is_one_of(state_of(project), [before]):
                problem = "the annotation changed"
            TALLY.count("damaged checkpoint", problem)
    TALLY.check("damaged checkpoint")
