"""What happens to a project's description when it is opened: repair, and bringing up to date."""

from __future__ import annotations

import contextlib
from pathlib import Path

from napari_transmedseg.errors import DamagedFileError, ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.schema import (
    BACKUP_FILE,
    PROJECT_FILE,
    SCHEMA_VERSION,
    ProjectFile,
    load_project_file,
    save_project_file,
)

DAMAGED_FILE = "project.damaged.json"
PREVIOUS_FILE = "project.previous.json"


def read_description(folder: Path) -> tuple[ProjectFile, tuple[str, ...]]:
    """Read `project.json`, or its copy where it is damaged; changes nothing.

    Returns
    -------
    ProjectFile
        As `load_project_file` gives it.
    tuple of str
        Sentences for whoever opens it.

    Raises
    ------
    ProjectError
        If there is none, or both are damaged.
    """
    try:
        content = load_project_file(folder)
    except DamagedFileError as error:
        try:
            content = load_project_file(folder, BACKUP_FILE)
        except ProjectError:
            raise error from None
        reason = str(error).partition("found ")[2].partition(";")[0]
        told: tuple[str, ...] = (
            f"{folder / PROJECT_FILE} is damaged ({reason}); its copy {BACKUP_FILE} was taken, so "
            "check cases and classes.",
        )
    else:
        told = ()
    return content, (*told, newer_version(folder, content)) if is_newer(content) else told


def is_newer(content: ProjectFile) -> bool:
    """Whether a newer program wrote it, so that this one must not."""
    return content.schema_version > SCHEMA_VERSION


def newer_version(folder: Path, content: ProjectFile) -> str:
    """Sentence about a project that a newer program wrote."""
    return (
        f"Expected a project of version {SCHEMA_VERSION} or older in {folder}, found version "
        f"{content.schema_version} of a newer program; it is opened read-only, update "
        "napari-transmedseg to change it."
    )


def bring_up_to_date(folder: Path, content: ProjectFile) -> tuple[str, ...]:
    """Write a description that was damaged or of an older version anew; the old one is kept.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    path = folder / PROJECT_FILE
    try:
        found = load_project_file(folder)
        version = read_json(path)["schema_version"]
    except DamagedFileError:
        with contextlib.suppress(OSError):
            write_bytes(folder / DAMAGED_FILE, path.read_bytes())
        save_project_file(folder, content)
        return ()
    if version < SCHEMA_VERSION:
        kept = f"project.v{version}.json"
        write_bytes(folder / kept, path.read_bytes())
        save_project_file(folder, content)
        return (
            f"The project was of version {version} and is of version {SCHEMA_VERSION} now; its old "
            f"description is kept as {kept}.",
        )
    return _keep_other_copy(folder, found)


def _keep_other_copy(folder: Path, content: ProjectFile) -> tuple[str, ...]:
    """Keep a copy that tells something else: a cut-off change, or somebody's own edit."""
    backup = folder / BACKUP_FILE
    if not backup.exists():
        return ()
    try:
        if load_project_file(folder, BACKUP_FILE) == content:
            return ()
    except ProjectError:
        save_project_file(folder, content)
        return ()
    write_bytes(folder / PREVIOUS_FILE, backup.read_bytes())
    save_project_file(folder, content)
    return (
        f"{PROJECT_FILE} and its copy differ, as a change was cut off or somebody edited it; "
        f"{PROJECT_FILE} was taken, the copy is kept as {PREVIOUS_FILE}.",
    )
