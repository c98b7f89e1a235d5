"""Held-out slices decide: which model is kept, also across a warm start, and when a run ends."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import case, config, ellipses, whole_slices

from napari_transmedseg.engine.checkpoint import load_checkpoint
from napari_transmedseg.engine.events import DiceReport, TrainingFinished
from napari_transmedseg.engine.images import build_store
from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.engine.trainer import fit

SHAPE = (12, 16, 16)
HELD_OUT = {"validation_share": 0.5, "overlay_interval_s": 1000.0, "method": "supervised"}


def _cases():
    return [
        *(case(name, ellipses(SHAPE, shift), whole_slices(range(0, 12, 2), SHAPE))
          for name, shift in (("a", -1), ("b", 1), ("c", 0))),
        case("d", ellipses(SHAPE), None, annotated=False),
    ]  # fmt: skip


def _fit(tmp_path, **settings):
    more = {"folder": tmp_path, "warm_start_from": settings.pop("warm_start_from", None)}
    return fit(
        _cases(), ("ring", "core"), config(**(HELD_OUT | settings)), slice_axis=0, **more
    )  # fmt: skip


def _kept(tmp_path):
    return load_checkpoint(tmp_path / "checkpoints" / "last.pt")


def test_a_run_whose_held_out_dice_no_longer_rises_ends_early(tmp_path, monkeypatch):
    dice = iter([0.5, 0.6, *[0.4] * 100])
    monkeypatch.setattr(
        "napari_transmedseg.engine.trainer.held_out_dice", lambda *_: next(dice, 0.4)
    )
    events = list(_fit(tmp_path, steps=200))
    finished = events[-1]
    assert isinstance(finished, TrainingFinished) and finished.reason == "early"
    assert 50 + 200 / 3 <= finished.step <= 50 + 200 / 3 + 2
    assert "no longer rises" in finished.sentence
    kept = _kept(tmp_path)["kept"]
    assert kept.pop("offered") == pytest.approx(finished.step / 200)
    assert kept == {"dice": 0.6, "step": 50, "progress": 0.25}


def test_it_goes_on_to_the_end_when_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_transmedseg.engine.trainer.held_out_dice", lambda *_: 0.4)
    monkeypatch.setattr("napari_transmedseg.engine.keeping.PATIENCE", 0.0)
    events = list(_fit(tmp_path, steps=60, early_stop=False))
    assert (events[-1].step, events[-1].reason) == (60, "budget")


def test_a_better_model_replaces_the_kept_one_and_a_worse_one_does_not(tmp_path):
    events = list(_fit(tmp_path, steps=100))
    reports = [event for event in events if isinstance(event, DiceReport)]
    assert all(set(report.held_out) == {"ring", "core"} for report in reports)
    content = _kept(tmp_path)
    good = content["kept"]["dice"]
    assert good > 0.5

    worse = tmp_path / "worse"
    warm = {"warm_start_from": tmp_path / "checkpoints" / "last.pt", "seed": 0}
    list(_fit(worse, steps=1, **warm))
    kept = _kept(worse)
    assert kept["kept"]["dice"] >= good - 1e-6
    if kept["kept"]["step"] == 0:  # the earlier run's model, weight by weight
        for name, value in content["model"].items():
            assert torch.equal(value, kept["model"][name])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_was_held_out_is_held_out_again_when_more_is_annotated(seed):
    cases = _cases()
    more = [*cases[:3], case("d", ellipses(SHAPE), whole_slices(range(12), SHAPE))]
    plan = plan_training(config(steps=5), cases, ("ring", "core"), 0)

    def held_out(of):
        store = build_store(of, plan, validation_share=0.3, seed=seed, cache=None)
        return {int(store.labeled_L[row]) for row in store.held_out_rows.tolist()}

    before, after = held_out(cases), held_out(more)
    assert len(before & after) >= len(before) - 1
    assert len(after) > len(before)


@pytest.mark.parametrize(
    ("slices", "held_out"), [(range(0, 12, 2), 0), (range(12), 0), ("many", 6)]
)
def test_a_tenth_is_held_out_by_itself_where_there_is_enough(slices, held_out):
    count = 5 if slices == "many" else 2
    chosen = range(12) if slices == "many" else slices
    cases = [case(name, ellipses(SHAPE), whole_slices(chosen, SHAPE)) for name in "abcde"[:count]]
    cases.append(case("z", ellipses(SHAPE), None, annotated=False))
    plan = plan_training(config(steps=5), cases, ("ring", "core"), 0)
    store = build_store(cases, plan, validation_share=None, seed=0, cache=None)
    assert len(store.held_out_rows) == held_out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_networks_train_and_their_checkpoint_needs_no_compiler(tmp_path):
    settings = replace(config(**HELD_OUT, steps=3), compile=True)
    events = list(fit(_cases(), ("ring", "core"), settings, slice_axis=0, folder=tmp_path))
    assert events[-1].step == 3
    content = _kept(tmp_path)
    assert not any(name.startswith("_orig_mod") for name in content["student"])


@pytest.mark.parametrize(("share", "decides"), [(0.1, False), (0.5, True)])
def test_too_few_held_out_slices_decide_nothing(share, decides):
    plan = plan_training(config(steps=5), _cases(), ("ring", "core"), 0)
    store = build_store(_cases(), plan, validation_share=share, seed=0, cache=None)
    shown = min(
        int((store.label_LHW[store.held_out_rows] == value).flatten(1).any(1).sum())
        for value in (1, 2)
    )
    assert len(store.held_out_rows) > 0 and (shown >= 5) == decides == store.held_out_decides
