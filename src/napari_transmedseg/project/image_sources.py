"""Which images a person means: files, frames of files, and DICOM series of folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.dicom import DicomSeries
from napari_transmedseg.imaging.io import case_id_of, find_images, is_supported, open_image
from napari_transmedseg.project.import_options import ALL, ImportOptions
from napari_transmedseg.project.label_files import split_labels

_UNSAFE = '/\\:*?"<>|'


Address = tuple[str, str, int | None]
"""Path, series and frame: what tells an image from all others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSource:
    """A further image of a case."""

    name: str
    """Such as T2 or FLAIR."""
    path: Path
    series: str = ""
    frame: int | None = None

    @property
    def address(self) -> Address:
        """What tells this image from all others."""
        return (os.path.abspath(self.path), self.series, self.frame)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSource:
    """One case of a cohort: a file or folder, what of it, and its further channels."""

    path: Path
    case_id: str
    series: str = ""
    """Key of the DICOM series; empty for files."""
    frame: int | None = None
    """Frame of 4-D data."""
    description: str = ""
    """What a DICOM series is called."""
    channel: str = ""
    """Name of this image where the case has further ones."""
    further: tuple[ChannelSource, ...] = ()
    domain: str = ""
    """Site or scanner, where it is known."""

    @property
    def address(self) -> tuple[Address, ...]:
        """What tells this case from all others."""
        first = (os.path.abspath(self.path), self.series, self.frame)
        return (first, *(channel.address for channel in self.further))


def find_sources(
    paths: Iterable[str | Path], options: ImportOptions, *, leave_out: Sequence[Path] = ()
) -> list[ImageSource]:
    """List the images among files and, searched to the bottom, folders.

    Parameters
    ----------
    paths
        Files of any readable format, files of DICOM series (each stands for its whole series),
        and folders.
    options
        What to do where there is a choice.
    leave_out
        Folders that hold no images.

    Raises
    ------
    ImageReadError
        If a path does not exist or is no image, a folder holds several series and none was
        chosen, or a frame is missing.
    """
    given = [Path(path) for path in paths]
    slices = [path for path in given if _is_dicom_file(path)]
    folders = [path for path in given if path.is_dir()]
    files = [
        path
        for path in _image_files([path for path in given if path not in slices])[0]
        if not any(Path(os.path.abspath(path)).is_relative_to(place) for place in leave_out)
    ]
    sources = [ImageSource(path=path, case_id=case_id_of(path)) for path in files]
    sources += _series_sources(_series_of(folders, slices), options)
    return [frame for source in sources for frame in _frames_of(source, options)]


def series_below(paths: Iterable[str | Path]) -> list[DicomSeries]:
    """DICOM series of folders and files, those too that cannot be opened."""
    given = [Path(path) for path in paths]
    slices = [path for path in given if _is_dicom_file(path)]
    return _series_of([path for path in given if path.is_dir()], slices)


def series_left_out(paths: Iterable[str | Path]) -> list[str]:
    """Say which DICOM series of folders and files cannot be opened, and why."""
    return [series.problem for series in series_below(paths) if series.problem]


def labels_left_out(paths: Iterable[str | Path]) -> list[Path]:
    """Files in folders that are named like label maps of others, and so are no images."""
    return _image_files([Path(path) for path in paths if not _is_dicom_file(Path(path))])[1]


