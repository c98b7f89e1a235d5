"""Every real file of many makers: opens right, or is refused with the right sentence.

The table below is checked line by line; `python -m tests.real_data.test_formats` prints it with
the sentences.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.errors import ImageReadError, TransMedSegError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.io import open_image, read_volume

RealData = Callable[[str], Path]

REFUSED = {
    # no contrast
    "IMG0001.dcm": "same value", "IMG0003.dcm": "same value",
    "test_simple4d_raw.nrrd": "same value",
    # segmentations are labels
    "label.seg": "DICOM SEG", "liver.dcm": "DICOM SEG", "partial_overlaps.dcm": "DICOM SEG",
    "sparse-labelmap-noppv.dcm": "DICOM SEG", "sparse-labelmap-ppv5.dcm": "DICOM SEG",
    # several volumes
    "example4d.nii.gz": "2 frames", "example_nifti2.nii.gz": "2 frames",
    "functional.nii": "20 frames", "pcasl.nii.gz": "10 frames", "5D_small.nii": "3 frames",
    # not one real number per voxel
    "complex.nii.gz": "complex", "ct_perfusion.nii.gz": "colours",
    # too few axes
    "test1d_ascii.nrrd": "1-D", "test_customFields.nrrd": "1-D",
    # damaged
    "analyze.hdr": "no such file", "nifti1.hdr": "no such file",
    "BallBinary30x30x30_byteskip_minus_five.nhdr": "byte skip",
    "BallBinary30x30x30_nifti.nhdr": "352 more",
    "MR_truncated.dcm": "whole DICOM", "no_meta.dcm": "whole DICOM",
    # no image
    "not-nifti.nii": "something else", "zipMR.gz": "Expected an image",
    "BallBinary30x30x30.raw": "Expected an image",
}  # fmt: skip
"""Files that do not open, and words of the sentence that says why."""
NO_IMAGE = (".jpg", ".png", ".json", ".csv", ".tsv")
UNKNOWN_PLACE = {"minimal.nii.gz", "test2d_ascii.nrrd"}
SERIES = {
    "CTHeadAxialDicom": (64, 64, 93), "ct-3slice": (512, 512, 3),
    "dicom2nifti/tests/data/siemens/anatomical/001": (256, 256, 4),
    "dicom2nifti/tests/data/ge/anatomical/001": (256, 256, 4),
    "dicom2nifti/tests/data/philips/anatomical/001": (240, 240, 4),
    "dicom2nifti/tests/data/generic/compressed_rle/001": (256, 256, 4),
    "dicom2nifti/tests/data/generic/anatomical/002_non_isotropic": (64, 28, 4),
    "dicom2nifti/tests/data/failing/gantrytilting/001": "tilted",
    "dicom2nifti/tests/data/failing/sliceincrement/001": "missing",
    "24x38x3/image": (24, 38, 3), "23x38x3/image": (23, 38, 3),
    "24x38x3/multiframe": (24, 38, 3), "23x38x3/multiframe": (23, 38, 3),
    "24x38x3/seg": "segmentation", "23x38x3/seg": "segmentation",
}  # fmt: skip
"""Folders with one series: its size, or a word of the note or of the refusal."""
MOST_BYTES = 1.5 * 2**30


def test_every_file_opens_or_is_refused_with_the_right_sentence(real_data: RealData) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in files_of(real_data("formats")):
        expected = REFUSED.get(path.name)
        if expected is None and path.suffix in NO_IMAGE:
            expected = "Expected an image"
        outcome = outcome_of(path)
        if expected is None:
            assert isinstance(outcome, tuple), f"{path}: {outcome}"
            assert outcome[1] is (path.name not in UNKNOWN_PLACE), path
        else:
            assert isinstance(outcome, str), path
            assert expected in outcome.replace(str(path), ""), outcome
            assert outcome.endswith("."), outcome
            assert "\n" not in outcome
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert peak * 1024 < MOST_BYTES


@pytest.mark.parametrize("folder", list(SERIES))
def test_every_dicom_folder_opens_or_names_its_problem(folder: str, real_data: RealData) -> None:
    found = [path for path in folders_of(real_data("formats")) if str(path).endswith(folder)]
    assert len(found) == 1
    expected = SERIES[folder]
    (listed,) = dicom.find_series(found[0])

    if isinstance(expected, tuple):
        volume = read_volume(found[0])
        assert volume.geometry.shape == listed.shape == expected
        assert not listed.problem
        assert not listed.notes
    elif expected == "tilted":
        assert "tilted by" in open_image(found[0]).notes[0]
    else:
        assert expected in listed.problem
        with pytest.raises(ImageReadError, match=expected):
            read_volume(found[0])


def test_series_lie_where_simpleitk_puts_them(real_data: RealData) -> None:
    import SimpleITK as sitk

    count = 0
    for folder in folders_of(real_data("formats")):
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
        (series,) = dicom.find_series(folder)
        if series.problem or series.notes or "multiframe" in str(folder):
            continue
        image = sitk.ReadImage(names)
        volume = read_volume(folder)
        source = volume.geometry.to_source(volume.array)
        for index in ((0, 0, 0), tuple(n - 1 for n in image.GetSize())):
            place = np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
            ours = np.linalg.solve(volume.geometry.affine, [*place, 1])[:3]
            voxel = tuple(np.rint(ours).astype(int))
            np.testing.assert_allclose(ours, voxel, atol=2e-2, err_msg=str(folder))
            assert source[voxel] == image.GetPixel(index), folder
        count += 1
    assert count >= 8


def files_of(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and "CTHeadAxialDicom" not in path.parts:
            yield path


def folders_of(root: Path) -> Iterator[Path]:
    """Folders that hold DICOM series of their own."""
    for name, folders, files in os.walk(root / "dicom"):
        path = Path(name)
        own = [file for file in files if dicom.is_dicom(path / file)]
        if own and not folders:
            yield path


def outcome_of(path: Path) -> str | tuple[str, bool]:
    """What the image is and whether its place is known; or why it does not open."""
    try:
        volume = read_volume(path)
    except TransMedSegError as error:
        return str(error)
    geometry = volume.geometry
    size = "×".join(str(n) for n in geometry.shape)
    spacing = "×".join(f"{mm:.3g}" for mm in geometry.spacing)
    place = "" if geometry.known else ", asks for confirmation of its spacing"
    oblique = ", oblique" if geometry.is_oblique else ""
    what = f"{size} of {spacing} mm, {geometry.orientation}{oblique}, {volume.array.dtype}{place}"
    return what, geometry.known


def print_table(root: Path) -> None:
    """Print file, outcome and sentence of every file and DICOM folder as Markdown."""
    print("| file | outcome | what, or the sentence |\n|---|---|---|")
    for path in [*files_of(root), *folders_of(root)]:
        found = outcome_of(path)
        name = str(path.relative_to(root))
        outcome = "refused" if isinstance(found, str) else "opens"
        text = found if isinstance(found, str) else found[0]
        notes = [] if isinstance(found, str) else list(open_image(path).notes)
        text = " ".join([text.replace(str(path), path.name).replace(str(root) + "/", ""), *notes])
        print(f"| `{name}{'/' if path.is_dir() else ''}` | {outcome} | {text} |")


if __name__ == "__main__":
    print_table(Path(os.environ["TRANSMEDSEG_REAL_DATA"]) / "formats")
