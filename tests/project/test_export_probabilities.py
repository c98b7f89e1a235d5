"""Exported probabilities of a run that was really trained: where they lie, and what they say."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import make_project
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.export import ExportOptions, export
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.training import predict, train

CLASSES = ("background", "ring", "core")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A project of three cases, trained for a few steps, and its export."""
    folder = tmp_path_factory.mktemp("probabilities")
    project, labels = make_project(folder, 3)
    annotate_from_labels(project, labels, num_cases=2, slices_per_case=3)
    config = TrainingConfig(
        steps=12, device="cpu", threads=1, event_interval_s=0.0, largest_component=False
    )
    for _ in train(project, config):
        pass
    for _ in predict(project):
        pass
    export(project, folder / "out", ExportOptions(probabilities=True, cleanup="largest-holes"))
    project.close()
    return project, folder / "out"


def read(out: Path, case_id: str) -> np.ndarray:
    """Probabilities (C, X, Y, Z) of a case in file order."""
    files = (out / f"{case_id}_{name}_probability.nii.gz" for name in CLASSES)
    return np.stack([np.asarray(nib.load(file).dataobj) for file in files])


def test_probabilities_lie_on_their_image(exported) -> None:
    project, out = exported
    for case in project.cases:
        image = nib.load(project.image_path(case.case_id))
        for name in CLASSES:
            written = nib.load(out / f"{case.case_id}_{name}_probability.nii.gz")
            assert written.shape == image.shape
            assert_array_equal(written.affine, image.affine)
            assert written.get_data_dtype() == np.float32
            assert written.header.get_slope_inter() in ((1.0, 0.0), (None, None))
            assert written.header.get_xyzt_units()[0] == "mm"


def test_probabilities_sum_to_one(exported) -> None:
    project, out = exported
    for case in project.cases:
        values = read(out, case.case_id)
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-6
        assert values.max() > 0.5
        assert_allclose(values.sum(0), 1, atol=1e-5)


def test_the_likeliest_class_is_what_was_predicted_before_any_cleaning(exported) -> None:
    project, out = exported
    for case in project.cases:
        predicted = np.asarray(nib.load(project.prediction_path("run-001", case.case_id)).dataobj)
        assert_array_equal(read(out, case.case_id).argmax(0), predicted)
    assert predicted.any()


def test_the_files_are_named_in_the_summary(exported) -> None:
    _, out = exported
    page = (out / "export.csv").read_text()
    assert "case_1.nii.gz" in page
    assert len(list(out.glob("*_probability.nii.gz"))) == 9
