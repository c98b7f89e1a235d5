"""DICOM SEG written on a series, and read again by highdicom and by us."""

import copy
import io
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ConfigError, GeometryError, ImageReadError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.alignment import onto_same_grid
from napari_transmedseg.imaging.dicom_seg import encode_segmentation
from napari_transmedseg.imaging.io import open_image, read_labels
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelMap

HEIGHTS = (0.0, 2.0, 4.0, 6.0, 8.0)


@pytest.fixture
def case(tmp_path: Path) -> tuple[LabelMap, Path]:
    """Labels on the inner slices of a series, and its folder."""
    write_series(tmp_path / "ct", HEIGHTS, shape=(16, 12))
    geometry = open_image(tmp_path / "ct").geometry
    labels = LabelMap.empty(geometry, known=True)
    labels.array[1:3, 2:9, 3:7] = 1
    labels.array[3, 4:6, 3:10] = 3
    labels.names, labels.colors = {1: "Liver", 3: "left kidney"}, {1: "#cc2200", 3: "#00aa44"}
    return labels, tmp_path / "ct"


def test_a_written_segmentation_lies_on_its_series_for_highdicom(case, tmp_path: Path) -> None:
    labels, folder = case
    path = tmp_path / "mask.dcm"
    path.write_bytes(encode_segmentation(labels, dicom.slice_files(folder), automatic=True))

    segmentation = hd.seg.segread(path)

    sources = {pydicom.dcmread(file).SOPInstanceUID: file for file in folder.glob("*.dcm")}
    planes = segmentation.get_pixels_by_source_instance(
        list(sources), combine_segments=True, assert_missing_frames_are_empty=True
    )
    for plane, uid in zip(planes, sources, strict=True):
        header = pydicom.dcmread(sources[uid])
        world = np.array([*header.ImagePositionPatient, 1.0]) * (-1, -1, 1, 1)
        index = int(np.rint(np.linalg.inv(labels.geometry.affine) @ world)[2])
        ours = labels.geometry.to_source(labels.array)[..., index].T
        assert_array_equal(plane, np.select([ours == 1, ours == 3], [1, 2]))
    kinds = [segmentation.get_segment_description(n) for n in segmentation.segment_numbers]
    assert [kind.SegmentLabel for kind in kinds] == ["Liver", "left kidney"]
    codes = [kind.SegmentedPropertyTypeCodeSequence[0] for kind in kinds]
    assert [(code.CodeValue, code.CodingSchemeDesignator) for code in codes] == [
        ("10200004", "SCT"), ("64033007", "SCT"),
    ]  # fmt: skip
    assert segmentation.FrameOfReferenceUID == "1.2.9"
    (reference,) = segmentation.ReferencedSeriesSequence
    assert reference.SeriesInstanceUID == "1.2.3.4"


def test_a_written_segmentation_is_read_again_onto_its_image(case, tmp_path: Path) -> None:
    labels, folder = case
    path = tmp_path / "mask.dcm"
    path.write_bytes(encode_segmentation(labels, dicom.slice_files(folder), automatic=False))

    found = read_labels(path)

    assert found.names == {1: "Liver", 2: "left kidney"}
    for ours, theirs in zip(labels.colors.values(), found.colors.values(), strict=True):
        difference = np.frombuffer(bytes.fromhex(ours[1:] + theirs[1:]), np.uint8).astype(int)
        assert np.abs(difference[:3] - difference[3:]).max() <= 2  # CIELab is rounded
    moved = onto_same_grid(found, labels.geometry, "seg", "ct", sparse=True)
    assert_array_equal(moved.array, np.select([labels.array == 1, labels.array == 3], [1, 2]))


def test_codes_are_taken_where_they_are_given(case, tmp_path: Path) -> None:
    labels, folder = case
    codes = {3: ("18639004", "SCT", "Left kidney")}
    path = tmp_path / "mask.dcm"
    files = dicom.slice_files(folder)
    path.write_bytes(encode_segmentation(labels, files, automatic=True, codes=codes))
    kind = hd.seg.segread(path).get_segment_description(2)
    assert kind.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Left kidney"


@pytest.mark.parametrize(
    ("name", "code", "side"),
    [
        pytest.param("left kidney", "64033007", "7771000", id="left"),
        pytest.param("Kidney_RIGHT", "64033007", "24028007", id="right"),
        pytest.param("left and right lung", "39607008", "51440002", id="both"),
        pytest.param("left ventricle", "87878005", None, id="a code of its own"),
        pytest.param("liver", "10200004", None, id="no side"),
        pytest.param("left whatnot", "85756007", "7771000", id="unknown structure"),
    ],
)
def test_the_side_in_a_name_becomes_a_modifier_of_its_code(
    case, name, code, side, tmp_path: Path
) -> None:
    labels, folder = case
    labels.names = {1: name, 3: "right thing"}
    path = tmp_path / "mask.dcm"
    path.write_bytes(encode_segmentation(labels, dicom.slice_files(folder), automatic=True))

    (kind,) = hd.seg.segread(path).get_segment_description(1).SegmentedPropertyTypeCodeSequence

    assert kind.CodeValue == code
    modifiers = getattr(kind, "SegmentedPropertyTypeModifierCodeSequence", [])
    assert [modifier.CodeValue for modifier in modifiers] == ([] if side is None else [side])


