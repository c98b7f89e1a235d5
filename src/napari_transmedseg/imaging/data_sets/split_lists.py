"""Split lists as text files: one case, slice or person per line."""

from __future__ import annotations

import re
from pathlib import Path

from napari_transmedseg.errors import DataSetError

_SLICE = re.compile(r"^(?P<case>.+?)_slice_(?P<slice>\d+)$")


def read_split_list(path: Path) -> dict[str, tuple[int, ...] | None]:
    """Read the lines of a list, in their order; empty lines and those that begin with # are none.

    Returns
    -------
    dict
        Case id to the slices that are named (`case_slice_7`), as the list numbers them, or None
        where the line names the whole case.

    Raises
    ------
    DataSetError
        If the file is missing, empty, or names a case both whole and by slice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(
            f"Expected a text file with one case per line at {path}, found that it cannot be "
            f"read ({error}); check the path."
        ) from error
    found: dict[str, list[int] | None] = {}
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        match = _SLICE.match(line)
        case_id = match["case"] if match else line.removesuffix(".h5")
        slices = found.setdefault(case_id, [] if match else None)
        if (slices is None) != (match is None):
            raise DataSetError(
                f"Expected '{case_id}' either whole or by slice in {path}, found both; keep one."
            )
        if match and slices is not None:
            slices.append(int(match["slice"]))
    if not found:
        raise DataSetError(f"Expected cases in {path}, found none; write one per line.")
    return {
        case_id: None if slices is None else tuple(sorted(set(slices)))
        for case_id, slices in found.items()
    }
