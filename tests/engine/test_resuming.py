"""A run that was killed goes on as if it never had been: bit for bit, on the CPU."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from resuming import RECIPES, difference, kept, losses_of

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _recipes_come_back():
    before = dict(RECIPES)
    yield
    RECIPES.update(before)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Losses and folder of a run that nothing disturbed, by setup; each trained once."""
    done = {}

    def of(setup):
        if setup not in done:
            folder = tmp_path_factory.mktemp("straight")
            done[setup] = losses_of(setup, folder), folder
        return done[setup]

    return of


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize(
    ("setup", "killed_at"),
    [
        pytest.param("2-D", 21, id="2-D, before self-training", marks=pytest.mark.slow),
        pytest.param("2-D", 31, id="2-D, with pseudo-labels in the bank"),
        pytest.param("2-D, held-out slices choose", 31, id="2-D, held-out slices choose the model",
                     marks=pytest.mark.slow),
        pytest.param("3-D", 21, id="3-D, before self-training", marks=pytest.mark.slow),
        pytest.param("3-D", 31, id="3-D, in self-training", marks=pytest.mark.slow),
        pytest.param("paper", 31, id="preset paper, with dropout", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_killed_run_ends_as_one_that_was_not(straight, tmp_path, setup, killed_at):
    losses, folder = straight(setup)
    child = subprocess.run(
        [sys.executable, str(HERE / "resuming.py"), setup, str(tmp_path), str(killed_at)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr
    reached = kept(tmp_path)["counters"]["step"]
    assert killed_at - 1 <= reached <= killed_at
    assert (kept(tmp_path)["bank"] is not None) == (setup.startswith("2-D") and killed_at > 30)

    resumed = losses_of(setup, tmp_path)

    assert resumed == losses[reached:]
    assert difference(kept(folder), kept(tmp_path)) == ""
    assert kept(folder)["counters"]["self_training_steps"] > 0


def test_a_difference_of_one_bit_is_found(straight):
    one, other = (kept(straight("2-D")[1]) for _ in range(2))
    name, weights = next(iter(other["teacher"].items()))
    weights.view(-1)[0] = torch.nextafter(weights.view(-1)[0], weights.new_tensor(9.0))
    assert difference(one, other) == f"/teacher/{name}"
