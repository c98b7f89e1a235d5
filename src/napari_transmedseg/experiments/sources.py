"""The data sets of the experiments: where to get each, how it must lie, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_transmedseg.errors import DataSetError, ExperimentError
from napari_transmedseg.imaging.data_sets import DataSet, read_data_set
from napari_transmedseg.imaging.data_sets.acdc import CLASS_NAMES as ACDC_CLASSES
from napari_transmedseg.imaging.data_sets.acdc import acdc_group
from napari_transmedseg.imaging.data_sets.case import Spacing
from napari_transmedseg.imaging.data_sets.folder_pair import (
    is_folder_pair,
    read_folder_pair,
    stored_type,
)
from napari_transmedseg.imaging.data_sets.png_slices import read_png_pairs, sunnybrook_patient

SUNNYBROOK_MM = (8.0, 1.25, 1.25)
"""Slice thickness, and 320 mm of view on 256 pixels (Radau et al., MIDAS Journal 2009)."""

SUNNYBROOK_DIRECTIONS = "IAR"
"""Turns the slices by 180°, so that the heart lies as in ACDC's files (RAS) in display order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A data set that experiments name."""

    title: str
    where: str
    """Where a person gets it."""
    layout: str
    """What its folder must look like."""
    class_names: tuple[str, ...] = ()
    """Foreground names by value; empty: the data set's own."""
    class_values: tuple[int, ...] = ()
    """Value of each class in the model that is tested on it; empty: 1…N."""
    spacing: Spacing | None = None
    """Overrules what the layout tells."""
    read: Callable[[Path], DataSet] | None = None
    """Its own loader; None: by the folder's layout."""


def _read_acdc(folder: Path) -> DataSet:
    """ACDC; copies as images/ and labels/ come from arrays that had lost their spacing."""
    data = read_data_set(folder, group_of=acdc_group)
    return replace(data, spacing="nominal") if is_folder_pair(folder) else data


_PAIRS = "images/CASE.nii.gz and labels/CASE.nii.gz"

SOURCES: dict[str, Source] = {
    "hippocampus": Source(
        title="hippocampus of the Medical Segmentation Decathlon, MR",
        where="Task04_Hippocampus of http://medicaldecathlon.com (CC BY-SA 4.0)",
        layout=f"{_PAIRS}, or the unpacked archive with dataset.json",
        class_names=("anterior", "posterior"),
        read=lambda folder: (
            read_folder_pair(folder, domain_of=stored_type)
            if is_folder_pair(folder)
            else read_data_set(folder)
        ),
    ),
    "acdc": Source(
        title="ACDC, cardiac cine MR",
        where="https://www.creatis.insa-lyon.fr/Challenge/acdc (CC BY-NC-SA 4.0)",
        layout="patientXXX/patientXXX_frameYY.nii.gz with _gt, or images/ and labels/, or .h5",
        class_names=ACDC_CLASSES,
        read=_read_acdc,
    ),
    "la": Source(
        title="left atrium, gadolinium MR (2018 challenge)",
        where="https://www.cardiacatlas.org/atriaseg2018-challenge/",
        layout=f"{_PAIRS}, or CASE/mri_norm2.h5 of UA-MT",
        class_names=("left atrium",),
        spacing="nominal",
    ),
    "pancreas": Source(
        title="Pancreas-CT of the NIH",
        where="'Pancreas-CT' of The Cancer Imaging Archive; a login may be needed",
        layout="PANCREAS_NNNN/ (DICOM) or imageNNNN.nii.gz, with labelNNNN.nii.gz",
        class_names=("pancreas",),
    ),
    "gm-challenge": Source(
        title="spinal cord grey matter, several vendors, MR",
        where="the multi-site grey matter sample of the spinal cord toolbox (BIDS, CC0)",
        layout="sub-*/anat/*.nii.gz with .json, and derivatives/labels/sub-*/anat/*-manual.nii.gz",
        class_names=("cord", "grey matter"),
    ),
    "sunnybrook": Source(
        title="Sunnybrook cardiac MR, left ventricle, PNG slices",
        where="Sunnybrook Cardiac Data as PNG pairs (CC0)",
        layout="Images/**/*.png and Labels/**/*.png of the same names",
        class_names=("LV",),
        class_values=(3,),
        read=lambda folder: read_png_pairs(
            folder,
            group_of=sunnybrook_patient,
            stack=True,
            spacing_mm=SUNNYBROOK_MM,
            orientation=SUNNYBROOK_DIRECTIONS,
        ),
    ),
    "multi-organ": Source(
        title="any abdominal CT or MR cohort with many organs",
        where="AMOS22 (https://amos22.grand-challenge.org) or BTCV, in nnU-Net's format",
        layout="dataset.json, imagesTr/ and labelsTr/; class names are read from it",
    ),
}


def open_source(name: str, folder: Path) -> DataSet:
    """Read a data set from a folder, or from the folder of its name inside that.

    Raises
    ------
    DataSetError
        Saying where to get the data set and how it must lie.
    """
    source = SOURCES.get(name)
    if source is None:
        raise ExperimentError(
            f"Expected a data set ({', '.join(SOURCES)}), found '{name}'; choose one of them."
        )
    inside = folder / name
    chosen = inside if inside.is_dir() else folder
    try:
        data = read_data_set(chosen) if source.read is None else source.read(chosen)
    except DataSetError as error:
        raise DataSetError(
            f"{error} This experiment needs {source.title}; get it from {source.where} and lay "
            f"it out as {source.layout}."
        ) from error
    names = source.class_names or data.class_names
    if not names:
        raise DataSetError(
            f"Expected class names of {source.title} in {chosen}, found none; lay it out as "
            f"{source.layout}."
        )
    return replace(data, class_names=names, spacing=source.spacing or data.spacing)
