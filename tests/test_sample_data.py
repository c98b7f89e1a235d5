"""The sample cohort is what its README says, and its script makes it."""

import importlib.util
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.project.sample_cases import SAMPLE_CLASSES, sample_images, sample_labels

CASES = [path.name for path in sample_images()]
MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def maker(repository):
    path = repository / "sample_data" / "make_sample_data.py"
    spec = importlib.util.spec_from_file_location("make_sample_data", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def make(maker, folder: Path, name: str) -> Path:
    """Make one case anew."""
    number = CASES.index(name) + 1
    recipe = maker.RECIPES[number - 1]
    image, labels = maker.make_case(np.random.default_rng([maker.SEED, number]), recipe)
    maker.write_nifti(folder / "images" / name, image, recipe)
    maker.write_nifti(folder / "labels" / name, labels, recipe)
    return folder


def load_both(folder: Path, name: str):
    return nib.load(folder / "images" / name), nib.load(folder / "labels" / name)


def test_cohort_has_eight_cases_of_two_sites_in_under_three_megabytes(sample_folder):
    assert len(CASES) == 8
    assert sum("siteA" in name for name in CASES) == sum("siteB" in name for name in CASES) == 4
    files = [path for path in sample_folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    assert [path.name for path in sample_labels()] == CASES


@pytest.mark.parametrize(
    "name",
    [
        name if name in (CASES[0], CASES[4]) else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_script_makes_the_shipped_voxels(sample_folder, maker, tmp_path, name):
    # Same bytes with the same library versions; other processors may round a voxel differently.
    remade = make(maker, tmp_path, name)
    for shipped, made in zip(load_both(sample_folder, name), load_both(remade, name), strict=True):
        assert made.header == shipped.header
        difference = np.abs(np.asarray(made.dataobj).astype(int) - np.asarray(shipped.dataobj))
        assert (difference > 0).mean() < 1e-3
    assert difference.sum() <= 3


def test_making_twice_gives_the_same_bytes(maker, tmp_path):
    first, second = (make(maker, tmp_path / place, CASES[0]) for place in ("first", "second"))
    for kind in ("images", "labels"):
        one, other = (folder / kind / CASES[0] for folder in (first, second))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_labels_lie_on_their_image(sample_folder, name):
    image, labels = load_both(sample_folder, name)
    assert image.shape == labels.shape
    np.testing.assert_array_equal(image.affine, labels.affine)
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-4)


def test_cohort_varies_in_orientation_and_obliqueness(sample_folder):
    affines = [load_both(sample_folder, name)[0].affine for name in CASES]
    orders = {"".join(nib.aff2axcodes(affine)) for affine in affines}
    assert len(orders) >= 3 and orders != {"RAS"}
    oblique = ["siteA" in n for n, a in zip(CASES, affines, strict=True) if is_oblique(a)]
    assert sorted(oblique) == [False, True]


def is_oblique(affine: np.ndarray) -> bool:
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(directions).max(axis=0).min() < 0.99)


@pytest.mark.parametrize("name", CASES)
def test_every_case_shows_all_classes_and_an_empty_end(sample_folder, name):
    image, labels = (np.asarray(item.dataobj) for item in load_both(sample_folder, name))
    assert sorted(np.unique(labels)) == list(range(len(SAMPLE_CLASSES) + 1))
    slice_axis = int(np.argmin(labels.shape))
    per_slice = (labels > 0).sum(axis=tuple({0, 1, 2} - {slice_axis}))
    assert 5 <= (per_slice > 0).sum() <= 10
    assert per_slice[[0, -1]].min() < 30
    assert image.min() >= 0 and image.std() > 0


def test_sites_differ_in_contrast_and_noise(sample_folder):
    def contrast_to_noise(name: str) -> float:
        image, labels = (np.asarray(item.dataobj) for item in load_both(sample_folder, name))
        cavity, muscle = image[labels == 3].astype(float), image[labels == 2].astype(float)
        return (np.median(cavity) - np.median(muscle)) / muscle.std()

    site = {s: [contrast_to_noise(n) for n in CASES if s in n] for s in ("siteA", "siteB")}
    assert np.mean(site["siteA"]) > 1.3 * np.mean(site["siteB"])
