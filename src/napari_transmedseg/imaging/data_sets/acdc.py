"""ACDC (Bernard et al., IEEE TMI 2018) as its authors lay it out, and whose images are whose."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, ImageFile, Split
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.io import case_id_of, find_images, read_labels, read_volume

CLASS_NAMES = ("RV", "Myo", "LV")
TWINS = {"patient076": "patient074"}
"""Patients whose images are those of another one, read by another person."""
_FRAME = re.compile(r"patient\d+_frame\d+")
_SPLITS: dict[str, Split] = {"training": "train", "testing": "test"}


def acdc_group(case_id: str) -> str:
    """Patient of a case id, such as `patient007_frame01`; twins share one."""
    found = re.match(r"patient\d+", case_id)
    patient = found.group(0) if found else case_id
    return TWINS.get(patient, patient)


def is_acdc(folder: Path) -> bool:
    """Whether a folder, or its training/ folder, holds patient folders."""
    return any(folder.glob("patient*/patient*_frame*")) or any(
        folder.glob("training/patient*/patient*_frame*")
    )


def read_acdc(folder: Path) -> DataSet:
    """Read `patientXXX/patientXXX_frameYY.nii.gz` with `…_gt.nii.gz` beside it.

    `Info.cfg` gives the patient's diagnostic group as domain; training/ and testing/ above the
    patients give the split. The 4-D cine file is left out.

    Raises
    ------
    DataSetError
        If there are no patient folders.
    """
    if not is_acdc(folder):
        raise DataSetError(
            f"Expected patientXXX/patientXXX_frameYY.nii.gz in {folder}, found no such file; give "
            "the folder that holds ACDC's patient folders."
        )
    paths = {case_id_of(path): path for path in find_images([folder])}
    frames = sorted(name for name in paths if _FRAME.fullmatch(name))
    cases = tuple(
        DataSetCase(
            case_id=name,
            load_image=partial(read_volume, paths[name]),
            load_labels=(
                partial(read_labels, paths[f"{name}_gt"]) if f"{name}_gt" in paths else None
            ),
            images=(ImageFile(path=paths[name]),),
            labels=(paths[f"{name}_gt"],) if f"{name}_gt" in paths else (),
            group=acdc_group(name),
            domain=_diagnosis(paths[name].parent),
            split=_SPLITS.get(paths[name].parent.parent.name.lower(), ""),
        )
        for name in frames
    )
    missing = [name for name in frames if f"{name}_gt" not in paths]
    return DataSet(cases=cases, class_names=CLASS_NAMES, notes=unpaired_notes(missing, []))


def _diagnosis(folder: Path) -> str:
    """The `Group` of Info.cfg: NOR, MINF, DCM, HCM or RV."""
    path = folder / "Info.cfg"
    if not path.exists():
        return ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "group":
            return value.strip()
    return ""
