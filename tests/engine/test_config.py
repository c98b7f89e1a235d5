"""Settings: limits, contradictions, and what a method leaves out."""

import pytest

from napari_transmedseg.engine.config import TrainingConfig, effective_weights, validate_config
from napari_transmedseg.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        pytest.param({"method": "nnunet"}, "'method' to be one of.*found 'nnunet'", id="method"),
        pytest.param({"preset": "fast"}, "one of default, paper", id="preset"),
        pytest.param({"device": "tpu"}, "one of auto, cpu, cuda, mps", id="device"),
        pytest.param({"minutes": 0}, "'minutes' above 0, found 0", id="no minutes"),
        pytest.param({"steps": 0}, "'steps' of at least 1", id="no steps"),
        pytest.param({"tsa_weight": -0.1}, "'tsa_weight' of at least 0", id="negative β"),
        pytest.param({"tsa_strength": 11}, "'tsa_strength' of at most 10", id="large α"),
        pytest.param({"validation_share": 0.6}, "of at most 0.5", id="mostly held out"),
        pytest.param({"threads": -1}, "'threads' of at least 0", id="negative threads"),
        pytest.param({"minutes": 4, "steps": 100}, "found both.*leave one out", id="two budgets"),
        pytest.param(
            {"method": "bcp", "graph_weight": 0.1}, "no term that 'graph_weight'", id="γ in BCP"
        ),
        pytest.param(
            {"method": "graphcl", "tsa_weight": 0.0}, "no term that 'tsa_weight'", id="β in GraphCL"
        ),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_limit_and_the_way_out(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        validate_config(TrainingConfig(**settings))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"steps": 1, "tsa_weight": 0.0, "graph_weight": 10}, id="at the limits"),
        pytest.param({"minutes": 0.01, "method": "supervised"}, id="seconds"),
    ],
)
def test_settings_within_their_limits_pass(settings):
    validate_config(TrainingConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, (0.1, 0.4)),
        ({"graph_weight": 0.0, "tsa_weight": 1.0}, (0.0, 1.0)),
        ({"method": "graphcl"}, (0.1, 0.0)),
        ({"method": "bcp"}, (0.0, 0.0)),
        ({"method": "mean-teacher"}, (0.0, 0.0)),
        ({"method": "supervised"}, (0.0, 0.0)),
    ],
)
def test_a_method_brings_the_weights_of_the_terms_that_it_has(settings, weights):
    assert effective_weights(TrainingConfig(**settings)) == weights
