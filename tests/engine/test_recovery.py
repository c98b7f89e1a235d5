"""Faults at every moment of a run: it goes on, or ends in one sentence with a good model."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from faults import (
    HAS_LIMITS,
    MEMORY,
    Network,
    full_disk,
    infinite_gradients,
    no_memory,
    no_numbers,
)
from tiny_cohort import Run, case, config, ellipses, same, small_plan, whole_slices

from napari_transmedseg.engine import trainer
from napari_transmedseg.engine.checkpoint import load_checkpoint
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    Notice,
    SlicePrediction,
    StepReport,
    TrainingFinished,
)
from napari_transmedseg.engine.recipe import RECIPES
from napari_transmedseg.engine.recovery import free_memory, is_healthy, smaller_batch
from napari_transmedseg.engine.trainer import fit
from napari_transmedseg.errors import TrainingError, is_out_of_memory

SHAPE = (6, 16, 16)
STEPS = 30
"""Self-training begins with the 26th."""


@pytest.fixture(autouse=True)
def _self_training_begins_early(monkeypatch):
    soon = {"competence": 0.0, "warmup_passes": 0, "channels": (4, 8, 16, 32)}
    for key, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, key, replace(recipe, **soon))


def _cases():
    return [
        _organ("a", -1, whole_slices([0, 2, 3], SHAPE)),
        _organ("b", 1, whole_slices([1, 2, 5], SHAPE)),
        _organ("c", 0, None, annotated=False),
    ]


def _organ(name, shift, known, *, annotated=True):
    return case(name, np.minimum(ellipses(SHAPE, shift), 1), known, annotated=annotated)


def _events(folder=None, *, cases=None, control=None, **settings):
    given = {"steps": STEPS, "overlay_interval_s": 1e6} | settings
    return fit(
        cases or _cases(), ("organ",), config(**given), slice_axis=0, folder=folder, control=control
    )


def _watching():
    control = TrainingControl()
    control.watch("c", 2)
    return {"control": control, "overlay_interval_s": 1e-9}


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def _last(folder):
    return folder / "checkpoints" / "last.pt"


def _numbers_only(folder):
    content = load_checkpoint(_last(folder))
    return all(
        bool(torch.isfinite(value).all())
        for part in ("student", "teacher", "model")
        for value in content[part].values()
    )


# Memory.

STEP_MOMENTS = {
    "first step": ("step", 1, {}),
    "self-training": ("step", 27, {}),
    "pseudo-labels in the bank": ("pseudo_bank", 1, {}),
    "the teacher's labels": ("teaching", 1, {"preset": "paper"}),
}


@pytest.mark.parametrize("moment", STEP_MOMENTS)
def test_a_step_that_does_not_fit_is_taken_with_half_the_batch(monkeypatch, tmp_path, moment):
    module, at, settings = STEP_MOMENTS[moment]
    batch = RECIPES[settings.get("preset", "default"), 2].batch_size
    Network(monkeypatch, module, at=at, fault=no_memory("CPU allocator"))
    events = list(_events(tmp_path, **settings))
    (notice,) = [one for one in _of(Notice, events) if "Memory ran out" in one.sentence]
    assert f"with {batch // 2} images at a time" in notice.sentence
    assert events[-1].step == STEPS
    assert load_checkpoint(_last(tmp_path))["plan"]["recipe"]["batch_size"] == batch // 2


@pytest.mark.parametrize("kind", MEMORY)
def test_a_run_that_never_fits_ends_in_a_sentence_and_keeps_its_model(monkeypatch, tmp_path, kind):
    Network(monkeypatch, "step", at=4, fault=no_memory(kind), times=math.inf)
    seen = []
    with pytest.raises(TrainingError, match=r"Expected .* found too little \(the model of step 3"):
        seen.extend(_events(tmp_path))
        pytest.fail("it ended as if nothing were wrong")
    content = load_checkpoint(_last(tmp_path))
    assert content["counters"]["step"] == 3
    assert content["plan"]["recipe"]["batch_size"] == 2


def test_a_run_that_ended_for_memory_can_be_resumed(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        Network(patch, "step", at=4, fault=no_memory("host"), times=math.inf)
        with pytest.raises(TrainingError):
            list(_events(tmp_path))
    given = config(steps=6, overlay_interval_s=1e6)
    events = list(
        fit(_cases(), ("organ",), given, slice_axis=0, folder=tmp_path, resume_from=_last(tmp_path))
    )
    assert [event.step for event in _of(StepReport, events)] == [4, 5, 6]


OTHER_MOMENTS = {
    "measuring the model": ("oversight", {}, DiceReport),
    "predicting the slice on screen": ("inference", {"overlay_interval_s": 1e-9}, SlicePrediction),
}


@pytest.mark.parametrize("moment", OTHER_MOMENTS)
@pytest.mark.parametrize("times", [1, math.inf], ids=["once", "always"])
def test_what_training_can_do_without_is_left_out_and_told_once(monkeypatch, moment, times):
    module, settings, left_out = OTHER_MOMENTS[moment]
    Network(monkeypatch, module, at=1, fault=no_memory("GPU"), times=times)
    events = list(_events(**(_watching() | settings)))
    notices = [one for one in _of(Notice, events) if "Memory ran out" in one.sentence]
    assert [moment in one.sentence for one in notices] == [True]
    assert events[-1].step == STEPS
    assert not _of(left_out, events) or times == 1


def test_a_model_that_cannot_be_measured_for_a_checkpoint_leaves_the_one_before(
    monkeypatch, tmp_path
):
    calls = []

    def fails_once(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return copied(*arguments)

    copied = trainer.calibrated_copy
    monkeypatch.setattr(trainer, "calibrated_copy", fails_once)
    events = list(_events(tmp_path, steps=4, checkpoint_interval_s=1e-9))
    assert [event.step for event in _of(CheckpointSaved, events)] == [1, 3, 4, 4]
    (notice,) = _of(Notice, events)
    assert "keeping the model" in notice.sentence


def test_images_that_do_not_fit_into_memory_are_read_from_a_file(monkeypatch, tmp_path):
    from napari_transmedseg.engine import images

    def fails_on_the_second_image(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return prepared(*arguments)

    calls, prepared = [], images.image_to_network
    monkeypatch.setattr(images, "image_to_network", fails_on_the_second_image)
    events = list(_events(tmp_path, steps=2))
    assert any("reads some from a file" in note for note in events[0].notes)
    assert events[-1].step == 2
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["last.pt"]


def test_images_that_never_fit_are_told_before_the_first_event(monkeypatch, tmp_path):
    from napari_transmedseg.engine import images

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(images, "image_to_network", fails)
    with pytest.raises(TrainingError, match="fit into this computer's memory"):
        next(_events(tmp_path))


def test_a_measurement_that_fails_leaves_the_teacher_as_it_was(monkeypatch):
    from napari_transmedseg.engine.calibration import calibrate, spread_batches

    run = Run(small_plan())
    run.steps(2)
    before = {name: value.clone() for name, value in run.state.teacher.state_dict().items()}

    def batches():
        yield from spread_batches(run.store, 4, "cpu")
        raise MemoryError

    with pytest.raises(MemoryError):
        calibrate(run.state.teacher, batches())
    assert same(before, run.state.teacher.state_dict())
    assert not run.state.teacher.training


@pytest.mark.parametrize(
    ("batch", "method", "half"),
    [
        pytest.param(12, "transmedseg", 6, id="halves"),
        pytest.param(6, "transmedseg", 2, id="even: copy-paste mixes its halves"),
        pytest.param(2, "transmedseg", None, id="no smaller"),
        pytest.param(2, "supervised", 1, id="supervised, one image"),
        pytest.param(1, "supervised", None, id="none left"),
    ],
)
def test_a_smaller_batch_is_half_as_large(batch, method, half):
    plan = small_plan(config(steps=4, method=method), batch_size=batch)
    smaller = smaller_batch(plan)
    assert (None if smaller is None else smaller.recipe.batch_size) == half


def test_gradients_are_given_back():
    run = Run(small_plan())
    run.steps(1)
    assert any(weight.grad is not None for weight in run.state.student.parameters())
    free_memory(run.state)
    assert all(weight.grad is None for weight in run.state.student.parameters())


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        *[pytest.param(make(), True, id=kind) for kind, make in MEMORY.items()],
        pytest.param(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False, id="shapes"),
        pytest.param(ValueError("out of memory"), False, id="another kind of error"),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error, is_memory):
    assert is_out_of_memory(error) is is_memory


def test_other_errors_of_a_step_are_not_taken_for_memory(monkeypatch):
    def fault(_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    Network(monkeypatch, "step", at=1, fault=fault)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(_events())


# Numbers.

NAN_MOMENTS = {
    "first step": ("step", 1, {}, True),
    "self-training": ("step", 27, {}, True),
    "pseudo-labels in the bank": ("pseudo_bank", 1, {}, False),
    "the teacher's labels": ("teaching", 1, {"preset": "paper"}, False),
    "measuring the model": ("oversight", 1, {}, False),
    "predicting the slice on screen": ("inference", 1, {"overlay_interval_s": 1e-9}, False),
}


@pytest.mark.parametrize("moment", NAN_MOMENTS)
def test_what_is_no_number_never_reaches_a_checkpoint(monkeypatch, tmp_path, moment):
    module, at, settings, stops = NAN_MOMENTS[moment]
    list(_events(tmp_path, steps=1))
    before = _last(tmp_path).read_bytes()
    fault = Network(monkeypatch, module, at=at, fault=no_numbers)
    watching = _watching() if "overlay_interval_s" in settings else {}
    try:
        events = list(_events(tmp_path, **(watching | settings)))
    except TrainingError as error:
        assert "Expected a finite loss" in str(error)
        assert stops
        assert _last(tmp_path).read_bytes() == before
    else:
        assert not stops and events[-1].step == STEPS
    assert fault.calls >= at
    assert _numbers_only(tmp_path)


def test_the_sentence_names_the_step_the_kept_model_and_what_to_try(monkeypatch, tmp_path):
    Network(monkeypatch, "step", at=5, fault=no_numbers)
    with pytest.raises(TrainingError) as told:
        list(_events(tmp_path, checkpoint_interval_s=1e-9))
    for words in ("none at step 4", "the model of step 4 is kept", "'clip_low' and 'clip_high'"):
        assert words in str(told.value)
    assert load_checkpoint(_last(tmp_path))["counters"]["step"] == 4
    Network(monkeypatch, "step", at=1, fault=no_numbers)
    with pytest.raises(TrainingError, match="no model was kept yet"):
        list(_events())


@pytest.mark.parametrize("self_training", [False, True])
def test_infinite_gradients_of_a_finite_loss_leave_the_weights(monkeypatch, self_training):
    run = Run(small_plan(), self_training=self_training)
    run.steps(2)
    before = run.weights()
    Network(monkeypatch, "step", at=1, fault=infinite_gradients)
    with pytest.raises(TrainingError, match="finite loss.*step 2"):
        run.steps(1)
    weights = [n for n, _ in run.state.student.named_parameters()]
    assert all(torch.equal(before[f"student.{n}"], run.weights()[f"student.{n}"]) for n in weights)
    run.state.student.zero_grad()
    assert all(math.isfinite(value) for value in run.steps(1)[0].values())


def test_a_spoilt_teacher_is_never_written(monkeypatch, tmp_path):
    made, make = [], trainer.make_state

    def remembered(*arguments, **more):
        made.append(make(*arguments, **more))
        return made[0]

    monkeypatch.setattr(trainer, "make_state", remembered)
    events = _events(tmp_path, checkpoint_interval_s=1e-9)
    with pytest.raises(TrainingError, match="the model of step 3 is kept"):
        for event in events:
            if isinstance(event, CheckpointSaved) and event.step == 3:
                next(iter(made[0].teacher.buffers())).fill_(math.nan)
    assert not is_healthy(made[0])
    assert load_checkpoint(_last(tmp_path))["counters"]["step"] == 3
    assert _numbers_only(tmp_path)


# Space, and time.


@pytest.mark.skipif(not HAS_LIMITS, reason="no limits on the size of files")
def test_a_full_disk_ends_no_training_while_there_is_hope(tmp_path):
    events, seen, full = _events(tmp_path, steps=6, checkpoint_interval_s=1e-9), [], False
    while not seen or not isinstance(seen[-1], TrainingFinished):
        if full:
            with full_disk(50_000):
                seen.append(next(events))
        else:
            seen.append(next(events))
        if isinstance(seen[-1], StepReport):
            full = seen[-1].step in (3, 4)
    assert [event.step for event in _of(CheckpointSaved, seen)] == [1, 2, 5, 6, 6]
    told = [(one.step, "could not be written" in one.sentence) for one in _of(Notice, seen)]
    assert told == [(3, True), (4, True)]
    assert [path.name for path in _last(tmp_path).parent.iterdir()] == ["last.pt"]


@pytest.mark.skipif(not HAS_LIMITS, reason="no limits on the size of files")
def test_a_last_model_that_cannot_be_written_is_told_and_the_one_before_stays(tmp_path):
    events = _events(tmp_path, steps=3)
    list(_events(tmp_path, steps=1))
    before = _last(tmp_path).read_bytes()
    with pytest.raises(TrainingError, match=r"File too large|file too large"), full_disk(50_000):
        list(events)
    assert _last(tmp_path).read_bytes() == before
    assert [path.name for path in _last(tmp_path).parent.iterdir()] == ["last.pt"]


def test_a_night_with_a_closed_lid_is_not_counted_and_told(monkeypatch):
    real, slept = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept[0])
    events = []
    for event in _events(steps=6):
        events.append(event)
        if isinstance(event, StepReport) and event.step == 3:
            slept[0] = 7.5 * 3600
    (notice,) = _of(Notice, events)
    assert "slept for 450 min; that time is not counted" in notice.sentence
    assert events[-1].elapsed_s < 300
    assert all(report.steps_per_second > 0.01 for report in _of(StepReport, events))
