"""What happens to annotation and images while a training goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.engine.checkpoint import load_checkpoint
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import StepReport, TrainingStarted
from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.training import predict, train

SHAPE_IPL = (6, 24, 24)
CONFIG = TrainingConfig(steps=6, device="cpu", threads=1, event_interval_s=0.0)


def square(project: Project, name: str, low: int) -> LabelMap:
    """A bright square, as annotation."""
    array = np.zeros(SHAPE_IPL, np.uint8)
    array[1:5, low : low + 10, 8:18] = 1
    return LabelMap(array=array, geometry=project.geometry(name))


def write_image(path: Path, low: int, shape_IPL: tuple[int, int, int] = SHAPE_IPL) -> None:
    array = np.random.default_rng(low).normal(100, 10, shape_IPL)
    array[1:5, low : low + 10, 8:18] += 200
    path.parent.mkdir(exist_ok=True)
    affine = np.diag([1.0, 1.0, 8.0, 1.0])
    source = array.transpose(2, 1, 0)[::-1, ::-1].astype(np.float32)
    nib.save(nib.Nifti1Image(source, affine), path)


@pytest.fixture
def study(tmp_path: Path) -> Callable[[str], Project]:
    """Equal projects of three cases, two of them with annotation, by name."""
    made = []

    def make(name: str) -> Project:
        images = tmp_path / name / "images"
        images.parent.mkdir()
        for number, case in enumerate("abc"):
            write_image(images / f"{case}.nii.gz", 4 + number)
        project = Project.create(tmp_path / name / "study", images=[images], classes=["organ"])
        for number, case in enumerate("ab"):
            project.import_labels(case, square(project, case, 4 + number), [0, 2, 3])
        made.append(project)
        return project

    yield make
    for project in made:
        project.close()


def losses(
    project: Project, change: Callable[[Project], object] = lambda _: None, **how: str
) -> Iterator[dict[str, float]]:
    """Losses of a training, during whose second step something changes."""
    for event in train(project, CONFIG, **how):
        if isinstance(event, StepReport):
            yield event.losses
            if event.step == 2:
                change(project)


def annotate_more(project: Project) -> None:
    project.import_labels("c", square(project, "c", 6), [0, 1, 2, 3])


def change_an_image(project: Project) -> None:
    write_image(project.image_path("a"), 12)


def delete_an_image(project: Project) -> None:
    project.image_path("c").unlink()


def add_a_class(project: Project) -> None:
    project.add_class("vessel")


@pytest.mark.parametrize("change", [annotate_more, change_an_image, delete_an_image, add_a_class])
def test_a_training_that_began_goes_on_with_what_it_took_in(study, change) -> None:
    assert list(losses(study("changed"), change)) == list(losses(study("still")))


def test_new_annotation_counts_from_the_next_training_or_the_resumed_one(study) -> None:
    project = study("one")
    list(losses(project, annotate_more))

    def labeled(**how: str) -> int:
        started = next(iter(train(project, TrainingConfig(steps=8), **how)))
        assert isinstance(started, TrainingStarted)
        return started.num_labeled_slices

    assert labeled(resume="run-001") == 10
    assert labeled() == 10


def test_a_run_resumed_with_more_annotation_trains_on(study) -> None:
    project = study("one")
    list(losses(project, annotate_more))
    more = TrainingConfig(steps=9)
    steps = [e.step for e in train(project, more, resume="run-001") if isinstance(e, StepReport)]
    assert steps[-1] == 9
    path = project.run("run-001").require_checkpoint()
    assert load_checkpoint(path)["counters"]["step"] == 9
    assert len(list(predict(project))) == 3


def other_grid(project: Project) -> None:
    write_image(project.image_path("c"), 6, (6, 30, 24))


def no_image(project: Project) -> None:
    project.image_path("c").write_bytes(b"\x1f\x8b no image")


@pytest.mark.parametrize("change", [other_grid, no_image, delete_an_image])
def test_an_image_that_changed_before_it_was_read_ends_the_run_in_a_sentence(study, change) -> None:
    project = study("one")
    events = train(project, CONFIG)
    change(project)
    with pytest.raises(TransMedSegError, match=r"Expected .* found .*;"):
        next(events)
    assert project.runs == ()
