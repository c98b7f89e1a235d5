"""Small cohorts on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.project import Project

SHAPE = (8, 9, 6)
"""Voxels along R, A, S."""
CLASSES = ("RV", "myocardium", "LV")


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """Write a short-axis like image: RAS, thick axial slices."""

    def make(path: Path, *, shape: tuple[int, ...] = SHAPE, seed: int = 0, code: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.random.default_rng(seed).integers(0, 500, shape).astype(np.int16)
        header = nib.Nifti1Image(array, None).header
        header.set_sform(np.diag([1.5, 1.5, 8.0, 1.0]), code=code)
        header.set_qform(np.diag([1.5, 1.5, 8.0, 1.0]), code=code)
        nib.save(nib.Nifti1Image(array, header.get_best_affine(), header), path)
        return path

    return make


@pytest.fixture
def images(tmp_path: Path, make_image: Callable[..., Path]) -> list[Path]:
    """Three images outside the project folder."""
    return [make_image(tmp_path / "images" / f"{n}.nii.gz", seed=i) for i, n in enumerate("abc")]


@pytest.fixture
def project(tmp_path: Path, images: list[Path]) -> Iterator[Project]:
    """Project of three cases and three classes."""
    with Project.create(tmp_path / "study", images=images, classes=CLASSES) as made:
        yield made


def paint(project: Project, case_id: str, *indices: int, value: int = 1) -> LabelMap:
    """Annotation of a case with four voxels painted on some slices; not saved."""
    annotation = project.annotation(case_id)
    for index in indices:
        cut = [slice(2, 4)] * 3
        cut[project.slice_axis] = slice(index, index + 1)
        annotation.array[tuple(cut)] = value
    return annotation


def assert_is_one_sentence(error: TransMedSegError) -> None:
    """Expected, found, way out."""
    text = str(error)
    assert "\n" not in text
    assert "Expected" in text
    assert "found" in text
    assert ";" in text
    assert text.endswith(".")
