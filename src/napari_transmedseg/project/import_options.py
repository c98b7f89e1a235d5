"""How images are taken into a project where files leave a choice."""

from dataclasses import dataclass
from typing import Literal

from napari_transmedseg.errors import ConfigError

ALL = "all"
CHANNELS = "channels"
AUTO = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """What a person decides about files that hold more than one image, or too little."""

    frame: int | Literal["all", "channels"] | None = None
    """Frame or channel of 4-D images, from 0; `all`: each is a case of its own; `channels`: all
    of them are the channels of one case."""
    series: tuple[str, ...] = ()
    """Keys of the DICOM series to take; `all`: every series that can be opened."""
    confirm_spacing: bool = False
    """Vouch for the voxel size of images that do not say where they lie."""
    anonymous_ids: bool = False
    """Call cases case_001, case_002, …: names of files and folders stay out of all results."""
    channels: tuple[str, ...] = ()
    """Channels of every case in their order: how the files' names end (`t1`), or NAME=END
    (`t1=_0000`); `auto`: as nnU-Net numbers them. With frame `channels`: their names."""
    resample_channels: bool = False
    """Bring channels that lie on another grid onto that of their case's first image."""


NO_CHOICE = ImportOptions()
"""Refuses whatever leaves a choice."""


def parse_frame(text: str | None) -> int | Literal["all", "channels"] | None:
    """Frame as typed.

    Raises
    ------
    ConfigError
        If it is neither a number nor `all` or `channels`.
    """
    if text is None:
        return None
    if text == ALL:
        return "all"
    if text == CHANNELS:
        return "channels"
    if not text.isdecimal():
        raise ConfigError(
            f"Expected a frame (0, 1, …), '{ALL}' or '{CHANNELS}', found '{text}'; give one of "
            "these."
        )
    return int(text)
