"""Pseudo-labels of whole volumes: which, how, how long, and that a run goes on exactly."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import Run, case, cohort, config, ellipses, same, small_plan

from napari_transmedseg.engine.checkpoint import load_checkpoint, restore, save_checkpoint
from napari_transmedseg.engine.pseudo_bank import PseudoLabelBank


def _run(cases=None, **rules):
    plan = small_plan(config(steps=40), cases, **({"confidence": 0.0} | rules))
    return Run(plan, cases)


def _bank(run, volumes=3):
    bank = PseudoLabelBank(run.store, volumes, seed=0)
    bank.advance(run.state, run.plan, 0)
    return bank


def _always(network, value):
    """A teacher that calls everything one class."""
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.fill_(-9.0)
        network.classifier.bias[value] = 9.0


def test_volumes_with_annotation_come_first():
    bank = _bank(_run(), volumes=2)
    rows = bank.state_dict()["label"].shape[0]
    assert rows == 12 and set(bank._kept_rows().tolist()) == set(range(12))


def test_only_slices_with_unknown_voxels_are_drawn():
    run = _run()
    stream, _ = _bank(run, volumes=4).draw(run.sampler, 64)
    assert set(stream.slice_B.tolist()) <= set(run.store.unlabeled_U.tolist())


def test_the_pseudo_labels_are_the_teachers_and_warped_with_the_image():
    run = _run()
    _always(run.state.teacher, 1)
    stream, pseudo = _bank(run).draw(run.sampler, 32)
    counted = pseudo.weight_BHW > 0
    assert counted.any() and not counted[~stream.inside_BHW].any()
    unannotated = counted & (stream.slice_B >= 12)[:, None, None]  # nothing speaks for these cases
    assert unannotated.any() and (pseudo.label_BHW[unannotated] == 1).all()
    assert (pseudo.entropy_BHW == pseudo.entropy_BHW[0, 0, 0]).all()


def test_what_a_person_annotated_counts_as_certain_there():
    run = _run()
    _always(run.state.teacher, 1)
    bank = _bank(run)
    row = run.store.labeled_L.tolist().index(2)  # the third slice of the first case
    truth = run.store.label_LHW[row]
    core = truth == 2
    assert core.any() and (bank.label_NHW[2][core] == 2).all()
    assert (bank.label_NHW[4] == 1).all()  # too far for the annotation to speak for it


def test_held_out_slices_lend_nothing():
    run = _run()
    store = replace(run.store, training_rows=torch.tensor([0, 2, 3, 4, 5]))
    _always(run.state.teacher, 1)
    bank = PseudoLabelBank(store, 3, seed=0)
    bank.advance(run.state, run.plan, 0)
    assert int(store.labeled_L[1]) == 2 and (bank.label_NHW[2] == 1).all()


@pytest.mark.parametrize("confidence", [0.0, 0.999999])
def test_what_the_teacher_is_not_sure_of_does_not_count(confidence):
    run = _run(confidence=confidence)
    with torch.no_grad():
        run.state.teacher.classifier.weight.zero_()
        run.state.teacher.classifier.bias.zero_()
    bank = _bank(run)
    unannotated = bank.weight_NHW[4]
    assert bool(unannotated.any()) == (confidence == 0.0)


def test_each_step_renews_half_a_batch_on_average():
    run = _run()
    bank = _bank(run, volumes=3)
    before = bank.state_dict()["places"]
    for _ in range(3):
        bank.advance(run.state, run.plan, 2)
    after = bank.state_dict()["places"]
    assert before == [0, 1, 2] and after == [1, 2, 3]  # six slices: one volume


def test_a_volume_that_is_known_as_a_whole_is_not_labeled():
    cases = [case("a", ellipses(), None), *cohort()[1:]]
    bank = _bank(_run(cases), volumes=9)
    assert not set(range(6)) & set(bank._kept_rows().tolist())


@pytest.mark.parametrize("volumes", [2, 9])
def test_a_run_goes_on_exactly_from_a_checkpoint(tmp_path, volumes):
    straight = _run(bank_volumes=volumes)
    straight.steps(8)
    first = _run(bank_volumes=volumes)
    first.steps(4)
    save_checkpoint(tmp_path / "half.pt", first.state, first.plan)
    second = _run(bank_volumes=volumes)
    restore(second.state, load_checkpoint(tmp_path / "half.pt"))
    save_checkpoint(tmp_path / "again.pt", second.state, second.plan)  # before the bank is made
    restore(second.state, load_checkpoint(tmp_path / "again.pt"))
    second.steps(4)
    assert same(second.weights(), straight.weights())
    assert second.state.bank.state_dict()["places"] == straight.state.bank.state_dict()["places"]


def test_shares_and_target_statistics_come_from_the_volumes_that_were_labeled():
    run = _run()
    assert run.state.predicted_share.isnan().all()
    _bank(run)
    assert run.state.predicted_share.sum() == pytest.approx(1.0)
    assert float(run.state.targets[0].count_C.sum()) > 0