def test_a_side_that_only_the_codes_tell_becomes_part_of_the_name(case, tmp_path: Path) -> None:
    labels, folder = case
    labels.names = {1: "Kidney left", 3: "kidney right"}
    path = tmp_path / "mask.dcm"
    path.write_bytes(encode_segmentation(labels, dicom.slice_files(folder), automatic=True))
    dataset = pydicom.dcmread(path)
    for item in dataset.SegmentSequence:
        item.SegmentLabel = "Kidney"
    dataset.save_as(path)

    assert read_labels(path).names == {1: "left Kidney", 2: "right Kidney"}


def test_overlapping_segments_follow_the_rule(case, tmp_path: Path) -> None:
    labels, folder = case
    path = tmp_path / "mask.dcm"
    path.write_bytes(encode_segmentation(labels, dicom.slice_files(folder), automatic=True))
    dataset = pydicom.dcmread(path)
    frames = dataset.PerFrameFunctionalGroupsSequence
    twice = next(
        place for place, frame in enumerate(frames)
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1
    )  # fmt: skip
    add_frame(dataset, copy.deepcopy(frames[twice]), twice, segment=2)
    dataset.save_as(path)

    with pytest.raises(ImageReadError, match="'left kidney' over 'Liver' on 28 voxels"):
        read_labels(path)
    later = read_labels(path, overlap=OverlapRule())
    first = read_labels(path, overlap=OverlapRule(first=("liver",)))
    assert np.count_nonzero((first.array == 1) & (later.array == 2)) == 28
    assert "'Liver' over 'left kidney' on 28 voxels" in first.notes[0]


def add_frame(dataset, frame, source: int, *, segment: int) -> None:
    """Repeat a frame's pixels for another segment."""
    frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = segment
    pixels = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    size = dataset.Rows * dataset.Columns
    count = dataset.NumberOfFrames
    planes = pixels[: count * size].reshape(count, size)
    planes = np.concatenate([planes, planes[source : source + 1]])
    packed = np.packbits(planes.ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    dataset.NumberOfFrames = count + 1
    dataset.PerFrameFunctionalGroupsSequence.append(frame)


def test_another_series_is_refused(case, tmp_path: Path) -> None:
    labels, _ = case
    write_series(tmp_path / "other", HEIGHTS[:3], shape=(16, 12))
    files = dicom.slice_files(tmp_path / "other")
    with pytest.raises(GeometryError, match="5 slices of the image"):
        encode_segmentation(labels, files, automatic=True)


def test_an_empty_map_cannot_be_a_segmentation(case) -> None:
    labels, folder = case
    empty = LabelMap.empty(labels.geometry, known=True)
    with pytest.raises(ConfigError, match="at least one labeled voxel"):
        encode_segmentation(empty, dicom.slice_files(folder), automatic=True)


def test_what_old_files_lack_is_filled_in(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", HEIGHTS, shape=(16, 12))
    for file in (tmp_path / "ct").glob("*.dcm"):
        dataset = pydicom.dcmread(file)
        for keyword in ("FrameOfReferenceUID", "StudyID", "AccessionNumber"):
            delattr(dataset, keyword)
        dataset.save_as(file)
    labels = LabelMap.empty(open_image(tmp_path / "ct").geometry, known=True)
    labels.array[2, 3:6, 4:8] = 1
    files = dicom.slice_files(tmp_path / "ct")

    first, second = (encode_segmentation(labels, files, automatic=False) for _ in range(2))

    frames = [pydicom.dcmread(io.BytesIO(content)) for content in (first, second)]
    assert frames[0].FrameOfReferenceUID == frames[1].FrameOfReferenceUID
    (tmp_path / "mask.dcm").write_bytes(first)
    found = read_labels(tmp_path / "mask.dcm")
    moved = onto_same_grid(found, labels.geometry, "seg", "ct", sparse=True)
    assert_array_equal(moved.array, labels.array)


def test_a_series_that_is_damaged_or_lacks_what_a_segmentation_needs_is_named(case) -> None:
    labels, folder = case
    files = dicom.slice_files(folder)
    dataset = pydicom.dcmread(files[0])
    del dataset.SOPInstanceUID
    dataset.save_as(files[0])
    with pytest.raises(ImageReadError, match="that a DICOM SEG can refer to.*SOPInstanceUID"):
        encode_segmentation(labels, files, automatic=True)
    files[0].unlink()
    with pytest.raises(ImageReadError, match="put the original files back"):
        encode_segmentation(labels, files, automatic=True)


def test_without_the_extra_the_way_to_get_it_is_told(case, monkeypatch) -> None:
    labels, folder = case
    files = dicom.slice_files(folder)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ImageReadError, match=r"pip install napari-transmedseg\[dicom\]"):
        encode_segmentation(labels, files, automatic=True)
