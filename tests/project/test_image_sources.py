"""What becomes a case: files, frames, DICOM series; with ids that need name nobody."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_files import PATIENT, write_series

from napari_transmedseg.errors import GeometryError, ImageReadError, ProjectError
from napari_transmedseg.imaging.dicom import find_series
from napari_transmedseg.imaging.io import read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.import_options import ImportOptions, parse_frame
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import SCHEMA_VERSION

HEIGHTS = (0.0, 2.0, 4.0, 6.0)


def make(folder: Path, *images: Path, **options: object) -> Project:
    return Project.create(
        folder / "project", images=images, classes=["organ"], options=ImportOptions(**options)
    )


def case_ids(project: Project) -> list[str]:
    return [case.case_id for case in project.cases]


def save_nifti(path: Path, shape: tuple[int, ...] = (6, 5, 4), *, code: int = 1) -> Path:
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    image = nib.Nifti1Image(array, None)
    image.header.set_sform(np.diag([-1, 1, 3, 1.0]), code=code)
    image.header.set_qform(np.diag([-1, 1, 3, 1.0]), code=code)
    nib.save(image, path)
    return path


def test_a_folder_of_patients_with_one_series_each_gives_a_case_each(tmp_path: Path) -> None:
    for number, patient in enumerate(("p 1", "p2")):
        uid = f"1.2.{number}"
        write_series(tmp_path / "in" / patient / "CT", HEIGHTS, SeriesInstanceUID=uid)
    with make(tmp_path, tmp_path / "in") as project:
        assert case_ids(project) == ["p_1_CT", "p2_CT"]
        assert project.cases[0].modality == "CT"
        assert project.cases[0].description == "Thorax"
        assert project.volume("p2_CT").array.shape == (4, 6, 5)
        text = (project.folder / "project.json").read_text()
    for secret in (PATIENT, "Doe", "4711", "19700101", "1.2.0"):
        assert secret not in text


def test_several_series_of_one_folder_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_series(folder, HEIGHTS, prefix="a")
    write_series(folder, (0.0, 3.0), prefix="b", SeriesInstanceUID="1.2.5", SeriesDescription="T2")
    write_series(folder, (0, 2, 9), prefix="c", SeriesInstanceUID="1.2.6", SeriesDescription="Bad")

    with pytest.raises(ImageReadError, match="Thorax 5×6×4.*T2 5×6×2.*--series"):
        make(tmp_path, folder)
    with make(tmp_path, folder, series=(key_of(folder, "T2"),)) as project:
        assert case_ids(project) == ["in"]
        assert project.cases[0].shape == (2, 6, 5)
        added = project.add_images([folder], ImportOptions(series=("all",), anonymous_ids=True))
        assert [case.case_id for case in added] == ["case_001"]
        assert project.cases[1].shape == (4, 6, 5)
    with pytest.raises(ImageReadError, match="uneven spacing"):
        make(tmp_path / "other", folder, series=(key_of(folder, "Bad"),))


def key_of(folder: Path, description: str) -> str:
    return next(one.key for one in find_series(folder) if one.description == description)


def test_a_file_of_a_series_stands_for_the_whole_series(tmp_path: Path) -> None:
    write_series(tmp_path / "chest", HEIGHTS)
    files = sorted((tmp_path / "chest").glob("*.dcm"))
    with make(tmp_path, *files[:2]) as project:
        assert case_ids(project) == ["chest"]
        assert project.cases[0].shape[0] == 4
        assert project.add_images([tmp_path / "chest"]) == []


def test_a_mask_of_a_series_lies_on_it_after_reopening(tmp_path: Path) -> None:
    write_series(tmp_path / "chest", HEIGHTS)
    with make(tmp_path, tmp_path / "chest") as project:
        mask = LabelMap.empty(project.geometry("chest"), known=True)
        mask.array[1, 2, 3] = 1
        project.import_labels("chest", mask)
    with Project.open(tmp_path / "project") as project:
        assert project.annotation("chest").array[1, 2, 3] == 1
        (case,) = project.training_cases()
        assert case.load().array.shape == (4, 6, 5)


def test_a_series_that_lost_a_slice_is_noticed(tmp_path: Path) -> None:
    write_series(tmp_path / "chest", HEIGHTS)
    with make(tmp_path, tmp_path / "chest"):
        pass
    heights = {}
    for path in (tmp_path / "chest").glob("*.dcm"):
        heights[float(pydicom.dcmread(path).ImagePositionPatient[2])] = path
    heights[6.0].unlink()
    with Project.open(tmp_path / "project") as project, pytest.raises(ProjectError, match="voxels"):
        project.volume("chest")


def test_frames_become_cases_or_one_is_chosen(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "cine.nii.gz", (6, 5, 4, 3))
    plain = save_nifti(tmp_path / "plain.nii.gz")
    with pytest.raises(ImageReadError, match="3 frames"):
        make(tmp_path, path)
    with pytest.raises(ImageReadError, match="0 to 2"):
        make(tmp_path, path, frame=3)
    with make(tmp_path / "a", path, plain, frame="all") as project:
        assert case_ids(project) == ["cine_frame00", "cine_frame01", "cine_frame02", "plain"]
        stored = nib.load(path).get_fdata()
        for frame in range(3):
            volume = project.volume(f"cine_frame{frame:02d}")
            source = volume.geometry.to_source(volume.array)
            np.testing.assert_array_equal(source, stored[..., frame])
    with make(tmp_path / "b", path, plain, frame=1) as project:
        assert case_ids(project) == ["cine", "plain"]
        assert project.add_images([path], ImportOptions(frame=1)) == []
        assert len(project.add_images([path], ImportOptions(frame="all"))) == 2


def test_an_image_of_unknown_place_needs_a_person_who_vouches_for_its_spacing(
    tmp_path: Path,
) -> None:
    path = save_nifti(tmp_path / "odd.nii.gz", code=0)
    with pytest.raises(GeometryError, match="voxels of 1×1×3 mm; confirm"):
        make(tmp_path, path)
    with make(tmp_path, path, confirm_spacing=True) as project:
        mask = LabelMap.empty(project.geometry("odd"), known=True)
        mask.array[0, 0, 0] = 1
        project.import_labels("odd", mask)
        write_labels(tmp_path / "mask.nii.gz", project.annotation("odd"))
    with Project.open(tmp_path / "project") as project:
        assert project.annotation("odd").array[0, 0, 0] == 1
    image, written = nib.load(path), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(written.affine, image.affine)
    assert written.header["sform_code"] == written.header["qform_code"] == 0
    assert read_labels(tmp_path / "mask.nii.gz").array[0, 0, 0] == 1


def test_anonymous_ids_leave_file_names_out(tmp_path: Path) -> None:
    paths = [save_nifti(tmp_path / f"{name}.nii.gz") for name in ("Doe_Jane", "Roe")]
    with make(tmp_path, *paths, anonymous_ids=True) as project:
        assert case_ids(project) == ["case_001", "case_002"]


def test_projects_of_the_first_version_open(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii.gz")
    with make(tmp_path, path) as project:
        file = project.folder / "project.json"
    content = json.loads(file.read_text())
    content["schema_version"] = 1
    for key in ("series", "frame", "spacing_confirmed", "modality", "description", "notes"):
        del content["cases"][0][key]
    file.write_text(json.dumps(content))
    with Project.open(tmp_path / "project") as project:
        project.set_domain("a", "site")
    assert json.loads(file.read_text())["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(("text", "frame"), [(None, None), ("all", "all"), ("3", 3)])
def test_frames_are_typed_as_numbers_or_all(text: str | None, frame: object) -> None:
    assert parse_frame(text) == frame
