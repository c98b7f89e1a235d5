"""The loop: its events, how it is steered, how it ends, and that it can go on."""

import threading
import time
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
import torch
from tiny_cohort import case, cohort, config, ellipses, geometry, same, whole_slices

from napari_transmedseg.engine.checkpoint import load_checkpoint
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    MonitorReport,
    Notice,
    PhaseChanged,
    SlicePrediction,
    StepReport,
    TrainingFinished,
    TrainingStarted,
)
from napari_transmedseg.engine.recipe import RECIPES
from napari_transmedseg.engine.trainer import fit
from napari_transmedseg.errors import PlanError, TrainingError

SHAPE = (6, 16, 16)


def _organ(name, shift, known, *, annotated=True):
    """One bright disc with a dark core that belongs to it: learned within fifty steps."""
    classes = np.minimum(ellipses(SHAPE, shift), 1)
    return case(name, classes, known, annotated=annotated)


def _cases():
    return [
        _organ("a", -1, whole_slices([0, 2, 3], SHAPE)),
        _organ("b", 1, whole_slices([1, 2, 5], SHAPE)),
        _organ("c", 0, None, annotated=False),
    ]


def _fit(cases=None, *, settings=None, **more):
    given = {"steps": 4, "overlay_interval_s": 1000.0} | (settings or {})
    return fit(cases or _cases(), ("organ",), config(**given), slice_axis=0, **more)


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def _learned(path):
    content = load_checkpoint(path)
    parts = {name: content[name] for name in ("student", "teacher", "source", "graph")}
    parts["target"] = content["targets"][0]
    learned = {f"{part}.{k}": v for part, of in parts.items() for k, v in (of or {}).items()}
    return learned | {"generator": content["generator"]}


# A whole run, once; long enough to learn from unlabeled slices.

LONG = {"steps": 80}


@pytest.fixture(scope="module", autouse=True)
def _self_training_may_begin_after_a_few_passes():
    with pytest.MonkeyPatch.context() as patch:
        soon = replace(RECIPES["default", 2], warmup_passes=0)
        patch.setitem(RECIPES, ("default", 2), soon)
        yield


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    control = TrainingControl()
    control.watch("c", 2)
    settings = LONG | {"overlay_interval_s": 0.3}
    events = list(_fit(settings=settings, folder=folder, run_id="run-007", control=control))
    return events, folder


def test_it_begins_with_the_plan_and_ends_with_how_it_ended(whole_run):
    events, _ = whole_run
    started, finished = events[0], events[-1]
    assert isinstance(started, TrainingStarted) and started.run_id == "run-007"
    assert (started.num_labeled_slices, started.num_unlabeled_slices) == (6, 12)
    assert started.device == "cpu" and "unet 2-D" in started.network
    assert any("16×16 pixels" in note for note in started.notes)
    assert isinstance(finished, TrainingFinished)
    assert (finished.step, finished.reason) == (80, "budget")
    assert len(_of(TrainingStarted, events)) == len(_of(TrainingFinished, events)) == 1
    assert "80 steps learned from unlabeled slices" in finished.sentence


def test_a_run_too_short_for_unlabeled_slices_says_what_helps(whole_run):
    assert "more time" in list(_fit())[-1].sentence
    assert "more time" not in whole_run[0][-1].sentence


def test_every_step_is_reported_in_order(whole_run):
    reports = _of(StepReport, whole_run[0])
    assert [report.step for report in reports] == list(range(1, 81))
    for before, after in pairwise(reports):
        assert before.progress < after.progress
        assert before.elapsed_s < after.elapsed_s
    assert reports[-1].progress == 1.0 and reports[-1].remaining_s == 0.0
    assert all(report.memory_mib > 10 and report.steps_per_second > 0 for report in reports)


def test_events_never_go_back_in_steps(whole_run):
    steps = [event.step for event in whole_run[0][1:]]
    assert steps == sorted(steps)


