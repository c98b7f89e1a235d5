"""Pancreas-CT of the NIH (Roth et al., TCIA 2016): DICOM or NIfTI images, NIfTI labels."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, ImageFile
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.io import find_images, read_labels, read_volume
from napari_transmedseg.imaging.volume import LabelMap

_IMAGE = re.compile(r"(?:PANCREAS_|image)(\d{4})", re.IGNORECASE)
_PLACE_NOTE = (
    "The label files do not say where they lie; look at one of them on its image before you train."
)
_LABEL = re.compile(r"^label(\d{4})", re.IGNORECASE)


def is_pancreas(folder: Path) -> bool:
    """Whether label files `labelNNNN` lie in a folder or below it."""
    return any(_LABEL.match(path.name) for path in folder.rglob("label*.nii*"))


def read_pancreas(folder: Path) -> DataSet:
    """Pair `PANCREAS_NNNN/` (a DICOM series) or `imageNNNN.nii.gz` with `labelNNNN.nii.gz`.

    Cases are named `imageNNNN`, as the split lists of the semi-supervised papers are. Label maps
    are laid on their images by the direction of their axes: the archive's label files do not say
    where in the scanner they lie.

    Raises
    ------
    DataSetError
        If there are no pairs.
    """
    labels = {
        found.group(1): path
        for path in (find_images([folder]) if folder.is_dir() else [])
        if (found := _LABEL.match(path.name))
    }
    images = _images(folder)
    if not images or not labels:
        raise DataSetError(
            f"Expected PANCREAS_NNNN/ folders of DICOM or imageNNNN.nii.gz, and labelNNNN.nii.gz, "
            f"in {folder}, found {len(images)} images and {len(labels)} label maps; download "
            "'Pancreas-CT' from The Cancer Imaging Archive and unpack both archives there."
        )
    cases = tuple(
        DataSetCase(
            case_id=f"image{number}",
            load_image=partial(read_volume, path),
            load_labels=partial(_load_labels, labels[number], path) if number in labels else None,
            images=(ImageFile(path=path),),
            labels=(labels[number],) if number in labels else (),
            group=f"image{number}",
        )
        for number, path in sorted(images.items())
    )
    unpaired = unpaired_notes(
        [f"image{number}" for number in sorted(images.keys() - labels.keys())],
        [f"label{number}" for number in sorted(labels.keys() - images.keys())],
    )
    return DataSet(cases=cases, class_names=("pancreas",), notes=(*unpaired, _PLACE_NOTE))


def _images(folder: Path) -> dict[str, Path]:
    """Files `imageNNNN`, else the deepest folder of DICOM slices of `PANCREAS_NNNN`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.dcm")):
        match = _IMAGE.search(str(path.relative_to(folder)))
        if match:
            found.setdefault(match.group(1), path.parent)
    for path in find_images([folder]) if folder.is_dir() else []:
        match = _IMAGE.match(path.name)
        if match:
            found[match.group(1)] = path
    return found


def _load_labels(path: Path, image_path: Path) -> LabelMap:
    """Classes on the grid of the image, axis by axis in display order."""
    labels = read_labels(path)
    image = read_volume(image_path)
    if image.geometry.display_shape != labels.geometry.display_shape:
        raise DataSetError(
            f"Expected {path.name} to have the {image.geometry.display_shape} voxels of "
            f"{image_path.name}, found {labels.geometry.display_shape}; download both anew."
        )
    return LabelMap(array=labels.array, geometry=image.geometry)
