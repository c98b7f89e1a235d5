"""A person is asked what files leave open, and nothing else."""

from pathlib import Path

import pytest
from dicom_files import write_series

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.import_questions import questions_about

from .test_image_sources import HEIGHTS, save_nifti


def test_plain_images_raise_no_question(tmp_path: Path) -> None:
    save_nifti(tmp_path / "a.nii.gz")
    assert questions_about([tmp_path], NO_CHOICE).is_empty


def test_several_series_of_one_folder_are_listed_with_those_that_cannot_be_opened(
    tmp_path: Path,
) -> None:
    write_series(tmp_path, HEIGHTS, prefix="a")
    write_series(tmp_path, (0, 2, 9), prefix="b", SeriesInstanceUID="1.2.6",
                 SeriesDescription="Bad")  # fmt: skip
    asked = questions_about([tmp_path], NO_CHOICE)
    assert {one.description: bool(one.problem) for one in asked.series} == {
        "Thorax": False, "Bad": True,
    }  # fmt: skip
    assert asked.named_by_scanner
    answered = ImportOptions(series=(asked.series[0].key,), anonymous_ids=True)
    assert questions_about([tmp_path], answered).is_empty


def test_one_series_in_a_folder_asks_only_for_names(tmp_path: Path) -> None:
    write_series(tmp_path / "Doe_Jane", HEIGHTS)
    asked = questions_about([tmp_path], NO_CHOICE)
    assert (asked.series, asked.frames, asked.unplaced) == ((), (), ())
    assert asked.named_by_scanner


def test_frames_and_unknown_places_are_asked_for(tmp_path: Path) -> None:
    save_nifti(tmp_path / "cine.nii.gz", (6, 5, 4, 3))
    save_nifti(tmp_path / "more.nii.gz", (6, 5, 4, 7))
    save_nifti(tmp_path / "bare.nii.gz", code=0)
    asked = questions_about([tmp_path], NO_CHOICE)
    assert asked.frames == (("cine", 3), ("more", 7))
    assert asked.most_frames == 3
    (bare,) = asked.unplaced
    assert (bare.name, bare.shape, bare.spacing) == ("bare", (6, 5, 4), (1.0, 1.0, 3.0))
    answered = ImportOptions(frame="all", confirm_spacing=True)
    assert questions_about([tmp_path], answered).is_empty


def test_a_path_that_does_not_exist_is_no_question(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found nothing"):
        questions_about([tmp_path / "none.nii"], NO_CHOICE)
