"""Training and predicting on a project, with the real engine."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import TrainingFinished, TrainingStarted
from napari_transmedseg.engine.machine import cpu_threads
from napari_transmedseg.errors import ConfigError, PlanError, ProjectError
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.export import export
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.slice_scores import read_scores
from napari_transmedseg.project.training import CasePredicted, predict, train, uncertainty

SHAPE = (48, 44, 6)
CONFIG = TrainingConfig(steps=4, device="cpu", threads=1, event_interval_s=0.0)


def make_case(folder: Path, name: str, seed: int) -> np.ndarray:
    """A bright ball with a brighter core; returns the classes in source order."""
    rng = np.random.default_rng(seed)
    center = np.array([24, 22, 3]) + rng.uniform(-3, 3, 3) * (1, 1, 0.2)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm((grid - center) * (1, 1, 4), axis=-1)
    labels = np.where(distance < 5, 2, np.where(distance < 10, 1, 0)).astype(np.uint8)
    image = labels * 300.0 + rng.normal(200, 20, SHAPE)
    folder.mkdir(exist_ok=True)
    nib.save(
        nib.Nifti1Image(image.astype(np.float32), np.diag([1.5, 1.5, 8.0, 1.0])),
        folder / f"{name}.nii.gz",
    )
    return labels


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Four cases, two of them with three annotated slices."""
    labels = {name: make_case(tmp_path / "images", name, i) for i, name in enumerate("abcd")}
    with Project.create(
        tmp_path / "study", images=[tmp_path / "images"], classes=["wall", "core"]
    ) as made:
        for name in "ab":
            geometry = made.geometry(name)
            array = geometry.to_display(labels[name])
            made.import_labels(name, LabelMap(array=array, geometry=geometry), [0, 2, 3])
        yield made


def test_from_annotation_to_masks_on_the_images_grid(project: Project, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in (project.folder / "annotations").iterdir()}

    events = list(train(project, CONFIG))

    assert isinstance(events[0], TrainingStarted)
    assert events[0].run_id == "run-001"
    assert isinstance(events[-1], TrainingFinished)
    assert events[-1].reason == "budget"
    run = project.run()
    assert run.checkpoint is not None
    assert [row["event"] for row in run.metrics()][-1] == "TrainingFinished"
    assert run.details()["hardware"]["accelerators"] == []

    done = list(predict(project))

    assert [(item.case_id, item.index, item.total) for item in done] == [
        (name, i, 4) for i, name in enumerate("abcd", 1)
    ]
    for item in done:
        image, mask = nib.load(project.image_path(item.case_id)), nib.load(item.path)
        assert mask.shape == image.shape
        assert_array_equal(mask.affine, image.affine)
        per_slice = uncertainty(project, item.case_id, run.run_id)
        assert per_slice is not None
        assert len(per_slice) == 6
        assert all(0 <= value <= 1 for value in per_slice)
        scores = read_scores(project, item.case_id, run.run_id)
        assert scores is not None
        assert all(0 <= value <= 1 for value in scores.slice_disagreement)
        assert any(scores.slice_disagreement)
        assert set(scores.slice_class) <= {0, 1, 2}
        voxels = project.uncertainty_map(item.case_id, run.run_id)
        assert voxels is not None
        assert_allclose(voxels.mean(axis=(1, 2)) / 255, per_slice, atol=0.5 / 255)
    assert {p.name: p.read_bytes() for p in (project.folder / "annotations").iterdir()} == before

    export(project, tmp_path / "out")
    known = project.annotation("a").known
    mask = read_labels(tmp_path / "out" / "a.nii.gz").array
    assert_array_equal(mask[known], project.annotation("a").array[known])


def test_a_stopped_run_resumes_in_its_own_folder(project: Project) -> None:
    control = TrainingControl()
    config = dataclasses.replace(CONFIG, steps=8)
    for event in train(project, config, control=control):
        if type(event).__name__ == "StepReport":
            control.stop()
    stopped_at = project.run().metrics()[-1]["step"]
    assert stopped_at < 8

    events = list(train(project, resume="run-001"))

    assert [run.run_id for run in project.runs] == ["run-001"]
    assert events[-1].step == 8
    finished = [r for r in project.run().metrics() if r["event"] == "TrainingFinished"]
    assert [row["reason"] for row in finished] == ["stopped", "budget"]


def test_a_warm_start_is_a_new_run_that_says_where_it_comes_from(project: Project) -> None:
    list(train(project, CONFIG))
    first = project.run("run-001").require_checkpoint().read_bytes()

    events = list(train(project, CONFIG, warm_start="run-001"))

    assert isinstance(events[-1], TrainingFinished)
    assert project.run().run_id == "run-002"
    assert project.run().details()["warm_start"] == "run-001"
    assert project.run("run-001").require_checkpoint().read_bytes() == first


def test_a_disk_that_refuses_the_uncertainty_keeps_the_mask(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(project, CONFIG))

    def write_full(path: Path, *_: object) -> None:
        raise ProjectError(f"Expected to write {path}, found a full disk; free some space.")

    monkeypatch.setattr("napari_transmedseg.project.project.write_fractions", write_full)
    (done,) = predict(project, "run-001", case_ids=["a"])
    assert project.prediction("a") is not None
    assert project.uncertainty_map("a", "run-001") is None
    assert uncertainty(project, "a", "run-001") is not None
    assert [path.name for path in done.path.parent.glob("a.*.nii.gz")] == []


