"""Small DICOM files, written slice by slice with pydicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PATIENT = "Doe^Jane"


def write_slice(path: Path, pixels: np.ndarray, **attributes: Any) -> Path:
    """Write a CT slice (rows, columns), with attributes that replace the usual ones."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    usual = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.9",
        "PatientName": PATIENT, "PatientID": "4711", "PatientBirthDate": "19700101",
        "PatientSex": "F", "StudyDate": "20200101", "StudyTime": "120000", "StudyID": "1",
        "AccessionNumber": "", "ReferringPhysicianName": "", "Manufacturer": "", "SeriesNumber": 1,
        "Modality": "CT", "SeriesDescription": "Thorax", "InstanceNumber": 1,
        "ImagePositionPatient": [0.0, 0.0, 0.0], "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": [0.5, 0.7], "SliceThickness": 2.0, "RescaleSlope": 1,
        "RescaleIntercept": -1000, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1,
    }  # fmt: skip
    for key, value in (usual | attributes).items():
        setattr(data, key, value)
    data.Rows, data.Columns = pixels.shape
    data.PixelData = pixels.astype(np.int16).tobytes()
    with pydicom.config.disable_value_validation():
        data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    places: Sequence[float | Sequence[float]],
    *,
    shape: tuple[int, int] = (6, 5),
    prefix: str = "slice",
    **attributes: Any,
) -> np.ndarray:
    """Write slices at heights (or positions) and return their stored pixels (slice, row, column).

    The files' names are in another order than their places.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2000, (len(places), *shape)).astype(np.int16)
    names = rng.permutation(len(places))
    for index, place in enumerate(places):
        position = [10.0, 20.0, float(place)] if np.isscalar(place) else [float(n) for n in place]
        write_slice(
            folder / f"{prefix}{names[index]:03d}.dcm",
            pixels[index],
            **({"ImagePositionPatient": position, "InstanceNumber": index + 1} | attributes),
        )
    return pixels
