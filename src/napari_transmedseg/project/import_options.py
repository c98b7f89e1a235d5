"""How images are taken into a project where files leave a choice."""

from dataclasses import dataclass
from typing import Literal

from napari_transmedseg.errors import ConfigError

ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """What a person decides about files that hold more than one image, or too little."""

    frame: int | Literal["all"] | None = None
    """Frame or channel of 4-D images, from 0; `all`: each is a case of its own."""
    series: tuple[str, ...] = ()
    """Keys of the DICOM series to take; `all`: every series that can be opened."""
    confirm_spacing: bool = False
    """Vouch for the voxel size of images that do not say where they lie."""
    anonymous_ids: bool = False
    """Call cases case_001, case_002, …: names of files and folders stay out of all results."""


NO_CHOICE = ImportOptions()
"""Refuses whatever leaves a choice."""


def parse_frame(text: str | None) -> int | Literal["all"] | None:
    """Frame as typed.

    Raises
    ------
    ConfigError
        If it is neither a number nor `all`.
    """
    if text is None or text == ALL:
        return "all" if text == ALL else None
    if not text.isdecimal():
        raise ConfigError(
            f"Expected a frame (0, 1, …) or '{ALL}', found '{text}'; give one of these."
        )
    return int(text)
