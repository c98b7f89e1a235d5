"""Label maps that another program has open, taken over as annotation of an adopted image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.adopting import OpenLabels, check_array
from napari_transmedseg.project.project import Project

_MOST = np.iinfo(np.uint16).max


def label_files(
    project: Project, labels: Mapping[str, OpenLabels], folder: Path
) -> dict[str, Path]:
    """Write open labels as label maps on their cases' voxels, to be looked into and brought in.

    Parameters
    ----------
    project
        Whose cases the images of these labels are.
    labels
        By case id.
    folder
        Where the files go, each in a folder of its own.

    Raises
    ------
    ImageReadError
        If they are no whole numbers from 0 to 65,535.
    GeometryError
        If they do not have as many voxels as their case.
    """
    files = {}
    for number, (case_id, one) in enumerate(labels.items()):
        path = folder / str(number) / "labels.nii.gz"
        path.parent.mkdir(parents=True)
        write_labels(path, label_map_of(project, case_id, one))
        files[case_id] = path
    return files


def label_map_of(project: Project, case_id: str, labels: OpenLabels) -> LabelMap:
    """Open labels as a label map on the voxels of a case; errors as in `label_files`."""
    array = check_array(labels.name, np.asarray(labels.array))
    geometry = project.geometry(case_id)
    if array.shape != geometry.display_shape:
        raise GeometryError(
            f"Expected the labels '{labels.name}' with the {_times(geometry.display_shape)} voxels "
            f"of {case_id}, found {_times(array.shape)}; open the labels of this image."
        )
    if array.dtype.kind not in "biu" or array.min() < 0 or array.max() > _MOST:
        raise ImageReadError(
            f"Expected whole numbers from 0 to {_MOST:,} in the labels '{labels.name}', found "
            f"{array.dtype} from {array.min()} to {array.max()}; change these values first."
        )
    narrow = array.max() <= np.iinfo(np.uint8).max
    return LabelMap(array=array.astype(np.uint8 if narrow else np.uint16), geometry=geometry)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
