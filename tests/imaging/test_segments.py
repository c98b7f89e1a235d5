"""3D Slicer's segmentations and the tables beside masks keep names, colours and voxels."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import read_labels, read_volume, write_labels
from napari_transmedseg.imaging.label_tables import (
    json_table,
    read_label_table,
    slicer_table,
    snap_table,
)
from napari_transmedseg.imaging.overlap import OverlapRule, parse_overlap
from napari_transmedseg.imaging.volume import LabelMap, class_counts

NAMES = {1: "left ventricle", 3: "Größe: 5"}
COLORS = {1: "#ff8000", 3: "#0102ff"}


def make(kind: type = np.uint8) -> LabelMap:
    geometry = Geometry(
        shape=(5, 6, 7),
        affine=np.array([[0, 0.1, -2, 3], [0.9, 0, 0, -7], [0, -1.1, 0.3, 1], [0, 0, 0, 1.0]]),
    )
    array = np.random.default_rng(0).choice([0, 1, 3], geometry.display_shape).astype(kind)
    return LabelMap(array=array, geometry=geometry, names=dict(NAMES), colors=dict(COLORS))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_segmentation_keeps_names_colours_voxels_and_a_sheared_grid(
    kind: type, tmp_path: Path
) -> None:
    before = make(kind)
    if kind is np.uint16:
        before.array[before.array == 3] = 300
        before.names = {1: NAMES[1], 300: NAMES[3]}
        before.colors = {1: COLORS[1], 300: COLORS[3]}
    path = tmp_path / "mask.seg.nrrd"

    write_labels(path, before)
    after = read_labels(path)

    assert after.names == before.names
    assert after.colors == before.colors
    assert after.array.dtype == before.array.dtype
    assert_array_equal(after.array, before.array)
    assert_allclose(after.geometry.affine, before.geometry.affine, rtol=1e-15)


def test_simpleitk_reads_the_same_voxels_and_segment_fields(tmp_path: Path) -> None:
    geometry = Geometry.from_spacing((5, 6, 7), (1, 2, 3), orientation="PSR", origin=(4, 5, 6))
    array = make().array[:7, :6, :5].copy()
    array = np.resize(array, geometry.display_shape)
    before = LabelMap(array=array, geometry=geometry, names=NAMES, colors=COLORS)
    write_labels(tmp_path / "mask.seg.nrrd", before)

    image = sitk.ReadImage(str(tmp_path / "mask.seg.nrrd"))

    assert_array_equal(sitk.GetArrayFromImage(image).T, geometry.to_source(array))
    point = np.array(image.TransformIndexToPhysicalPoint((1, 2, 3))) * (-1, -1, 1)
    assert_allclose(point, (geometry.affine @ [1, 2, 3, 1])[:3], atol=1e-9)
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert fields["Segment0_Name"] == "left ventricle"
    assert fields["Segment1_LabelValue"] == "3"
    inside = np.argwhere(geometry.to_source(array) == 3)
    extent = [int(word) for word in fields["Segment1_Extent"].split()]
    assert extent[::2] == inside.min(0).tolist()
    assert extent[1::2] == inside.max(0).tolist()


def layered(path: Path, layers: np.ndarray, fields: dict[str, str]) -> Path:
    """A segmentation of several layers, as 3D Slicer stores overlapping segments."""
    lines = ["NRRD0004", "type: unsigned char", "dimension: 4", "space: left-posterior-superior",
             f"sizes: {' '.join(str(n) for n in layers.shape)}",
             "space directions: none (1,0,0) (0,1,0) (0,0,1)", "kinds: list domain domain domain",
             "encoding: raw", "space origin: (0,0,0)"]  # fmt: skip
    lines += [f"{key}:={value}" for key, value in fields.items()]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + layers.T.tobytes())
    return path


def test_layers_that_do_not_overlap_become_one_map(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 4, 5), np.uint8)
    layers[0, 0], layers[1, 1] = 1, 1
    fields = {"Segment0_Name": "a", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
              "Segment1_Name": "b", "Segment1_LabelValue": "1", "Segment1_Layer": "1"}  # fmt: skip
    found = read_labels(layered(tmp_path / "x.seg.nrrd", layers, fields))
    stored = found.geometry.to_source(found.array)
    assert (stored[0] == 1).all()
    assert (stored[1] == 2).all()
    assert found.names == {1: "a", 2: "b"}

    layers[1, 0, 0, 0] = 1
    with pytest.raises(ImageReadError, match=r"'b' over 'a' on 1 voxels; .*--overlap 'a,b'"):
        read_labels(layered(tmp_path / "y.seg.nrrd", layers, fields))


def overlapping(path: Path) -> Path:
    """Three segments on two layers: b covers 20 voxels of a, c lies beside b and covers 40."""
    layers = np.zeros((2, 3, 4, 5), np.uint8)
    layers[0] = 1
    layers[1, 0], layers[1, 1:] = 1, 2
    fields = {}
    for number, (name, value, layer) in enumerate((("a", 1, 0), ("b", 1, 1), ("c", 2, 1))):
        key = f"Segment{number}"
        fields |= {f"{key}_Name": name, f"{key}_LabelValue": value, f"{key}_Layer": layer}
    return layered(path, layers, fields)


@pytest.mark.parametrize(
    ("rule", "stored", "told"),
    [
        pytest.param("later", [2, 3, 3], ("'c' over 'a' on 40", "'b' over 'a' on 20"), id="later"),
        pytest.param("a", [1, 1, 1], ("'a' over 'c' on 40", "'a' over 'b' on 20"), id="one first"),
        pytest.param("B, a", [2, 1, 1], ("'a' over 'c' on 40", "'b' over 'a' on 20"), id="order"),
    ],
)
def test_the_rule_says_which_of_overlapping_segments_wins(rule, stored, told, tmp_path) -> None:
    found = read_labels(overlapping(tmp_path / "x.seg.nrrd"), overlap=parse_overlap(rule))
    classes = found.geometry.to_source(found.array)
    assert [np.unique(plane).tolist() for plane in classes] == [[value] for value in stored]
    (note,) = found.notes
    assert all(f"{part} voxels" in note for part in told)


def test_a_rule_of_segments_that_there_are_not_is_refused(tmp_path) -> None:
    with pytest.raises(ImageReadError, match="one of the segments 'a', 'b', 'c'.*found 'd'"):
        read_labels(overlapping(tmp_path / "x.seg.nrrd"), overlap=parse_overlap("d"))


@pytest.mark.parametrize("text", [None, "", " , "])
def test_no_rule_is_no_rule(text) -> None:
    assert parse_overlap(text) is None


@pytest.mark.parametrize(
    ("table", "plain"),
    [
        pytest.param(snap_table, NAMES, id="ITK-SNAP"),
        pytest.param(slicer_table, {1: "left_ventricle", 3: "Größe:_5"}, id="3D Slicer"),
        pytest.param(json_table, NAMES, id="JSON"),
    ],
)
def test_tables_beside_a_mask_are_read_again(table, plain, tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text(table(NAMES, COLORS), "utf-8")
    assert read_label_table(path) == (plain, COLORS)


@pytest.mark.parametrize("text", ["", "hello", "{}", '{"labels": 3}'])
def test_what_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "table").write_text(text)
    with pytest.raises(ImageReadError, match="found none"):
        read_label_table(tmp_path / "table")


def test_totalsegmentators_names_are_read_from_the_header(real_data) -> None:
    path = real_data("formats") / "nifti/TotalSegmentator/tests/reference_files/example_seg.nii.gz"
    labels = read_labels(path)
    assert labels.names[5] == "liver"
    assert labels.colors[5] == "#00ffff"


def test_dcmqi_segmentations_are_their_nrrd_twins(real_data) -> None:
    from napari_transmedseg.imaging.alignment import onto_same_grid

    folder = real_data("formats") / "dicom/dcmqi/data/segmentations"
    for seg, nrrd in (("liver.dcm", "liver_seg.nrrd"),
                      ("24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"),
                      ("sparse-labelmap-noppv.dcm", "sparse_labelmap_noppv_seg.nrrd")):  # fmt: skip
        found, twin = read_labels(folder / seg), read_labels(folder / nrrd)
        moved = onto_same_grid(found, twin.geometry, seg, nrrd, sparse=True)
        assert_array_equal(moved.array > 0, twin.array > 0, err_msg=seg)
        assert found.names
    image = read_volume(folder / "ct-3slice")
    assert image.geometry.same_space(read_volume(folder / "ct-3slice").geometry)


def test_overlapping_dicom_segments_are_their_nrrd_twins_where_they_win(real_data) -> None:
    from napari_transmedseg.imaging.alignment import onto_same_grid

    folder = real_data("formats") / "dicom/dcmqi/data/segmentations"
    path = folder / "partial_overlaps.dcm"
    with pytest.raises(ImageReadError, match=r"segments that overlap: '.*--overlap"):
        read_labels(path)
    twins = [read_labels(folder / f"partial_overlaps-{part}.nrrd") for part in (1, 2, 3)]
    for number, name in read_labels(path, overlap=OverlapRule()).names.items():
        found = read_labels(path, overlap=OverlapRule(first=(name,)))
        moved = onto_same_grid(found, twins[0].geometry, path.name, "its twin", sparse=True)
        wanted = np.any([twin.array == number for twin in twins], axis=0)
        assert_array_equal(moved.array == number, wanted, err_msg=name)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_classes_are_counted_plane_by_plane(order: str, kind: type) -> None:
    array = np.asarray(np.random.default_rng(0).choice([0, 2, 200], (4, 5, 6)), kind, order=order)
    values, counts = np.unique(array, return_counts=True)
    assert class_counts(array[::-1, :, ::-1]) == dict(
        zip(values.tolist(), counts.tolist(), strict=True)
    )
