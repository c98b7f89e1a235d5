"""DICOM SEG in and out by highdicom (extra `dicom`): classes with codes, on their series."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_transmedseg.errors import ConfigError, GeometryError, ImageReadError
from napari_transmedseg.imaging.dicom_codes import code_of, named_with_side, side_code
from napari_transmedseg.imaging.dicom_lengths import require_plausible_lengths
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.opened import make_geometry
from napari_transmedseg.imaging.overlap import (
    Covered,
    OverlapRule,
    overlap_notes,
    paint,
    painting_order,
)
from napari_transmedseg.imaging.volume import LabelMap

_MAKER = "napari-transmedseg"
_STUDY_FACTS = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime",
)  # fmt: skip
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_segmentation(path: Path, overlap: OverlapRule | None = None) -> LabelMap:
    """Read a DICOM SEG; its grid may lack slices at both ends, which are empty.

    Raises
    ------
    ImageReadError
        If the extra `dicom` is not installed, the file is damaged, it holds probabilities, or
        segments overlap and there is no rule for that.
    """
    hd = _highdicom(str(path))
    require_plausible_lengths(path)
    notes: tuple[str, ...] = ()
    with _named_damage(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentation = hd.seg.segread(path)
        names, colors = _names(segmentation)
        if (volume := _without_overlap(segmentation)) is None:
            volume, notes = _painted(segmentation, names, overlap, path)
    array = np.asarray(volume.array)
    affine = _LPS_TO_RAS @ np.asarray(volume.affine, dtype=np.float64)
    geometry = make_geometry(path, shape=array.shape[:3], affine=affine)
    kind = np.uint8 if array.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return LabelMap(
        array=geometry.to_display(array.astype(kind)), geometry=geometry, names=names,
        colors=colors, notes=notes,
    )  # fmt: skip


def encode_segmentation(
    label_map: LabelMap,
    files: Sequence[Path],
    *,
    automatic: bool,
    codes: Mapping[int, tuple[str, str, str]] | None = None,
) -> bytes:
    """Make a DICOM SEG that refers to the series of an image.

    Parameters
    ----------
    label_map
        On the series' geometry, with names.
    files
        Single-frame files of the series in slice order, or its one multi-frame file.
    automatic
        Whether an algorithm made the labels; else a person did.
    codes
        Code value, scheme and meaning of classes; without, the name is looked up in SNOMED CT,
        and a class of no known name is called a tissue. A side in the name that the code does
        not tell is added as its modifier.

    Raises
    ------
    ImageReadError
        If the extra `dicom` is not installed.
    GeometryError
        If the files are not those of the label map's geometry.
    """
    hd = _highdicom("DICOM SEG")
    datasets = _read_sources(files)
    values = [int(v) for v in np.unique(label_map.array) if v]
    if not values:
        raise ConfigError(
            "Expected at least one labeled voxel for a DICOM SEG, found none; export this case "
            "as NIfTI, which can be empty."
        )
    planes = _frames(label_map, datasets)
    compact = np.zeros(max(values) + 1, dtype=np.uint8)
    compact[values] = np.arange(1, len(values) + 1)
    with warnings.catch_warnings(), _named_gaps(files[0].parent):
        warnings.simplefilter("ignore")
        segmentation = hd.seg.Segmentation(
            source_images=datasets,
            pixel_array=compact[planes],
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _description(hd, number, value, label_map, automatic, (codes or {}).get(value))
                for number, value in enumerate(values, 1)
            ],
            series_instance_uid=hd.UID(),
            series_number=900,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=_MAKER,
            manufacturer_model_name=_MAKER,
            software_versions="1",
            device_serial_number="0",
            content_label="SEGMENTATION",
        )
        segmentation.SeriesDescription = "Segmentation by TransMedSeg"
    buffer = io.BytesIO()
    segmentation.save_as(buffer)
    return buffer.getvalue()


def _without_overlap(segmentation: Any) -> Any:
    """All segments in one volume, or None where some overlap."""
    try:
        return segmentation.get_volume(combine_segments=True, rescale_fractional=False)
    except RuntimeError as error:
        if "overlap" in str(error):
            return None
        raise


def _painted(
    segmentation: Any, names: Mapping[int, str], rule: OverlapRule | None, path: Path
) -> tuple[Any, tuple[str, ...]]:
    """Segments painted one over the other, the winner last; and what was covered."""
    numbers = list(names)
    covered: Covered = Counter()
    merged: Any = None
    for place in painting_order(list(names.values()), rule, path):
        part = segmentation.get_volume(
            segment_numbers=[numbers[place]], combine_segments=True, rescale_fractional=False
        )
        if merged is None:
            merged = part.with_array(np.zeros(part.array.shape, np.uint16))
        paint(merged.array, part.array > 0, numbers[place], covered)
    return merged, overlap_notes(covered, names, rule, path)


@contextmanager
def _named_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageReadError:
        raise
    except Exception as error:  # highdicom and pydicom raise whatever damaged values lead to
        raise ImageReadError(
            f"Expected a DICOM SEG of whole classes in {path}, found another or a damaged one "
            f"({_first_line(error)}); save it again as a binary segmentation."
        ) from error


@contextmanager
def _named_gaps(folder: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ImageReadError(
            f"Expected a series that a DICOM SEG can refer to in {folder}, found that something "
            f"is missing ({_first_line(error)}); export this case in another format."
        ) from error


def _highdicom(what: str) -> Any:
    try:
        import highdicom
    except ImportError as error:
        raise ImageReadError(
            f"Expected the extra 'dicom' for {what}, found that it is not installed; "
            "pip install napari-transmedseg[dicom]."
        ) from error
    return highdicom


def _names(segmentation: Any) -> tuple[dict[int, str], dict[int, str]]:
    names, colors = {}, {}
    for number in segmentation.segment_numbers:
        description = segmentation.get_segment_description(number)
        names[int(number)] = named_with_side(str(description.SegmentLabel), description)
        lab = getattr(description, "RecommendedDisplayCIELabValue", None)
        if lab is not None and len(lab) == 3:
            colors[int(number)] = _hex_of(lab)
    return names, colors


def _read_sources(files: Sequence[Path]) -> list[Any]:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            datasets = [pydicom.dcmread(path) for path in files]
    except Exception as error:
        raise ImageReadError(
            f"Expected the series of the image in {files[0].parent}, found that it cannot be read "
            f"again ({_first_line(error)}); put the original files back."
        ) from error
    return _fill_gaps(datasets)


def _fill_gaps(datasets: Sequence[Any]) -> list[Any]:
    """Add what old files lack and a SEG must have: one frame of reference, empty study facts."""
    from pydicom.uid import generate_uid

    for dataset in datasets:
        if not dataset.get("FrameOfReferenceUID"):
            seed = str(dataset.get("SeriesInstanceUID", ""))
            dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[_MAKER, seed])
        for keyword in _STUDY_FACTS:
            if keyword not in dataset:
                setattr(dataset, keyword, "")
    return list(datasets)


def _frames(label_map: LabelMap, datasets: Sequence[Any]) -> Any:
    """Classes (frame, row, column) in the order of the source's frames."""
    source = label_map.geometry.to_source(label_map.array)  # columns, rows, slices
    planes = np.moveaxis(source, 2, 0).swapaxes(1, 2)
    positions = _positions(datasets)
    index = [_slice_of(position, label_map.geometry) for position in positions]
    if sorted(index) != list(range(len(planes))):
        raise GeometryError(
            f"Expected the {len(planes)} slices of the image in its series, found "
            f"{len(positions)} others; use the series that the case was made from."
        )
    return np.ascontiguousarray(planes[index])


