"""The loop in 3-D: it learns from whole volumes and from a few known slices of each."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import Run, same
from volumes import ORGAN, settings, sparse_cohort, volume_case, volume_plan, whole_cohort

from napari_transmedseg.engine.checkpoint import load_checkpoint, restore, save_checkpoint
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import (
    MonitorReport,
    PhaseChanged,
    SlicePrediction,
    TrainingFinished,
    TrainingStarted,
)
from napari_transmedseg.engine.inference import load_predictor
from napari_transmedseg.engine.metrics import dice
from napari_transmedseg.engine.trainer import fit

PATCH = (16, 16, 16)


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def _run(cases, *, self_training=True, patch=PATCH, **changes):
    plan = volume_plan(cases, **changes)
    plan = replace(plan, space=replace(plan.space, patch=patch), channels=(4, 8, 16, 32))
    plan = replace(plan, recipe=replace(plan.recipe, confidence=0.0))
    return Run(plan, cases, self_training=self_training)


@pytest.fixture(scope="module", params=[pytest.param("whole", marks=pytest.mark.slow), "sparse"])
def learned(request, tmp_path_factory):
    cases = {"whole": whole_cohort, "sparse": sparse_cohort}[request.param]()
    folder, control = tmp_path_factory.mktemp(request.param), TrainingControl()
    control.watch(cases[-1].case_id, 12)
    config = settings(steps=160, overlay_interval_s=0.5)
    events = list(fit(cases, ORGAN, config, slice_axis=0, folder=folder, control=control))
    return cases, events, folder


def test_it_learns_the_organ_on_volumes_that_nobody_annotated(learned):
    cases, events, folder = learned
    assert isinstance(events[-1], TrainingFinished) and events[-1].self_training_steps > 0
    predictor = load_predictor(folder / "checkpoints" / "last.pt", device="cpu")
    truth = volume_case(cases[-1].case_id).annotation
    prediction = predictor.predict_volume(cases[-1].load())
    assert dice(prediction.labels.array, truth.array, 2)[1] > 0.85
    assert prediction.labels.geometry is cases[-1].load().geometry


def test_it_says_that_it_sees_volumes_and_watches_what_the_statistics_rest_on(learned):
    cases, events, _ = learned
    started = events[0]
    assert isinstance(started, TrainingStarted) and "unet 3-D" in started.network
    assert any("Volumes are seen as 24×16×16 voxels" in note for note in started.notes)
    labeled = sum(0 if c.annotation is None else 24 if c.annotation.known is None else 3
                  for c in cases)  # fmt: skip
    assert started.num_labeled_slices == labeled
    assert started.num_labeled_slices + started.num_unlabeled_slices == 24 * len(cases)
    assert _of(PhaseChanged, events)
    counts = [e for e in _of(MonitorReport, events) if e.name in ("source_count", "target_count")]
    assert counts and all(report.light == "ok" for report in counts[-2:])


def test_the_watched_slice_is_predicted_from_the_patch_around_it(learned):
    cases, events, _ = learned
    seen = _of(SlicePrediction, events)[-1]
    assert (seen.case_id, seen.slice_axis, seen.slice_index) == (cases[-1].case_id, 0, 12)
    truth = volume_case(cases[-1].case_id).annotation.array[12]
    assert dice(seen.pseudo_label_YX, truth, 2)[1] > 0.8


# METHOD 5, oracles 3, 6 and 7, on volumes.


@pytest.mark.parametrize(
    ("switched_off", "method"),
    [
        pytest.param({"tsa_weight": 0.0}, "graphcl", id="β = 0 is GraphCL"),
        pytest.param({"tsa_weight": 0.0, "graph_weight": 0.0}, "bcp", id="γ = β = 0 is BCP"),
    ],
)
def test_a_weight_of_zero_trains_as_the_method_without_the_term(switched_off, method):
    one, other = _run(whole_cohort(), **switched_off), _run(whole_cohort(), method=method)
    assert one.steps(3) == other.steps(3)
    assert same(one.weights(), other.weights())


@pytest.mark.parametrize("method", ["transmedseg", "mean-teacher"])
def test_the_teacher_fills_what_is_unknown_of_a_labeled_volume(method):
    run = _run(sparse_cohort(), method=method)
    run.state.self_training_steps = 1000
    assert run.sampler.fills_gaps
    terms = run.steps(2)[-1]
    assert terms["supervised"] > 0 and terms["pseudo"] >= 0 and terms["total"] > 0


def test_unknown_voxels_get_no_gradient_where_no_pseudo_label_is_used():
    run = _run(sparse_cohort(), self_training=False, patch=())
    labeled = run.sampler.labeled(2)
    from napari_transmedseg.engine.mixing import warm_up_batch
    from napari_transmedseg.engine.step import loss_terms

    mixed = warm_up_batch(labeled, False, run.state.generator)
    output = run.state.student(mixed.image_B1HW)
    output.logits.retain_grad()
    sum(loss_terms(run.state, run.plan, output, mixed, 0.0).values()).backward()
    unknown = ~(labeled.known_BHW & labeled.inside_BHW)
    assert unknown.any()
    assert torch.count_nonzero(output.logits.grad.movedim(1, -1)[unknown]) == 0
    assert torch.count_nonzero(output.logits.grad.movedim(1, -1)[~unknown]) > 0


def test_the_same_seed_gives_the_same_weights_and_a_checkpoint_the_same_way_on(tmp_path):
    straight = _run(sparse_cohort())
    straight.steps(6)
    again = _run(sparse_cohort())
    again.steps(3)
    save_checkpoint(tmp_path / "half.pt", again.state, again.plan)
    resumed = _run(sparse_cohort())
    restore(resumed.state, load_checkpoint(tmp_path / "half.pt"))
    resumed.steps(3)
    assert same(straight.weights(), resumed.weights())
    assert same(straight.state.source.state_dict(), resumed.state.source.state_dict())


def test_statistics_count_the_slices_inside_a_patch():
    run = _run(whole_cohort())
    run.steps(2)
    assert int(run.state.source.distinct_slices_C[1]) >= 5
    assert int(run.state.targets[0].distinct_slices_C.max()) > 3
