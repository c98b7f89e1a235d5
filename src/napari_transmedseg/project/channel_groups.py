"""Which images are channels of one case: told by their names, or named one by one."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_transmedseg.errors import ConfigError, ImageReadError
from napari_transmedseg.imaging.io import case_id_of
from napari_transmedseg.project.image_sources import ChannelSource, ImageSource, find_sources
from napari_transmedseg.project.import_options import ALL, AUTO, CHANNELS, ImportOptions
from napari_transmedseg.project.schema import check_channel_names

_MARKS = "_-. "
_NUMBER = re.compile(r"_\d{4}$")

_Key = tuple[Path, str]
"""Folder of a case, and its id."""


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel as it was asked for."""

    name: str
    end: str
    """How the names of its files end, lower case; empty: with the channel's name."""


def channel_case(case_id: str, channels: Mapping[str, str | Path | ImageSource]) -> ImageSource:
    """Case of several images, named one by one.

    Parameters
    ----------
    case_id
        Id of the case.
    channels
        Image of each channel by its name, in the order of the channels. An `ImageSource` says
        which series or frame is meant. One channel alone is a single image.

    Raises
    ------
    ConfigError
        If there is no image.
    ProjectError
        If a channel's name is empty, there twice, or has '=', ',' or ':' in it.
    """
    if not channels:
        raise ConfigError(f"Expected an image for {case_id}, found none; give at least one.")
    check_channel_names(list(channels))
    first, *others = (
        image if isinstance(image, ImageSource) else ImageSource(path=Path(image), case_id=case_id)
        for image in channels.values()
    )
    names = [name.strip() for name in channels]
    further = [
        ChannelSource(name=name, path=one.path, series=one.series, frame=one.frame)
        for name, one in zip(names[1:], others, strict=True)
    ]
    name = names[0] if further else ""
    return replace(first, case_id=case_id, channel=name, further=tuple(further))


def find_cases(
    given: Iterable[str | Path | ImageSource],
    options: ImportOptions,
    *,
    leave_out: Sequence[Path] = (),
) -> list[ImageSource]:
    """List the cases among files, folders, and images that were named one by one.

    Raises
    ------
    ImageReadError, ConfigError
        As `find_sources`; and if a case lacks a channel, or two images claim one.
    """
    asked = list(given)
    named = [one for one in asked if isinstance(one, ImageSource)]
    paths = [one for one in asked if not isinstance(one, ImageSource)]
    sources = find_sources(paths, options, leave_out=leave_out)
    if _by_names(options) and paths:
        sources = _grouped(sources, options)
    return sources + named


def channels_left_out(paths: Iterable[str | Path], options: ImportOptions) -> list[Path]:
    """Images that are no channel of a case, by their names."""
    if not _by_names(options):
        return []
    sources = find_sources(paths, options)
    taken = {id(one) for _, _, one in assigned_channels(sources, options)}
    return [one.path for one in sources if id(one) not in taken]


def _by_names(options: ImportOptions) -> bool:
    """Whether names of files tell the channels, not the frames of one file."""
    if options.channels and options.frame == ALL:
        raise ConfigError(
            f"Expected one frame of each image as a channel, found '{ALL}'; choose a frame, or "
            f"'{CHANNELS}' for files that hold all channels."
        )
    return bool(options.channels) and options.frame != CHANNELS


def _grouped(sources: Sequence[ImageSource], options: ImportOptions) -> list[ImageSource]:
    cases: dict[_Key, dict[str, ImageSource]] = {}
    names: dict[str, None] = {}
    for key, name, source in assigned_channels(sources, options):
        names[name] = None
        channels = cases.setdefault(key, {})
        if name in channels:
            raise ImageReadError(
                f"Expected one image for the channel {name} of {key[1]}, found "
                f"{_called(channels[name])} and {_called(source)}; leave one out."
            )
        channels[name] = source
    if options.channels != (AUTO,):
        order = [channel.name for channel in _parsed(options.channels)]
    else:
        order = sorted(names)
    if not cases:
        ends = ", ".join(options.channels) if order else "_0000, _0001, …"
        raise ImageReadError(
            f"Expected images whose names end in {ends}, found none among {len(sources)}; "
            "check how the channels are called (--channels)."
        )
    for key, channels in cases.items():
        if missing := [name for name in order if name not in channels]:
            raise ImageReadError(
                f"Expected {key[1]} in {key[0]} with the channels {', '.join(order)}, found none "
                f"for {', '.join(missing)}; add the image, or leave the case out."
            )
    return [
        channel_case(case_id, {name: channels[name] for name in order})
        for (_, case_id), channels in cases.items()
    ]


def assigned_channels(
    sources: Sequence[ImageSource], options: ImportOptions
) -> list[tuple[tuple[Path, str], str, ImageSource]]:
    """Folder and id of the case, and channel, of every image that is one by its name."""
    shared = Counter(source.path for source in sources if source.series)
    wanted = _parsed(options.channels)
    found = []
    for source in sources:
        if options.channels == (AUTO,):
            match = _numbered(source)
        elif source.series:
            match = _series_match(source, wanted, alone=shared[source.path] == 1)
        else:
            match = _best(_file_match(source.path, channel) for channel in wanted)
        if match is not None:
            found.append((match[1], match[2], source))
    return found


_Match = tuple[int, _Key, str]
"""Characters of the name that speak for it, the case, and the channel."""


def _numbered(source: ImageSource) -> _Match | None:
    stem = case_id_of(source.path)
    number = _NUMBER.search(stem)
    if number is None or number.start() == 0:
        return None
    return 5, (_parent(source.path), stem[: number.start()]), number.group()[1:]


def _file_match(path: Path, channel: _Channel) -> _Match | None:
    """Such as `p1_t1.nii.gz`, `p1/t1.nii.gz` or `t1/p1.nii.gz`."""
    stem, folder = case_id_of(path), _parent(path)
    name = channel.name.casefold()
    for end in [channel.end] if channel.end else [mark + name for mark in _MARKS]:
        if stem.casefold().endswith(end) and len(stem) > len(end):
            return len(end), (folder, stem[: -len(end)]), channel.name
    if stem.casefold() in (name, channel.end):
        return len(stem), (folder.parent, folder.name), channel.name
    if folder.name.casefold() in (name, channel.end):
        return 0, (folder.parent, stem), channel.name
    return None


def _series_match(source: ImageSource, wanted: Sequence[_Channel], *, alone: bool) -> _Match | None:
    """A DICOM series that is called like a channel, or whose own folder is."""
    called = {source.description.casefold()} | ({source.path.name.casefold()} if alone else set())
    folder = _parent(source.path / "series")
    case = folder.parent if alone else folder
    for channel in wanted:
        if (channel.end or channel.name.casefold()) in called:
            return 0, (case.parent, case.name), channel.name
    return None


def _best(matches: Iterable[_Match | None]) -> _Match | None:
    return max((one for one in matches if one is not None), key=lambda one: one[0], default=None)


def _parsed(typed: Sequence[str]) -> list[_Channel]:
    channels = []
    for text in typed:
        name, _, end = text.partition("=")
        channels.append(_Channel(name.strip(), end.casefold()))
    check_channel_names([channel.name for channel in channels])
    return channels


def _parent(path: Path) -> Path:
    return Path(os.path.abspath(path)).parent


def _called(source: ImageSource) -> str:
    return f"{source.path} ({source.description or source.series})" if source.series else (
        str(source.path)
    )  # fmt: skip
