"""Tiny NIfTI files of images and label maps."""

from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (6, 5, 4)


def write_nifti(path: Path, *, label: bool = False, seed: int = 0, frames: int = 0) -> Path:
    """Noise around 100, or the classes 0 to 2; voxels of 1×1×2 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = (*SHAPE, frames) if frames else SHAPE
    array = rng.integers(0, 3, shape).astype(np.uint8) if label else rng.normal(100, 10, shape)
    image = nib.Nifti1Image(array.astype(np.uint8 if label else np.float32), np.diag([1, 1, 2, 1]))
    nib.save(image, path)
    return path
