"""What MetaImage headers may say beyond what ITK writes, and what is refused in a sentence."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.io import read_volume

SHAPE = (2, 3, 4)
STORED = np.arange(24, dtype="<i2").reshape(SHAPE)
VOXELS = STORED.tobytes(order="F")
USUAL = {
    "ObjectType": "Image", "NDims": "3", "DimSize": "2 3 4", "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0", "ElementSpacing": "1 1 2", "ElementType": "MET_SHORT",
}  # fmt: skip


def write(path: Path, voxels: bytes, file: str = "LOCAL", **fields: str) -> Path:
    lines = USUAL | fields | {"ElementDataFile": file}
    head = "".join(f"{key} = {value}\n" for key, value in lines.items())
    path.write_bytes(head.encode() + voxels)
    return path


@pytest.mark.parametrize(
    ("voxels", "fields"),
    [
        pytest.param(b"abc" + VOXELS, {"HeaderSize": "3"}, id="bytes before"),
        pytest.param(b"anything" + VOXELS, {"HeaderSize": "-1"}, id="at the end"),
        pytest.param(zlib.compress(VOXELS), {"CompressedData": "True"}, id="compressed"),
        pytest.param(
            STORED.astype(">i2").tobytes("F"), {"BinaryDataByteOrderMSB": "True"}, id="big endian"
        ),
    ],
)
def test_voxels_are_found_however_they_are_stored(voxels, fields, tmp_path):
    volume = read_volume(write(tmp_path / "a.mha", voxels, **fields))
    assert_array_equal(volume.geometry.to_source(volume.array), STORED)
    assert volume.geometry.known


@pytest.mark.parametrize("compressed", [True, False])
def test_a_frame_of_a_4d_image_does_not_keep_the_others_in_memory(compressed, tmp_path):
    both = np.stack([STORED, STORED + 100], axis=3).astype("<i2").tobytes(order="F")
    path = write(
        tmp_path / "a.mha", zlib.compress(both) if compressed else both, NDims="4",
        DimSize="2 3 4 2", ElementSpacing="1 1 2 1", Offset="0 0 0 0",
        TransformMatrix="1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", CompressedData=str(compressed),
    )  # fmt: skip

    array = read_volume(path, frame=1).array

    assert set(array.ravel()) == set(range(100, 124))
    base = array
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap) or base.size == STORED.size


@pytest.mark.parametrize(
    ("file", "fields", "words"),
    [
        pytest.param("LIST", {}, "a list of files", id="list"),
        pytest.param("a%03d.raw 1 4 1", {}, "a list of files", id="pattern"),
        pytest.param("gone.raw", {}, "no such file", id="missing"),
        pytest.param("LOCAL", {"BinaryData": "False"}, "found text", id="text"),
        pytest.param("LOCAL", {"HeaderSize": "-2"}, "header size.*found -2", id="header size"),
        pytest.param(
            "LOCAL", {"HeaderSize": "3", "CompressedData": "True"}, "uncompressed", id="compressed"
        ),
        pytest.param("LOCAL", {"ElementType": "MET_ASCII"}, "'MET_ASCII'", id="type"),
        pytest.param("LOCAL", {"DimSize": "24"}, "1-D", id="1-D"),
        pytest.param("LOCAL", {"DimSize": "2 3 2 2 2"}, "5-D", id="5-D"),
        pytest.param("LOCAL", {"DimSize": "2 x 4"}, "'2 x 4'", id="sizes"),
        pytest.param(
            "LOCAL", {"ElementType": "MET_UCHAR", "ElementNumberOfChannels": "3"}, "colours",
            id="colours",
        ),
    ],
)  # fmt: skip
def test_headers_that_cannot_be_followed_are_refused(file, fields, words, tmp_path):
    with pytest.raises(ImageReadError, match=words) as caught:
        read_volume(write(tmp_path / "a.mha", VOXELS, file, **fields))
    assert "a.mha" in str(caught.value)
