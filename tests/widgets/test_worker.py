"""The thread border: every event arrives, every error speaks, stop means stop."""

import threading

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from scripted_training import scripted_training

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import TrainingFinished
from napari_transmedseg.errors import PlanError
from napari_transmedseg.widgets.tasks import gui_threads
from napari_transmedseg.widgets.worker import TaskError, Worker, guarded

pytestmark = pytest.mark.gui


def failing(error):
    yield "one"
    raise error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(RuntimeError("CUDA out of memory. Tried to allocate"), "enough memory",
                     id="fake OOM"),
        pytest.param(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "shapes cannot",
                     id="shape error"),
        pytest.param(PlanError("Expected two classes, found one; add one."), "Expected two classes",
                     id="our own"),
        pytest.param(PermissionError(13, "Permission denied"), "Permission denied", id="folder"),
        pytest.param(MemoryError(), "enough memory", id="host memory"),
    ],
)  # fmt: skip
def test_whatever_is_raised_arrives_as_a_sentence(qtbot, error, sentence):
    worker = Worker(failing(error), TrainingControl())
    with qtbot.waitSignals([worker.failed, worker.ended], order="strict") as seen:
        worker.start()
    failure = seen.all_signals_and_args[0].args[0]
    assert sentence in failure.sentence
    assert type(error).__name__ in failure.details


def test_runtime_error_becomes_a_plain_exception():
    with pytest.raises(TaskError, match="out of memory|enough memory"):
        list(guarded(failing(RuntimeError("out of memory"))))


def test_events_arrive_in_order_on_the_main_thread(qtbot):
    worker, seen = Worker(scripted_training(TrainingControl(), steps=9), TrainingControl()), []
    worker.event_arrived.connect(
        lambda event: seen.append((event, threading.current_thread() is threading.main_thread()))
    )
    with qtbot.waitSignal(worker.ended):
        worker.start()
    assert all(on_main for _, on_main in seen)
    steps = [event.step for event, _ in seen if hasattr(event, "losses")]
    assert steps == list(range(1, 10))


def test_stop_ends_within_a_step_and_after_the_generator_cleaned_up(qtbot):
    control, cleaned, seen = TrainingControl(), [], []

    def events():
        try:
            yield from scripted_training(control, steps=10_000)
        finally:
            cleaned.append(threading.current_thread().name)

    worker = Worker(events(), control)
    worker.event_arrived.connect(seen.append)
    worker.ended.connect(lambda: cleaned.append("ended"))
    with qtbot.waitSignal(worker.event_arrived):
        worker.start()
    with qtbot.waitSignal(worker.ended, timeout=2000):
        worker.stop()
    assert isinstance(seen[-1], TrainingFinished)
    assert seen[-1].reason == "stopped"
    assert cleaned == ["transmedseg", "ended"]


def test_waiting_for_a_paused_worker_ends_it():
    control = TrainingControl()
    control.pause()
    worker = Worker(scripted_training(control, steps=10_000), control)
    worker.start()
    assert worker.wait(timeout_s=5)
    assert not worker.is_running


def test_training_beside_the_window_leaves_a_core_free(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert gui_threads() == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    assert gui_threads() == 1
