"""Headers of DICOM files, one entry per image plane; read by GDCM, enhanced ones by pydicom.

Nothing that names a patient is kept: geometry, modality, description and order only.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.dicom_lengths import require_plausible_lengths
from napari_transmedseg.imaging.text_header import numbers

if TYPE_CHECKING:
    import SimpleITK as sitk

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of DICOM SEG: binary or fractional, and label maps."""
_REASONS = {"Cannot read requested file": "GDCM finds no whole DICOM image in it"}
_PREAMBLE = 128
_COMPRESSION = 2000
_ORDER_TAGS = ("0020|0100", "0018|1060", "0018|9087", "0018|0081", "0020|0012", "0008|0032")
"""Temporal position, trigger time, b-value, echo time, acquisition number and time."""

Numbers = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """One image plane: a file, or a frame of one."""

    path: Path
    frame: int = 0
    """Frame of its file."""
    num_frames: int = 1
    """Frames of its file."""
    series: str
    """Key of the series: a digest of its UID, which leads back to nobody."""
    uid: str
    """Digest of the instance and the frame."""
    sop_class: str = ""
    modality: str = ""
    description: str = ""
    size: tuple[int, int]
    """Columns, rows."""
    spacing: Numbers
    """Distance in mm between rows, and between columns; empty where the file has none."""
    position: Numbers
    """Centre of the first pixel, LPS mm; empty where the file has none."""
    orientation: Numbers
    """Direction of rows and of columns, LPS; empty where the file has none."""
    thickness: float = 0.0
    """Distance in mm to the next plane that the header claims; 0: none."""
    colour: bool = False
    order: Numbers = ()
    """What tells phases at one place apart, first the most telling."""


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark, or its suffix."""
    try:
        with path.open("rb") as file:
            file.seek(_PREAMBLE)
            marked = file.read(4) == b"DICM"
    except OSError:
        return False
    return marked or path.suffix.lower() in DICOM_SUFFIXES


def read_planes(path: Path) -> list[Plane]:
    """Planes of one file, in the file's order.

    Raises
    ------
    ImageReadError
        If the file holds no image, or a multi-frame one needs the extra `dicom`.
    """
    try:
        reader = open_reader(path)
    except ImageReadError:
        if segmentation := _segmentation_beyond_gdcm(path):
            return [segmentation]
        raise
    tags = {key: reader.GetMetaData(key).strip() for key in reader.GetMetaDataKeys()}
    size = tuple(int(n) for n in reader.GetSize())
    num_frames = size[2] if len(size) > 2 else 1
    _require_plausible(path, size, tags)
    uid = tags.get("0008|0018") or str(path)
    plane = Plane(
        path=path,
        series=_digest(tags.get("0020|000e") or str(path.parent), 8),
        uid=_digest(uid, 32),
        sop_class=tags.get("0008|0016", "").rstrip("\0"),
        modality=tags.get("0008|0060", ""),
        description=_plain(tags.get("0008|103e", "")),
        size=(size[0], size[1]),
        spacing=_tuple(tags, "0028|0030", 2) or _tuple(tags, "0018|1164", 2),
        position=_tuple(tags, "0020|0032", 3),
        orientation=_tuple(tags, "0020|0037", 6),
        thickness=_first(tags, "0018|0088") or _first(tags, "0018|0050"),
        colour=reader.GetNumberOfComponents() > 1
        or tags.get("0028|0004", "")[:3] in ("RGB", "YBR"),
        order=tuple(_first(tags, tag) for tag in (*_ORDER_TAGS, "0020|0013")),
    )
    if num_frames == 1 and plane.position:
        return [plane]
    if plane.sop_class in SEGMENTATION_CLASSES or (num_frames == 1 and not _is_enhanced(plane)):
        return [replace(plane, num_frames=num_frames)]
    return _frames_of(plane, num_frames)


@contextmanager
def plain_errors(path: Path, expected: str) -> Iterator[None]:
    """Turn what GDCM raises or prints into one sentence."""
    import SimpleITK as sitk

    loud = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines[-1] if lines else "unreadable").split("): ", 1)[-1].rstrip(".")[:120]
        reason = _REASONS.get(reason, reason)
        raise ImageReadError(
            f"Expected {expected} in {path}, found another or a damaged file ({reason}); choose "
            "a medical image or copy the file again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(loud)


def open_reader(path: Path) -> sitk.ImageFileReader:
    """Reader of one file by GDCM, its header read.

    Raises
    ------
    ImageReadError
        If GDCM cannot read it.
    """
    import SimpleITK as sitk

    require_plausible_lengths(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    with plain_errors(path, "a DICOM image"):
        reader.ReadImageInformation()
    return reader


def _segmentation_beyond_gdcm(path: Path) -> Plane | None:
    """Label-map segmentations are too new for GDCM; None for any other file."""
    try:
        dataset = read_dataset(path)
        if str(dataset.get("SOPClassUID")) not in SEGMENTATION_CLASSES:
            return None
        return Plane(
            path=path,
            series=_digest(str(dataset.get("SeriesInstanceUID", path.parent)), 8),
            uid=_digest(str(path), 32),
            sop_class=str(dataset.SOPClassUID),
            modality="SEG",
            description=_plain(str(dataset.get("SeriesDescription", ""))),
            size=(int(dataset.Columns), int(dataset.Rows)),
            spacing=(),
            position=(),
            orientation=(),
        )
    except (ImageReadError, AttributeError, TypeError, ValueError):
        return None


def _require_plausible(path: Path, size: tuple[int, ...], tags: dict[str, str]) -> None:
    """Refuse sizes that no file of this length can hold before memory is taken for them."""
    voxels = 1
    for n in size:
        voxels *= n
    bits = _first(tags, "0028|0100") or 16.0
    held = path.stat().st_size
    if voxels < 1 or voxels * bits / 8 > held * _COMPRESSION + 2**20:
        raise ImageReadError(
            f"Expected a DICOM image in {path}, found a header that promises {voxels} voxels in "
            f"{held} bytes; copy the file again."
        )


def _frames_of(plane: Plane, num_frames: int) -> list[Plane]:
    """Planes of a multi-frame file, whose places stand in sequences that GDCM does not give."""
    dataset = read_dataset(plane.path)
    _refuse_varying_rescale(dataset, plane.path)
    shared = _item(dataset, "SharedFunctionalGroupsSequence")
    groups = getattr(dataset, "PerFrameFunctionalGroupsSequence", None) or []
    if len(groups) != num_frames:
        raise ImageReadError(
            f"Expected the place of each of the {num_frames} frames in {plane.path}, found "
            f"{len(groups)} places; save the frame that you need as an image of its own."
        )
    planes = []
    for index, group in enumerate(groups):
        measures = _group(group, shared, "PixelMeasuresSequence")
        planes.append(
            replace(
                plane,
                frame=index,
                num_frames=num_frames,
                uid=f"{plane.uid}-{index}",
                spacing=_floats(measures, "PixelSpacing", 2),
                position=_floats(
                    _group(group, shared, "PlanePositionSequence"), "ImagePositionPatient", 3
                ),
                orientation=_floats(
                    _group(group, shared, "PlaneOrientationSequence"),
                    "ImageOrientationPatient", 6,
                ),
                thickness=float(
                    getattr(measures, "SpacingBetweenSlices", None)
                    or getattr(measures, "SliceThickness", None) or 0.0
                ),
                order=(*_frame_order(_group(group, shared, "FrameContentSequence")), float(index)),
            )
        )  # fmt: skip
    return planes


def read_dataset(path: Path) -> Any:
    """Header as a pydicom dataset.

    Raises
    ------
    ImageReadError
        If the extra `dicom` is not installed, or the file is damaged.
    """
    require_plausible_lengths(path)
    try:
        import pydicom
    except ImportError as error:
        raise ImageReadError(
            f"Expected the extra 'dicom' for {path}, which has several frames or is a "
            "segmentation, found that it is not installed; pip install napari-transmedseg[dicom]."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception as error:  # pydicom raises whatever a damaged value makes Python raise
        raise ImageReadError(
            f"Expected a DICOM image in {path}, found a damaged header ({type(error).__name__}); "
            "copy the file again."
        ) from error


def _refuse_varying_rescale(dataset: Any, path: Path) -> None:
    found = set()
    for group in getattr(dataset, "PerFrameFunctionalGroupsSequence", None) or []:
        item = _item(group, "PixelValueTransformationSequence")
        if item is not None:
            found.add((str(item.get("RescaleSlope")), str(item.get("RescaleIntercept"))))
    if len(found) > 1:
        raise ImageReadError(
            f"Expected one intensity scale in {path}, found {len(found)} (each frame has its "
            "own); convert the series to single frames."
        )


def _frame_order(content: Any) -> Numbers:
    names = ("TemporalPositionIndex", "FrameAcquisitionNumber", "FrameAcquisitionDateTime")
    values = []
    for name in names:
        found = numbers(str(getattr(content, name, "") or ""))
        values.append(found[0] if found else 0.0)
    return tuple(values)


def _group(group: Any, shared: Any, name: str) -> Any:
    item = _item(group, name)
    return _item(shared, name) if item is None else item


def _item(dataset: Any, name: str) -> Any:
    sequence = getattr(dataset, name, None)
    return sequence[0] if sequence else None


def _floats(dataset: Any, name: str, count: int) -> Numbers:
    try:
        found = tuple(float(value) for value in getattr(dataset, name, None) or ())
    except (TypeError, ValueError):
        return ()
    return found if len(found) == count else ()


def _is_enhanced(plane: Plane) -> bool:
    return plane.sop_class.endswith((".2.1", ".4.1", ".130")) and not plane.position


def _tuple(tags: dict[str, str], key: str, count: int) -> Numbers:
    parts = [numbers(part) for part in tags.get(key, "").split("\\")]
    if len(parts) != count or not all(len(part) == 1 for part in parts):
        return ()
    return tuple(part[0] for part in parts)


def _first(tags: dict[str, str], key: str) -> float:
    found = numbers(tags.get(key, ""))
    return found[0] if found else 0.0


def _plain(text: str) -> str:
    text = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return "" if text.lower() == "none" else text[:64]


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.strip("\0 ").encode(errors="surrogateescape")).hexdigest()[:length]
