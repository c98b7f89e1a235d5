"""Voxels behind a header are the same whether mapped, decompressed, or kept in the cache."""

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging import cache, raw
from napari_transmedseg.imaging.raw import RawVoxels

SHAPE = (4, 5, 6)
STORED = np.random.default_rng(0).integers(0, 900, SHAPE).astype("<i2")
VOXELS = STORED.tobytes(order="F")
COMPRESS = {"gzip": gzip.compress, "bzip2": bz2.compress, "zlib": zlib.compress}


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the cache, into which even the smallest image goes."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(raw, "CACHE_FROM", 1)
    return tmp_path / "cache"


@pytest.fixture
def voxels(tmp_path: Path) -> Callable[..., RawVoxels]:
    """Make the description of a file with some content."""

    def make(content: bytes, **facts: object) -> RawVoxels:
        path = tmp_path / "image.bin"
        path.write_bytes(content)
        usual = {"path": path, "header": path, "shape": SHAPE, "dtype": np.dtype("<i2")}
        return RawVoxels(**usual | facts)

    return make


@pytest.mark.parametrize("encoding", list(COMPRESS))
@pytest.mark.parametrize("skip", [0, 7, -1])
def test_compressed_voxels_are_found_behind_header_and_filling(encoding, skip, voxels):
    filling = b"anything" if skip == -1 else bytes(skip)
    content = b"head" + COMPRESS[encoding](filling + VOXELS)
    found = voxels(content, encoding=encoding, offset=4, skip=skip).load()
    assert_array_equal(found, STORED)


@pytest.mark.parametrize("encoding", list(COMPRESS))
@pytest.mark.parametrize("chunk", [1, 7, 2**22])
def test_the_size_of_the_pieces_read_does_not_matter(encoding, chunk, voxels, monkeypatch):
    monkeypatch.setattr(raw, "_CHUNK", chunk)
    for skip in (3, -1):
        content = COMPRESS[encoding](b"abc" + VOXELS)
        assert_array_equal(voxels(content, encoding=encoding, skip=skip).load(), STORED)


@pytest.mark.parametrize("skip", [0, 7, -1])
def test_raw_voxels_are_mapped_behind_header_and_filling(skip, voxels):
    found = voxels(b"head" + bytes(max(skip, 0)) + VOXELS, offset=4, skip=skip).load()
    assert isinstance(found, np.memmap)
    assert_array_equal(found, STORED)


@pytest.mark.parametrize("encoding", ["raw", *COMPRESS])
def test_other_byte_order_is_turned_into_the_machines(encoding, voxels):
    big = STORED.astype(">i2").tobytes(order="F")
    content = COMPRESS.get(encoding, bytes)(big)
    found = voxels(content, encoding=encoding, dtype=np.dtype(">i2")).load()
    assert found.dtype.isnative
    assert_array_equal(found, STORED)


@pytest.mark.parametrize("encoding", list(COMPRESS))
@pytest.mark.parametrize("chunk", [7, 2**22])
def test_large_images_are_decompressed_once_and_mapped_from_the_cache(
    encoding, chunk, voxels, kept_in, monkeypatch
):
    monkeypatch.setattr(raw, "_CHUNK", chunk)
    described = voxels(COMPRESS[encoding](b"abc" + VOXELS), encoding=encoding, skip=3)
    first = described.load()
    (kept,) = kept_in.iterdir()
    kept.write_bytes(bytes(len(VOXELS)))
    again = described.load()
    assert isinstance(first, np.memmap)
    assert not again.any()
    first[0] = 7
    assert kept.read_bytes() == bytes(len(VOXELS))


def test_without_room_in_the_cache_the_voxels_come_from_memory(voxels, kept_in, monkeypatch):
    monkeypatch.setenv(cache.SIZE_VARIABLE, "0")
    found = voxels(gzip.compress(VOXELS), encoding="gzip").load()
    assert_array_equal(found, STORED)
    assert not list(kept_in.iterdir())


@pytest.mark.parametrize("cached", [False, True], ids=["in memory", "into the cache"])
@pytest.mark.parametrize("encoding", list(COMPRESS))
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(lambda content: content[:20] + bytes(20) + content[40:], id="damaged"),
    ],
)
def test_a_spoilt_stream_is_refused_and_leaves_nothing_in_the_cache(
    encoding, spoil, cached, voxels, kept_in, monkeypatch
):
    if not cached:
        monkeypatch.setattr(raw, "CACHE_FROM", 2**30)
    spoilt = voxels(spoil(COMPRESS[encoding](VOXELS)), encoding=encoding)
    with pytest.raises(ImageReadError, match=r"image\.bin.*copy or download it again"):
        spoilt.load()
    assert not kept_in.exists() or not list(kept_in.iterdir())


@pytest.mark.parametrize("cached", [False, True], ids=["in memory", "into the cache"])
@pytest.mark.parametrize(
    ("skip", "found"),
    [
        pytest.param(0, "found 200", id="too few"),
        pytest.param(-1, "found 200", id="too few before the end"),
        pytest.param(300, "found 0", id="none behind the filling"),
    ],
)
def test_fewer_voxels_than_promised_are_refused(skip, found, cached, voxels, kept_in, monkeypatch):
    if not cached:
        monkeypatch.setattr(raw, "CACHE_FROM", 2**30)
    short = voxels(gzip.compress(VOXELS[:200]), encoding="gzip", skip=skip)
    with pytest.raises(ImageReadError, match=f"Expected 240 bytes of voxels.*{found}"):
        short.load()


def test_a_file_that_cannot_hold_what_its_header_promises_is_refused_before_decompressing(voxels):
    huge = voxels(gzip.compress(VOXELS), encoding="gzip", shape=(4000, 4000, 4000))
    with pytest.raises(ImageReadError, match="compressed ones"):
        huge.load()


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_more_voxels_than_promised_are_refused_only_where_they_must_end_the_file(encoding, voxels):
    content = COMPRESS.get(encoding, bytes)(VOXELS + b"more")
    assert_array_equal(voxels(content, encoding=encoding).load(), STORED)
    with pytest.raises(ImageReadError, match="at least 4 more"):
        voxels(content, encoding=encoding, exact=True).load()


def test_the_header_of_a_missing_file_is_named(tmp_path):
    lost = RawVoxels(
        path=tmp_path / "lost.raw", header=tmp_path / "a.mhd", shape=SHAPE, dtype=np.dtype("<i2")
    )
    with pytest.raises(ImageReadError, match=r"a\.mhd in .*lost\.raw, found no such file"):
        lost.load()
