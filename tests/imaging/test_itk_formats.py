"""NRRD and MetaImage: LPS in the file, RAS+ here, and NIfTI masks at the same place."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.io import read_geometry, read_labels, read_volume, write_labels
from napari_transmedseg.imaging.volume import LabelMap

SIZE = (5, 6, 7)
DIRECTIONS = {
    "LPS": np.eye(3),
    "RAS": np.diag([-1.0, -1.0, 1.0]),
    "PSR": np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0.0]]),
    "oblique": np.linalg.qr(np.array([[1, 0.2, 0.1], [-0.2, 1, 0.3], [0.05, -0.3, 1]]))[0],
}


def make(path: Path, direction: np.ndarray, array: np.ndarray | None = None) -> Path:
    if array is None:
        array = np.random.default_rng(0).integers(0, 900, SIZE[::-1]).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.9, 3.0))
    image.SetOrigin((-20.5, 11.0, 3.25))
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_masks_lie_on_the_image_in_simpleitk_and_nibabel(
    suffix: str, name: str, tmp_path: Path
) -> None:
    source = make(tmp_path / f"image{suffix}", DIRECTIONS[name])
    out = tmp_path / "mask.nii.gz"
    volume = read_volume(source)
    mask = LabelMap.empty(volume.geometry)
    mask.array[1, 2, 3] = 2

    write_labels(out, mask)

    image, written = sitk.ReadImage(str(source)), sitk.ReadImage(str(out))
    assert written.GetSize() == image.GetSize()
    assert_allclose(written.GetSpacing(), image.GetSpacing(), rtol=1e-5)
    assert_allclose(written.GetOrigin(), image.GetOrigin(), atol=1e-4)
    assert_allclose(written.GetDirection(), image.GetDirection(), atol=1e-5)
    voxel = np.argwhere(sitk.GetArrayFromImage(written) == 2)[0][::-1].tolist()
    point = np.array(image.TransformIndexToPhysicalPoint(voxel))
    found = nib.load(out)
    index = np.argwhere(np.asarray(found.dataobj) == 2)[0]
    assert_allclose((found.affine @ [*index, 1])[:3], point * (-1, -1, 1), atol=1e-4)
    assert_array_equal(read_labels(out).array, mask.array)
    assert read_labels(out).geometry.same_space(volume.geometry)
    value = image.GetPixel(*voxel)
    assert volume.array[1, 2, 3] == value


def test_the_header_alone_gives_the_same_grid(tmp_path: Path) -> None:
    source = make(tmp_path / "image.nrrd", DIRECTIONS["oblique"])

    geometry = read_geometry(source)

    assert geometry.shape == SIZE
    assert_array_equal(geometry.affine, read_volume(source).geometry.affine)
    assert geometry.known


@pytest.mark.parametrize(
    ("name", "header"),
    [
        pytest.param(
            "spacing.nrrd",
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nspacings: 1 1 2\nencoding: raw\n\n",
            id="NRRD with spacings only",
        ),
        pytest.param(
            "nothing.nrrd",
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n\n",
            id="NRRD without any",
        ),
        pytest.param(
            "spacing.mha",
            "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 2\n"
            "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
            id="MetaImage without directions",
        ),
    ],
)
def test_files_without_directions_are_readable_but_no_mask_is_written_on_them(
    name: str, header: str, tmp_path: Path
) -> None:
    source = tmp_path / name
    source.write_bytes(header.encode() + bytes(range(8)))

    volume = read_volume(source)

    assert not volume.geometry.known
    with pytest.raises(GeometryError, match="position and orientation"):
        write_labels(tmp_path / "mask.nii.gz", LabelMap.empty(volume.geometry))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        pytest.param(np.zeros((4, 5, 6, 3), np.uint8), "colours", id="RGB"),
        pytest.param(np.zeros((5, 6, 7, 2, 3), np.uint8), "5-D", id="5-D"),
    ],
)
def test_what_is_no_single_volume_is_refused_by_name(
    array: np.ndarray, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "image.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=array.ndim == 4), str(path))
    with pytest.raises(ImageReadError, match=words):
        read_volume(path)


@pytest.mark.parametrize("name", ["image.nrrd", "image.mha"])
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, DIRECTIONS["LPS"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageReadError, match="copy or download it again"):
        read_volume(path)


def test_a_detached_header_without_its_voxels_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "image.mhd", DIRECTIONS["LPS"])
    next(tmp_path.glob("image.*raw")).unlink()
    with pytest.raises(ImageReadError, match=r"image\.mhd"):
        read_volume(path)


@pytest.mark.parametrize("name", ["image.nrrd", "image.mha"])
def test_2d_files_open_as_one_slice_of_unknown_place(name: str, tmp_path: Path) -> None:
    array = np.arange(30, dtype=np.uint8).reshape(5, 6)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.7))
    sitk.WriteImage(image, str(tmp_path / name))

    volume = read_volume(tmp_path / name)

    assert volume.array.shape == (1, 5, 6)
    assert_array_equal(volume.array[0], array)
    assert_allclose(volume.geometry.spacing[:2], (0.5, 0.7))
    assert not volume.geometry.known


@pytest.mark.parametrize("name", ["image.nrrd", "image.mha", "image.nii.gz"])
@pytest.mark.parametrize(
    "vector", [pytest.param(True, id="channels"), pytest.param(False, id="4-D")]
)
def test_one_frame_or_channel_is_chosen(name: str, vector: bool, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 900, (4, 5, 6, 2)).astype(np.int16)
    stored = array if vector else np.moveaxis(array, -1, 0)
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(stored, isVector=vector), str(path))

    with pytest.raises(ImageReadError, match="0 to 1"):
        read_volume(path)
    with pytest.raises(ImageReadError, match="found 2; choose"):
        read_volume(path, frame=2)
    for frame in range(2):
        found = read_volume(path, frame=frame)
        assert_array_equal(found.geometry.to_source(found.array), array[..., frame].T)


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    "kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
)
def test_all_number_types_are_read_as_simpleitk_reads_them(
    suffix: str, compressed: bool, kind: str, tmp_path: Path
) -> None:
    array = np.random.default_rng(0).integers(0, 100, SIZE[::-1]).astype(kind)
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path), useCompression=compressed)

    volume = read_volume(path)

    assert volume.array.dtype == array.dtype
    assert_array_equal(volume.geometry.to_source(volume.array), array.T)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_uncompressed_voxels_are_mapped_and_not_copied(suffix: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"image{suffix}", DIRECTIONS["PSR"])

    array = read_volume(path).array

    while not isinstance(array, np.memmap):
        assert array.base is not None
        array = array.base
    assert isinstance(array, np.memmap)


def test_sheared_directions_of_nrrd_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sheared.nrrd"
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
        "space directions: (1,0,0) (0,2,0) (0,0.5,3)\nencoding: raw\nspace origin: (1,2,3)\n\n"
    )
    path.write_bytes(header.encode() + bytes(range(8)))

    affine = read_geometry(path).affine

    assert_allclose(affine, [[-1, 0, 0, -1], [0, -2, -0.5, -2], [0, 0, 3, 3], [0, 0, 0, 1]])
