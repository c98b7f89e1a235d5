"""Medical Segmentation Decathlon and nnU-Net: a folder with `dataset.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, Split, own_group
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume

FILE = "dataset.json"
_CHANNEL = re.compile(r"_\d{4}$")
_FOLDERS: tuple[tuple[str, str, Split], ...] = (
    ("imagesTr", "labelsTr", "train"),
    ("imagesTs", "labelsTs", "test"),
)


def is_dataset_json(folder: Path) -> bool:
    """Whether a folder holds `dataset.json`."""
    return (folder / FILE).is_file()


def read_dataset_json(
    folder: Path, *, channel: int = 0, group_of: Callable[[str], str] = own_group
) -> DataSet:
    """Read imagesTr/labelsTr (train) and imagesTs/labelsTs (test).

    Both forms of `dataset.json` are understood: MSD and nnU-Net 1 write
    ``"labels": {"1": "liver"}`` and ``"modality"``, nnU-Net 2 writes ``"labels": {"liver": 1}``
    and ``"channel_names"``.

    Parameters
    ----------
    channel
        Which channel to take of those whose file names end in `_0000`, `_0001`, …; images whose
        names do not, hold one channel (MSD: its 4-D images are taken by this frame).
    group_of
        Person of a case id.

    Raises
    ------
    DataSetError
        If the file cannot be read, a class has several values (regions), or values have gaps.
    """
    content = _read_json(folder / FILE)
    names = _class_names(content.get("labels"), folder / FILE)
    channels = content.get("channel_names", content.get("modality", {}))
    numbered = _is_numbered(folder)
    cases, without_labels, without_image = [], [], []
    for images, labels, split in _FOLDERS:
        image_paths = _images(folder / images, channel if numbered else None)
        label_paths = {case_id_of(path): path for path in _find(folder / labels)}
        for case_id, path in sorted(image_paths.items()):
            label = label_paths.pop(case_id, None)
            frame = channel if len(channels) > 1 and not numbered else None
            cases.append(
                DataSetCase(
                    case_id=case_id,
                    load_image=partial(read_volume, path, frame=frame),
                    load_labels=None if label is None else partial(read_labels, label),
                    group=group_of(case_id),
                    split=split,
                )
            )
            if label is None and split == "train":
                without_labels.append(case_id)
        without_image += sorted(label_paths)
    if not cases:
        raise DataSetError(
            f"Expected images in {folder / 'imagesTr'}, found none; give the folder as it was "
            "unpacked."
        )
    return DataSet(
        cases=tuple(sorted(cases, key=lambda case: case.case_id)),
        class_names=names,
        notes=(*unpaired_notes(without_labels, without_image), *_channel_note(channels, channel)),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataSetError(
            f"Expected a JSON file at {path}, found that it cannot be read ({error}); "
            "take it anew from the data set's archive."
        ) from error
    if not isinstance(content, dict):
        raise DataSetError(
            f"Expected a JSON object in {path}, found a {type(content).__name__}; take it anew "
            "from the data set's archive."
        )
    return content


def _class_names(labels: object, path: Path) -> tuple[str, ...]:
    """Foreground names in the order of their values, from either form; "ignore" is no class."""
    if not isinstance(labels, dict) or not labels:
        raise DataSetError(f"Expected 'labels' in {path}, found none; add the class names.")
    by_value: dict[int, str] = {}
    for key, value in labels.items():
        if isinstance(value, list):
            raise DataSetError(
                f"Expected one value per class in {path}, found a region '{key}' of several; "
                "give every value a class of its own."
            )
        old_form = str(key).lstrip("-").isdigit()
        number, name = (int(key), str(value)) if old_form else (int(value), str(key))
        if name != "ignore":
            by_value[number] = name
    by_value.pop(0, None)
    if sorted(by_value) != list(range(1, len(by_value) + 1)):
        raise DataSetError(
            f"Expected the class values 1 to {len(by_value)} in {path}, found "
            f"{', '.join(map(str, sorted(by_value)))}; renumber the classes."
        )
    return tuple(by_value[value] for value in sorted(by_value))


def _images(folder: Path, channel: int | None) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _find(folder):
        name = case_id_of(path)
        if channel is None:
            found[name] = path
        elif name.endswith(f"_{channel:04d}"):
            found[_CHANNEL.sub("", name)] = path
    return found


def _find(folder: Path) -> list[Path]:
    return find_images([folder]) if folder.is_dir() else []


def _is_numbered(folder: Path) -> bool:
    """Whether file names carry the channel: every training image `x_0000` has a label `x`."""
    names = [case_id_of(path) for path in _find(folder / "imagesTr")]
    labels = {case_id_of(path) for path in _find(folder / "labelsTr")}
    return (
        bool(names) and all(_CHANNEL.search(name) for name in names) and not (labels & set(names))
    )


def _channel_note(channels: object, channel: int) -> tuple[str, ...]:
    if not isinstance(channels, dict) or len(channels) < 2:
        return ()
    name = channels.get(str(channel), channel)
    return (f"Of {len(channels)} channels only '{name}' is used.",)
