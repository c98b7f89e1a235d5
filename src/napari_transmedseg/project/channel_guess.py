"""Images that are channels of one case by their names: found, for a person to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_transmedseg.imaging.io import open_image
from napari_transmedseg.imaging.resample import grid_difference
from napari_transmedseg.project.channel_groups import assigned_channels
from napari_transmedseg.project.image_sources import ImageSource
from napari_transmedseg.project.import_options import AUTO, ImportOptions

USUAL_NAMES = (
    "t1", "t1w", "t1n", "t1c", "t1ce", "t1gd", "t1post", "t2", "t2w", "t2f", "t2s", "flair", "pd",
    "pdw", "dwi", "adc", "swi", "bold", "mra", "cbf", "cbv", "mtt", "tmax", "ct", "cta", "pet",
    "suv", "hbv",
)  # fmt: skip
"""What the names of channels usually end with, in the order in which channels then are."""
_FEWEST = 2
_LISTED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class GuessedCase:
    """Images that would be one case."""

    case_id: str
    images: tuple[ImageSource, ...]
    """One for each channel."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each image is called, for a table."""
        return tuple(one.description or one.path.name for one in self.images)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelGuess:
    """Channels that all cases have, as far as names tell."""

    names: tuple[str, ...]
    cases: tuple[GuessedCase, ...]
    left_out: tuple[str, ...] = ()
    """Images that would be no channel of a case."""
    off_grid: tuple[str, ...] = ()
    """Cases some of whose channels have other voxels than the first one."""

    def options(self, first: str) -> tuple[str, ...]:
        """Channels as `ImportOptions` want them, with the one that is shown in front."""
        order = [first, *(name for name in self.names if name != first)]
        return tuple(f"{name}=_{name}" if _is_number(name) else name for name in order)

    def sentence(self) -> str:
        """What was found, for a person."""
        count = len(self.cases)
        cases = "one case has" if count == 1 else f"each of {count} cases has"
        listed = f"{', '.join(self.names[:-1])} and {self.names[-1]}"
        told = f"By the names of the files, {cases} {len(self.names)} images: {listed}."
        if self.left_out:
            some = ", ".join(self.left_out[:_LISTED]) + (", …" if self.left_out[_LISTED:] else "")
            told += f" Not among them, and then left out: {some}."
        return told


def guess_channels(
    sources: Sequence[ImageSource], known: Sequence[str] | None = None
) -> ChannelGuess | None:
    """Find images that may be channels of one case; None where names do not suggest it.

    Parameters
    ----------
    sources
        Images of three axes.
    known
        Channels of the project that they are for, in order: others are not looked for. None: any.
    """
    if known is not None and len(known) < _FEWEST:
        return None
    usual = USUAL_NAMES if known is None else tuple(known)
    for typed in ((AUTO,), usual):
        found = _grouped(sources, typed)
        names = tuple(known) if known is not None else _shared(found, usual)
        is_whole = found and all(set(names) <= set(channels) for channels in found.values())
        if len(names) >= _FEWEST and is_whole:
            return _guess(sources, found, names)
    return None


_Found = dict[tuple[Path, str], dict[str, ImageSource]]


def _grouped(sources: Sequence[ImageSource], typed: tuple[str, ...]) -> _Found:
    """Channels by case; nothing where two images claim one channel."""
    cases: _Found = {}
    for key, name, source in assigned_channels(sources, ImportOptions(channels=typed)):
        channels = cases.setdefault(key, {})
        if name in channels:
            return {}
        channels[name] = source
    return cases


def _shared(found: _Found, usual: Sequence[str]) -> tuple[str, ...]:
    """Channels that every case has."""
    if not found:
        return ()
    names = set.intersection(*(set(channels) for channels in found.values()))
    return tuple(sorted(names, key=lambda name: (usual.index(name) if name in usual else -1, name)))


def _guess(sources: Sequence[ImageSource], found: _Found, names: tuple[str, ...]) -> ChannelGuess:
    cases = tuple(
        GuessedCase(case_id=case_id, images=tuple(channels[name] for name in names))
        for (_, case_id), channels in found.items()
    )
    taken = {image.address for case in cases for image in case.images}
    return ChannelGuess(
        names=names,
        cases=cases,
        left_out=tuple(one.path.name for one in sources if one.address not in taken),
        off_grid=tuple(case.case_id for case in cases if _is_off_grid(case)),
    )


def _is_off_grid(case: GuessedCase) -> bool:
    first, *others = (open_image(one.path, series=one.series).geometry for one in case.images)
    return any(grid_difference(first, other) for other in others)


def _is_number(name: str) -> bool:
    return name.isdecimal()
