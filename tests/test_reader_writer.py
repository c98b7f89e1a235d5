"""What napari reads and writes through the manifest keeps place, shape and codes."""

import shutil

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from napari.layers import Layer

from napari_transmedseg._reader import get_reader
from napari_transmedseg._sample_data import sample_case
from napari_transmedseg._writer import write_labels
from napari_transmedseg.errors import GeometryError, ImageReadError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("a.nii", True, id="nii"),
        pytest.param("a.NII.GZ", True, id="nii.gz, upper case"),
        pytest.param(["a.nrrd", "b.mha"], True, id="several"),
        pytest.param("a.tar.gz", False, id="other gz"),
        pytest.param(["a.nii", "b.png"], False, id="one foreign"),
        pytest.param([], False, id="none"),
    ],
)
def test_reader_sniffs_by_name_and_opens_nothing(path, expected):
    assert (get_reader(path) is not None) is expected


def test_reader_tells_images_from_label_maps(sample_folder):
    name = "heart_02_siteA.nii.gz"
    paths = [str(sample_folder / kind / name) for kind in ("images", "labels")]
    layers = get_reader(paths)(paths)
    assert [kind for _, _, kind in layers] == ["image", "labels"]
    image, labels = (Layer.create(*one) for one in layers)
    np.testing.assert_allclose(image.translate, labels.translate)
    np.testing.assert_allclose(image.scale, labels.scale)


@pytest.mark.parametrize("case", range(8))
def test_written_mask_is_the_mask_that_was_read(sample_folder, tmp_path, case):
    source = sorted((sample_folder / "labels").glob("*.nii.gz"))[case]
    data, attributes, _ = get_reader(str(source))(str(source))[0]
    target = tmp_path / "out.nii.gz"
    assert write_labels(str(target), data, attributes) == [str(target)]
    before, after = nib.load(source), nib.load(target)
    np.testing.assert_array_equal(np.asanyarray(after.dataobj), np.asanyarray(before.dataobj))
    np.testing.assert_array_equal(after.affine, before.affine)
    for code in ("qform_code", "sform_code", "xyzt_units"):
        assert after.header[code] == before.header[code]


def test_all_background_mask_opens_as_labels(sample_folder, tmp_path):
    source = nib.load(sorted((sample_folder / "labels").glob("*.nii.gz"))[0])
    path = tmp_path / "empty_mask.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(source.shape, np.uint8), source.affine), path)
    assert get_reader(str(path))(str(path))[0][2] == "labels"


def test_mask_of_unknown_place_is_refused_in_a_sentence(tmp_path):
    target = tmp_path / "out.nii.gz"
    with pytest.raises(GeometryError, match="open the image with TransMedSeg"):
        write_labels(str(target), np.zeros((3, 4, 5), np.uint8), {"name": "Labels", "metadata": {}})
    assert not target.exists()


def test_file_that_is_no_image_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "notes.nii.gz"
    path.write_bytes(b"not an image")
    with pytest.raises(ImageReadError):
        get_reader(str(path))(str(path))


def test_sample_case_is_an_image_with_its_reference():
    image, reference = sample_case()
    assert (image[2], reference[2]) == ("image", "labels")
    assert image[0].shape == reference[0].shape
    assert set(np.unique(reference[0])) == {0, 1, 2, 3}


def test_napari_opens_and_saves_through_the_manifest(sample_folder, tmp_path, npe2pm_of_ours):
    from napari.components import ViewerModel

    source = tmp_path / "case_mask.nii.gz"
    shutil.copy(sorted((sample_folder / "labels").glob("*.nii.gz"))[0], source)
    viewer = ViewerModel()
    (layer,) = viewer.open(str(source), plugin="napari-transmedseg")
    target = tmp_path / "saved.nii.gz"
    assert layer.save(str(target), plugin="napari-transmedseg") == [str(target)]
    np.testing.assert_array_equal(nib.load(target).affine, nib.load(source).affine)


@pytest.fixture
def npe2pm_of_ours():
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    if "napari-transmedseg" not in manager:
        manager.register(PluginManifest.from_distribution("napari-transmedseg"))
    return manager


def test_a_dicom_folder_opens_as_one_layer_at_its_place(tmp_path):
    from dicom_files import write_series

    pixels = write_series(tmp_path / "chest", (0.0, 2.0, 4.0))
    path = str(tmp_path / "chest")
    ((data, attributes, kind),) = get_reader(path)(path)
    assert kind == "image"
    assert attributes["name"] == "chest"
    assert attributes["scale"] == (2.0, 0.5, 0.7)
    np.testing.assert_array_equal(data, pixels[::-1] - 1000)


def test_frames_open_as_layers_and_the_first_is_shown(tmp_path):
    array = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    path = str(tmp_path / "cine.nii.gz")
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    layers = get_reader(path)(path)
    assert [attributes["name"] for _, attributes, _ in layers] == [
        "cine frame 0", "cine frame 1", "cine frame 2",
    ]  # fmt: skip
    assert [attributes["visible"] for _, attributes, _ in layers] == [True, False, False]


def test_a_saved_segmentation_keeps_names_and_colours(sample_folder, tmp_path):
    from napari_transmedseg.imaging.io import read_labels

    source = sorted((sample_folder / "labels").glob("*.nii.gz"))[0]
    data, attributes, _ = get_reader(str(source))(str(source))[0]
    attributes["metadata"]["transmedseg"]["names"] = {1: "right ventricle"}
    target = tmp_path / "out.seg.nrrd"
    write_labels(str(target), data, attributes)
    again = read_labels(target)
    assert again.names[1] == "right ventricle"
    assert again.colors[1] == "#e69f00"
    np.testing.assert_array_equal(again.array, data)