def test_some_cases_can_be_predicted_and_prediction_stops_between_cases(
    project: Project,
) -> None:
    list(train(project, CONFIG))
    control = TrainingControl()
    done: list[CasePredicted] = []
    for item in predict(project, "run-001", case_ids=["c", "a"], control=control):
        done.append(item)
        control.stop()

    assert [(item.case_id, item.total) for item in done] == [("c", 2)]
    assert project.prediction("a") is None
    assert uncertainty(project, "a", "run-001") is None


@pytest.mark.parametrize(("asked", "used"), [(0, 1), (2, 2)])
def test_prediction_takes_the_threads_it_is_given_or_those_of_the_run(
    project: Project, asked: int, used: int
) -> None:
    import torch

    list(train(project, CONFIG))
    with cpu_threads(3):
        (done,) = predict(project, "run-001", case_ids=["a"], device="cpu", threads=asked)
        assert torch.get_num_threads() == used

    assert done.path.exists()


class StoppedWhenAsked(TrainingControl):
    """Stopped by somebody at the moment when it is asked for the n-th time."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.left = n

    @property
    def stop_requested(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("asked", [2, 3])
def test_prediction_stops_within_a_case_of_which_nothing_is_kept(
    project: Project, asked: int
) -> None:
    list(train(project, CONFIG))
    control = StoppedWhenAsked(asked)  # before the case, by the teacher's batch, the student's

    assert list(predict(project, "run-001", case_ids=["a"], control=control)) == []

    assert control.left == 0
    assert project.prediction("a") is None
    assert uncertainty(project, "a", "run-001") is None


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path, project: Project) -> None:
    with Project.create(
        tmp_path / "blank", images=[tmp_path / "images"], classes=["wall"]
    ) as blank:
        with pytest.raises(PlanError):
            list(train(blank, CONFIG))
        assert blank.runs == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"resume": "run-001", "warm_start": "run-001"}, "both", id="both"),
        pytest.param({"resume": "run-009"}, "run-009", id="no such run"),
        pytest.param({"resume": "run-001"}, "no checkpoint", id="nothing to resume"),
        pytest.param({"warm_start": "run-001"}, "no checkpoint", id="nothing to start from"),
    ],
)
def test_runs_that_cannot_go_on_are_refused_at_once(
    project: Project, arguments: dict[str, str], words: str
) -> None:
    project.new_run(CONFIG)
    with pytest.raises((ConfigError, ProjectError), match=words):
        train(project, CONFIG, **arguments)
    assert len(project.runs) == 1


@pytest.fixture
def trained(project: Project) -> Project:
    """Project whose run has a checkpoint; what is in it is not read."""
    run = project.new_run(dataclasses.replace(CONFIG, minutes=None, method="bcp"))
    (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    return project


def test_a_resumed_run_keeps_its_settings(trained: Project) -> None:
    with pytest.raises(ConfigError, match="'method' 'bcp', found 'supervised'"):
        train(trained, TrainingConfig(method="supervised"), resume="run-001")


def test_a_resumed_run_takes_a_new_budget_and_what_is_of_the_machine(trained: Project) -> None:
    given = TrainingConfig(minutes=3.0, threads=2, overlay_interval_s=2.5)
    train(trained, given, resume="run-001")

    config = trained.run("run-001").config
    assert (config.minutes, config.steps, config.threads) == (3.0, None, 2)
    assert config.overlay_interval_s == 2.5
    assert (config.method, config.device) == ("bcp", "cpu")


def test_a_model_of_other_classes_is_refused(trained: Project) -> None:
    trained.add_class("shell")
    for act in (
        lambda: predict(trained),
        lambda: train(trained, CONFIG, resume="run-001"),
        lambda: train(trained, CONFIG, warm_start="run-001"),
    ):
        with pytest.raises(ProjectError, match="train a new run"):
            act()


def test_classes_may_be_renamed_without_training_again(trained: Project) -> None:
    trained.rename_class(1, "outer wall")
    assert predict(trained) is not None


def test_prediction_needs_a_trained_run_and_cases_of_the_project(project: Project) -> None:
    with pytest.raises(ProjectError, match="train first"):
        predict(project)
    run = project.new_run(CONFIG)
    with pytest.raises(ProjectError, match="no checkpoint"):
        predict(project)
    (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    with pytest.raises(ProjectError, match="'z'"):
        predict(project, case_ids=["z"])


def test_a_missing_image_is_named_before_training_begins(project: Project) -> None:
    project.image_path("c").unlink()
    with pytest.raises(ProjectError, match="case c"):
        train(project, CONFIG)
    assert project.runs == ()


def test_damaged_uncertainty_is_named(trained: Project) -> None:
    path = trained.prediction_path("run-001", "a").with_name("a.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"slice_uncertainty": "none"}))
    with pytest.raises(ProjectError, match=r"a\.json"):
        uncertainty(trained, "a", "run-001")
