"""The thread border: every event arrives, every error speaks, stop means stop."""

import gc
import os
import sys
import threading
import weakref

import numpy as np
import psutil
import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from scripted_training import scripted_training

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import TrainingFinished
from napari_transmedseg.errors import PlanError
from napari_transmedseg.widgets.tasks import gui_threads
from napari_transmedseg.widgets.worker import (
    NICENESS,
    TaskError,
    Worker,
    give_memory_back,
    guarded,
)

pytestmark = pytest.mark.gui


def failing(error):
    yield "one"
    raise error


def failure_of(events, qtbot) -> TaskError:
    """What a worker says of a task that fails, before it says that the task has ended."""
    worker, failures = Worker(events, TrainingControl()), []
    worker.failed.connect(failures.append)
    with qtbot.waitSignals([worker.failed, worker.ended], order="strict"):
        worker.start()
    (failure,) = failures
    return failure


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
        pytest.param(RuntimeError("DefaultCPUAllocator: not enough memory"), "enough memory",
                     id="PyTorch's host memory"),
        pytest.param(KeyError("weight"), "found KeyError: 'weight'", id="key"),
        pytest.param(AssertionError("ours"), "found AssertionError: ours", id="invariant"),
        pytest.param(RecursionError("too deep"), "found RecursionError: too deep", id="recursion"),
        pytest.param(UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), "UnicodeDecodeError",
                     id="an error with many arguments"),
        pytest.param(KeyboardInterrupt(), "was ended (KeyboardInterrupt)", id="interrupt"),
        pytest.param(SystemExit(3), "was ended (SystemExit)", id="exit"),
    ],
)  # fmt: skip
def test_whatever_is_raised_arrives_as_a_sentence(qtbot, error, sentence):
    failure = failure_of(failing(error), qtbot)
    assert sentence in failure.sentence
    assert type(error).__name__ in failure.details


def test_stop_iteration_inside_a_task_is_an_error_and_no_end(qtbot):
    failure = failure_of(failing(StopIteration("lost")), qtbot)
    assert "generator raised StopIteration" in failure.sentence


def test_an_error_holds_on_to_nothing_of_its_task():
    class Tensor:
        """As large as a GPU."""

    def task():
        tensor = Tensor()
        alive.append(weakref.ref(tensor))
        yield "one"
        raise RuntimeError("CUDA out of memory")

    alive, events = [], guarded(task())
    with pytest.raises(TaskError) as told:
        list(events)
    gc.collect()
    assert alive[0]() is None
    assert told.value.__cause__ is None and told.value.__context__ is None
    assert "in task" in told.value.details


def test_closing_a_guarded_task_is_no_error():
    cleaned = []

    def task():
        try:
            yield "one"
        finally:
            cleaned.append(True)

    events = guarded(task())
    next(events)
    events.close()
    assert cleaned == [True]


def test_a_thread_that_failed_can_be_followed_by_another(qtbot):
    for _ in range(2):
        worker = Worker(failing(SystemExit()), TrainingControl())
        with qtbot.waitSignal(worker.ended):
            worker.start()
        assert worker.wait(timeout_s=5)
    worker, seen = Worker(scripted_training(TrainingControl(), steps=3), TrainingControl()), []
    worker.event_arrived.connect(seen.append)
    with qtbot.waitSignal(worker.ended):
        worker.start()
    assert isinstance(seen[-1], TrainingFinished)


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


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to give memory back")
def test_what_a_thread_freed_goes_back_to_the_system():
    def use_memory():
        blocks = [np.ones(8000) for _ in range(4000)]  # too small to be mapped each by itself
        pins.append([np.ones(8) for _ in range(100)])
        del blocks

    pins, process = [], psutil.Process()
    thread = threading.Thread(target=use_memory)
    thread.start()
    thread.join()
    before = process.memory_info().rss
    give_memory_back()
    assert before - process.memory_info().rss > 50 * 2**20


def test_training_beside_the_window_leaves_a_core_free(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert gui_threads() == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    assert gui_threads() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_a_task_gives_way_to_the_window(qtbot):
    def own_niceness():
        yield os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before, seen = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), []
    worker = Worker(own_niceness(), TrainingControl())
    worker.event_arrived.connect(seen.append)
    with qtbot.waitSignal(worker.ended):
        worker.start()
    assert seen == [max(before, NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
