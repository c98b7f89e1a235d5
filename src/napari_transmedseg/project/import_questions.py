"""What a person is asked before images become cases: series, frames, channels, sizes, names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_transmedseg.imaging.dicom import DicomSeries
from napari_transmedseg.imaging.io import open_image
from napari_transmedseg.project.channel_guess import ChannelGuess, guess_channels
from napari_transmedseg.project.image_sources import find_sources, series_below
from napari_transmedseg.project.import_options import ALL, ImportOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class UnplacedImage:
    """An image that says how large its voxels are, but not where they lie."""

    name: str
    shape: tuple[int, int, int]
    """Voxels, source order."""
    spacing: tuple[float, float, float]
    """In mm, source order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportQuestions:
    """What the options do not say yet; empty parts need no answer."""

    series: tuple[DicomSeries, ...] = ()
    """Series to choose from; those with a problem cannot be chosen."""
    frames: tuple[tuple[str, int], ...] = ()
    """Name and number of frames of each 4-D image."""
    unplaced: tuple[UnplacedImage, ...] = ()
    channels: ChannelGuess | None = None
    """Images that may be channels of one case."""
    named_by_scanner: bool = False
    """Names of cases come from DICOM folders, which are often called after patients."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be asked."""
        return self == ImportQuestions()

    @property
    def most_frames(self) -> int:
        """Frames of the image that has fewest: what can be chosen for all."""
        return min((count for _, count in self.frames), default=0)


def questions_about(
    paths: Sequence[Path], options: ImportOptions, channels: Sequence[str] | None = None
) -> ImportQuestions:
    """Look into the headers of images for what has to be decided.

    Parameters
    ----------
    paths
        Files and folders, as for `find_sources`.
    options
        What is decided already.
    channels
        Those of the project's cases, none for single images; None: it has no case yet.

    Raises
    ------
    ImageReadError
        If a path does not exist or is no image.
    """
    series = () if options.series else tuple(series_below(paths))
    asked = series if _leaves_a_choice(series) else ()
    frames, unplaced = [], []
    sources = find_sources(paths, replace(options, frame=None, series=options.series or (ALL,)))
    for source in sources:
        image = open_image(source.path, series=source.series)
        if image.num_frames > 1 and options.frame is None:
            frames.append((source.case_id, image.num_frames))
        if not image.geometry.known and not options.confirm_spacing:
            geometry = image.geometry
            unplaced.append(
                UnplacedImage(name=source.case_id, shape=geometry.shape, spacing=geometry.spacing)
            )
    asks_channels = not frames and not options.channels and options.frame is None
    return ImportQuestions(
        series=asked,
        frames=tuple(frames),
        unplaced=tuple(unplaced),
        channels=guess_channels(sources, channels) if asks_channels else None,
        named_by_scanner=bool(series) and not options.anonymous_ids,
    )


def _leaves_a_choice(series: Sequence[DicomSeries]) -> bool:
    """Whether one folder holds several, or some cannot be opened and have to be left out."""
    folders = [one.folder for one in series]
    usable = [one for one in series if not one.problem]
    return len(set(folders)) < len(folders) or 0 < len(usable) < len(series)
