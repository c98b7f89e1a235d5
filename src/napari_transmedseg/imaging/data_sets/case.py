"""What every loader returns: cases that are read when needed, and what is known about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_transmedseg.imaging.volume import LabelMap, Volume

Split = Literal["", "train", "validation", "test"]
Spacing = Literal["real", "nominal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """Where an image is on disk."""

    path: Path
    """File, or folder of a DICOM series."""
    frame: int | None = None
    """Frame of 4-D data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetCase:
    """One image of a data set and its reference, where it has one."""

    case_id: str
    load_image: Callable[[], Volume]
    load_labels: Callable[[], LabelMap] | None = None
    """None: no reference."""
    images: tuple[ImageFile, ...] = ()
    """The file of each of the data set's channels; empty where `load_image` makes the image from
    what is no medical image file."""
    labels: tuple[Path, ...] = ()
    """Files that `load_labels` reads."""
    group: str
    """Person; all images of one belong on the same side of a split."""
    domain: str = ""
    """Site, scanner or vendor, where the data set tells."""
    split: Split = ""
    """Where the data set itself puts the case; empty where it does not say."""
    channels: tuple[str, ...] = ()
    """Names of the channels of `load_image`'s volume; empty for a single image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """The cases of a folder, sorted by id."""

    cases: tuple[DataSetCase, ...]
    class_names: tuple[str, ...] = ()
    """Foreground names by value 1…N, where the layout tells them."""
    spacing: Spacing = "real"
    """`nominal`: the files carry no voxel size and one was assumed, so that distances in mm hold
    only as far as the assumption does."""
    channel_names: tuple[str, ...] = ()
    """Where every image has several channels, what they are called; else empty."""
    ignored: int | None = None
    """Label value that says nothing of its voxels."""
    notes: tuple[str, ...] = ()
    """Plain sentences about what was left out or assumed."""


def group_by_pattern(pattern: str) -> Callable[[str], str]:
    r"""Group of a case id: what the pattern finds in it, else the whole id.

    `patient\d+` takes `patient007_frame01` to `patient007`.
    """
    compiled = re.compile(pattern)

    def group_of(case_id: str) -> str:
        found = compiled.search(case_id)
        return found.group(0) if found else case_id

    return group_of


def own_group(case_id: str) -> str:
    """Every case is a person of its own."""
    return case_id
