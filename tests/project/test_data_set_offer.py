"""A folder that is a data set is recognised, and described in a sentence."""

import json
from pathlib import Path

import pytest
from cohorts import disc_classes, make_cohort, save_classes
from small_files import write_nifti

from napari_transmedseg.project.data_set_offer import look_into_data_set


def test_msd_is_described_with_classes_and_without_its_own_test_labels(tmp_path: Path) -> None:
    images, labels = make_cohort(tmp_path, 3)
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"0": "background", "1": "ring", "2": "core"}})
    )
    images.rename(tmp_path / "imagesTr")
    labels.rename(tmp_path / "labelsTr")
    (tmp_path / "imagesTs").mkdir()
    (tmp_path / "imagesTr" / "case_3.nii.gz").rename(tmp_path / "imagesTs" / "case_3.nii.gz")
    (tmp_path / "labelsTr" / "case_3.nii.gz").unlink()
    offer = look_into_data_set(tmp_path)
    assert offer.class_names == ("ring", "core")
    assert offer.sentence() == (
        "This folder is a data set (dataset.json of MSD or nnU-Net): 3 cases, 2 with labels to "
        "take; classes ring, core."
    )


def test_acdc_is_described_with_its_groups_as_domains(tmp_path: Path) -> None:
    for number, group in ((1, "NOR"), (2, "DCM"), (3, "NOR")):
        folder = tmp_path / "training" / f"patient00{number}"
        write_nifti(folder / f"patient00{number}_frame01.nii.gz", seed=number)
        write_nifti(folder / f"patient00{number}_frame01_gt.nii.gz", label=True)
        (folder / "Info.cfg").write_text(f"ED: 1\nES: 9\nGroup: {group}\n")
    offer = look_into_data_set(tmp_path)
    assert offer.class_names == ("RV", "Myo", "LV")
    assert offer.domains == ("DCM", "NOR")
    assert "; domains DCM, NOR." in offer.sentence()


def test_values_without_names_are_listed(tmp_path: Path) -> None:
    make_cohort(tmp_path, 2)
    offer = look_into_data_set(tmp_path)
    assert (offer.class_names, offer.values) == ((), (1, 2))
    assert offer.sentence().endswith(
        "2 cases, 2 with labels to take. Its labels 1, 2 have no names: name the classes in that "
        "order."
    )


def test_label_maps_beside_their_images_are_a_data_set(tmp_path: Path) -> None:
    images, _ = make_cohort(tmp_path, 2)
    assert look_into_data_set(images) is None
    save_classes(images / "case_1_seg.nii.gz", disc_classes())
    offer = look_into_data_set(images)
    assert (offer.num_cases, offer.num_labeled, offer.values) == (2, 1, (1, 2))


def test_a_data_set_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    make_cohort(tmp_path, 1)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"0": "background"}}))
    offer = look_into_data_set(tmp_path)
    assert "but it cannot be taken as one. Expected" in offer.sentence()


@pytest.mark.parametrize("what", ["file", "nothing", "empty"])
def test_what_is_no_data_set_is_none(tmp_path: Path, what: str) -> None:
    write_nifti(tmp_path / "file" / "a.nii.gz")
    (tmp_path / "empty").mkdir()
    path = tmp_path / "file" / "a.nii.gz" if what == "file" else tmp_path / what
    assert look_into_data_set(path) is None
