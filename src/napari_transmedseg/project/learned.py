"""Which slices a run has learned from: agreement with it there says nothing of how good it is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run import Run

LEARNED_FILE = "learned_slices.json"
_MAX_BYTES = 2**24


def note_learned(project: Project, run: Run, start: Run | None = None) -> None:
    """Note in a run's folder which slices are known in whole or in part now.

    Those that it was resumed with before, or that the run it starts from had learned from, stay.
    A disk that refuses the file does not keep a training from starting.
    """
    learned: dict[str, set[int]] = {}
    for one in filter(None, (run, start)):
        for case_id, indices in _read(one).items():
            learned.setdefault(case_id, set()).update(indices)
    for case in project.cases:
        known = {
            index
            for index, state in enumerate(project.ledger(case.case_id).states)
            if state.is_begun
        }
        if known:
            learned.setdefault(case.case_id, set()).update(known)
    content = {case_id: sorted(indices) for case_id, indices in learned.items()}
    with suppress(OSError, ProjectError):
        write_bytes(run.folder / LEARNED_FILE, json.dumps(content).encode() + b"\n")


def learned_slices(run: Run, case_id: str) -> frozenset[int]:
    """Slices of a case that a run has learned from; none where that was not noted."""
    return frozenset(_read(run).get(case_id, ()))


def _read(run: Run) -> dict[str, list[int]]:
    content: Any = None
    with suppress(OSError, ValueError, ProjectError):
        content = read_json(run.folder / LEARNED_FILE, max_bytes=_MAX_BYTES)
    if not isinstance(content, dict):
        return {}
    return {
        case_id: [one for one in indices if isinstance(one, int)]
        for case_id, indices in content.items()
        if isinstance(indices, list)
    }
