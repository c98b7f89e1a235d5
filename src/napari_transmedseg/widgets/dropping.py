"""Files and folders that are dropped on a widget."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtGui import QDragEnterEvent, QDropEvent


def welcome_files(event: QDragEnterEvent | None) -> None:
    """Let files and folders be dropped, and nothing else."""
    mime = event.mimeData() if event is not None else None
    if event is not None and mime is not None and mime.hasUrls():
        event.acceptProposedAction()


def dropped_paths(event: QDropEvent | None) -> list[Path]:
    """Take what was dropped; paths on this computer."""
    mime = event.mimeData() if event is not None else None
    if event is None or mime is None:
        return []
    event.acceptProposedAction()
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
