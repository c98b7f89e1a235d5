"""A painted mask lies on exactly the voxels of its image, whatever the image's orientation."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import read_geometry, read_labels, read_volume, write_labels
from napari_transmedseg.imaging.volume import LabelMap

MAY_CHANGE = {
    "datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "vox_offset",
    "intent_code",
}  # fmt: skip


def stored_header(path: Path) -> Nifti1Header:
    """Header as it is in the file: nibabel hides the scaling of the one that it loads."""
    data = path.read_bytes()
    content = gzip.decompress(data) if path.name.endswith(".gz") else data
    kind = Nifti1Header if int.from_bytes(content[:4], "little") == 348 else Nifti2Header
    return kind(content[: kind.sizeof_hdr], check=False)


def painted(path: Path, dtype: type = np.uint8, value: int = 2) -> LabelMap:
    """Label map on an image with one block painted on the display side."""
    volume = read_volume(path)
    array = np.zeros(volume.array.shape, dtype=dtype)
    array[1:3, 2, 1] = value
    return LabelMap(array=array, geometry=volume.geometry)


@pytest.mark.parametrize("oblique", [False, True], ids=["aligned", "oblique"])
@pytest.mark.parametrize("version", [1, 2], ids=["nifti1", "nifti2"])
def test_a_mask_has_its_images_grid_codes_and_header(
    orientation: str,
    oblique: bool,
    version: int,
    make_nifti: Callable[..., Path],
    tmp_path: Path,
) -> None:
    dtype, value = (np.uint8, 2) if version == 1 else (np.uint16, 700)
    source = make_nifti(orientation, oblique=oblique, version=version)
    mask = painted(source, dtype, value)
    out = tmp_path / "mask.nii.gz"

    write_labels(out, mask)

    image, written = nib.load(source), nib.load(out)
    assert type(written) is type(image)
    assert written.shape == image.shape
    assert_array_equal(written.affine, image.affine)
    before, after = stored_header(source), stored_header(out)
    for field in before:
        if field not in MAY_CHANGE:
            assert_array_equal(after[field], before[field], err_msg=field)
    assert after.get_data_dtype() == dtype
    assert (after["scl_slope"], after["scl_inter"]) == (1, 0)
    assert (after["cal_min"], after["cal_max"]) == (0, 0)

    again = read_labels(out)
    assert_array_equal(again.array, mask.array)
    assert_array_equal(again.geometry.affine, mask.geometry.affine)
    assert_array_equal(np.asarray(written.dataobj), mask.geometry.to_source(mask.array))


@pytest.mark.parametrize("oblique", [False, True], ids=["aligned", "oblique"])
def test_simpleitk_sees_image_and_mask_at_the_same_place(
    orientation: str, oblique: bool, make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_nifti(orientation, oblique=oblique)
    out = tmp_path / "mask.nii.gz"

    write_labels(out, painted(source))

    image, mask = sitk.ReadImage(str(source)), sitk.ReadImage(str(out))
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert mask.GetSize() == image.GetSize()
    assert mask.GetSpacing() == image.GetSpacing()
    assert mask.GetOrigin() == image.GetOrigin()
    assert mask.GetDirection() == image.GetDirection()


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param((1, 0), id="qform only"),
        pytest.param((0, 1), id="sform only"),
        pytest.param((1, 4), id="scanner and MNI"),
        pytest.param((2, 2), id="aligned"),
    ],
)
def test_form_codes_are_kept(
    codes: tuple[int, int], make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_nifti("PSR", oblique=True, codes=codes)
    out = tmp_path / "mask.nii"

    write_labels(out, painted(source))

    header = nib.load(out).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == codes
    assert_array_equal(nib.load(out).affine, nib.load(source).affine)


def test_forms_that_disagree_are_both_kept(make_nifti: Callable[..., Path], tmp_path: Path) -> None:
    source = make_nifti("LAS")
    image = nib.load(source)
    moved = image.affine.copy()
    moved[:3, 3] += 40
    image.set_qform(moved, code=1)
    nib.save(image, tmp_path / "two.nii.gz")
    out = tmp_path / "mask.nii.gz"

    write_labels(out, painted(tmp_path / "two.nii.gz"))

    assert_array_equal(nib.load(out).get_qform(), nib.load(tmp_path / "two.nii.gz").get_qform())
    assert_array_equal(nib.load(out).get_sform(), image.affine)


def test_an_image_without_forms_is_readable_but_no_mask_is_written_on_it(
    make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_nifti(codes=(0, 0))
    volume = read_volume(source)
    out = tmp_path / "mask.nii.gz"

    assert not volume.geometry.known
    with pytest.raises(GeometryError, match="position and orientation"):
        write_labels(out, LabelMap.empty(volume.geometry))
    assert not out.exists()


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        pytest.param("mm", 1.0, id="mm"),
        pytest.param("micron", 0.001, id="micron"),
        pytest.param("meter", 1000.0, id="meter"),
        pytest.param("unknown", 1.0, id="unknown counts as mm"),
    ],
)
def test_spacing_is_in_mm_and_the_files_unit_is_kept(
    units: str, factor: float, make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_nifti(units=units)
    out = tmp_path / "mask.nii.gz"

    write_labels(out, painted(source))

    assert_allclose(read_geometry(source).spacing, np.array((0.8, 1.1, 2.5)) * factor, rtol=1e-6)
    assert nib.load(out).header.get_xyzt_units() == (units, "sec")
    assert_array_equal(nib.load(out).affine, nib.load(source).affine)


def test_scaled_intensities_are_read_as_scaled(
    make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_nifti()
    image = nib.load(source)
    image.header.set_slope_inter(0.5, 10)
    raw = np.asarray(image.dataobj)
    path = tmp_path / "scaled.nii.gz"
    content = nib.Nifti1Image(raw * 0.5 + 10, image.affine, image.header)
    nib.save(content, path)

    volume = read_volume(path)

    assert volume.array.dtype == np.float32
    assert_allclose(volume.geometry.to_source(volume.array), raw * 0.5 + 10, atol=1e-2)


def test_big_endian_files_are_read_natively_and_masks_lie_on_them(tmp_path: Path) -> None:
    header = Nifti1Header(endianness=">")
    array = np.arange(5 * 6 * 7, dtype=">i2").reshape(5, 6, 7)
    header.set_data_dtype(">i2")
    header.set_sform(np.diag([1, 2, 3, 1.0]), code=1)
    source = tmp_path / "big.nii"
    nib.save(nib.Nifti1Image(array, np.diag([1, 2, 3, 1.0]), header), source)
    out = tmp_path / "mask.nii.gz"

    write_labels(out, painted(source, np.uint16, 300))

    assert read_volume(source).array.dtype.isnative
    assert_array_equal(read_labels(out).array, painted(source, np.uint16, 300).array)
    assert_array_equal(nib.load(out).affine, nib.load(source).affine)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((5, 6, 7, 1), id="one frame"),
        pytest.param((5, 6), id="one slice"),
        pytest.param((5, 6, 7, 1, 1), id="5-D of one volume"),
    ],
)
def test_masks_have_their_images_number_of_axes(
    shape: tuple[int, ...], make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    source = make_nifti(array=array)
    volume = read_volume(source)
    mask = LabelMap(array=(volume.array > 12).astype(np.uint8), geometry=volume.geometry)
    out = tmp_path / "mask.nii.gz"

    write_labels(out, mask)

    assert nib.load(out).shape == nib.load(source).shape
    assert_array_equal(np.asarray(nib.load(out).dataobj), array > 12)
    assert_array_equal(read_labels(out).array, mask.array)


def test_a_chosen_frame_of_a_4d_image_is_read(make_nifti: Callable[..., Path]) -> None:
    array = np.arange(5 * 6 * 7 * 3, dtype=np.int16).reshape(5, 6, 7, 3)
    source = make_nifti(array=array)

    volume = read_volume(source, frame=2)

    assert_array_equal(volume.geometry.to_source(volume.array), array[..., 2])


def test_the_same_labels_give_the_same_bytes(
    make_nifti: Callable[..., Path], tmp_path: Path
) -> None:
    mask = painted(make_nifti())
    write_labels(tmp_path / "a.nii.gz", mask)
    write_labels(tmp_path / "b.nii.gz", mask)

    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_geometry_made_in_memory_is_written_with_its_affine(
    orientation: str, tmp_path: Path
) -> None:
    geometry = Geometry.from_spacing(
        (4, 5, 6), (1.25, 0.5, 3.0), orientation=orientation, origin=(7, -8, 9)
    )
    out = tmp_path / "mask.nii.gz"

    write_labels(out, LabelMap.empty(geometry))

    assert_allclose(nib.load(out).affine, geometry.affine, atol=1e-6)
    assert_allclose(nib.load(out).get_qform(), geometry.affine, atol=1e-5)
    assert nib.load(out).header.get_xyzt_units()[0] == "mm"


def test_sheared_affines_are_kept(make_nifti: Callable[..., Path], tmp_path: Path) -> None:
    sheared = np.array([[1, 0.3, 0, 5], [0, 1, 0, 6], [0, 0.1, 2, 7], [0, 0, 0, 1.0]])
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    source = tmp_path / "sheared.nii.gz"
    nib.save(nib.Nifti1Image(array, sheared), source)
    out = tmp_path / "mask.nii.gz"
    geometry = read_volume(source).geometry

    write_labels(out, LabelMap.empty(geometry))

    assert geometry.is_oblique
    assert_array_equal(nib.load(out).affine, nib.load(source).affine)
