"""The projects that were open last, kept in a small file of the person's own."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.schema import PROJECT_FILE

MOST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class RecentProject:
    """A project that was open before."""

    folder: Path
    problem: str = ""
    """Why it cannot be opened now; empty where it can."""


class RecentProjects:
    """A list of folders, the newest first; a file that is lost or damaged is an empty list.

    Parameters
    ----------
    path
        File that keeps the list.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def projects(self) -> list[RecentProject]:
        """Projects that were open last, and whether they are still there."""
        return [RecentProject(folder=one, problem=_problem_of(one)) for one in self._folders()]

    def add(self, folder: Path) -> None:
        """Put a project first. Nothing happens where the list cannot be written."""
        own = Path(os.path.abspath(folder))
        folders = [own, *(one for one in self._folders() if one != own)]
        with contextlib.suppress(ProjectError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps([str(one) for one in folders[:MOST]], indent=1)
            write_bytes(self.path, text.encode() + b"\n")

    def _folders(self) -> list[Path]:
        try:
            content = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return []
        rows = content if isinstance(content, list) else []
        return [Path(row) for row in rows if isinstance(row, str) and row][:MOST]


def _problem_of(folder: Path) -> str:
    try:
        if not folder.is_dir():
            return "The folder is not there."
        return "" if (folder / PROJECT_FILE).is_file() else "The folder holds no project any more."
    except OSError as error:
        return f"The folder cannot be looked into ({(error.strerror or 'no access').lower()})."
