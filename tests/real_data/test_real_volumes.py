"""Real files of many makers: read, or refused in a sentence; masks lie exactly on them."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.io import (
    case_id_of,
    find_images,
    read_geometry,
    read_labels,
    read_volume,
    write_labels,
)
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.slices import spread_slices

RealData = Callable[[str], Path]

REFUSED = {
    "5D_small.nii", "not-nifti.nii", "analyze.hdr", "example4d.nii.gz", "example_nifti2.nii.gz",
    "functional.nii", "nifti1.hdr", "complex.nii.gz", "ct_perfusion.nii.gz", "pcasl.nii.gz",
    "BallBinary30x30x30_byteskip_minus_five.nhdr", "BallBinary30x30x30_nifti.nhdr",
    "test1d_ascii.nrrd", "test_customFields.nrrd", "test_simple4d_raw.nrrd",
}  # fmt: skip


def mask_on(volume: Volume) -> LabelMap:
    array = (volume.array > np.median(volume.array)).astype(np.uint8)
    return LabelMap(array=array, geometry=volume.geometry)


def test_masks_of_nifti_files_of_many_makers_have_their_grid_and_codes(
    real_data: RealData, tmp_path: Path
) -> None:
    out = tmp_path / "mask.nii.gz"
    count = 0
    for path in find_images([real_data("formats"), real_data("gm-challenge")]):
        if path.name in REFUSED or not path.name.endswith((".nii", ".nii.gz")):
            continue
        volume = read_volume(path)
        mask = mask_on(volume)
        if not volume.geometry.known:
            with pytest.raises(GeometryError):
                write_labels(out, mask)
            continue
        write_labels(out, mask)
        image, written = nib.load(path), nib.load(out)
        assert written.shape == image.shape, path
        assert_array_equal(written.affine, image.affine, err_msg=str(path))
        for field in ("qform_code", "sform_code", "xyzt_units", "pixdim", "dim"):
            assert_array_equal(written.header[field], image.header[field], err_msg=str(path))
        assert_array_equal(read_labels(out).array, mask.array, err_msg=str(path))
        count += 1
    assert count > 25


def test_simpleitk_sees_masks_at_the_place_of_their_images(
    real_data: RealData, tmp_path: Path
) -> None:
    out = tmp_path / "mask.nii.gz"
    count = 0
    for path in find_images([real_data("formats"), real_data("gm-challenge")]):
        if path.name in REFUSED or "shear" in path.name:  # ITK refuses sheared affines
            continue
        volume = read_volume(path)
        if not volume.geometry.known:
            continue
        write_labels(out, mask_on(volume))
        try:
            image = sitk.ReadImage(str(path))
        except RuntimeError:  # ITK refuses what nibabel reads
            continue
        mask = sitk.ReadImage(str(out))
        assert mask.GetSize() == image.GetSize(), path
        assert_allclose(mask.GetSpacing(), image.GetSpacing(), rtol=1e-5, err_msg=str(path))
        assert_allclose(mask.GetOrigin(), image.GetOrigin(), atol=1e-3, err_msg=str(path))
        assert_allclose(mask.GetDirection(), image.GetDirection(), atol=1e-5, err_msg=str(path))
        count += 1
    assert count > 40


def test_labels_of_oblique_spinal_cords_lie_on_their_images(
    real_data: RealData, tmp_path: Path
) -> None:
    folder = real_data("gm-challenge")
    images = [path for path in find_images([folder]) if "derivatives" not in path.parts]
    assert len(images) == 5
    with Project.create(tmp_path / "p", images=images, classes=["cord"]) as project:
        assert project.slice_axis == 0
        for path in find_images([folder / "derivatives"]):
            if not path.name.endswith("_seg-manual.nii.gz"):
                continue
            case_id = case_id_of(path).removesuffix("_seg-manual")
            project.import_labels(case_id, read_labels(path))
            assert project.annotation(case_id).known.all()
            assert project.geometry(case_id).is_oblique


def test_short_axis_hearts_are_cut_as_they_were_taken(real_data: RealData, tmp_path: Path) -> None:
    folder = real_data("acdc")
    images = find_images([folder / "images"])[:6]
    with Project.create(tmp_path / "p", images=images, classes=["RV", "Myo", "LV"]) as project:
        assert project.slice_axis == 0
        for case in project.cases:
            labels = read_labels(folder / "labels" / f"{case.case_id}.nii.gz")
            chosen = spread_slices(3, project.num_slices(case.case_id))
            project.import_labels(case.case_id, labels, chosen)
            assert project.ledger(case.case_id).labeled_indices() == chosen


def test_hippocampus_labels_lie_on_their_images(real_data: RealData) -> None:
    folder = real_data("hippocampus")
    labels = {case_id_of(path): path for path in find_images([folder / "labels"])}
    images = {case_id_of(path): path for path in find_images([folder / "images"])}
    paired = sorted(set(labels) & set(images))

    assert len(paired) >= 100
    for case_id in paired:
        assert read_geometry(images[case_id]).same_space(read_geometry(labels[case_id])), case_id


def test_a_hippocampus_cohort_is_annotated_where_slices_were_chosen(
    real_data: RealData, tmp_path: Path
) -> None:
    folder = real_data("hippocampus")
    images = find_images([folder / "images"])
    rng = np.random.default_rng(0)
    with Project.create(
        tmp_path / "p", images=images, classes=["anterior", "posterior"], plane="coronal"
    ) as project:
        for case in project.cases[:10]:
            labels = read_labels(folder / "labels" / f"{case.case_id}.nii.gz")
            chosen = spread_slices(3, project.num_slices(case.case_id), rng)
            project.import_labels(case.case_id, labels, chosen)

        counts = project.ledger(project.cases[0].case_id).counts()
        assert counts[SliceState.ANNOTATED] + counts[SliceState.EMPTY] == 3
        cases = project.training_cases()
        assert sum(case.annotation is not None for case in cases) == 10
        assert all(case.annotation is None for case in cases[10:])
