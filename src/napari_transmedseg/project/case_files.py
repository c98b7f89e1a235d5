"""From image files to the cases of a project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from napari_transmedseg.errors import GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import PLANE_AXES, Geometry, acquisition_axis
from napari_transmedseg.imaging.io import open_image, read_volume
from napari_transmedseg.imaging.opened import OpenedImage, pick_frame
from napari_transmedseg.imaging.orientation import shear_in_words
from napari_transmedseg.imaging.volume import Volume
from napari_transmedseg.project.channel_files import (
    describe_channel,
    load_channel,
    require_present,
    require_same_channels,
)
from napari_transmedseg.project.channel_groups import find_cases
from napari_transmedseg.project.image_sources import ChannelSource, ImageSource
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.links import OWN_FOLDERS
from napari_transmedseg.project.schema import (
    Case,
    SegmentationClass,
    check_case_id,
    check_channel_names,
    check_distinct,
    find_image,
    stored_path,
)

_SPACING_TOLERANCE = 1e-3


def read_cases(
    paths: Iterable[str | Path | ImageSource],
    folder: Path,
    known: Sequence[Case] = (),
    options: ImportOptions = NO_CHOICE,
) -> list[tuple[Case, Geometry]]:
    """Read the headers of images that are not in the project yet.

    Parameters
    ----------
    paths
        Files, and folders that are searched; the project's own masks are not images. Images
        whose id, series and frame are decided already come as `ImageSource`, cases of several
        images from `channel_groups.channel_case`.
    folder
        Project folder.
    known
        Cases that the project has.
    options
        What to do where files leave a choice.

    Raises
    ------
    ProjectError
        If two images have the same case id, or cases have other channels than the first one.
    ImageReadError, GeometryError
        If an image cannot be read, no mask could be written on it, or channels of a case do not
        lie on the same voxels.
    """
    base = Path(os.path.abspath(folder))
    own = [base / name for name in OWN_FOLDERS]
    present = {source_of(case, *find_images_of(case, folder)).address for case in known}
    found = []
    for source in find_cases(paths, options, leave_out=own):
        if source.address not in present:
            present.add(source.address)
            found.append(source)
    if options.anonymous_ids:
        found = _numbered(found, known)
    _refuse_same_ids(found, known, folder)
    described = [describe(source, folder, options) for source in found]
    require_same_channels([*known, *(case for case, _ in described)])
    return described


def describe(
    source: ImageSource, folder: Path, options: ImportOptions = NO_CHOICE
) -> tuple[Case, Geometry]:
    """Case and geometry of one image with its further channels; reads headers only."""
    path = Path(os.path.abspath(source.path))
    check_case_id(source.case_id)
    image = open_image(path, series=source.series)
    pick_frame(image, source.frame, path)
    confirmed = options.confirm_spacing and not image.geometry.known
    if not image.geometry.known and not confirmed:
        spacing = "×".join(f"{mm:.3g}" for mm in image.geometry.spacing)
        raise GeometryError(
            f"Expected an image that says where its voxels lie, found {path} without position and "
            f"orientation, only with voxels of {spacing} mm; confirm that this size is right "
            "(--confirm-spacing), or convert the original again so that its place is kept."
        )
    geometry = image.confirmed().geometry
    relative, absolute = stored_path(path, folder)
    case = Case(
        case_id=source.case_id,
        image=relative,
        image_absolute=absolute,
        series=source.series,
        frame=source.frame,
        spacing_confirmed=confirmed,
        modality=image.modality,
        description=image.description,
        notes=_notes_of(image),
        domain=source.domain,
        shape=geometry.display_shape,
        spacing=geometry.display_spacing,
        channel=source.channel,
    )
    return _with_channels(case, source.further, geometry, folder, options), geometry


def _notes_of(image: OpenedImage) -> tuple[str, ...]:
    """What is unusual in an image; a DICOM series tells of its tilted gantry itself."""
    shear = "" if image.modality else shear_in_words(image.geometry)
    return (*image.notes, shear) if shear else image.notes


def source_of(case: Case, path: Path, *further: Path) -> ImageSource:
    """Images that a case stands for, at the places where they are now."""
    return ImageSource(
        path=path,
        case_id=case.case_id,
        series=case.series,
        frame=case.frame,
        channel=case.channel,
        further=tuple(
            ChannelSource(name=channel.name, path=place, series=channel.series, frame=channel.frame)
            for channel, place in zip(case.further, further, strict=False)
        ),
    )


def relinked(case: Case, path: Path, folder: Path, channel: str | None = None) -> Case:
    """A case whose image, or that of one further channel, is elsewhere now.

    Raises
    ------
    ProjectError, GeometryError
        If the case has no such channel, or the image lies on another grid.
    """
    if channel in (None, case.channel):
        options = ImportOptions(confirm_spacing=case.spacing_confirmed)
        found = describe(source_of(case, path), folder, options)[0]
        check_facts(case, found.shape, found.spacing, path)
        return case.model_copy(
            update={"image": found.image, "image_absolute": found.image_absolute}
        )
    old = next((one for one in case.further if one.name == channel), None)
    if old is None:
        raise ProjectError(
            f"Expected a channel of {case.case_id} ({', '.join(case.channel_names)}), found "
            f"'{channel}'; check the name."
        )
    first = open_case(case, find_image(case, folder)).geometry
    source = ChannelSource(name=old.name, path=path, series=old.series, frame=old.frame)
    new, _ = describe_channel(source, case, first, folder, resample=old.resampled)
    return case.model_copy(
        update={"further": tuple(new if one is old else one for one in case.further)}
    )


def find_images_of(case: Case, folder: Path) -> list[Path]:
    """Where the images of all channels are, or should be."""
    return [find_image(case, folder), *(find_image(one, folder) for one in case.further)]


def open_case(case: Case, path: Path) -> OpenedImage:
    """Header of the image of a case, checked to be still the one that was added."""
    require_present(case, path)
    image = open_image(path, series=case.series, confirm_spacing=case.spacing_confirmed)
    geometry = image.geometry
    check_facts(case, geometry.display_shape, geometry.display_spacing, path)
    return image


def load_case(case: Case, path: Path, *further: Path) -> Volume:
    """Read the images of a case and check that they are still those that were added."""
    require_present(case, path)
    volume = read_volume(
        path, frame=case.frame, series=case.series, confirm_spacing=case.spacing_confirmed
    )
    geometry = volume.geometry
    check_facts(case, geometry.display_shape, geometry.display_spacing, path)
    channels = zip(case.further, further, strict=True)
    return replace(
        volume,
        name=case.case_id,
        further=tuple(load_channel(case, one, place, geometry) for one, place in channels),
        channel_names=case.channel_names,
    )


def check_facts(case: Case, shape: Sequence[int], spacing: Sequence[float], path: Path) -> None:
    """Refuse an image with another grid than the one that was added.

    Raises
    ------
    ProjectError
    """
    same = tuple(shape) == case.shape and all(
        abs(a - b) <= _SPACING_TOLERANCE * max(a, b)
        for a, b in zip(spacing, case.spacing, strict=True)
    )
    if not same:
        raise ProjectError(
            f"Expected the image of case {case.case_id} with {_grid(case.shape, case.spacing)}, "
            f"found {_grid(shape, spacing)} in {path}; put the original image back."
        )


def slice_axis_of(geometries: Sequence[Geometry], plane: str) -> int:
    """Display axis that is cut; `auto`: how most of the images were taken.

    Raises
    ------
    ProjectError
        If the plane has another name than axial, coronal or sagittal.
    """
    if plane == "auto":
        return Counter(map(acquisition_axis, geometries)).most_common(1)[0][0]
    if plane not in PLANE_AXES:
        raise ProjectError(
            f"Expected the plane auto, {', '.join(PLANE_AXES)}, found '{plane}'; choose one of "
            "these."
        )
    return PLANE_AXES[plane]


def make_class(value: int, name: str, color: str) -> SegmentationClass:
    """Make a class from what a person typed.

    Raises
    ------
    ProjectError
        If the colour is none.
    """
    try:
        return SegmentationClass(value=value, name=name.strip(), color=color.lower())
    except ValidationError as error:
        raise ProjectError(
            f"Expected a colour like #ff8800 for class {name}, found '{color}'; give six "
            "hexadecimal digits after #."
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder where there is none.

    Raises
    ------
    ProjectError
        If that is not allowed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(
            f"Expected to make the folder {folder}, found that it is not possible "
            f"({(error.strerror or 'no access').lower()}); choose a place that you may write to."
        ) from error


def _with_channels(
    case: Case,
    sources: Sequence[ChannelSource],
    first: Geometry,
    folder: Path,
    options: ImportOptions,
) -> Case:
    if not sources:
        return case.model_copy(update={"channel": ""})
    check_channel_names([case.channel, *(source.name for source in sources)])
    described = [
        describe_channel(source, case, first, folder, resample=options.resample_channels)
        for source in sources
    ]
    notes = (*case.notes, *(note for _, notes in described for note in notes))
    further = tuple(channel for channel, _ in described)
    return case.model_copy(update={"further": further, "notes": notes})


def _numbered(found: Sequence[ImageSource], known: Sequence[Case]) -> list[ImageSource]:
    taken = {case.case_id for case in known}
    free = (f"case_{number:03d}" for number in count(1))
    names = (name for name in free if name not in taken)
    return [replace(source, case_id=next(names)) for source in found]


def _refuse_same_ids(found: Sequence[ImageSource], known: Sequence[Case], folder: Path) -> None:
    for source in found:
        check_case_id(source.case_id)
    new = [Case.model_construct(case_id=source.case_id, image=str(source.path)) for source in found]
    old = [case.model_copy(update={"image": str(find_image(case, folder))}) for case in known]
    check_distinct([*old, *new])


def _grid(shape: Sequence[int], spacing: Sequence[float]) -> str:
    voxels = "×".join(str(n) for n in shape)
    return f"{voxels} voxels of {'×'.join(f'{mm:.3g}' for mm in spacing)} mm"