def test_self_training_begins_by_competence_after_its_share_of_the_budget(whole_run):
    events, _ = whole_run
    (changed,) = _of(PhaseChanged, events)
    assert changed.phase == "self-training"
    share = RECIPES["default", 2].warmup_share * LONG["steps"]
    assert changed.step >= share and changed.step % 25 == 0
    (dice,) = [event for event in _of(DiceReport, events) if event.step == changed.step]
    assert dice.annotated["organ"] >= RECIPES["default", 2].competence
    for earlier in _of(DiceReport, events):
        if share <= earlier.step < changed.step:
            assert earlier.annotated["organ"] < RECIPES["default", 2].competence
    for report in _of(StepReport, events):
        self_training = report.step > changed.step
        assert report.phase == ("self-training" if self_training else "warm-up")
        assert ({"pseudo", "graph", "tsa"} <= set(report.losses)) == self_training
    assert events[-1].self_training_steps == 80 - changed.step


def test_losses_are_told_by_term_and_add_up(whole_run):
    for report in _of(StepReport, whole_run[0]):
        terms = dict(report.losses)
        total = terms.pop("total")
        assert total == pytest.approx(sum(terms.values()), rel=1e-5)


def test_monitors_speak_once_self_training_runs(whole_run):
    names = {event.name for event in _of(MonitorReport, whole_run[0])}
    expected = {"entropy", "teacher_dice", "pseudo_share", "source_count", "target_count"}
    assert expected | {"mean_shift"} <= names
    assert all(event.class_name in {"", "organ"} for event in _of(MonitorReport, whole_run[0]))


def test_the_checkpoint_is_saved_before_the_end_and_nothing_else_is_left(whole_run):
    events, folder = whole_run
    assert isinstance(events[-2], CheckpointSaved)
    assert events[-2].path == folder / "checkpoints" / "last.pt"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["last.pt"]
    assert load_checkpoint(events[-2].path)["counters"]["step"] == 80


def test_the_watched_slice_is_predicted_meanwhile(whole_run):
    shown = _of(SlicePrediction, whole_run[0])
    assert shown and len({event.step for event in shown}) == len(shown)
    for event in shown:
        assert (event.case_id, event.slice_axis, event.slice_index) == ("c", 0, 2)
        assert event.pseudo_label_YX.shape == event.uncertainty_YX.shape == SHAPE[1:]
        assert event.pseudo_label_YX.dtype == np.uint8
        assert 0 <= event.uncertainty_YX.min() <= event.uncertainty_YX.max() <= 1


def test_stopped_in_self_training_it_goes_on_as_if_it_never_had(whole_run, tmp_path):
    events, folder = whole_run
    (changed,) = _of(PhaseChanged, events)
    control, taken = TrainingControl(), []
    for event in _fit(settings=LONG, folder=tmp_path, control=control):
        taken.append(event)
        if isinstance(event, StepReport) and event.step == changed.step + 10:
            control.stop()
    assert (taken[-1].reason, taken[-1].step) == ("stopped", changed.step + 10)
    last = tmp_path / "checkpoints" / "last.pt"
    taken += _fit(settings=LONG, folder=tmp_path, resume_from=last)
    one, other = ([e.losses for e in _of(StepReport, es)] for es in (events, taken))
    assert one == other
    assert same(_learned(last), _learned(folder / "checkpoints" / "last.pt"))
    counters = [load_checkpoint(f / "checkpoints/last.pt")["counters"] for f in (tmp_path, folder)]
    for counter in counters:
        del counter["elapsed_s"]
    assert counters[0] == counters[1]


def test_a_warm_start_goes_on_from_what_was_learned(whole_run, tmp_path):
    events, folder = whole_run
    previous = folder / "checkpoints" / "last.pt"
    before = previous.read_bytes()
    warm = list(_fit(settings={"steps": 2}, folder=tmp_path, warm_start_from=previous))
    first_loss = _of(StepReport, events)[0].losses["supervised"]
    assert _of(StepReport, warm)[0].losses["supervised"] < 0.8 * first_loss
    assert warm[-1].step == 2 and _of(StepReport, warm)[0].step == 1
    old, new = load_checkpoint(previous), load_checkpoint(tmp_path / "checkpoints" / "last.pt")
    assert new["counters"]["step"] == 2
    assert bool((new["source"]["count_C"] >= old["source"]["count_C"]).all())
    assert previous.read_bytes() == before


