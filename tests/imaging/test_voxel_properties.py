"""Read, paint, write, read: every voxel at its world coordinates, for any grid and type.

nibabel and SimpleITK judge, never our own reader alone. The normal run draws a few grids of each
orientation; `-m slow` draws many.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.imaging.io import read_labels, read_volume, write_labels
from napari_transmedseg.imaging.volume import LabelMap, Volume

NIFTI_TYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64", "int64")
KINDS = ("axis-aligned", "oblique", "sheared")
DRAWN = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
    phases=[Phase.generate],
)

shapes = st.tuples(*[st.integers(1, 9)] * 3).filter(lambda shape: np.prod(shape) > 3)
spacings = st.tuples(*[st.floats(0.0625, 12.0, width=16)] * 3)
origins = st.tuples(*[st.floats(-300.0, 300.0, width=16)] * 3)
angles = st.tuples(*[st.floats(-20.0, 20.0, width=16)] * 3)


@given(
    kind=st.sampled_from(KINDS), dtype=st.sampled_from(NIFTI_TYPES), shape=shapes,
    spacing=spacings, origin=origins, angle=angles, big_endian=st.booleans(),
    scaled=st.booleans(), suffix=st.sampled_from([".nii", ".nii.gz"]),
    mask_suffix=st.sampled_from([".nii", ".nii.gz", ".seg.nrrd"]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(DRAWN, max_examples=2)
def test_a_painted_mask_lies_where_it_was_painted(orientation: str, **grid: object) -> None:
    check_round_trip(orientation, **grid)


@pytest.mark.slow
@given(
    kind=st.sampled_from(KINDS), dtype=st.sampled_from(NIFTI_TYPES), shape=shapes,
    spacing=spacings, origin=origins, angle=angles, big_endian=st.booleans(),
    scaled=st.booleans(), suffix=st.sampled_from([".nii", ".nii.gz"]),
    mask_suffix=st.sampled_from([".nii", ".nii.gz", ".seg.nrrd"]), seed=st.integers(0, 9999),
)  # fmt: skip
@settings(DRAWN, max_examples=200)
def test_many_painted_masks_lie_where_they_were_painted(orientation: str, **grid: object) -> None:
    check_round_trip(orientation, **grid)


def check_round_trip(
    orientation: str, *, kind: str, dtype: str, shape: tuple[int, ...], spacing: tuple[float, ...],
    origin: tuple[float, ...], angle: tuple[float, ...], big_endian: bool, scaled: bool,
    suffix: str, mask_suffix: str, seed: int,
) -> None:  # fmt: skip
    affine = affine_of(orientation, kind, spacing, origin, angle)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"image{suffix}"
        stored = save(path, affine, shape, dtype, big_endian=big_endian, scaled=scaled, seed=seed)
        image = nib.load(path)
        volume = read_volume(path)
        assert_intensities(volume, image, stored)
        mask, points = paint(volume, seed)
        written = Path(name) / f"mask{mask_suffix}"
        write_labels(written, mask)
        assert_same_voxels(read_labels(written), mask)
        if mask_suffix == ".seg.nrrd":
            assert_simpleitk_finds(written, points, sheared=kind == "sheared")
        else:
            assert_nibabel_finds(written, image, points)
            if kind != "sheared":
                assert_simpleitk_finds(written, points, sheared=False)


def affine_of(
    orientation: str, kind: str, spacing: tuple[float, ...], origin: tuple[float, ...],
    angle: tuple[float, ...],
) -> np.ndarray:  # fmt: skip
    directions = np.zeros((3, 3))
    for axis, letter in enumerate(orientation):
        world = next(i for i, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        directions[world, axis] = 1 if letter in "RAS" else -1
    if kind == "oblique":
        directions = rotation(angle) @ directions
    elif kind == "sheared":
        shear = np.eye(3)
        shear[0, 1], shear[1, 2], shear[0, 2] = np.tan(np.deg2rad(angle))
        directions = shear @ directions
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def rotation(angle: tuple[float, ...]) -> np.ndarray:
    turned = np.eye(3)
    for axis, (c, s) in enumerate(zip(np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)),
                                      strict=True)):  # fmt: skip
        i, j = [other for other in range(3) if other != axis]
        step = np.eye(3)
        step[i, i] = step[j, j] = c
        step[i, j], step[j, i] = -s, s
        turned = turned @ step
    return turned


def save(
    path: Path, affine: np.ndarray, shape: tuple[int, ...], dtype: str, *, big_endian: bool,
    scaled: bool, seed: int,
) -> np.ndarray:  # fmt: skip
    """Write an image with nibabel's low level; returns the numbers that are stored."""
    array = np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)
    array.flat[0], array.flat[-1] = 0, 119  # contrast
    header = nib.Nifti1Header(endianness=">" if big_endian else "<")
    image = nib.Nifti1Image(array, affine, header, dtype=dtype)
    image.header.set_xyzt_units("mm")
    if scaled:
        image.header.set_slope_inter(0.5, -7.0)
        array = array.astype(array.dtype.newbyteorder(">" if big_endian else "<"))
        image.header.set_data_dtype(array.dtype)
        image.header["vox_offset"] = 352
        content = image.header.binaryblock + bytes(4) + array.tobytes(order="F")
        with nib.openers.Opener(str(path), "wb") as file:
            file.write(content)
    else:
        nib.save(image, path)
    return array


def assert_intensities(volume: Volume, image: nib.Nifti1Image, stored: np.ndarray) -> None:
    source = volume.geometry.to_source(volume.array)
    assert_array_equal(source, image.get_fdata())
    assert_array_equal(volume.geometry.affine, image.affine)
    assert source.dtype.isnative
    assert_allclose(stored.ravel()[:1], 0)


def paint(volume: Volume, seed: int) -> tuple[LabelMap, dict[int, np.ndarray]]:
    """Paint a few voxels on the display array; where each lies in the world by its layer."""
    rng = np.random.default_rng(seed)
    mask = LabelMap.empty(volume.geometry, known=True)
    count = min(4, mask.array.size)
    chosen = rng.choice(mask.array.size, count, replace=False)
    points = {}
    for value, flat in enumerate(chosen, start=1):
        index = np.unravel_index(flat, mask.array.shape)
        mask.array[index] = value
        shown = volume.geometry.display_affine @ [*index, 1]
        points[value] = -shown[[2, 1, 0]]  # I, P, L to R, A, S
    return mask, points


def assert_same_voxels(found: LabelMap, mask: LabelMap) -> None:
    assert_array_equal(found.array, mask.array)
    assert found.geometry.same_space(mask.geometry)


def assert_nibabel_finds(path: Path, image: nib.Nifti1Image, points: dict[int, np.ndarray]) -> None:
    written = nib.load(path)
    assert written.shape == image.shape
    assert_array_equal(written.affine, image.affine)
    data = np.asarray(written.dataobj)
    for value, point in points.items():
        (index,) = np.argwhere(data == value)
        assert_allclose((written.affine @ [*index, 1])[:3], point, atol=1e-3)


def assert_simpleitk_finds(path: Path, points: dict[int, np.ndarray], *, sheared: bool) -> None:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:  # ITK refuses directions that are too far from right angles
        assert sheared
        return
    data = sitk.GetArrayViewFromImage(image)
    for value, point in points.items():
        (index,) = np.argwhere(data == value)
        place = image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
        assert_allclose(np.array(place) * (-1, -1, 1), point, atol=1e-3)
