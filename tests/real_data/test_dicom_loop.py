"""A CT series through the whole loop: annotate, train, export as NIfTI and DICOM SEG."""

from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.cli.main import main
from napari_transmedseg.imaging.io import read_labels, read_volume, write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.project import Project

SERIES = "dicom/slicer/Testing/Data/Input/CTHeadAxialDicom"


@pytest.mark.parametrize("budget", [
    pytest.param(["--steps", "3"], id="few steps"),
    pytest.param(["--minutes", "1"], id="a minute", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_segmentation_of_a_ct_series_lies_on_it_for_highdicom(
    real_data: Callable[[str], Path], tmp_path: Path, budget: list[str]
) -> None:
    series = real_data("formats") / SERIES
    volume = read_volume(series)
    bone = LabelMap(array=(volume.array > 250).astype(np.uint8), geometry=volume.geometry)
    (tmp_path / "labels").mkdir()
    write_labels(tmp_path / "labels" / "CTHeadAxialDicom.nii.gz", bone)
    project = str(tmp_path / "project")
    for arguments in (
        ["new", project, "--images", str(series), "--classes", "Bone"],
        ["annotate", project, "--from-labels", str(tmp_path / "labels"), "--slices-per-case", "5"],
        ["train", project, *budget, "--seed", "0"],
        ["predict", project],
        ["export", project, str(tmp_path / "nifti")],
        ["export", project, str(tmp_path / "seg"), "--format", "dicom-seg"],
    ):
        assert main(arguments) == 0, arguments

    mask = read_labels(tmp_path / "nifti" / "CTHeadAxialDicom.nii.gz")
    assert mask.geometry.same_space(volume.geometry)
    image = nib.load(tmp_path / "nifti" / "CTHeadAxialDicom.nii.gz")
    np.testing.assert_allclose(image.affine, volume.geometry.affine, atol=1e-4)
    with Project.open(project, read_only=True) as opened:
        known = opened.annotation("CTHeadAxialDicom").known
        assert_array_equal(mask.array[known], bone.array[known])
    assert_segmentation_lies_on(series, tmp_path / "seg" / "CTHeadAxialDicom.dcm", mask)


def assert_segmentation_lies_on(series: Path, path: Path, mask: LabelMap) -> None:
    """Each frame that highdicom finds for a source slice is the mask on that slice."""
    segmentation = hd.seg.segread(path)
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in series.iterdir()]
    planes = segmentation.get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in headers],
        combine_segments=True, assert_missing_frames_are_empty=True,
    )  # fmt: skip
    to_voxel = np.linalg.inv(mask.geometry.affine)
    source = mask.geometry.to_source(mask.array)
    for header, plane in zip(headers, planes, strict=True):
        world = np.array([*header.ImagePositionPatient, 1.0]) * (-1, -1, 1, 1)
        index = int(np.rint((to_voxel @ world)[2]))
        assert_array_equal(plane, source[..., index].T)
    code = segmentation.get_segment_description(1).SegmentedPropertyTypeCodeSequence[0]
    assert code.CodeMeaning == "Bone"
    assert (
        segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == headers[0].SeriesInstanceUID
    )
