"""Small NIfTI files in every orientation."""

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (5, 6, 7)
SPACING = (0.8, 1.1, 2.5)
ORIENTATIONS = tuple(
    "".join(pair[sign] for pair, sign in zip(pairs, signs, strict=True))
    for pairs in permutations(("RL", "AP", "SI"))
    for signs in product((0, 1), repeat=3)
)
TILT = np.array([12.0, -8.0, 5.0])


def affine_for(orientation: str, *, oblique: bool = False) -> np.ndarray:
    """RAS+ affine of voxels of SPACING in an orientation, tilted about all axes when oblique."""
    affine = np.zeros((4, 4))
    for axis, letter in enumerate(orientation):
        world = next(i for i, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        affine[world, axis] = SPACING[axis] * (1 if letter in "RAS" else -1)
    affine[:3, 3] = (-31.5, 17.25, 4.0)
    affine[3, 3] = 1.0
    if oblique:
        affine[:3, :3] = _rotation() @ affine[:3, :3]
    return affine


@pytest.fixture
def make_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write a NIfTI image of random intensities and return its path."""

    def make(
        orientation: str = "RAS",
        *,
        oblique: bool = False,
        name: str = "image.nii.gz",
        codes: tuple[int, int] = (1, 2),
        version: int = 1,
        array: np.ndarray | None = None,
        units: str = "mm",
    ) -> Path:
        kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
        if array is None:
            array = np.random.default_rng(3).integers(-50, 900, SHAPE).astype(np.int16)
        image = kind(array, None)
        affine = affine_for(orientation, oblique=oblique)
        qform, sform = codes
        image.header.set_qform(affine, code=qform)
        image.header.set_sform(affine, code=sform)
        image.header.set_xyzt_units(units, "sec")
        image.header["descrip"] = b"made for a test"
        image.header["cal_max"] = 700
        path = tmp_path / name
        header = image.header
        best = header.get_best_affine()
        nib.save(kind(array, best, header), path)
        return path

    return make


def _rotation() -> np.ndarray:
    x, y, z = np.deg2rad(TILT)
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return np.array(about_x) @ np.array(about_y) @ np.array(about_z)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for an orientation all 48 of them."""
    if "orientation" in metafunc.fixturenames:
        metafunc.parametrize("orientation", ORIENTATIONS)
