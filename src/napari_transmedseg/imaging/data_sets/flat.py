"""Images and label maps in one folder, told apart by the ends of their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import (
    DataSet,
    DataSetCase,
    ImageFile,
    own_group,
)
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.data_sets.names import (
    LABEL_SUFFIXES,
    pair_by_name,
    without_suffixes,
)
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume


def is_flat(folder: Path) -> bool:
    """Whether an image and `<image>_seg` (`_gt`, `_label`, `-manual`, …) lie side by side."""
    return any(_pairs(files)[0] for files in _by_folder(folder).values())


def read_flat(folder: Path, *, group_of: Callable[[str], str] = own_group) -> DataSet:
    """Pair `<case>` with `<case>_seg` and the like, in a folder and each one below it.

    A file that ends as the label maps of others do is one, even if its image is missing. Where
    files of several folders have the same name, the folder's name goes before it.

    Parameters
    ----------
    group_of
        Person of a case id.

    Raises
    ------
    DataSetError
        If there are no pairs, or two label maps claim one image.
    """
    found = {place: _pairs(files) for place, files in _by_folder(folder).items()}
    used = {_end(path, image) for pairs, _ in found.values() for image, path in pairs.items()}
    if not used:
        raise DataSetError(
            f"Expected images with label maps beside them in {folder}, found no pair such as "
            f"'name' and 'name_seg' ({', '.join(LABEL_SUFFIXES[:4])}, -manual, …); name the label "
            "maps that way, or put both into images/ and labels/."
        )
    rows = [
        (place, name, path, pairs.get(name))
        for place, (pairs, others) in found.items()
        for name, path in sorted(others.items())
    ]
    strays = [row for row in rows if row[3] is None and _ends_as(row[1], used)]
    rows = [row for row in rows if row not in strays]
    counts = Counter(name for _, name, _, _ in rows)
    cases = [
        DataSetCase(
            case_id=(case_id := name if counts[name] == 1 else f"{place.name}_{name}"),
            load_image=partial(read_volume, path),
            load_labels=None if label is None else partial(read_labels, label),
            images=(ImageFile(path=path),),
            labels=() if label is None else (label,),
            group=group_of(case_id),
        )
        for place, name, path, label in rows
    ]
    cases.sort(key=lambda case: case.case_id)
    without = [case.case_id for case in cases if case.load_labels is None]
    return DataSet(
        cases=tuple(cases), notes=unpaired_notes(without, sorted(row[1] for row in strays))
    )


def _by_folder(folder: Path) -> dict[Path, dict[str, Path]]:
    """Files by name in each folder."""
    found: dict[Path, dict[str, Path]] = {}
    for path in find_images([folder]):
        found.setdefault(path.parent, {})[case_id_of(path)] = path
    return found


def _pairs(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Label maps by the image beside them, and the files that are none."""
    labels = {
        name: path
        for name, path in files.items()
        if any(short in files for short in without_suffixes(name))
    }
    images = {name: path for name, path in files.items() if name not in labels}
    return pair_by_name(images, labels)[0], images


def _end(label: Path, image: str) -> str:
    return case_id_of(label)[len(image) :].casefold()


def _ends_as(name: str, ends: Sequence[str] | set[str]) -> bool:
    return any(name.casefold().endswith(end) for end in ends)
