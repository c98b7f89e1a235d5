"""Checkpoints: everything comes back, and what is no checkpoint is refused in a sentence."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import Run, case, config, ellipses, same, small_plan, whole_slices

from napari_transmedseg.engine.checkpoint import (
    load_checkpoint,
    plan_of,
    restore,
    restore_learned,
    save_checkpoint,
)
from napari_transmedseg.engine.inference import load_predictor
from napari_transmedseg.errors import TrainingError


@pytest.fixture(scope="module")
def trained():
    run = Run(small_plan(confidence=0.0))
    run.steps(4)
    run.state.elapsed_s, run.state.trusted = 12.5, False
    return run


@pytest.fixture
def path(trained, tmp_path):
    path = tmp_path / "checkpoints" / "last.pt"
    save_checkpoint(path, trained.state, trained.plan)
    return path


def test_a_run_comes_back_whole(trained, path):
    other = Run(trained.plan, seed=5, self_training=False)
    restore(other.state, load_checkpoint(path))
    assert same(other.weights(), trained.weights())
    assert same(other.state.graph.state_dict(), trained.state.graph.state_dict())
    for one, two in zip(
        (other.state.source, *other.state.targets),
        (trained.state.source, *trained.state.targets),
        strict=True,
    ):
        assert same(one.state_dict(), two.state_dict())
    assert torch.equal(other.state.predicted_share, trained.state.predicted_share)
    for name in ("phase", "step", "self_training_steps", "self_training_start", "elapsed_s",
                 "trusted"):  # fmt: skip
        assert getattr(other.state, name) == getattr(trained.state, name)
    for name in ("generator", "sampling_generator"):
        drawn = [torch.rand(3, generator=_copy(getattr(r.state, name))) for r in (other, trained)]
        assert torch.equal(*drawn)


def _copy(generator):
    return torch.Generator().set_state(generator.get_state())


def test_the_plan_comes_back_as_it_was(trained, path):
    assert plan_of(load_checkpoint(path)) == trained.plan


def test_a_warm_start_takes_what_was_learned_and_begins_to_count_anew(trained, path):
    other = Run(trained.plan, seed=5, self_training=False)
    restore_learned(other.state, load_checkpoint(path))
    assert same(other.weights(), trained.weights())
    momentum = [group["step"] for group in other.state.optimizer.state_dict()["state"].values()]
    assert momentum and all(int(step) == 4 for step in momentum)
    assert (other.state.step, other.state.phase, other.state.trusted) == (0, "warm-up", True)


def test_a_warm_start_with_more_slices_keeps_the_statistics(trained, path):
    cases = [case("a", ellipses(), whole_slices([0, 2])), *[
        case(name, ellipses(), None, annotated=False) for name in "bcdef"
    ]]  # fmt: skip
    other = Run(trained.plan, cases)
    restore_learned(other.state, load_checkpoint(path))
    old, new = trained.state.source, other.state.source
    assert torch.equal(old.mean_CA, new.mean_CA)
    assert torch.equal(old.distinct_slices_C, new.distinct_slices_C)


def test_a_method_without_the_graph_term_can_start_from_one_with_it(trained, path):
    plan = small_plan(config(steps=40, method="supervised"))
    other = Run(plan, self_training=False)
    restore_learned(other.state, load_checkpoint(path))
    assert same(other.weights(), trained.weights())
    other.steps(1)


def test_a_model_of_other_classes_is_refused(trained, path):
    other = Run(replace(trained.plan, class_names=("ring",)), self_training=False)
    with pytest.raises(TrainingError, match="same classes and network"):
        restore_learned(other.state, load_checkpoint(path))


def test_the_predictor_of_a_checkpoint_predicts_as_the_teacher(trained, path):
    predictor = load_predictor(path, device="cpu", threads=1)
    assert not predictor.network.training
    image = trained.store.image_N1HW[:4]
    with torch.no_grad():
        expected = trained.state.teacher(image).logits
        found = predictor.network(image).logits
    assert torch.equal(found, expected)


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(trained, path):
    before = path.stat().st_ino
    save_checkpoint(path, trained.state, trained.plan)
    assert [item.name for item in path.parent.iterdir()] == ["last.pt"]
    assert path.stat().st_ino != before


def test_an_interrupted_save_leaves_the_old_checkpoint(trained, path):
    before = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, _Unsavable(trained.state), trained.plan)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["last.pt"]


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(trained, tmp_path):
    in_the_way = tmp_path / "checkpoints"
    in_the_way.write_text("a file, where the folder should be")
    with pytest.raises(TrainingError, match="Expected to write the checkpoint"):
        save_checkpoint(in_the_way / "last.pt", trained.state, trained.plan)


class _Unsavable:
    """A state with a counter that cannot be written."""

    def __init__(self, state):
        self._state = state

    def __getattr__(self, name):
        return (lambda: None) if name == "trusted" else getattr(self._state, name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(None, "found no file; train the run first", id="missing"),
        pytest.param(b"", "damaged or foreign file", id="empty"),
        pytest.param(b"no checkpoint at all", "damaged or foreign file", id="foreign"),
        pytest.param({"format": 99}, "of format 2.*found 99", id="newer format"),
        pytest.param([1, 2], "of format 2.*found list", id="another file of torch"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content, sentence):
    path = tmp_path / "last.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(TrainingError, match=sentence):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(path):
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(TrainingError, match="damaged or foreign"):
        load_checkpoint(path)


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"format": 1, "plan": Evil()}, tmp_path / "last.pt")
    with pytest.raises(TrainingError, match="damaged or foreign"):
        load_checkpoint(tmp_path / "last.pt")


def test_settings_of_another_version_are_refused_in_a_sentence(path):
    content = load_checkpoint(path)
    content["plan"]["recipe"]["from_the_future"] = 1
    with pytest.raises(TrainingError, match="settings of this version.*from_the_future"):
        plan_of(content)
