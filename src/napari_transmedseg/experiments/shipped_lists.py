"""Split lists of the semi-supervised papers, which come with the package."""

from __future__ import annotations

from pathlib import Path

from napari_transmedseg.imaging.data_sets.split_lists import read_split_list

_FOLDER = Path(__file__).parent / "lists"


def shipped_list(name: str) -> tuple[str, ...]:
    """Persons of the list `lists/<name>.txt`."""
    return tuple(read_split_list(_FOLDER / f"{name}.txt"))
