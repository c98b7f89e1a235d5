"""Which layout a folder has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.acdc import is_acdc, read_acdc
from napari_transmedseg.imaging.data_sets.bids import is_bids, read_bids
from napari_transmedseg.imaging.data_sets.case import DataSet, own_group
from napari_transmedseg.imaging.data_sets.dataset_json import is_dataset_json, read_dataset_json
from napari_transmedseg.imaging.data_sets.folder_pair import is_folder_pair, read_folder_pair
from napari_transmedseg.imaging.data_sets.h5 import is_h5, read_h5
from napari_transmedseg.imaging.data_sets.pancreas import is_pancreas, read_pancreas
from napari_transmedseg.imaging.data_sets.png_slices import is_png_pairs, read_png_pairs

LAYOUTS = (
    "dataset.json of MSD or nnU-Net; images/ and labels/; patientXXX/ of ACDC; BIDS with "
    "derivatives/labels; PNG slices in Images/ and Labels/; .h5 of SSL4MIS or UA-MT; "
    "PANCREAS_NNNN or imageNNNN with labelNNNN"
)


def read_data_set(folder: Path, *, group_of: Callable[[str], str] = own_group) -> DataSet:
    """Read a folder in the first layout that it has.

    Parameters
    ----------
    group_of
        Person of a case id, where the layout itself does not tell.

    Raises
    ------
    DataSetError
        If the folder is missing or has none of the layouts.
    """
    if not folder.is_dir():
        raise DataSetError(f"Expected a folder at {folder}, found none; check the path.")
    if is_dataset_json(folder):
        return read_dataset_json(folder, group_of=group_of)
    if is_bids(folder):
        return read_bids(folder)
    if is_acdc(folder):
        return read_acdc(folder)
    if is_png_pairs(folder):
        return read_png_pairs(folder, group_of=group_of)
    if is_folder_pair(folder):
        return read_folder_pair(folder, group_of=group_of)
    if is_pancreas(folder):
        return read_pancreas(folder)
    if is_h5(folder):
        return read_h5(folder, group_of=group_of)
    raise DataSetError(
        f"Expected one of these layouts in {folder}, found none of them: {LAYOUTS}; arrange the "
        "files as one of them."
    )
