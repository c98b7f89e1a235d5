"""Several files of a project replaced together: all of them or none, whatever happens meanwhile.

The new files are written into a hidden folder. Renaming that folder is the moment from which the
change counts; the files then move to their places one by one, and whoever opens the project next
moves what a crash left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from napari_transmedseg.errors import ProjectError

STAGED = ".change-begun"
COMMITTED = ".change-decided"


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a folder whose files take their places below `folder` at the end, all or none.

    Raises
    ------
    ProjectError
        If that is not allowed.
    """
    stage = folder / STAGED
    try:
        finish_replacing(folder)
        stage.mkdir()
        yield stage
        os.replace(stage, folder / COMMITTED)
    except BaseException as error:
        shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, OSError):
            raise _not_allowed(folder, error) from error
        raise
    finish_replacing(folder)


def finish_replacing(folder: Path) -> None:
    """Bring a decided change to its end, and forget one that was only begun.

    Raises
    ------
    ProjectError
        If that is not allowed; it is tried again when the project is opened next.
    """
    decided = folder / COMMITTED
    try:
        files = [path for path in decided.rglob("*") if path.is_file() and not path.is_symlink()]
        for file in sorted(files):  # a link was made by no change of ours
            target = folder / file.relative_to(decided)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
        if decided.is_dir():
            shutil.rmtree(decided)
        if (folder / STAGED).is_dir():
            shutil.rmtree(folder / STAGED)
    except OSError as error:
        raise _not_allowed(folder, error) from error


def is_unfinished(folder: Path) -> bool:
    """Whether a decided change was cut off."""
    return (folder / COMMITTED).is_dir()


def require_finished(folder: Path) -> None:
    """Refuse to look at a project in which only some files are replaced.

    Raises
    ------
    ProjectError
    """
    if is_unfinished(folder):
        raise ProjectError(
            f"Expected a project whose last change is complete in {folder}, found one that was "
            "cut off; open it for writing once, which completes it."
        )


def _not_allowed(folder: Path, error: OSError) -> ProjectError:
    reason = (error.strerror or type(error).__name__).lower()
    return ProjectError(
        f"Expected to change files in {folder}, found that it is not possible ({reason}); ask for "
        "access or free some space, then open the project again."
    )
