"""BIDS folders with label maps among their derivatives."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, ImageFile
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume
from napari_transmedseg.imaging.volume import LabelMap

CORD_AND_GREY_MATTER = {"cord": "_seg-manual", "grey matter": "_gmseg-manual"}
"""Classes by the ends of their files' names; where two overlap, the later one wins."""
_LABEL = re.compile(r"(_dseg|_mask|_seg|_label|_lesion|-manual|_manual)$", re.IGNORECASE)
_OFFICIAL = re.compile(r"_(dseg|mask)$")


def is_bids(folder: Path) -> bool:
    """Whether a folder is BIDS with label maps."""
    return (folder / "dataset_description.json").is_file() and (
        (folder / "derivatives" / "labels").is_dir() or bool(_label_files(folder))
    )


def read_bids(folder: Path, suffixes: Mapping[str, str] | None = None) -> DataSet:
    """Pair every image with its label maps; the vendor of its sidecar is the domain.

    Label maps lie in derivatives/labels, else anywhere below derivatives. They are called after
    their image (`sub-1_T2w_lesion-manual`, of the image `sub-1_T2w`), or as BIDS has it
    (`sub-1_desc-manual_dseg`, where the subject has one image). Where images have label maps
    of several endings, each ending is a class of 0 and 1, and the later one wins.

    Parameters
    ----------
    suffixes
        Class names and the ends of the names of their binary label maps, in the order of their
        values; None: as the files are called.

    Raises
    ------
    DataSetError
        If no image has label maps.
    """
    labels = _label_files(folder)
    images = {
        case_id_of(path): path
        for path in find_images([folder])
        if "derivatives" not in path.relative_to(folder).parts
    }
    found, strays = _by_image(images, labels)
    classes = dict(suffixes) if suffixes is not None else _classes_of(found)
    cases, missing = [], []
    for case_id, path in sorted(images.items()):
        parts = [found.get(case_id, {}).get(suffix) for suffix in classes.values()]
        files = tuple(part for part in parts if part is not None)
        whole = bool(parts) and len(files) == len(parts)
        if not whole:
            missing.append(case_id)
        cases.append(
            DataSetCase(
                case_id=case_id,
                load_image=partial(read_volume, path),
                load_labels=_loader(files, path) if whole else None,
                images=(ImageFile(path=path),),
                labels=files if whole else (),
                group=_person(case_id),
                domain=_vendor(path, case_id),
            )
        )
    if len(missing) == len(cases):
        ends = ", ".join(classes.values()) or "_dseg, _seg-manual or the like"
        raise DataSetError(
            f"Expected label maps that end in {ends} in {folder / 'derivatives'}, found none of "
            "any image; give the folder that holds dataset_description.json."
        )
    names = tuple(classes) if len(classes) > 1 else _names_beside(folder)
    return DataSet(cases=tuple(cases), class_names=names, notes=unpaired_notes(missing, strays))


def _label_files(folder: Path) -> dict[str, Path]:
    below = folder / "derivatives" / "labels"
    if below.is_dir():
        return _by_name(find_images([below]))
    others = folder / "derivatives"
    files = find_images([others]) if others.is_dir() else []
    return _by_name(path for path in files if _LABEL.search(case_id_of(path)))


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(case_id_of(path), path)
        if other is not path:
            raise DataSetError(
                f"Expected one label map called {path.name}, found {other} and {path}; move one of "
                "them away."
            )
    return found


def _by_image(
    images: Mapping[str, Path], labels: Mapping[str, Path]
) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Label maps of each image by how their names end, and those of no image."""
    found: dict[str, dict[str, Path]] = {}
    strays = []
    for name, path in sorted(labels.items()):
        starts = [image for image in images if re.match(rf"{re.escape(image)}[_.-]", name)]
        alike = [image for image in images if _same_entities(image, name)]
        if starts:
            image = max(starts, key=len)
            found.setdefault(image, {})[name[len(image) :]] = path
        elif len(alike) == 1 and (official := _OFFICIAL.search(name)):
            found.setdefault(alike[0], {})[official.group()] = path
        else:
            strays.append(name)
    return found, strays


def _same_entities(image: str, label: str) -> bool:
    """Whether a label map has the subject, session, run and so on of an image."""
    of_image = {part for part in image.split("_") if "-" in part}
    return bool(of_image) and of_image <= set(label.split("_"))


def _classes_of(found: Mapping[str, Mapping[str, Path]]) -> dict[str, str]:
    """Classes by their endings; all in one label map where there is one ending."""
    ends = sorted({end for parts in found.values() for end in parts})
    if set(CORD_AND_GREY_MATTER.values()) == set(ends):
        return dict(CORD_AND_GREY_MATTER)
    return {_class_name(end): end for end in ends}


def _class_name(end: str) -> str:
    return re.sub(r"([_-]manual|-seg)$", "", end).strip("_-") or "label"


def _names_beside(folder: Path) -> tuple[str, ...]:
    """Names of a `dseg.tsv` (columns `index` and `name`) where all files of that kind agree."""
    tables = {_read_names(path) for path in sorted((folder / "derivatives").rglob("*dseg.tsv"))}
    return tables.pop() if len(tables) == 1 else ()


def _read_names(path: Path) -> tuple[str, ...]:
    try:
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines(), delimiter="\t"))
        by_value = {int(row["index"]): row["name"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataSetError(
            f"Expected a table of the columns 'index' and 'name' in {path}, found another "
            f"({error}); repair or remove it."
        ) from error
    by_value.pop(0, None)
    complete = sorted(by_value) == list(range(1, len(by_value) + 1))
    return tuple(by_value[value] for value in sorted(by_value)) if complete else ()


def _loader(files: tuple[Path, ...], image: Path) -> partial[LabelMap]:
    return partial(read_labels, files[0]) if len(files) == 1 else partial(_load, files, image)


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
    except (ValueError, AttributeError) as error:
        raise DataSetError(
            f"Expected a JSON file at {sidecar}, found that it cannot be read ({error}); "
            "repair or remove it."
        ) from error
