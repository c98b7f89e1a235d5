"""The kept model: the latest, or the best on held-out images; when a run ends early."""

import math

import pytest
from torch import nn

from napari_transmedseg.engine.keeping import KeptModel, has_stalled

NAN = float("nan")


def _model(value):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


@pytest.mark.parametrize(
    ("offers", "kept"),
    [
        pytest.param([0.5, 0.7, 0.6], 1, id="a worse one does not replace a better one"),
        pytest.param([0.5, 0.7, 0.7], 2, id="of equal ones the later stays"),
        pytest.param([NAN, NAN], 1, id="without held-out images the latest stays"),
        pytest.param([NAN, 0.4], 1, id="a measured one replaces one that was not measured"),
    ],
)
def test_what_is_kept(offers, kept):
    best = KeptModel()
    for place, dice in enumerate(offers):
        best.offer(_model(place), dice, step=place, progress=place / 10)
    assert best.weights["weight"].item() == kept and best.step == kept


def test_the_kept_weights_are_a_copy():
    best, model = KeptModel(), _model(1.0)
    assert best.offer(model, 0.5, step=1, progress=0.1)
    nn.init.constant_(model.weight, 9.0)
    assert best.weights["weight"].item() == 1.0


@pytest.mark.parametrize(
    ("dice", "at", "since", "progress", "stalled"),
    [
        pytest.param(0.7, 0.2, 0.0, 0.5, False, id="not yet"),
        pytest.param(0.7, 0.2, 0.0, 0.6, True, id="a third of the budget without a better one"),
        pytest.param(0.7, 0.2, 0.5, 0.6, False, id="counted from the phase that matters"),
        pytest.param(NAN, 0.0, 0.0, 0.9, False, id="nothing was measured"),
    ],
)
def test_when_a_run_ends_early(dice, at, since, progress, stalled):
    kept = KeptModel(dice=dice, progress=at)
    assert has_stalled(kept, progress, since) == stalled


def test_a_checkpoint_carries_how_good_it_was_in_plain_values():
    best = KeptModel()
    best.offer(_model(1.0), 0.5, step=3, progress=0.25)
    best.offer(_model(2.0), 0.4, step=6, progress=0.5)
    assert best.state() == {"dice": 0.5, "step": 3, "progress": 0.25, "offered": 0.5}
    assert math.isnan(KeptModel().state()["dice"])
