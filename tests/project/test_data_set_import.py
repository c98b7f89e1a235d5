"""Projects from data sets: cases, annotation with its source, classes, and what is left out."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import GEOMETRY, disc_classes, make_cohort, save_classes
from dicom_files import write_series
from small_files import write_nifti

from napari_transmedseg.cli.main import main
from napari_transmedseg.errors import ConfigError, DataSetError, GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import open_image, write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.data_set_import import DataSetOptions, project_from_data_set
from napari_transmedseg.project.import_options import ImportOptions
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import assert_is_one_sentence


@pytest.fixture
def decathlon(tmp_path: Path) -> Path:
    """Three training pairs as MSD lays them out, and a test case with a label map."""
    root = tmp_path / "Task99"
    images, labels = make_cohort(root, 4)
    names = {"0": "background", "1": "ring", "2": "core"}
    (root / "dataset.json").write_text(json.dumps({"labels": names, "modality": {"0": "MR"}}))
    for folder, name in ((images, "images"), (labels, "labels")):
        (root / f"{name}Ts").mkdir()
        (folder / "case_4.nii.gz").rename(root / f"{name}Ts" / "case_4.nii.gz")
        folder.rename(root / f"{name}Tr")
    return root


def test_images_become_cases_and_label_maps_annotation(decathlon: Path, tmp_path: Path) -> None:
    project, summary = project_from_data_set(tmp_path / "study", decathlon)

    with project:
        assert [item.name for item in project.classes] == ["ring", "core"]
        assert [case.case_id for case in project.cases] == [f"case_{n}" for n in (1, 2, 3, 4)]
        assert summary.annotated == ("case_1", "case_2", "case_3")
        for number in (1, 2, 3):
            annotation = project.annotation(f"case_{number}")
            assert annotation.known.all()
            np.testing.assert_array_equal(annotation.array, disc_classes(number % 3))
        entries = project.ledger("case_1").entries
        assert {entry.who for entry in entries} == {"case_1.nii.gz"}
        states = [entry.state for entry in entries]
        assert states == [SliceState.EMPTY, *[SliceState.ANNOTATED] * 6, SliceState.EMPTY]
        assert not project.annotation("case_4").known.any()
    assert any("test cases are not taken (case_4)" in note for note in summary.notes)


def test_images_alone_can_be_taken(decathlon: Path, tmp_path: Path) -> None:
    options = DataSetOptions(with_labels=False, classes=("a", "b"))
    project, summary = project_from_data_set(tmp_path / "study", decathlon, options)
    with project:
        assert [item.name for item in project.classes] == ["a", "b"]
        assert not summary.annotated
        assert not (project.folder / "annotations").exists()


def test_ids_may_be_anonymous(decathlon: Path, tmp_path: Path) -> None:
    options = DataSetOptions(images=ImportOptions(anonymous_ids=True))
    project, summary = project_from_data_set(tmp_path / "study", decathlon, options)
    with project:
        assert summary.annotated == ("case_001", "case_002", "case_003")
        np.testing.assert_array_equal(project.annotation("case_003").array, disc_classes(0))


def test_a_label_map_that_does_not_fit_is_said_and_the_others_are_taken(
    decathlon: Path, tmp_path: Path
) -> None:
    elsewhere = Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), origin=(500, 0, 0))
    save_classes(decathlon / "labelsTr/case_2.nii.gz", disc_classes(), elsewhere)
    project, summary = project_from_data_set(tmp_path / "study", decathlon)
    with project:
        assert summary.annotated == ("case_1", "case_3")
    (note,) = (note for note in summary.notes if "case_2" in note)
    assert note.startswith("case_2 has no annotation: Expected")


def test_nothing_is_written_where_no_label_map_fits(decathlon: Path, tmp_path: Path) -> None:
    elsewhere = Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), origin=(500, 0, 0))
    for number in (1, 2, 3):
        save_classes(decathlon / f"labelsTr/case_{number}.nii.gz", disc_classes(), elsewhere)
    with pytest.raises(GeometryError) as error:
        project_from_data_set(tmp_path / "study", decathlon)
    assert_is_one_sentence(error.value)
    assert not (tmp_path / "study").exists()


def test_too_few_class_names_are_refused(decathlon: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="1 ring in case_1.nii.gz, found 2;.*all classes"):
        project_from_data_set(tmp_path / "study", decathlon, DataSetOptions(classes=("ring",)))
    assert not (tmp_path / "study").exists()


def test_what_the_data_set_ignores_is_unknown(decathlon: Path, tmp_path: Path) -> None:
    labels = {"background": 0, "ring": 1, "core": 2, "ignore": 3}
    (decathlon / "dataset.json").write_text(
        json.dumps({"labels": labels, "channel_names": {"0": "MR"}})
    )
    array = disc_classes(1)
    array[4] = 3
    array[5][array[5] == 0] = 3
    save_classes(decathlon / "labelsTr/case_1.nii.gz", array)
    project, _ = project_from_data_set(tmp_path / "study", decathlon)
    with project:
        states = project.ledger("case_1").states
        assert states[3:6] == [SliceState.ANNOTATED, SliceState.UNSEEN, SliceState.IN_PROGRESS]
        known = project.annotation("case_1").known
        assert not known[4].any()
        np.testing.assert_array_equal(known[5], (array[5] == 1) | (array[5] == 2))


@pytest.fixture(params=["numbered files", "frames"])
def two_channels(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A case of T1 and T2; where files are numbered, another one lacks its T1."""
    root = tmp_path / "set"
    names = {"0": "T1", "1": "T2"}
    content = {"labels": {"background": 0, "a": 1, "b": 2}, "channel_names": names}
    root.mkdir()
    (root / "dataset.json").write_text(json.dumps(content))
    write_nifti(root / "labelsTr/p.nii.gz", label=True)
    if request.param == "frames":
        write_nifti(root / "imagesTr/p.nii.gz", frames=2)
    else:
        for name, seed in (("p_0000", 0), ("p_0001", 1), ("q_0001", 2)):
            write_nifti(root / f"imagesTr/{name}.nii.gz", seed=seed)
    return root


