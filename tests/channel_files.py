"""Images of several channels on disk; the structure shows in the second one only."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from cohorts import GEOMETRY, SHAPE_IPL, disc_classes, save_classes

from napari_transmedseg.imaging.geometry import Geometry


def save_image(
    path: Path, array_IPL: np.ndarray | None = None, geometry: Geometry = GEOMETRY, *, seed: int = 0
) -> Path:
    """Write intensities (noise where none are given) as float32 NIfTI, and make the folder."""
    if array_IPL is None:
        array_IPL = np.random.default_rng(seed).normal(0, 10, geometry.display_shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    source = geometry.to_source(array_IPL.astype(np.float32))
    image = nib.Nifti1Image(source, geometry.affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def moved(geometry: Geometry, mm: Sequence[float]) -> Geometry:
    """The same voxels elsewhere."""
    affine = geometry.affine.copy()
    affine[:3, 3] += mm
    return Geometry(shape=geometry.shape, affine=affine)


def make_channel_cohort(folder: Path, num_cases: int = 4) -> tuple[Path, Path]:
    """Folders of images `case_1_t1`, `case_1_t2`, … and of the label maps `case_1`, …"""
    images, labels = folder / "images", folder / "labels"
    for number in range(1, num_cases + 1):
        classes = disc_classes(number % 3)
        noise = np.random.default_rng(number).normal(0, 10, (2, *SHAPE_IPL))
        save_image(images / f"case_{number}_t1.nii.gz", noise[0])
        save_image(images / f"case_{number}_t2.nii.gz", 1000 + 100.0 * classes + noise[1])
        save_classes(labels / f"case_{number}.nii.gz", classes)
    return images, labels
