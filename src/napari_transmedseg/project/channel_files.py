"""The further images of a case: on the voxels of its first one, or brought onto them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import open_image, read_volume
from napari_transmedseg.imaging.opened import pick_frame
from napari_transmedseg.imaging.resample import (
    grid_difference,
    resample_intensities,
    share_covered,
)
from napari_transmedseg.project.image_sources import ChannelSource
from napari_transmedseg.project.schema import Case, Channel, stored_path

_SHARED = 0.5


def describe_channel(
    source: ChannelSource, case: Case, first: Geometry, folder: Path, *, resample: bool
) -> tuple[Channel, tuple[str, ...]]:
    """Facts of a further image of a case, and what is unusual in it; reads the header only.

    Parameters
    ----------
    source
        The image.
    case, first
        The case without it, and the grid of its first image.
    folder
        Project folder.
    resample
        Whether an image on another grid may be brought onto that of the first one.

    Raises
    ------
    GeometryError
        If it does not say where it lies, lies on another grid and may not be resampled, or lies
        elsewhere altogether.
    """
    path = Path(os.path.abspath(source.path))
    image = open_image(path, series=source.series, confirm_spacing=case.spacing_confirmed)
    pick_frame(image, source.frame, path)
    notes = tuple(f"{source.name}: {note}" for note in image.notes if note not in case.notes)
    if not image.geometry.known:
        raise GeometryError(
            f"Expected {source.name} of {case.case_id} to say where its voxels lie as "
            f"{case.channel} does, found {path} without position and orientation; convert the "
            "original again so that its place is kept."
        )
    difference = grid_difference(first, image.geometry)
    if difference:
        notes += (_resampling_note(source.name, case, difference, image.geometry, first, resample),)
    relative, absolute = stored_path(path, folder)
    channel = Channel(
        name=source.name,
        image=relative,
        image_absolute=absolute,
        series=source.series,
        frame=source.frame,
        resampled=bool(difference),
    )
    return channel, notes


def load_channel(case: Case, channel: Channel, path: Path, first: Geometry) -> npt.NDArray[Any]:
    """Read a further image of a case, (I, P, L) on the grid of its first one.

    Raises
    ------
    ProjectError
        If it is missing, or no longer the one that was added.
    """
    require_present(case, path, channel.name)
    volume = read_volume(
        path, frame=channel.frame, series=channel.series, confirm_spacing=case.spacing_confirmed
    )
    if channel.resampled:
        return resample_intensities(volume, first)
    if difference := grid_difference(first, volume.geometry):
        raise ProjectError(
            f"Expected {channel.name} of case {case.case_id} on the voxels of {case.channel}, "
            f"found {difference} in {path}; put the original image back."
        )
    return volume.array


def require_present(case: Case, path: Path, channel: str = "") -> None:
    """Refuse a case whose image is gone.

    Raises
    ------
    ProjectError
    """
    if not path.exists():
        what = f"the image {channel}" if channel else "the image"
        raise ProjectError(
            f"Expected {what} of case {case.case_id} at {path}, found no file; put it back "
            "there, or relink the case to its new place."
        )


def require_same_channels(cases: Sequence[Case]) -> None:
    """Refuse cases of one project with other channels, or the same in another order.

    Raises
    ------
    ProjectError
    """
    for case in cases:
        if case.channel_names != cases[0].channel_names:
            raise ProjectError(
                f"Expected {_in_words(cases[0])} in every case as in {cases[0].case_id}, found "
                f"{_in_words(case)} in {case.case_id}; name the same channels in the same order "
                "for all cases of a project, or make another project."
            )


def _resampling_note(
    name: str, case: Case, difference: str, found: Geometry, first: Geometry, resample: bool
) -> str:
    """What is done about another grid, or the error."""
    if not resample:
        raise GeometryError(
            f"Expected {name} of {case.case_id} on the voxels of {case.channel}, found "
            f"{difference}; let it be resampled onto them (--resample-channels), or give images "
            "that are."
        )
    covered = share_covered(found, first)
    if covered < _SHARED:
        raise GeometryError(
            f"Expected {name} of {case.case_id} in the space of {case.channel}, found that it "
            f"covers {100 * covered:.0f} % of it; register the two images first."
        )
    part = "" if covered > 0.999 else f"; it covers {100 * covered:.0f} % of them"
    return f"{name} has {difference} and is resampled onto those of {case.channel}{part}."


def _in_words(case: Case) -> str:
    if not case.channel_names:
        return "a single image"
    return f"the channels {', '.join(case.channel_names)}"