def _positions(datasets: Sequence[Any]) -> list[Any]:
    if len(datasets) == 1 and hasattr(datasets[0], "PerFrameFunctionalGroupsSequence"):
        groups = datasets[0].PerFrameFunctionalGroupsSequence
        return [group.PlanePositionSequence[0].ImagePositionPatient for group in groups]
    return [dataset.ImagePositionPatient for dataset in datasets]


def _slice_of(position: Any, geometry: Geometry) -> int:
    world = _LPS_TO_RAS @ np.array([*(float(value) for value in position), 1.0])
    return int(np.rint((np.linalg.inv(geometry.affine) @ world)[2]))


def _description(
    hd: Any,
    number: int,
    value: int,
    label_map: LabelMap,
    automatic: bool,
    code: tuple[str, str, str] | None,
) -> Any:
    from pydicom.sr.codedict import codes

    name = label_map.names.get(value, f"class {value}")
    kind, side = code_of(name)
    if code is not None:
        kind, side = hd.sr.CodedConcept(*code), ""
    algorithm = hd.AlgorithmIdentificationSequence(
        name=_MAKER, version="1", family=codes.DCM.ArtificialIntelligence
    )
    color = label_map.colors.get(value)
    made = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=kind or codes.SCT.Tissue,
        algorithm_type="AUTOMATIC" if automatic else "MANUAL",
        algorithm_identification=algorithm if automatic else None,
        display_color=None if color is None else _lab_of(hd, color),
    )
    if side:
        modifier = hd.sr.CodedConcept(*side_code(side))
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            modifier
        ]
    return made


def _lab_of(hd: Any, color: str) -> Any:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return hd.color.CIELabColor.from_rgb(red, green, blue)


def _hex_of(lab: Sequence[int]) -> str:
    from highdicom.color import CIELabColor

    color = CIELabColor.from_dicom_value(tuple(int(part) for part in lab))
    return "#" + "".join(f"{int(part):02x}" for part in color.to_rgb(clip=True))


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:120]
