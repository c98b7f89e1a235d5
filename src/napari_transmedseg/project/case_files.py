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
from napari_transmedseg.imaging.volume import Volume
from napari_transmedseg.project.image_sources import ImageSource, find_sources
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.schema import (
    Case,
    SegmentationClass,
    check_case_id,
    check_distinct,
    find_image,
    stored_path,
)

OWN_FOLDERS = ("annotations", "predictions", "runs")
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
        whose id, series and frame are decided already come as `ImageSource`.
    folder
        Project folder.
    known
        Cases that the project has.
    options
        What to do where files leave a choice.

    Raises
    ------
    ProjectError
        If two images have the same case id.
    ImageReadError, GeometryError
        If an image cannot be read, or no mask could be written on it.
    """
    base = Path(os.path.abspath(folder))
    own = [base / name for name in OWN_FOLDERS]
    present = {source_of(case, find_image(case, folder)).address for case in known}
    asked = list(paths)
    named = [one for one in asked if isinstance(one, ImageSource)]
    others = [one for one in asked if not isinstance(one, ImageSource)]
    found = []
    for source in [*find_sources(others, options, leave_out=own), *named]:
        if source.address not in present:
            present.add(source.address)
            found.append(source)
    if options.anonymous_ids:
        found = _numbered(found, known)
    _refuse_same_ids(found, known, folder)
    return [describe(source, folder, confirm_spacing=options.confirm_spacing) for source in found]


def describe(
    source: ImageSource, folder: Path, *, confirm_spacing: bool = False
) -> tuple[Case, Geometry]:
    """Case and geometry of one image; reads the header only."""
    path = Path(os.path.abspath(source.path))
    check_case_id(source.case_id)
    image = open_image(path, series=source.series)
    pick_frame(image, source.frame, path)
    confirmed = confirm_spacing and not image.geometry.known
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
        notes=image.notes,
        domain=source.domain,
        shape=geometry.display_shape,
        spacing=geometry.display_spacing,
    )
    return case, geometry


def source_of(case: Case, path: Path) -> ImageSource:
    """Image that a case stands for, at the place where it is now."""
    return ImageSource(path=path, case_id=case.case_id, series=case.series, frame=case.frame)


def open_case(case: Case, path: Path) -> OpenedImage:
    """Header of the image of a case, checked to be still the one that was added."""
    check_present(case, path)
    image = open_image(path, series=case.series, confirm_spacing=case.spacing_confirmed)
    geometry = image.geometry
    check_facts(case, geometry.display_shape, geometry.display_spacing, path)
    return image


def load_case(case: Case, path: Path) -> Volume:
    """Read the image of a case and check that it is still the one that was added."""
    check_present(case, path)
    volume = read_volume(
        path, frame=case.frame, series=case.series, confirm_spacing=case.spacing_confirmed
    )
    geometry = volume.geometry
    check_facts(case, geometry.display_shape, geometry.display_spacing, path)
    volume.name = case.case_id
    return volume


def check_present(case: Case, path: Path) -> None:
    """Refuse a case whose image is gone.

    Raises
    ------
    ProjectError
    """
    if not path.exists():
        raise ProjectError(
            f"Expected the image of case {case.case_id} at {path}, found no file; put it back "
            "there, or relink the case to its new place."
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