def _image_files(given: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Images, and label maps left out; a file that is named by itself is always an image."""
    named = find_images(path for path in given if not path.is_dir())
    images, labels = split_labels(find_images(path for path in given if path.is_dir()))
    return sorted({*named, *images}), [path for path in labels if path not in named]


def _is_dicom_file(path: Path) -> bool:
    return path.is_file() and not is_supported(path) and dicom.is_dicom(path)


def _series_of(folders: Sequence[Path], slices: Sequence[Path]) -> list[DicomSeries]:
    found: dict[tuple[Path, str], DicomSeries] = {}
    for folder in folders:
        for series in dicom.find_series(folder):
            found[(series.folder, series.key)] = series
    for parent in dict.fromkeys(path.parent for path in slices):
        named = {path for path in slices if path.parent == parent}
        for series in dicom.find_series(parent):
            if named & set(series.files):
                found[(series.folder, series.key)] = series
    return [series for series in found.values() if not series.is_segmentation]


def _series_sources(found: list[DicomSeries], options: ImportOptions) -> list[ImageSource]:
    if options.series and ALL not in options.series:
        keys = {series.key for series in found}
        if missing := [key for key in options.series if key not in keys]:
            listed = ", ".join(series.title for series in found[:5]) or "none"
            raise ImageReadError(
                f"Expected one of the series {listed}, found '{missing[0]}'; choose one of these."
            )
        found = [series for series in found if series.key in options.series]
    elif options.series:
        found = [series for series in found if not series.problem] or found
    else:
        _refuse_several(found)
    for series in found:
        if series.problem:
            raise ImageReadError(series.problem)
    ids = _series_ids(found)
    return [
        ImageSource(
            path=series.folder, series=series.key, case_id=case_id, description=series.description
        )
        for series, case_id in zip(found, ids, strict=True)
    ]


def _refuse_several(found: Sequence[DicomSeries]) -> None:
    for folder, count in Counter(series.folder for series in found).items():
        if count > 1:
            titles = [series.title for series in found if series.folder == folder]
            listed = ", ".join(titles[:5]) + (", …" if len(titles) > 5 else "")
            raise ImageReadError(
                f"Expected one DICOM series in {folder}, found {count}: {listed}; choose by key "
                "which to take (--series), or take all of them."
            )


def _series_ids(found: Sequence[DicomSeries]) -> list[str]:
    """Names of the folders, as many of them as it takes to tell the series apart."""
    depths = [1] * len(found)
    for _ in range(4):
        ids = [_folder_id(series, depth) for series, depth in zip(found, depths, strict=True)]
        counts = Counter(name.casefold() for name in ids)
        if max(counts.values(), default=1) == 1:
            return ids
        depths = [
            depth + (counts[name.casefold()] > 1)
            for name, depth in zip(ids, depths, strict=True)
        ]  # fmt: skip
    ids = [
        f"{_folder_id(series, 1)}_{_safe(series.description or series.modality)}_{series.key}"
        for series in found
    ]
    return ids


def _folder_id(series: DicomSeries, depth: int) -> str:
    parts = Path(os.path.abspath(series.folder)).parts[1:]
    return "_".join(_safe(part) for part in parts[-depth:]) or series.key


def _safe(text: str) -> str:
    marks = ("_" if mark in _UNSAFE or mark.isspace() else mark for mark in text)
    return "".join(marks).strip("._")


def _frames_of(source: ImageSource, options: ImportOptions) -> list[ImageSource]:
    if options.frame is None:
        return [source]
    count = open_image(source.path, series=source.series).num_frames
    if count == 1:
        return [source]
    if options.frame == "all":
        name = source.case_id
        return [
            replace(source, frame=frame, case_id=f"{name}_frame{frame:02d}")
            for frame in range(count)
        ]
    if options.frame == "channels":
        return [_as_channels(source, count, options.channels)]
    if options.frame >= count:
        raise ImageReadError(
            f"Expected a frame from 0 to {count - 1} of {source.path}, found {options.frame}; "
            "choose one of these."
        )
    return [replace(source, frame=options.frame)]


def _as_channels(source: ImageSource, count: int, names: Sequence[str]) -> ImageSource:
    """All frames of 4-D data as the channels of one case."""
    if names and len(names) != count:
        raise ImageReadError(
            f"Expected a name for each of the {count} channels of {source.path}, found "
            f"{', '.join(names)}; name them all, or none of them."
        )
    called = names or [str(frame) for frame in range(count)]
    further = [
        ChannelSource(name=called[frame], path=source.path, series=source.series, frame=frame)
        for frame in range(1, count)
    ]
    return replace(source, frame=0, channel=called[0], further=tuple(further))
