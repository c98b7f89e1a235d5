"""BIDS folders with hand-made label maps under derivatives/labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume
from napari_transmedseg.imaging.volume import LabelMap

CORD_AND_GREY_MATTER = {"cord": "_seg-manual", "grey matter": "_gmseg-manual"}
"""Classes by the ends of their files' names; where two overlap, the later one wins."""


def is_bids(folder: Path) -> bool:
    """Whether a folder is BIDS with label maps."""
    return (folder / "dataset_description.json").is_file() and (
        folder / "derivatives" / "labels"
    ).is_dir()


def read_bids(folder: Path, suffixes: Mapping[str, str] = CORD_AND_GREY_MATTER) -> DataSet:
    """Pair every image that has label maps with them; the vendor of its sidecar is the domain.

    Parameters
    ----------
    suffixes
        Class names and the ends of the names of their binary label maps, in the order of their
        values.

    Raises
    ------
    DataSetError
        If no image has label maps.
    """
    below = folder / "derivatives" / "labels"
    labels = {case_id_of(path): path for path in (find_images([below]) if below.is_dir() else [])}
    images = {
        case_id_of(path): path
        for path in find_images([folder])
        if "derivatives" not in path.relative_to(folder).parts
    }
    cases, missing = [], []
    for case_id, path in sorted(images.items()):
        parts = [labels.get(case_id + suffix) for suffix in suffixes.values()]
        found = tuple(part for part in parts if part is not None)
        if len(found) < len(parts):
            missing.append(case_id)
        cases.append(
            DataSetCase(
                case_id=case_id,
                load_image=partial(read_volume, path),
                load_labels=partial(_load, found, path) if len(found) == len(parts) else None,
                group=_person(case_id),
                domain=_vendor(path, case_id),
            )
        )
    if len(missing) == len(cases):
        raise DataSetError(
            f"Expected label maps that end in {', '.join(suffixes.values())} in {below}, found "
            "none of any image; give the folder that holds dataset_description.json."
        )
    return DataSet(
        cases=tuple(cases), class_names=tuple(suffixes), notes=unpaired_notes(missing, [])
    )


def _load(paths: tuple[Path, ...], image_path: Path) -> LabelMap:
    """The classes of several binary files on the image's grid."""
    geometry = read_volume(image_path).geometry
    classes = np.zeros(geometry.display_shape, np.uint8)
    for value, path in enumerate(paths, 1):
        part = read_labels(path)
        require_same_space(geometry, part.geometry, path.name, image_path.name)
        classes[part.array > 0] = value
    return LabelMap(array=classes, geometry=geometry)


def _person(case_id: str) -> str:
    """`sub-9709Ses1_run-1_T2starw` and `…Ses2…` are one person."""
    subject = case_id.split("_")[0]
    return re.sub(r"Ses\d+$", "", subject)


def _vendor(path: Path, case_id: str) -> str:
    sidecar = path.with_name(f"{case_id}.json")
    if not sidecar.exists():
        return ""
    try:
        return str(json.loads(sidecar.read_text(encoding="utf-8")).get("Manufacturer", ""))
    except ValueError as error:
        raise DataSetError(
            f"Expected a JSON file at {sidecar}, found that it cannot be read ({error}); "
            "repair or remove it."
        ) from error
