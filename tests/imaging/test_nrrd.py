"""What NRRD headers may say beyond what ITK writes, and what is refused in a sentence."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.io import read_volume

SHAPE = (2, 3, 4)
STORED = np.arange(24, dtype="<i2").reshape(SHAPE)
VOXELS = STORED.tobytes(order="F")
TEXT = " ".join(str(value) for value in STORED.ravel(order="F")).encode()
USUAL = {
    "type": "short", "dimension": "3", "space": "right-anterior-superior", "sizes": "2 3 4",
    "space directions": "(1,0,0) (0,1,0) (0,0,2)", "space origin": "(0,0,0)", "endian": "little",
    "encoding": "raw",
}  # fmt: skip


def write(path: Path, voxels: bytes, **fields: str) -> Path:
    lines = USUAL | {key.replace("_", " "): value for key, value in fields.items()}
    head = "NRRD0005\n" + "".join(f"{key}: {value}\n" for key, value in lines.items()) + "\n"
    path.write_bytes(head.encode() + voxels)
    return path


def source_of(path: Path) -> np.ndarray:
    volume = read_volume(path)
    return volume.geometry.to_source(volume.array)


@pytest.mark.parametrize(
    ("voxels", "fields"),
    [
        pytest.param(TEXT, {"encoding": "ascii"}, id="text"),
        pytest.param(TEXT.replace(b" ", b"\n"), {"encoding": "txt"}, id="a number a line"),
        pytest.param(b"one\ntwo\n" + VOXELS, {"line_skip": "2"}, id="lines before"),
        pytest.param(b"abc" + VOXELS, {"byte_skip": "3"}, id="bytes before"),
        pytest.param(b"one\nabc" + VOXELS, {"line_skip": "1", "byte_skip": "3"}, id="both before"),
        pytest.param(b"anything" + VOXELS, {"byte_skip": "-1"}, id="at the end"),
        pytest.param(
            gzip.compress(b"abc" + VOXELS), {"byte_skip": "3", "encoding": "gz"}, id="in gzip"
        ),
        pytest.param(STORED.astype(">i2").tobytes("F"), {"endian": "big"}, id="big endian"),
    ],
)
def test_voxels_are_found_however_they_are_stored(voxels, fields, tmp_path):
    assert_array_equal(source_of(write(tmp_path / "a.nrrd", voxels, **fields)), STORED)


def test_lines_before_the_voxels_are_left_out_of_a_detached_file_too(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"one\n" + VOXELS)
    path = write(tmp_path / "a.nhdr", b"", data_file="a.raw", line_skip="1")
    assert_array_equal(source_of(path), STORED)


def test_fractions_as_text_are_read(tmp_path):
    text = TEXT.replace(b"1 ", b"1.5 ", 1)
    path = write(tmp_path / "a.nrrd", text, encoding="text", type="float")
    assert source_of(path).ravel(order="F")[:3].tolist() == [0, 12, 4]


@pytest.mark.parametrize(
    ("voxels", "fields", "words"),
    [
        pytest.param(TEXT[:30], {"encoding": "ascii"}, "24 numbers as text", id="few bytes"),
        pytest.param(TEXT[:-4] + b"   ", {"encoding": "ascii"}, "24 numbers", id="few numbers"),
        pytest.param(TEXT[:-2] + b"xy", {"encoding": "ascii"}, "24 numbers", id="words"),
        pytest.param(TEXT[:-2] + b"nan", {"encoding": "ascii"}, "24 numbers", id="NaN"),
        pytest.param(TEXT + b"9999", {"encoding": "ascii"}, "24 numbers", id="beyond the type"),
        pytest.param(VOXELS, {"encoding": "hex"}, "'hex'", id="encoding"),
        pytest.param(VOXELS, {"type": "block"}, "'block'", id="type"),
        pytest.param(VOXELS, {"byte_skip": "-2"}, "byte skip from -1 on.*found -2", id="skip"),
        pytest.param(VOXELS, {"line_skip": "two"}, "line skip.*found 'two'", id="no number"),
        pytest.param(b"one\n", {"line_skip": "9"}, "found 0", id="fewer lines"),
        pytest.param(b"", {"data_file": "LIST"}, "a list of files", id="list"),
        pytest.param(b"", {"data_file": "a%03d.raw 1 4 1"}, "a list of files", id="pattern"),
        pytest.param(b"", {"data_file": "gone.raw"}, "no such file", id="missing"),
        pytest.param(b"", {"data_file": ""}, "name of the file", id="no name"),
        pytest.param(VOXELS, {"kinds": "complex domain domain"}, "complex", id="complex"),
        pytest.param(
            VOXELS, {"kinds": "vector domain domain", "sizes": "3 4 4", "type": "uchar"},
            "colours", id="colours",
        ),
        pytest.param(VOXELS, {"sizes": "2 three 4"}, "'2 three 4'", id="sizes"),
        pytest.param(VOXELS, {"sizes": "2 0 4"}, "'2 0 4'", id="no voxels"),
        pytest.param(VOXELS, {"sizes": "12", "space directions": ""}, "3-D volume", id="1-D"),
    ],
)  # fmt: skip
def test_headers_that_cannot_be_followed_are_refused(voxels, fields, words, tmp_path):
    with pytest.raises(ImageReadError, match=words) as caught:
        read_volume(write(tmp_path / "a.nrrd", voxels, **fields))
    assert "a.nrrd" in str(caught.value) or "gone.raw" in str(caught.value)
