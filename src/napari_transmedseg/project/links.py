"""Files outside a project's folder: taken only where this person linked them.

A project that came from others may name any path of this computer. So what a person links (by
making a project, adding or relinking images, or by saying so when it is opened) is written down
outside the project, in the person's own data folder, and all else is refused before it is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_transmedseg.errors import UnlinkedError
from napari_transmedseg.project.schema import Case, Channel

FOLDER_VARIABLE = "TRANSMEDSEG_DATA"
FILE_NAME = "linked-files.txt"
OWN_FOLDERS = ("annotations", "predictions", "runs", "snapshots", "backups")
"""Folders of a project that are written to."""
OWN_FILES = ("project.*", "*.jsonl", ".*")
"""Files beside them that are written to."""

_linked_now: set[str] = set()
"""What was linked in this process, where it cannot be written down."""


def remember_cases(cases: Iterable[Case], folder: Path) -> None:
    """Note that this person linked the images of these cases."""
    _remember(_outside_images(cases, folder))


def check_links(cases: Iterable[Case], folder: Path, *, trust: bool) -> None:
    """Refuse a project that leads outside its folder to what this person did not link.

    Parameters
    ----------
    cases
        Cases of the project.
    folder
        Its folder.
    trust
        Whether the person links all of it now.

    Raises
    ------
    UnlinkedError
        Naming the first file.
    """
    found = _outside(cases, folder)
    if trust:
        _remember(found)
        return
    if not found:
        return
    known = _linked()
    unknown = [name for key, name in found.items() if key not in known]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise UnlinkedError(
            f"Expected a project that stays in its folder {folder}, found files outside it that "
            f"you did not link ({unknown[0]}{more}); if you trust whoever made the project, link "
            f"them once with 'transmedseg trust {folder} --yes'."
        )


def outside_files(cases: Iterable[Case], folder: Path) -> list[str]:
    """Images and links of a project that lie outside its folder, as it names them."""
    return list(_outside(cases, folder).values())


def _outside(cases: Iterable[Case], folder: Path) -> dict[str, str]:
    found = _outside_images(cases, folder)
    links = {_key("link", name, to): f"{name} -> {to}" for name, to in _own_links(folder)}
    return found | links


def _outside_images(cases: Iterable[Case], folder: Path) -> dict[str, str]:
    """Images of all channels that lie elsewhere: key, path as the project names it."""
    found = {}
    for case in cases:
        images: tuple[Case | Channel, ...] = (case, *case.further)
        for image in images:
            if _leads_outside(image, folder):
                found[_image_key(case, image)] = image.image
    return found


def _leads_outside(image: Case | Channel, folder: Path) -> bool:
    """Whether an image lies elsewhere; what does so by its words alone is not touched."""
    if image.image_absolute or _is_absolute(image.image):
        return True
    base = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(base, image.image))
    if not _is_below(path, base):
        return True
    return not _is_below(os.path.realpath(path), os.path.realpath(base))


def _is_absolute(path: str) -> bool:
    windows = PureWindowsPath(path)
    return PurePosixPath(path).is_absolute() or bool(windows.drive or windows.root)


def _is_below(path: str, base: str) -> bool:
    with contextlib.suppress(ValueError):
        return os.path.commonpath([path, base]) == base
    return False


def _own_links(folder: Path) -> Iterator[tuple[str, str]]:
    """Symbolic links among the project's own folders and files that lead outside: name, target."""
    base = os.path.realpath(folder)
    waiting = [*(folder / name for name in OWN_FOLDERS)]
    for pattern in OWN_FILES:
        waiting += folder.glob(pattern)
    while waiting:
        path = waiting.pop()
        if path.is_symlink():
            if not _is_below(os.path.realpath(path), base):
                yield path.relative_to(folder).as_posix(), os.readlink(path)
        elif path.is_dir():
            waiting += path.iterdir()


def _image_key(case: Case, image: Case | Channel) -> str:
    grid = json.dumps([case.shape, case.spacing])
    return _key("image", case.case_id, image.image, image.image_absolute, grid)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _remember(keys: Iterable[str]) -> None:
    new = sorted(set(keys) - _linked())
    if not new:
        return
    _linked_now.update(new)
    path = _file()
    with contextlib.suppress(OSError):  # it holds for this process then
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write("".join(f"{key}\n" for key in new))


def _linked() -> set[str]:
    with contextlib.suppress(OSError, ValueError):
        return _linked_now | set(_file().read_text(encoding="ascii").split())
    return set(_linked_now)


def _file() -> Path:
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen) / FILE_NAME
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        given = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
        base = Path(given) if given else Path.home() / ".local" / "share"
    return base / "napari-transmedseg" / FILE_NAME