def stored(root: Path, channel: int) -> np.ndarray:
    """A channel of the case as nibabel reads it."""
    if (root / "imagesTr/p.nii.gz").exists():
        return nib.load(root / "imagesTr/p.nii.gz").get_fdata()[..., channel]
    return nib.load(root / f"imagesTr/p_000{channel}.nii.gz").get_fdata()


def test_channels_are_a_choice(two_channels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"found 2 for each case: 0 T1, 1 T2; .*--frame 0"):
        project_from_data_set(tmp_path / "none", two_channels)
    with pytest.raises(DataSetError, match="0 T1, 1 T2, found 2"):
        options = DataSetOptions(images=ImportOptions(frame=2))
        project_from_data_set(tmp_path / "none", two_channels, options)
    with pytest.raises(ConfigError, match="names for 2 channels"):
        options = DataSetOptions(images=ImportOptions(frame="channels", channels=("x",)))
        project_from_data_set(tmp_path / "none", two_channels, options)
    assert not (tmp_path / "none").exists()


def test_one_of_several_channels_can_be_taken(two_channels: Path, tmp_path: Path) -> None:
    options = DataSetOptions(images=ImportOptions(frame=1))
    project, summary = project_from_data_set(tmp_path / "study", two_channels, options)
    with project:
        assert summary.annotated == ("p",)
        volume = project.volume("p")
        np.testing.assert_array_equal(
            volume.geometry.to_source(volume.array), stored(two_channels, 1)
        )
    assert any("only 'T2' is used" in note for note in summary.notes)
    lacking = any("(q)" in note for note in summary.notes)
    assert lacking is (two_channels / "imagesTr/q_0001.nii.gz").exists()


@pytest.mark.parametrize("names", [(), ("first", "second")])
def test_all_channels_of_a_case_can_be_taken(
    two_channels: Path, tmp_path: Path, names: tuple[str, ...]
) -> None:
    options = DataSetOptions(images=ImportOptions(frame="channels", channels=names))
    project, summary = project_from_data_set(tmp_path / "study", two_channels, options)
    with project:
        assert summary.annotated == ("p",)
        assert project.channel_names == (names or ("T1", "T2"))
        volume = project.volume("p")
        for channel, array in enumerate(volume.channels):
            np.testing.assert_array_equal(
                volume.geometry.to_source(array), stored(two_channels, channel)
            )
    assert not any("only" in note for note in summary.notes)


