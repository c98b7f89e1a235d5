"""From image files to the cases of a project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from napari_transmedseg.errors import GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import PLANE_AXES, Geometry, acquisition_axis
from napari_transmedseg.imaging.io import case_id_of, find_images, read_geometry, read_volume
from napari_transmedseg.imaging.volume import Volume
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
    paths: Iterable[str | Path], folder: Path, known: Sequence[Case] = ()
) -> list[tuple[Case, Geometry]]:
    """Read the headers of images that are not in the project yet.

    Parameters
    ----------
    paths
        Files, and folders that are searched; the project's own masks are not images.
    folder
        Project folder.
    known
        Cases that the project has.

    Raises
    ------
    ProjectError
        If two images have the same case id.
    ImageReadError, GeometryError
        If an image cannot be read, or no mask could be written on it.
    """
    base = Path(os.path.abspath(folder))
    own = [base / name for name in OWN_FOLDERS]
    present = {os.path.abspath(find_image(case, folder)) for case in known}
    found = []
    for path in find_images(paths):
        absolute = Path(os.path.abspath(path))
        if str(absolute) in present or any(absolute.is_relative_to(place) for place in own):
            continue
        present.add(str(absolute))
        found.append(absolute)
    _refuse_same_ids(found, known, folder)
    return [describe(path, folder) for path in found]


def describe(path: Path, folder: Path) -> tuple[Case, Geometry]:
    """Case and geometry of one image file; reads the header only."""
    case_id = case_id_of(path)
    check_case_id(case_id)
    geometry = read_geometry(path)
    if not geometry.known:
        raise GeometryError(
            f"Expected an image that says where its voxels lie, found {path} without position and "
            "orientation, so that no mask could be put in its place; convert the original again "
            "so that they are kept."
        )
    relative, absolute = stored_path(path, folder)
    case = Case(
        case_id=case_id,
        image=relative,
        image_absolute=absolute,
        shape=geometry.display_shape,
        spacing=geometry.display_spacing,
    )
    return case, geometry


def load_case(case: Case, path: Path) -> Volume:
    """Read the image of a case and check that it is still the one that was added."""
    check_present(case, path)
    volume = read_volume(path)
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
    if not path.is_file():
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


def _refuse_same_ids(found: Sequence[Path], known: Sequence[Case], folder: Path) -> None:
    ids = [case_id_of(path) for path in found]
    for case_id in ids:
        check_case_id(case_id)
    new = [
        Case.model_construct(case_id=case_id, image=str(path))
        for case_id, path in zip(ids, found, strict=True)
    ]
    old = [case.model_copy(update={"image": str(find_image(case, folder))}) for case in known]
    check_distinct([*old, *new])


def _grid(shape: Sequence[int], spacing: Sequence[float]) -> str:
    voxels = "×".join(str(n) for n in shape)
    return f"{voxels} voxels of {'×'.join(f'{mm:.3g}' for mm in spacing)} mm"
