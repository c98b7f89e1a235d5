"""How unsure a model is of each voxel lies beside the mask, and is never taken for one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import add_made_up_run, make_project
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.evaluation import evaluate
from napari_transmedseg.project.export import export
from napari_transmedseg.project.label_files import pair_label_maps
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.report import write_report

RUN = "run-001"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Two cases, predicted without a map of the uncertainty."""
    made, _ = make_project(tmp_path, 2)
    with made:
        add_made_up_run(made)
        yield made


@pytest.fixture
def mapped(project: Project) -> Project:
    """The same with maps of both cases."""
    for case in project.cases:
        project.save_uncertainty(RUN, case.case_id, uncertainty_of(project, case.case_id))
    return project


def uncertainty_of(project: Project, case_id: str) -> np.ndarray:
    shape = project.geometry(case_id).display_shape
    return np.random.default_rng(len(case_id)).random(shape, dtype=np.float32)


def map_path(project: Project, case_id: str = "case_1") -> Path:
    return project.folder / "predictions" / RUN / f"{case_id}.uncertainty.nii.gz"


def test_a_map_comes_back_on_the_grid_of_its_image(mapped: Project) -> None:
    found = mapped.uncertainty_map("case_1", RUN)
    assert found is not None
    assert found.shape == mapped.geometry("case_1").display_shape
    assert_allclose(found / 255, uncertainty_of(mapped, "case_1"), atol=1 / 255)
    image, written = nib.load(mapped.image_path("case_1")), nib.load(map_path(mapped))
    assert written.shape == image.shape
    assert_array_equal(written.affine, image.affine)


def test_where_there_is_no_map_there_is_none(project: Project) -> None:
    assert project.uncertainty_map("case_1", RUN) is None
    assert project.uncertainty_map("case_1", "run-007") is None
    with pytest.raises(ProjectError, match="nobody"):
        project.uncertainty_map("nobody", RUN)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def move_away(path: Path) -> None:
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += 20
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine), path)


def leave_slices_out(path: Path) -> None:
    image = nib.load(path)
    fractions = image.get_fdata(dtype=np.float32)[..., 1:]
    nib.save(nib.Nifti1Image(fractions, image.affine), path)


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, move_away, leave_slices_out])
def test_a_map_that_is_damaged_or_lies_elsewhere_is_none(
    mapped: Project, damage: Callable[[Path], None]
) -> None:
    damage(map_path(mapped))
    assert mapped.uncertainty_map("case_1", RUN) is None
    assert mapped.uncertainty_map("case_2", RUN) is not None


def test_a_map_goes_with_its_prediction(mapped: Project) -> None:
    prediction = mapped.prediction("case_1")
    assert prediction is not None
    mapped.save_prediction(RUN, "case_1", prediction)
    assert mapped.uncertainty_map("case_1", RUN) is None
    assert mapped.uncertainty_map("case_2", RUN) is not None
    mapped.discard_run(RUN)
    mapped.delete_run(RUN)
    assert not map_path(mapped, "case_2").exists()


def test_a_map_is_no_label_map(mapped: Project, tmp_path: Path) -> None:
    predictions, labels = mapped.folder / "predictions" / RUN, tmp_path / "labels"
    table = evaluate(predictions, labels)
    assert [one.case_id for one in table.cases] == ["case_1", "case_2"]
    write_report(
        tmp_path / "report.html", mapped, table, predictions=predictions, references=labels
    )
    pairing = pair_label_maps(predictions, ["case_1", "case_2"])
    assert sorted(path.name for path in pairing.found.values()) == [
        "case_1.nii.gz", "case_2.nii.gz",
    ]  # fmt: skip
    assert not pairing.without_case


def test_a_map_is_not_exported(mapped: Project, tmp_path: Path) -> None:
    export(mapped, tmp_path / "out")
    masks = sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz"))
    assert masks == ["case_1.nii.gz", "case_2.nii.gz"]


def test_a_reader_reads_maps_and_writes_none(mapped: Project) -> None:
    mapped.close()
    with Project.open(mapped.folder, read_only=True) as reader:
        found = reader.uncertainty_map("case_1", RUN)
        assert found is not None
        with pytest.raises(ProjectError):
            reader.save_uncertainty(RUN, "case_1", found / 255)
