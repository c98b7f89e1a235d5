"""Files and folders that a person chooses; each choice begins where the one before ended."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

_last = {"folder": ""}


def choose_folder(parent: QWidget | None, title: str, start: str = "") -> str:
    """Path of a folder; empty where none was chosen."""
    folder = QFileDialog.getExistingDirectory(parent, title, start or _last["folder"])
    if folder:
        _last["folder"] = str(Path(folder).parent)
    return folder


def choose_file(parent: QWidget | None, title: str, file_filter: str) -> str:
    """Path of a file; empty where none was chosen."""
    file, _ = QFileDialog.getOpenFileName(parent, title, _last["folder"], file_filter)
    _remember([file])
    return file


def choose_files(parent: QWidget | None, title: str, file_filter: str) -> list[str]:
    """Paths of files; empty where none were chosen."""
    files, _ = QFileDialog.getOpenFileNames(parent, title, _last["folder"], file_filter)
    _remember(files)
    return list(files)


def _remember(files: list[str]) -> None:
    if files and files[0]:
        _last["folder"] = str(Path(files[0]).parent)
