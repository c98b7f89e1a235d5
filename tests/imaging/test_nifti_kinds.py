"""Formats that nibabel reads beside NIfTI, label tables in headers, and probabilities out."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Extension
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import (
    find_images,
    read_labels,
    read_volume,
    write_labels,
    write_probabilities,
)
from napari_transmedseg.imaging.volume import LabelMap

SHAPE = (5, 6, 7)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
TABLE = (
    '<CaretExtension><LabelTable><Label Key="1" Red="1.0" Green="0.5" Blue="0" Alpha="1">'
    '<![CDATA[liver]]></Label><Label Key="2" Red="2" Green="0" Blue="0"><![CDATA[spleen]]></Label>'
    '<Label Key="3"><![CDATA[left kidney]]></Label></LabelTable></CaretExtension>'
)


def classes() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)


def test_mgh_is_read_where_it_lies_and_masks_go_onto_it(tmp_path):
    array = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    nib.save(nib.MGHImage(array, AFFINE), tmp_path / "image.mgz")

    volume = read_volume(tmp_path / "image.mgz")

    assert volume.geometry.known
    assert_array_equal(volume.geometry.to_source(volume.array), array)
    assert_allclose(volume.geometry.affine, AFFINE)
    write_labels(tmp_path / "mask.nii.gz", LabelMap.empty(volume.geometry))
    assert read_labels(tmp_path / "mask.nii.gz").geometry.same_space(volume.geometry)


def test_analyze_says_no_place_so_that_no_mask_is_written_on_it(tmp_path):
    nib.save(nib.AnalyzeImage(classes().astype(np.int16), None), tmp_path / "image.img")
    volume = read_volume(tmp_path / "image.hdr")
    assert not volume.geometry.known
    with pytest.raises(GeometryError, match="position and orientation"):
        write_labels(tmp_path / "mask.nii.gz", LabelMap.empty(volume.geometry))


def test_names_and_colours_in_a_headers_extension_are_those_of_the_labels(tmp_path):
    image = nib.Nifti1Image(classes(), AFFINE)
    image.header.extensions.append(Nifti1Extension("comment", b"no table"))
    image.header.extensions.append(Nifti1Extension("ignore", TABLE.encode()))
    nib.save(image, tmp_path / "labels.nii.gz")

    labels = read_labels(tmp_path / "labels.nii.gz")

    assert labels.names == {1: "liver", 2: "spleen", 3: "left kidney"}
    assert labels.colors == {1: "#ff8000"}


def test_half_a_pair_is_refused(tmp_path):
    nib.save(nib.Nifti1Pair(classes().astype(np.int16), AFFINE), tmp_path / "image.img")
    (tmp_path / "image.hdr").rename(tmp_path / "lone.hdr")
    with pytest.raises(ImageReadError, match=r"found no such file; put it back beside"):
        read_volume(tmp_path / "lone.hdr")
    with pytest.raises(ImageReadError, match=r"image\.img, found something else or a damaged"):
        read_volume(tmp_path / "image.img")


@pytest.mark.parametrize("name", ["p.nii", "p.nii.gz"])
def test_probabilities_come_back_on_the_images_voxels(name, tmp_path, rng):
    geometry = Geometry.from_spacing(SHAPE, (1, 2, 3), orientation="PIR")
    probability = rng.random(geometry.display_shape).astype(np.float32)

    write_probabilities(tmp_path / name, probability, geometry)

    found = read_volume(tmp_path / name)
    assert_array_equal(found.array, probability)
    assert found.geometry.same_space(geometry)


def test_probabilities_are_written_as_nifti_only(tmp_path):
    geometry = Geometry.from_spacing(SHAPE)
    with pytest.raises(ImageReadError, match=r"p\.nrrd"):
        write_probabilities(tmp_path / "p.nrrd", np.zeros(geometry.display_shape), geometry)


def test_files_are_found_by_name_and_others_are_refused(tmp_path):
    nib.save(nib.Nifti1Image(classes(), AFFINE), tmp_path / "a.nii")
    (tmp_path / "notes.txt").write_text("none")
    assert find_images([tmp_path / "a.nii", tmp_path]) == [tmp_path / "a.nii"]
    with pytest.raises(ImageReadError, match=r"notes\.txt"):
        find_images([tmp_path / "notes.txt"])