def test_a_competent_model_that_starts_warm_goes_on_with_self_training_at_once(whole_run, tmp_path):
    previous = whole_run[1] / "checkpoints" / "last.pt"
    warm = list(_fit(settings={"steps": 2}, folder=tmp_path, warm_start_from=previous))
    (changed,) = _of(PhaseChanged, warm)
    assert (changed.step, changed.phase) == (0, "self-training")
    assert warm[-1].self_training_steps == 2
    content = load_checkpoint(tmp_path / "checkpoints" / "last.pt")
    assert content["counters"]["averaged_steps"] == LONG["steps"] + 2


# Steering.


def test_a_stop_is_honoured_within_one_step():
    control = TrainingControl()
    events = _fit(settings={"steps": 500}, control=control)
    for event in events:
        if isinstance(event, StepReport) and event.step == 3:
            control.stop()
            break
    rest = list(events)
    assert not _of(StepReport, rest)
    assert (rest[-1].reason, rest[-1].step) == ("stopped", 3)
    assert "Stopped on request" in rest[-1].sentence


def test_a_stop_before_the_first_step_ends_cleanly(tmp_path):
    control = TrainingControl()
    control.stop()
    assert list(_fit(control=control, folder=tmp_path)) == []  # not even the images are read
    assert list(tmp_path.rglob("*")) == []


def test_no_model_is_kept_of_a_run_without_a_step(tmp_path):
    control = TrainingControl()
    events = []
    for event in _fit(control=control, folder=tmp_path):
        events.append(event)
        control.stop()
    assert [type(event) for event in events] == [TrainingStarted, TrainingFinished]
    assert events[-1].step == 0 and "no step was taken" in events[-1].sentence
    assert not list(tmp_path.rglob("*.pt"))


def _pausing(control, seconds, meanwhile=lambda: None, **settings):
    """Events of a run that is paused for a while after its second step."""
    events = []
    for event in _fit(settings=settings, control=control):
        events.append(event)
        if isinstance(event, StepReport) and event.step == 2:
            control.pause()
        if isinstance(event, Notice) and "paused" in event.sentence:
            meanwhile()
            threading.Timer(seconds, control.resume).start()
    return events


def test_a_pause_costs_nothing_of_the_time_budget():
    begin = time.monotonic()
    events = _pausing(TrainingControl(), 1.0, steps=4)
    assert time.monotonic() - begin - events[-1].elapsed_s >= 0.95
    assert [event.sentence for event in _of(Notice, events)] == [
        "Training is paused.",
        "Training goes on.",
    ]
    assert (events[-1].reason, events[-1].step) == ("budget", 4)
    reports = _of(StepReport, events)
    assert reports[2].elapsed_s - reports[1].elapsed_s < 0.95


def test_while_paused_a_newly_watched_slice_is_shown_once():
    control = TrainingControl()
    control.watch("a", 1)
    events = _pausing(control, 0.9, lambda: control.watch("b", 4), steps=3)
    shown = [(event.case_id, event.slice_index) for event in _of(SlicePrediction, events)]
    assert shown == [("b", 4)]


def test_a_stop_ends_a_pause_even_when_pause_is_pressed_again():
    control, events = TrainingControl(), []
    for event in _fit(control=control):
        events.append(event)
        control.stop()
        control.pause()
    assert control.wait_while_paused(0.01)
    assert _of(TrainingFinished, events)[0].reason == "stopped"


