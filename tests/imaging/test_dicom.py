"""DICOM series: exact places, intensities scaled once, and every irregularity by its name."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import AXIAL, PATIENT, write_series, write_slice
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.io import open_image, read_volume

HEIGHTS = (0.0, 2.0, 4.0, 6.0)


def test_a_series_lies_where_its_header_says_and_is_scaled_once(tmp_path: Path) -> None:
    pixels = write_series(tmp_path, HEIGHTS, RescaleSlope=2)

    volume = read_volume(tmp_path)

    geometry = volume.geometry
    assert geometry.shape == (5, 6, 4)
    assert_allclose(
        geometry.affine,
        [[-0.7, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 2, 0], [0, 0, 0, 1]],
    )
    assert geometry.known
    assert_array_equal(geometry.to_source(volume.array), pixels.T * 2 - 1000)
    assert volume.array.dtype == np.int16
    assert volume.notes == ()


def test_scaling_by_fractions_gives_fractions(tmp_path: Path) -> None:
    pixels = write_series(tmp_path, HEIGHTS, RescaleSlope=0.25, RescaleIntercept=0.5)
    volume = read_volume(tmp_path)
    assert_allclose(volume.geometry.to_source(volume.array), pixels.T * 0.25 + 0.5)


def test_each_slice_has_its_own_scale(tmp_path: Path) -> None:
    pixels = [
        write_series(tmp_path, [height], prefix=f"{slope}-", RescaleSlope=slope)
        for slope, height in ((1, 0.0), (0.5, 2.0))
    ]
    volume = read_volume(tmp_path)
    expected = np.concatenate([pixels[0] - 1000.0, pixels[1] * 0.5 - 1000.0])
    assert_allclose(volume.geometry.to_source(volume.array), expected.T)


@pytest.mark.parametrize(
    ("places", "attributes", "words"),
    [
        pytest.param((0, 2, 4, 8, 10), {}, "1 missing slices .first: a gap of 4 mm after slice 3",
                     id="missing slice"),
        pytest.param((0, 2, 5, 6.2), {}, "uneven spacing: 1.2 to 3 mm", id="uneven"),
        pytest.param((0, 2, 2, 4), {}, "duplicate slices at 1 of 3 places .first: 2 at slice 2",
                     id="duplicate"),
        pytest.param((0, 2), {"PixelSpacing": None}, "pixel size", id="without pixel size"),
        pytest.param((0, 2), {"ImagePositionPatient": None}, "place for each slice",
                     id="without places"),
        pytest.param((0, 2), {"PhotometricInterpretation": "YBR_FULL"}, "colours", id="colours"),
        pytest.param((0, 2), {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles",
                     id="collapsed"),
    ],
)  # fmt: skip
def test_what_makes_no_even_stack_is_named_with_its_size(
    places: tuple[float, ...], attributes: dict, words: str, tmp_path: Path
) -> None:
    write_series(tmp_path, places, **attributes)

    with pytest.raises(ImageReadError, match=words) as caught:
        read_volume(tmp_path)

    assert str(caught.value).endswith(".")
    (listed,) = dicom.find_series(tmp_path)
    assert listed.problem == str(caught.value)
    assert listed.shape is None


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        pytest.param({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "mixed orientations.*90°",
                     id="localizer"),
        pytest.param({"PixelSpacing": [0.9, 0.9]}, "one pixel size.*0.5 to 0.9", id="pixel size"),
    ],
)  # fmt: skip
def test_slices_that_differ_are_named(attributes: dict, words: str, tmp_path: Path) -> None:
    write_series(tmp_path, HEIGHTS)
    write_slice(
        tmp_path / "other.dcm",
        np.ones((6, 5)),
        **({"ImagePositionPatient": [10.0, 20.0, 8.0]} | attributes),
    )
    with pytest.raises(ImageReadError, match=words):
        read_volume(tmp_path)


def test_slices_of_another_size_are_named(tmp_path: Path) -> None:
    write_series(tmp_path, HEIGHTS)
    write_slice(tmp_path / "other.dcm", np.ones((3, 3)), ImagePositionPatient=[10.0, 20.0, 8.0])
    with pytest.raises(ImageReadError, match="4 of 5×6, 1 of 3×3 pixels"):
        read_volume(tmp_path)


def test_copies_of_a_file_are_left_out_and_told(tmp_path: Path) -> None:
    write_series(tmp_path, HEIGHTS)
    (tmp_path / "again.dcm").write_bytes((tmp_path / "slice001.dcm").read_bytes())

    volume = read_volume(tmp_path)

    assert volume.geometry.shape[2] == 4
    assert "1 files are copies" in volume.notes[0]


def test_slightly_uneven_spacing_is_read_and_told(tmp_path: Path) -> None:
    write_series(tmp_path, (0.0, 2.0, 4.08, 6.0))
    volume = read_volume(tmp_path)
    assert "1.92 to 2.08 mm" in volume.notes[0]


def test_a_tilted_gantry_keeps_its_sheared_grid_and_is_told(tmp_path: Path) -> None:
    places = [(10.0, 20.0 + 2.0 * np.tan(np.deg2rad(12)) * k, 2.0 * k) for k in range(4)]
    write_series(tmp_path, places)

    volume = read_volume(tmp_path)

    assert "tilted by 12°" in volume.notes[0]
    for k, place in enumerate(places):
        assert_allclose(
            (volume.geometry.affine @ [0, 0, k, 1])[:3], np.array(place) * (-1, -1, 1), atol=1e-6
        )


def test_phases_are_told_apart_by_their_time(tmp_path: Path) -> None:
    late = write_series(tmp_path, HEIGHTS, prefix="a", TriggerTime=300)
    early = write_series(tmp_path, HEIGHTS, prefix="b", TriggerTime=20, RescaleIntercept=0)

    with pytest.raises(ImageReadError, match="2 frames"):
        read_volume(tmp_path)
    assert dicom.find_series(tmp_path)[0].num_phases == 2
    for frame, expected in enumerate((early, late - 1000)):
        volume = read_volume(tmp_path, frame=frame)
        assert_array_equal(volume.geometry.to_source(volume.array), expected.T)


def test_several_series_in_nested_folders_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "deep", HEIGHTS, SeriesDescription="Thorax 2.0")
    write_series(
        tmp_path / "b",
        (0.0, 5.0),
        SeriesInstanceUID="1.2.5",
        SeriesDescription="Scout",
        Modality="MR",
    )
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "report.dcm").write_bytes(b"\0" * 128 + b"DICM damaged")

    found = {series.description: series for series in dicom.find_series(tmp_path)}

    assert set(found) == {"Thorax 2.0", "Scout"}
    assert found["Scout"].modality == "MR"
    assert found["Scout"].shape == (5, 6, 2)
    assert found["Thorax 2.0"].folder == tmp_path / "a" / "deep"
    assert_allclose(found["Thorax 2.0"].spacing, (0.7, 0.5, 2.0))
    with pytest.raises(ImageReadError, match="Thorax 2.0 5×6×4"):
        read_volume(tmp_path)
    assert open_image(tmp_path, series=found["Scout"].key).geometry.shape == (5, 6, 2)
    with pytest.raises(ImageReadError, match="found 'nothing'"):
        open_image(tmp_path, series="nothing")


def test_nothing_that_is_kept_of_a_series_names_the_patient(tmp_path: Path) -> None:
    write_series(tmp_path, HEIGHTS)
    series = dicom.find_series(tmp_path)
    kept = repr((series, open_image(tmp_path)))
    for secret in (PATIENT, "Doe", "4711", "19700101", "1.2.3.4"):
        assert secret not in kept


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless"])
def test_compressed_slices_are_what_they_were(syntax: str, tmp_path: Path) -> None:
    pixels = write_series(tmp_path, HEIGHTS, shape=(32, 16))
    for path in tmp_path.glob("*.dcm"):
        data = pydicom.dcmread(path)
        data.compress(getattr(pydicom.uid, syntax))
        data.save_as(path)

    volume = read_volume(tmp_path)

    assert_array_equal(volume.geometry.to_source(volume.array), pixels.T - 1000)


def test_one_slice_alone_opens_and_says_when_it_has_no_thickness(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "one", np.arange(30).reshape(6, 5), SliceThickness=None)
    volume = read_volume(path)
    assert volume.array.shape == (1, 6, 5)
    assert "1 mm was taken" in volume.notes[0]


def test_a_slice_without_place_asks_for_confirmation(tmp_path: Path) -> None:
    path = write_slice(
        tmp_path / "one.dcm", np.arange(30).reshape(6, 5), ImagePositionPatient=None,
        ImageOrientationPatient=None,
    )  # fmt: skip
    assert not open_image(path).geometry.known
    assert open_image(path, confirm_spacing=True).geometry.known


def test_private_sequences_of_unknown_kind_are_walked_over(tmp_path: Path) -> None:
    pixels = write_series(tmp_path, (0.0,), prefix="a")
    path = next(tmp_path.glob("*.dcm"))
    content = path.read_bytes()
    nested = b"\x09\x00\x02\x10\x04\x00\x00\x001234"  # implicit: tag, length, value
    private = (
        b"\x09\x00\x10\x00LO\x04\x00MINE" + b"\x09\x00\x01\x10UN\x00\x00\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + nested + b"\xfe\xff\x0d\xe0" + bytes(4)
        + b"\xfe\xff\xdd\xe0" + bytes(4)
    )  # fmt: skip
    place = content.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(content[:place] + private + content[place:])

    volume = read_volume(tmp_path)

    assert_array_equal(volume.array[0], pixels[0] - 1000)


def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    write_series(tmp_path, (0.0,), prefix="a")
    path = next(tmp_path.glob("*.dcm"))
    content = path.read_bytes()
    place = content.index(b"\xe0\x7f\x10\x00OW") + 8
    path.write_bytes(content[:place] + (3_000_000_000).to_bytes(4, "little") + content[place + 4 :])
    with pytest.raises(ImageReadError, match="promises 3000000000 bytes"):
        read_volume(path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="DICOM images"):
        read_volume(tmp_path)
    assert dicom.find_series(tmp_path) == []


def test_frames_of_one_file_lie_where_each_of_them_says(tmp_path: Path) -> None:
    path = write_multiframe(tmp_path / "mf.dcm", heights=(4.0, 0.0, 2.0))
    stored = pydicom.dcmread(path).pixel_array

    volume = read_volume(path)

    assert_allclose(volume.geometry.spacing, (0.7, 0.5, 2.0))
    source = volume.geometry.to_source(volume.array)
    assert_array_equal(source, stored[[1, 2, 0]].T - 1000)


def test_frames_without_a_place_each_are_refused(tmp_path: Path) -> None:
    path = write_multiframe(tmp_path / "mf.dcm", heights=(4.0, 0.0, 2.0))
    change(path, lambda data: data.PerFrameFunctionalGroupsSequence.pop())
    with pytest.raises(ImageReadError, match="each of the 3 frames.*found 2 places"):
        read_volume(path)


def test_frames_of_several_intensity_scales_are_refused(tmp_path: Path) -> None:
    path = write_multiframe(tmp_path / "mf.dcm", heights=(4.0, 0.0, 2.0))

    def rescale(data: pydicom.Dataset) -> None:
        for slope, frame in enumerate(data.PerFrameFunctionalGroupsSequence, 1):
            frame.PixelValueTransformationSequence = [pydicom.Dataset()]
            frame.PixelValueTransformationSequence[0].RescaleSlope = slope
            frame.PixelValueTransformationSequence[0].RescaleIntercept = 0

    change(path, rescale)
    with pytest.raises(ImageReadError, match="found 3 .each frame has its own"):
        read_volume(path)


def test_frames_need_the_extra_and_say_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_multiframe(tmp_path / "mf.dcm", heights=(4.0, 0.0))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageReadError, match=r"pip install napari-transmedseg\[dicom\]"):
        read_volume(path)


def test_a_series_with_places_for_some_slices_only_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, (0.0, 2.0, 4.0))
    change(next(tmp_path.glob("*.dcm")), lambda data: delattr(data, "ImagePositionPatient"))
    with pytest.raises(ImageReadError, match="found 1 of 3 without; leave these out"):
        read_volume(tmp_path)


def change(path: Path, how: Callable[[pydicom.Dataset], object]) -> None:
    data = pydicom.dcmread(path)
    how(data)
    data.save_as(path)


def write_multiframe(path: Path, heights: tuple[float, ...]) -> Path:
    """Enhanced CT whose frames are stored in any order."""
    from pydicom.dataset import Dataset
    from pydicom.uid import EnhancedCTImageStorage

    pixels = np.random.default_rng(0).integers(0, 2000, (6 * len(heights), 5))
    write_slice(path, pixels)
    data = pydicom.dcmread(path)
    for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
                "RescaleIntercept", "SliceThickness"):  # fmt: skip
        delattr(data, key)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    data.Rows, data.NumberOfFrames = 6, len(heights)
    shared = Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.7]
    shared.PixelMeasuresSequence[0].SliceThickness = 2.0
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = list(AXIAL)
    shared.PixelValueTransformationSequence = [Dataset()]
    shared.PixelValueTransformationSequence[0].RescaleSlope = 1
    shared.PixelValueTransformationSequence[0].RescaleIntercept = -1000
    shared.PixelValueTransformationSequence[0].RescaleType = "HU"
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for height in heights:
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [10.0, 20.0, height]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.save_as(path)
    return path
