"""Files that cannot be segmented end in one sentence: expected, found, way out."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.errors import ImageReadError, ProjectError, TransMedSegError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import (
    case_id_of,
    find_images,
    is_supported,
    read_geometry,
    read_labels,
    read_volume,
    write_labels,
)
from napari_transmedseg.imaging.volume import LabelMap

SHAPE = (5, 6, 7)


def with_value(value: float) -> np.ndarray:
    array = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    array[1, 2, 3] = array[2, 2, 2] = value
    return array


def assert_is_one_sentence(error: TransMedSegError) -> None:
    text = str(error)
    assert "\n" not in text
    assert "Expected" in text
    assert "found" in text
    assert ";" in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        pytest.param(with_value(np.nan), "2 NaN or infinite voxels", id="NaN"),
        pytest.param(with_value(-np.inf), "2 NaN or infinite voxels", id="infinite"),
        pytest.param(np.full(SHAPE, 7, np.int16), r"same value \(7\)", id="constant"),
        pytest.param(np.zeros((*SHAPE, 4), np.int16), "4 frames", id="4-D"),
        pytest.param(np.zeros((*SHAPE, 2, 3), np.int16), "5-D", id="5-D"),
        pytest.param(np.zeros((*SHAPE, 1, 3), np.int16), "3 frames .or channels", id="channels"),
        pytest.param(np.ones(SHAPE, np.complex64), "complex", id="complex"),
        pytest.param(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB", id="colours"),
        pytest.param(np.zeros(9, np.int16), "3-D volume", id="1-D"),
    ],
)
def test_volumes_that_cannot_be_segmented_are_refused(
    array: np.ndarray, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    with pytest.raises(ImageReadError, match=words) as caught:
        read_volume(path)
    assert_is_one_sentence(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_refused(
    name: str, share: float, make_nifti: Callable[..., Path]
) -> None:
    path = make_nifti(name=name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageReadError) as caught:
        read_volume(path)
    assert_is_one_sentence(caught.value)


def test_a_damaged_compressed_stream_is_refused(make_nifti: Callable[..., Path]) -> None:
    path = make_nifti()
    content = bytearray(path.read_bytes())
    content[300:340] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(ImageReadError) as caught:
        read_volume(path)
    assert_is_one_sentence(caught.value)


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.hdr", "a.img"]
)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"%PDF-1.7 no image at all" * 40, id="another format"),
        pytest.param(gzip.compress(b"text" * 500), id="compressed text"),
    ],
)
@pytest.mark.parametrize("read", [read_volume, read_labels, read_geometry])
def test_what_is_no_image_is_refused(
    name: str, content: bytes, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageReadError) as caught:
        read(path)
    assert_is_one_sentence(caught.value)


@pytest.mark.parametrize("name", ["missing.nii.gz", "missing.nrrd", "missing.png"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="missing; check the path"):
        read_volume(tmp_path / name)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageReadError, match=r"photo\.png"):
        read_volume(tmp_path / "photo.png")


@pytest.mark.parametrize("affine", [np.diag([1, 1, 0, 1.0]), np.diag([1, np.nan, 1, 1.0])])
def test_an_affine_that_collapses_is_refused(affine: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    image = nib.Nifti1Image(with_value(0), np.eye(4))
    image.header["sform_code"] = 1
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    header = image.header.copy()
    path = tmp_path / "image.nii"
    path.write_bytes(header.binaryblock + bytes(4) + with_value(0).tobytes(order="F"))
    with pytest.raises(ImageReadError) as caught:
        read_volume(path)
    assert_is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        pytest.param(np.full(SHAPE, 0.5, np.float32), "not whole", id="fractions"),
        pytest.param(np.full(SHAPE, -1, np.int16), "from -1", id="negative"),
        pytest.param(np.full(SHAPE, 70_000, np.int32), "to 70000", id="too high"),
        pytest.param(with_value(np.nan), "not whole", id="NaN"),
    ],
)
def test_what_is_no_label_map_is_refused(array: np.ndarray, words: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    with pytest.raises(ImageReadError, match=words) as caught:
        read_labels(path)
    assert_is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        pytest.param(np.full(SHAPE, 3.0, np.float64), np.uint8, id="whole floats"),
        pytest.param(np.zeros(SHAPE, np.int32), np.uint8, id="all background"),
        pytest.param(np.full(SHAPE, 255, np.int16), np.uint8, id="highest of uint8"),
        pytest.param(np.full(SHAPE, 256, np.int16), np.uint16, id="above uint8"),
    ],
)
def test_labels_of_any_type_are_read_as_the_smallest(
    array: np.ndarray, dtype: type, tmp_path: Path
) -> None:
    path = tmp_path / "labels.nii.gz"
    nib.save(nib.Nifti1Image(array, np.eye(4), dtype=array.dtype), path)

    labels = read_labels(path)

    assert labels.array.dtype == dtype
    assert labels.known is None
    assert (labels.array == array.flat[0]).all()


@pytest.mark.parametrize("name", ["mask.png", "mask.mha", "mask"])
def test_masks_are_written_as_nifti_or_nrrd_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="NIfTI or NRRD"):
        write_labels(tmp_path / name, LabelMap.empty(Geometry.from_spacing(SHAPE)))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nowhere") as caught:
        write_labels(
            tmp_path / "nowhere" / "mask.nii.gz", LabelMap.empty(Geometry.from_spacing(SHAPE))
        )
    assert_is_one_sentence(caught.value)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mask.nii.gz"
    write_labels(path, LabelMap.empty(Geometry.from_spacing(SHAPE)))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ProjectError, match="no space left"):
        write_labels(path, LabelMap.empty(Geometry.from_spacing((9, 9, 9))))

    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["mask.nii.gz"]


@pytest.mark.parametrize(
    ("name", "case_id"),
    [
        pytest.param("patient002_frame01.nii.gz", "patient002_frame01", id="compressed NIfTI"),
        pytest.param("a.b.NII", "a.b", id="dots and capitals"),
        pytest.param("folder/scan.nrrd", "scan", id="in a folder"),
        pytest.param("scan.img.gz", "scan", id="pair"),
        pytest.param("scan.mhd", "scan", id="MetaImage"),
    ],
)
def test_case_id_is_the_name_without_suffixes(name: str, case_id: str) -> None:
    assert case_id_of(name) == case_id
    assert is_supported(name)


def test_folders_are_searched_without_hidden_files_and_pairs_count_once(tmp_path: Path) -> None:
    names = ["b/z.nii.gz", "a.nrrd", "b/._z.nii.gz", ".hidden/x.nii", "c.hdr", "c.img",
             "notes.txt", "b/z.json", "d.raw"]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]

    assert found == ["a.nrrd", "b/z.nii.gz", "c.hdr"]


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="gone"):
        find_images([tmp_path / "gone"])
