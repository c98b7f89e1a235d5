"""Whatever goes wrong in a training, whenever: the program is idle again and trains again."""

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import StepReport
from napari_transmedseg.errors import PlanError, ProjectError
from napari_transmedseg.project import training
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity, Session
from napari_transmedseg.widgets.tasks import Tasks

pytestmark = pytest.mark.gui

CONFIG = TrainingConfig(steps=6)


@pytest.fixture
def tasks(qtbot, tiny_project) -> Tasks:
    session = Session()
    session.project = Project.open(tiny_project)
    tasks = Tasks(session)
    yield tasks
    tasks.shut_down()
    session.project.close()


def training_that_fails(error: Exception | None, when: str):
    """Stand-in for `train` whose events fail before the first, amid, or after the last."""

    def train(project, config, *, control, **_):
        def events():
            if when == "start" and error is not None:
                raise error
            for event in scripted_training(control, steps=6, step_s=0.001):
                yield event
                if when == "middle" and isinstance(event, StepReport) and error is not None:
                    raise error
            if error is not None:
                raise error

        return project.new_run(config).record(events())

    return train


@pytest.mark.parametrize("when", ["start", "middle", "end"])
@pytest.mark.parametrize(
    ("error", "says", "is_expected"),
    [
        pytest.param(RuntimeError("mat1 and mat2"), "mat1 and mat2", False, id="RuntimeError"),
        pytest.param(MemoryError(), "enough memory", False, id="MemoryError"),
        pytest.param(PlanError("Expected a, found b; do c."), "found b", True, id="our own"),
    ],
)
def test_after_any_error_the_program_is_idle_and_trains_again(
    qtbot, tasks, monkeypatch, error, says, is_expected, when
):
    session = tasks._session
    monkeypatch.setattr(training, "train", training_that_fails(error, when))
    told: list[object] = []
    tasks.failed.connect(told.append)
    with qtbot.waitSignal(tasks.ended):
        tasks.train(CONFIG)
    (failure,) = told
    assert says in failure.sentence
    assert failure.is_expected == is_expected
    assert session.activity is Activity.IDLE
    monkeypatch.setattr(training, "train", training_that_fails(None, ""))
    with qtbot.waitSignal(tasks.ended):
        tasks.train(CONFIG)
    assert session.activity is Activity.IDLE
    assert session.history.finished is not None


def test_error_before_any_event_leaves_the_program_idle(tasks, monkeypatch):
    def train(*_, **__):
        raise ProjectError("Expected an image, found none; put it back.")

    monkeypatch.setattr(training, "train", train)
    with pytest.raises(ProjectError):
        tasks.train(CONFIG)
    assert tasks._session.activity is Activity.IDLE


def test_second_task_is_refused_while_one_runs(qtbot, tasks, monkeypatch):
    monkeypatch.setattr(training, "train", training_that_fails(None, ""))
    with qtbot.waitSignal(tasks.ended):
        tasks.train(CONFIG)
        with pytest.raises(ProjectError, match="found the program preparing"):
            tasks.check(CONFIG)


def test_check_reads_the_project_beside_its_writer(qtbot, tasks):
    with qtbot.waitSignal(tasks.checked, timeout=60_000) as told:
        tasks.check(TrainingConfig(steps=50, device="cpu"))
    assert "2 slices of 1 case are annotated" in told.args[0].of("fact")[0]
    assert tasks._session.activity is Activity.IDLE
