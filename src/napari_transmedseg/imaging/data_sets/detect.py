"""Which layout a folder has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.acdc import is_acdc, read_acdc
from napari_transmedseg.imaging.data_sets.bids import is_bids, read_bids
from napari_transmedseg.imaging.data_sets.case import DataSet, own_group
from napari_transmedseg.imaging.data_sets.dataset_json import is_dataset_json, read_dataset_json
from napari_transmedseg.imaging.data_sets.flat import is_flat, read_flat
from napari_transmedseg.imaging.data_sets.folder_pair import is_folder_pair, read_folder_pair
from napari_transmedseg.imaging.data_sets.h5 import is_h5, read_h5
from napari_transmedseg.imaging.data_sets.pancreas import is_pancreas, read_pancreas
from napari_transmedseg.imaging.data_sets.png_slices import is_png_pairs, read_png_pairs

LayoutName = Literal[
    "dataset.json", "bids", "acdc", "png", "images-labels", "pancreas", "h5", "flat"
]
AUTO: Literal["auto"] = "auto"
_GroupOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """One way in which a data set may lie."""

    words: str
    """What it looks like, for people."""
    is_it: Callable[[Path], bool]
    read: Callable[[Path, _GroupOf, int | None], DataSet]
    """From a folder, the person of a case id, and a channel."""


_LAYOUTS: Mapping[LayoutName, _Layout] = MappingProxyType(
    {
        "dataset.json": _Layout(
            "dataset.json of MSD or nnU-Net",
            is_dataset_json,
            lambda folder, group_of, channel: read_dataset_json(
                folder, channel=channel, group_of=group_of
            ),
        ),
        "bids": _Layout(
            "BIDS with label maps in derivatives/", is_bids, lambda folder, *_: read_bids(folder)
        ),
        "acdc": _Layout("patientXXX/ of ACDC", is_acdc, lambda folder, *_: read_acdc(folder)),
        "png": _Layout(
            "PNG slices in Images/ and Labels/",
            is_png_pairs,
            lambda folder, group_of, _: read_png_pairs(folder, group_of=group_of),
        ),
        "images-labels": _Layout(
            "images/ and labels/",
            is_folder_pair,
            lambda folder, group_of, _: read_folder_pair(folder, group_of=group_of),
        ),
        "pancreas": _Layout(
            "PANCREAS_NNNN or imageNNNN with labelNNNN",
            is_pancreas,
            lambda folder, *_: read_pancreas(folder),
        ),
        "h5": _Layout(
            ".h5 of SSL4MIS or UA-MT",
            is_h5,
            lambda folder, group_of, _: read_h5(folder, group_of=group_of),
        ),
        "flat": _Layout(
            "images with _seg, _gt, _label or -manual beside them",
            is_flat,
            lambda folder, group_of, _: read_flat(folder, group_of=group_of),
        ),
    }
)
"""In the order in which they are looked for."""


def read_data_set(
    folder: Path,
    *,
    layout: LayoutName | Literal["auto"] = AUTO,
    channel: int | None = 0,
    group_of: _GroupOf = own_group,
) -> DataSet:
    """Read a folder in the layout that is named, or else in the first that it has.

    Parameters
    ----------
    layout
        Name of a layout, where a folder has several or the first one found is not what is meant.
    channel
        Which channel `load_image` takes where images have several; None: the first, and nothing
        is said about the others.
    group_of
        Person of a case id, where the layout itself does not tell.

    Raises
    ------
    DataSetError
        If the folder is missing or does not have the layout.
    """
    if not folder.is_dir():
        raise DataSetError(f"Expected a folder at {folder}, found none; check the path.")
    if layout != AUTO and layout not in _LAYOUTS:
        raise DataSetError(
            f"Expected a layout of {', '.join(get_args(LayoutName))}, found '{layout}'; choose one."
        )
    name = find_layout(folder) if layout == AUTO else layout
    if name is not None:
        return _LAYOUTS[name].read(folder, group_of, channel)
    words = "; ".join(known.words for known in _LAYOUTS.values())
    raise DataSetError(
        f"Expected one of these layouts in {folder}, found none of them: {words}; arrange the "
        "files as one of them."
    )


def find_layout(folder: Path) -> LayoutName | None:
    """First layout that a folder has; looks at the names of all files where it must."""
    return next((name for name, known in _LAYOUTS.items() if known.is_it(folder)), None)


def layout_in_words(layout: LayoutName) -> str:
    """What a layout looks like, for people."""
    return _LAYOUTS[layout].words


def quick_layout(folder: Path) -> LayoutName | None:
    """Layout that a folder says it has, told without looking at its files."""
    told: tuple[LayoutName, ...] = ("dataset.json", "bids", "acdc", "images-labels")
    return next((name for name in told if _LAYOUTS[name].is_it(folder)), None)