def test_class_names_must_come_from_somewhere(tmp_path: Path) -> None:
    make_cohort(tmp_path / "set", 2)
    with pytest.raises(DataSetError, match=r"found none in .* but the labels 1, 2 in case_1"):
        project_from_data_set(tmp_path / "study", tmp_path / "set")


def test_segments_name_the_classes_and_flat_folders_do(tmp_path: Path) -> None:
    images, labels = make_cohort(tmp_path / "cohort", 2)
    for path in sorted(labels.iterdir()):
        path.unlink()
    found = LabelMap(array=disc_classes(1), geometry=GEOMETRY, names={1: "wall", 2: "blood"})
    write_labels(images / "case_1.seg.nrrd", found)
    project, summary = project_from_data_set(tmp_path / "study", images)
    with project:
        assert list(project.class_names.values()) == ["wall", "blood"]
    assert summary.annotated == ("case_1",)
    assert summary.notes == ("1 image without a label map: case_2.",)


def test_segments_are_taken_by_their_names_whatever_their_values(tmp_path: Path) -> None:
    images, labels = make_cohort(tmp_path / "cohort", 2)
    for path in sorted(labels.iterdir()):
        path.unlink()
    first = LabelMap(array=disc_classes(1), geometry=GEOMETRY, names={1: "wall", 2: "blood"})
    swapped = np.array([0, 2, 1], np.uint8)[disc_classes(2)]
    second = LabelMap(array=swapped, geometry=GEOMETRY, names={1: "Blood", 2: "WALL"})
    write_labels(images / "case_1.seg.nrrd", first)
    write_labels(images / "case_2.seg.nrrd", second)
    project, _ = project_from_data_set(tmp_path / "study", images)
    with project:
        np.testing.assert_array_equal(project.annotation("case_2").array, disc_classes(2))


def test_the_domain_is_taken_where_it_is_known(tmp_path: Path) -> None:
    root = tmp_path / "set"
    (root / "derivatives/labels").mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    write_nifti(root / "sub-1/anat/sub-1_T2w.nii.gz")
    (root / "sub-1/anat/sub-1_T2w.json").write_text('{"Manufacturer": "Acme"}')
    write_nifti(root / "derivatives/labels/sub-1/anat/sub-1_T2w_seg-manual.nii.gz", label=True)
    options = DataSetOptions(classes=("ring", "core"))
    project, _ = project_from_data_set(tmp_path / "study", root, options)
    with project:
        assert [case.domain for case in project.cases] == ["Acme"]


def test_a_dicom_series_of_the_pancreas_archive_gets_its_label(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_series(root / "Pancreas-CT/PANCREAS_0001/series", (0.0, 2.0, 4.0), shape=(16, 12))
    geometry = open_image(root / "Pancreas-CT/PANCREAS_0001/series").geometry
    affine = geometry.affine.copy()
    affine[:3, 3] = 0  # the archive's label files do not say where they lie
    array = np.zeros(geometry.shape, np.uint8)
    array[2:5, 3:9, 1] = 1
    nib.save(nib.Nifti1Image(array, affine), root / "label0001.nii.gz")

    project, summary = project_from_data_set(tmp_path / "study", root)

    with project:
        assert list(project.class_names.values()) == ["pancreas"]
        assert project.case("image0001").series
        annotation = project.annotation("image0001")
        np.testing.assert_array_equal(geometry.to_source(annotation.array), array)
    assert "do not say where they lie" in summary.notes[0]


def test_arrays_are_no_images_of_a_project(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "set").mkdir()
    with h5py.File(tmp_path / "set/a.h5", "w") as file:
        file["image"], file["label"] = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    with pytest.raises(DataSetError, match="convert them to NIfTI"):
        project_from_data_set(tmp_path / "study", tmp_path / "set")


def test_the_command_says_what_came_in(decathlon: Path, tmp_path: Path, capsys) -> None:
    study = str(tmp_path / "study")
    assert main(["new", study, "--data-set", str(decathlon), "--layout", "dataset.json"]) == 0
    captured = capsys.readouterr()
    assert "4 cases, classes 1 ring, 2 core" in captured.out
    assert "3 cases are annotated whole" in captured.out
    assert "test cases are not taken" in " ".join(captured.err.split())
    with Project.open(study, read_only=True) as project:
        assert project.annotation("case_2").known.all()
