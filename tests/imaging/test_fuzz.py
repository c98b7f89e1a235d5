"""Damaged and cut-off files of every format end in an image or in one of our sentences.

A few hundred inputs in the normal run; `-m slow` takes 12,000. Every reader works in this
process, so that a crash, a hang (pytest's time limit) or a memory that runs full is seen.
"""

from __future__ import annotations

import gzip
import resource
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import read_labels, read_volume, write_labels
from napari_transmedseg.imaging.volume import LabelMap

NAMES = (
    "image.nii", "image.nii.gz", "two.nii", "image.mgz", "image.nrrd", "raw.nrrd", "image.nhdr",
    "mask.seg.nrrd", "image.mha", "packed.mha", "image.dcm", "seg.dcm",
)  # fmt: skip
HEADER = 600
MOST_BYTES = 700 * 2**20
DRAWN = settings(
    deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip

changes = st.lists(
    st.tuples(
        st.integers(0, 2**16),
        st.sampled_from(["flip", "set", "insert", "delete", "digits"]),
        st.binary(min_size=1, max_size=9),
    ),
    max_size=6,
)
cuts = st.one_of(st.none(), st.floats(0.0, 1.0))


class Seeds(dict[str, bytes]):
    """Contents by name, short in a report."""

    def __repr__(self) -> str:
        return f"{len(self)} files"


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    """A small good file of each format."""
    folder = tmp_path_factory.mktemp("seeds")
    array = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    nib.save(nib.Nifti1Image(array, affine), folder / "image.nii")
    nib.save(nib.Nifti1Image(array, affine), folder / "image.nii.gz")
    nib.save(nib.Nifti2Image(array, affine), folder / "two.nii")
    nib.save(nib.MGHImage(array, affine), folder / "image.mgz")
    image = sitk.GetImageFromArray(array)
    sitk.WriteImage(image, str(folder / "image.nrrd"), useCompression=True)
    for name in ("raw.nrrd", "image.nhdr", "image.mha"):
        sitk.WriteImage(image, str(folder / name), useCompression=False)
    sitk.WriteImage(image, str(folder / "packed.mha"), useCompression=True)
    labels = LabelMap.empty(Geometry(shape=(5, 6, 7), affine=affine), known=True)
    labels.array[1:4, 2:4] = 1
    labels.names, labels.colors = {1: "organ"}, {1: "#ff0000"}
    write_labels(folder / "mask.seg.nrrd", labels)
    write_series(folder / "ct", (0.0, 2.0, 4.0))
    slices = dicom.slice_files(folder / "ct")
    (folder / "image.dcm").write_bytes(slices[0].read_bytes())
    (folder / "seg.dcm").write_bytes(segmentation_of(folder / "ct"))
    return Seeds({name: (folder / name).read_bytes() for name in NAMES})


def segmentation_of(folder: Path) -> bytes:
    from napari_transmedseg.imaging.dicom_seg import encode_segmentation

    labels = LabelMap.empty(read_volume(folder).geometry, known=True)
    labels.array[1, 2:4, 1:3] = 1
    return encode_segmentation(labels, dicom.slice_files(folder), automatic=True)


@pytest.mark.parametrize("name", NAMES)
@given(changes=changes, cut=cuts)
@settings(DRAWN, max_examples=20)
def test_damaged_files_end_in_an_image_or_a_sentence(
    name: str, changes: list, cut: float | None, seeds: Seeds
) -> None:
    check(name, damaged(seeds[name], changes, cut))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
@given(changes=changes, cut=cuts)
@settings(DRAWN, max_examples=1000)
def test_thousands_of_damaged_files_end_in_an_image_or_a_sentence(
    name: str, changes: list, cut: float | None, seeds: Seeds
) -> None:
    check(name, damaged(seeds[name], changes, cut))


def damaged(content: bytes, changes: list[tuple[int, str, bytes]], cut: float | None) -> bytes:
    """Change bytes of the header (of what is compressed, too) and cut the end off."""
    packed = content[:2] == b"\x1f\x8b"
    data = bytearray(gzip.decompress(content) if packed else content)
    for place, kind, fresh in changes:
        at = place % max(1, min(HEADER, len(data)))
        if kind == "flip" and len(data):
            data[at] ^= fresh[0] | 1
        elif kind == "set":
            data[at : at + len(fresh)] = fresh
        elif kind == "insert":
            data[at:at] = fresh
        elif kind == "delete":
            del data[at : at + len(fresh)]
        else:
            data[at:at] = str(int.from_bytes(fresh, "little")).encode()
    whole = gzip.compress(bytes(data), 1) if packed else bytes(data)
    return whole if cut is None else whole[: int(cut * len(whole))]


def check(name: str, content: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nibabel and numpy, about odd values
        path = Path(folder) / name
        path.write_bytes(content)
        for read in (read_volume, read_labels):
            try:
                found = read(path)
            except TransMedSegError as error:
                text = str(error)
                assert "\n" not in text
                assert text.endswith(".")
                assert "xpected" in text
            else:
                assert found.array.shape == found.geometry.display_shape
                assert np.isfinite(found.geometry.affine).all()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_BYTES
