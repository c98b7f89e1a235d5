"""Medical Segmentation Decathlon and nnU-Net: a folder with `dataset.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import (
    DataSet,
    DataSetCase,
    ImageFile,
    Split,
    own_group,
)
from napari_transmedseg.imaging.data_sets.folder_pair import named_count, unpaired_notes
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
    folder: Path, *, channel: int | None = 0, group_of: Callable[[str], str] = own_group
) -> DataSet:
    """Read imagesTr/labelsTr (train) and imagesTs/labelsTs (test).

    Both forms of `dataset.json` are understood: MSD and nnU-Net 1 write
    ``"labels": {"1": "liver"}`` and ``"modality"``, nnU-Net 2 writes ``"labels": {"liver": 1}``
    and ``"channel_names"``.

    Parameters
    ----------
    channel
        Which channel `load_image` takes of those whose file names end in `_0000`, `_0001`, …, or
        of 4-D images (MSD), where it is the frame. None: the first, and nothing is said about the
        others.
    group_of
        Person of a case id.

    Raises
    ------
    DataSetError
        If the file cannot be read, a class has several values (regions), values have gaps, or
        there is no such channel.
    """
    content = _read_json(folder / FILE)
    names, ignored = _class_names(content.get("labels"), folder / FILE)
    channels = _channel_names(content.get("channel_names", content.get("modality")))
    _require_channel(channel or 0, channels)
    numbered = _is_numbered(folder)
    cases: list[DataSetCase] = []
    without_labels, without_image, incomplete = [], [], []
    for images, labels, split in _FOLDERS:
        label_paths = {case_id_of(path): path for path in _find(folder / labels)}
        for case_id, files in sorted(_images(folder / images, len(channels), numbered).items()):
            label = label_paths.pop(case_id, None)
            if len(files) < len(channels):
                incomplete.append(case_id)
                continue
            cases.append(_case(case_id, files, channel or 0, label, group_of(case_id), split))
            if label is None and split == "train":
                without_labels.append(case_id)
        without_image += sorted(label_paths)
    if not cases:
        raise DataSetError(
            f"Expected images in {folder / 'imagesTr'}, found none; give the folder as it was "
            "unpacked."
        )
    unpaired = unpaired_notes(without_labels, without_image)
    lacking = _incomplete_note(incomplete, channels)
    return DataSet(
        cases=tuple(sorted(cases, key=lambda case: case.case_id)),
        class_names=names,
        channel_names=channels if len(channels) > 1 else (),
        ignored=ignored,
        notes=(*unpaired, *lacking, *_chosen_note(channels, channel)),
    )


def _case(
    case_id: str,
    files: tuple[ImageFile, ...],
    channel: int,
    label: Path | None,
    group: str,
    split: Split,
) -> DataSetCase:
    chosen = files[channel]
    return DataSetCase(
        case_id=case_id,
        load_image=partial(read_volume, chosen.path, frame=chosen.frame),
        load_labels=None if label is None else partial(read_labels, label),
        images=files,
        labels=() if label is None else (label,),
        group=group,
        split=split,
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


def _class_names(labels: object, path: Path) -> tuple[tuple[str, ...], int | None]:
    """Foreground names in the order of their values, from either form; and "ignore"'s value."""
    if not isinstance(labels, dict) or not labels:
        raise DataSetError(f"Expected 'labels' in {path}, found none; add the class names.")
    by_value: dict[int, str] = {}
    ignored = None
    for key, value in labels.items():
        if isinstance(value, list):
            raise DataSetError(
                f"Expected one value per class in {path}, found a region '{key}' of several; "
                "give every value a class of its own."
            )
        old_form = str(key).lstrip("-").isdigit()
        number, name = (int(key), str(value)) if old_form else (_whole(value, path), str(key))
        if name == "ignore":
            ignored = number
        else:
            by_value[number] = name
    by_value.pop(0, None)
    if sorted(by_value) != list(range(1, len(by_value) + 1)):
        raise DataSetError(
            f"Expected the class values 1 to {len(by_value)} in {path}, found "
            f"{', '.join(map(str, sorted(by_value)))}; renumber the classes."
        )
    return tuple(by_value[value] for value in sorted(by_value)), ignored


def _channel_names(channels: object) -> tuple[str, ...]:
    """Names by number; one image of no name where the file tells none."""
    if not isinstance(channels, dict) or not channels:
        return ("image",)
    keys = sorted(channels, key=lambda key: int(key) if str(key).isdecimal() else len(channels))
    return tuple(str(channels[key]) for key in keys)


def _require_channel(channel: int, channels: tuple[str, ...]) -> None:
    if not 0 <= channel < len(channels):
        listed = ", ".join(f"{number} {name}" for number, name in enumerate(channels))
        raise DataSetError(
            f"Expected one of the channels {listed}, found {channel}; choose one of these."
        )


def _whole(value: object, path: Path) -> int:
    if not isinstance(value, int):
        raise DataSetError(
            f"Expected whole numbers as values of the classes in {path}, found {value!r}; repair "
            "the file."
        )
    return value


def _images(folder: Path, num_channels: int, numbered: bool) -> dict[str, tuple[ImageFile, ...]]:
    """Files of the channels by case; fewer where some are missing."""
    found: dict[str, dict[str, ImageFile]] = {}
    for path in _find(folder):
        name = case_id_of(path)
        if numbered and (number := _CHANNEL.search(name)):
            channels = found.setdefault(name[: number.start()], {})
            channels[number.group()] = ImageFile(path=path)
        elif not numbered:
            frames: Sequence[int | None] = range(num_channels) if num_channels > 1 else [None]
            found[name] = {str(frame): ImageFile(path=path, frame=frame) for frame in frames}
    wanted = [f"_{number:04d}" for number in range(num_channels)]
    return {
        name: tuple(channels[key] for key in (wanted if numbered else channels) if key in channels)
        for name, channels in found.items()
    }


def _find(folder: Path) -> list[Path]:
    return find_images([folder]) if folder.is_dir() else []


def _is_numbered(folder: Path) -> bool:
    """Whether file names carry the channel: every training image `x_0000` has a label `x`."""
    names = [case_id_of(path) for path in _find(folder / "imagesTr")]
    labels = {case_id_of(path) for path in _find(folder / "labelsTr")}
    return (
        bool(names) and all(_CHANNEL.search(name) for name in names) and not (labels & set(names))
    )


def _incomplete_note(cases: list[str], channels: tuple[str, ...]) -> tuple[str, ...]:
    if not cases:
        return ()
    return (
        f"{named_count(cases, 'case')} of which files are missing for some of the "
        f"{len(channels)} channels, left out.",
    )


def _chosen_note(channels: tuple[str, ...], channel: int | None) -> tuple[str, ...]:
    if len(channels) < 2 or channel is None:
        return ()
    return (f"Of {len(channels)} channels only '{channels[channel]}' is used.",)