@pytest.mark.parametrize("watched", [("a", 99), ("a", -1), ("nobody", 0)])
def test_a_watched_slice_that_is_not_there_is_passed_over(watched):
    control = TrainingControl()
    control.watch(*watched)
    events = list(_fit(settings={"overlay_interval_s": 1e-9}, control=control))
    assert not _of(SlicePrediction, events) and events[-1].step == 4


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_the_watched_slice_has_the_pixels_of_its_image(slice_axis):
    shape = tuple(np.insert([19, 13], slice_axis, 5).tolist())
    classes = np.moveaxis(np.minimum(ellipses((5, 19, 13)), 1), 0, slice_axis)
    known = np.moveaxis(whole_slices([0, 1, 2], (5, 19, 13)), 0, slice_axis)
    spacing = np.insert([0.7, 1.1], slice_axis, 4.0).tolist()
    one = case("odd", classes, known, place=geometry(shape, spacing))
    control = TrainingControl()
    control.watch("odd", 4)
    settings = config(steps=1, overlay_interval_s=1e-9)
    events = fit([one], ("organ",), settings, slice_axis=slice_axis, control=control)
    (shown,) = _of(SlicePrediction, events)
    assert shown.slice_axis == slice_axis
    assert shown.pseudo_label_YX.shape == (19, 13)


# Budgets and failures.


def test_a_time_budget_ends_the_run(monkeypatch):
    looks = count()  # a clock that does not mind how long a step takes here
    monkeypatch.setattr(time, "monotonic", lambda: next(looks) / 10)
    events = list(_fit(settings={"steps": None, "minutes": 0.1}))
    assert events[-1].reason == "budget" and 6 <= events[-1].elapsed_s < 7
    reports = _of(StepReport, events)
    assert reports[-1].progress == 1.0 and 0 < reports[0].progress < 1
    assert reports[0].remaining_s < 6


def test_preparation_counts_as_spent_time():
    def slow_volume():
        time.sleep(0.6)
        return image

    image = _cases()[0].load()
    one = type(_cases()[0])(case_id="a", load=slow_volume, annotation=_cases()[0].annotation)
    events = list(_fit([one, *_cases()[1:]], settings={"steps": 1}))
    assert events[-1].elapsed_s >= 0.6


def test_what_cannot_be_planned_raises_before_the_first_event():
    with pytest.raises(PlanError):
        next(_fit(_cases()[2:]))


def test_images_without_numbers_raise_and_leave_the_last_checkpoint(whole_run, tmp_path):
    last = tmp_path / "checkpoints" / "last.pt"
    list(_fit(settings={"steps": 2}, folder=tmp_path))
    before = last.read_bytes()
    broken = _cases()
    for one in broken:
        one.load().array[:] = np.nan
    with pytest.raises(TrainingError, match="Expected a finite loss"):
        list(_fit(broken, settings={"steps": 9}, folder=tmp_path, resume_from=last))
    assert last.read_bytes() == before
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["last.pt"]


def test_where_every_slice_is_annotated_it_trains_supervised_to_the_end():
    everything = [_organ("a", 0, None), _organ("b", 1, None)]
    events = list(_fit(everything, settings={"steps": 30}))
    assert any("nothing unlabeled" in note for note in events[0].notes)
    assert not _of(PhaseChanged, events)
    assert events[-1].self_training_steps == 0
    assert "all of them supervised" in events[-1].sentence


def test_what_is_unknown_only_outside_the_window_is_not_learned_from():
    shape = (6, 48, 48)
    classes = np.zeros(shape, np.uint8)
    classes[1:5, 4:12, 4:12] = 1
    known = np.ones(shape, bool)
    known[:, 40:, 40:] = False
    one = case("a", classes, known, place=geometry(shape))
    events = list(_fit([one], settings={"steps": 26}))
    assert events[0].num_unlabeled_slices == 0
    assert any("nothing unlabeled" in note for note in events[0].notes)
    assert events[-1].step == 26


def test_threads_are_given_back(whole_run):
    before = torch.get_num_threads()
    list(_fit(settings={"steps": 1, "threads": 2}))
    assert torch.get_num_threads() == before


def test_held_out_slices_measure_dice_of_their_own():
    settings = config(steps=25, validation_share=0.3)
    events = list(fit(cohort(), ("ring", "core"), settings, slice_axis=0))
    (dice,) = _of(DiceReport, events)
    assert events[0].num_labeled_slices == 4
    assert set(dice.held_out) <= {"ring", "core"} and dice.held_out
