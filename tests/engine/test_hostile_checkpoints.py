"""Checkpoints that come from others: nothing is executed, nothing fills the memory, all is told."""

import io
import pickle
import random
import zipfile
from dataclasses import asdict, replace

import pytest
import torch
from tiny_cohort import Run, config, small_plan

from napari_transmedseg.engine import checkpoint_checks
from napari_transmedseg.engine.checkpoint import (
    load_checkpoint,
    plan_of,
    restore,
    save_checkpoint,
)
from napari_transmedseg.engine.inference import load_predictor
from napari_transmedseg.errors import TrainingError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small checkpoint of a run that self-trains, as bytes, and the run."""
    run = Run(small_plan(config(steps=4), confidence=0.0))
    run.steps(2)
    path = tmp_path_factory.mktemp("run") / "last.pt"
    save_checkpoint(path, run.state, run.plan)
    return path.read_bytes(), run


@pytest.fixture
def path(written, tmp_path):
    path = tmp_path / "last.pt"
    path.write_bytes(written[0])
    return path


def refused(path, words="damaged or foreign file"):
    """The one sentence that a person reads."""
    with pytest.raises(TrainingError, match=words) as told:
        load_predictor(path, device="cpu")
    assert "\n" not in str(told.value) and str(told.value).endswith(".")


class Payload:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda evil: {"format": 2, "plan": evil}, id="in the plan"),
        pytest.param(lambda evil: {"format": 2, "model": {"weight": evil}}, id="in the weights"),
        pytest.param(lambda evil: evil, id="all of it"),
    ],
)
@pytest.mark.parametrize("archive", [True, False], ids=["archive", "plain pickle"])
def test_a_payload_is_not_executed(tmp_path, pack, archive):
    path, mark = tmp_path / "last.pt", tmp_path / "executed"
    torch.save(pack(Payload(mark)), path, _use_new_zipfile_serialization=archive)
    refused(path)
    assert not mark.exists()


def test_a_payload_in_place_of_the_pickle_is_not_executed(path, tmp_path):
    mark = tmp_path / "executed"
    _rewritten(path, lambda name, raw: (
        pickle.dumps(Payload(mark)) if name.endswith("data.pkl") else raw
    ))  # fmt: skip
    refused(path)
    assert not mark.exists()


def _rewritten(path, change, compression=zipfile.ZIP_STORED):
    """The archive again, with changed entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    path.write_bytes(buffer.getvalue())


def test_compressed_content_which_could_be_any_size_is_refused(path):
    _rewritten(path, lambda _, raw: raw, zipfile.ZIP_DEFLATED)
    refused(path, "compressed content")


def test_a_file_larger_than_any_model_is_refused_unread(path, monkeypatch):
    monkeypatch.setattr(checkpoint_checks, "MOST_BYTES", 1000)
    refused(path, "more than any model")


def test_flipped_bits_are_found_wherever_they_are(written, tmp_path):
    raw, path = written[0], tmp_path / "last.pt"
    whole = load_checkpoint(_put(path, raw))
    rng = random.Random(0)
    unnoticed = 0
    for _ in range(60):
        place = rng.randrange(len(raw))
        flipped = bytearray(raw)
        flipped[place] ^= 1 << rng.randrange(8)
        try:
            found = load_checkpoint(_put(path, bytes(flipped)))
        except TrainingError:
            continue
        unnoticed += 1  # in padding or in a name's attributes: the content is what it was
        assert all(torch.equal(found["model"][k], v) for k, v in whole["model"].items())
        assert found["counters"] == whole["counters"]
    assert unnoticed < 60


def _put(path, raw):
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 0.9999])
def test_a_file_that_was_cut_off_is_refused(written, tmp_path, share):
    refused(_put(tmp_path / "last.pt", written[0][: int(share * len(written[0]))]))


@pytest.mark.parametrize("part", checkpoint_checks._PARTS)
def test_a_missing_part_is_named(path, part):
    content = load_checkpoint(path)
    del content[part]
    torch.save(content, path)
    refused(path, f"no {part}")


def test_a_part_of_another_kind_is_named(path):
    content = load_checkpoint(path)
    torch.save({**content, "model": [1, 2]}, path)
    refused(path, "no model")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"channels": (10**9, 2)}, "channels", id="channels"),
        pytest.param({"channels": (2,) * 60}, "levels", id="levels"),
        pytest.param({"channels": ()}, "levels", id="no level"),
        pytest.param({"class_names": ("x",) * 10_000}, "classes", id="classes"),
        pytest.param({"graph_clusters": 10**9}, "clusters", id="clusters"),
        pytest.param({"space": {"size": (10**9, 10**9)}}, "voxels", id="window"),
        pytest.param({"space": {"size": (0, 16)}}, "voxels", id="no window"),
        pytest.param({"space": {"size": (4,) * 9}}, "axes", id="axes"),
        pytest.param({"recipe": {"batch_size": 10**9}}, "batch", id="batch"),
        pytest.param({"channels": ("many",)}, "settings of this version", id="words"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_made(written, path, change, words):
    content = load_checkpoint(path)
    plan = asdict(written[1].plan)
    for name, value in change.items():
        plan[name] = {**plan[name], **value} if isinstance(value, dict) else value
    torch.save({**content, "plan": plan}, path)
    refused(path, words)


@pytest.mark.parametrize("part", ["student", "teacher", "source", "optimizer", "kept", "counters"])
def test_parts_of_another_network_are_refused_in_a_sentence(written, path, part):
    run = written[1]
    content = {**load_checkpoint(path), part: {"something": torch.zeros(1)}}
    other = Run(run.plan, self_training=False)
    with pytest.raises(TrainingError, match="of the same classes and network"):
        restore(other.state, content)


def test_a_model_of_another_network_is_refused_in_a_sentence(written, path):
    content = load_checkpoint(path)
    torch.save({**content, "model": {"weight": torch.zeros(3)}}, path)
    refused(path, "of the same classes and network")


def test_what_is_sane_passes(written, path):
    assert plan_of(load_checkpoint(path)) == written[1].plan
    checkpoint_checks.check_sizes(replace(written[1].plan, channels=(8,) * 10))
