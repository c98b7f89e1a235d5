"""What forms are told about a setting is what the training itself checks."""

import inspect
from dataclasses import fields

import pytest

from napari_transmedseg.engine import config_fields as told
from napari_transmedseg.engine.config import TrainingConfig, validate_config
from napari_transmedseg.engine.config_fields import config_fields
from napari_transmedseg.errors import ConfigError

FIELDS = config_fields()
NUMBERS = [name for name, field in FIELDS.items() if field.kind in (int, float)]
LEAST = [name for name in NUMBERS if FIELDS[name].least is not None]
MOST = [name for name in NUMBERS if FIELDS[name].most is not None]


def test_all_settings_are_told_in_their_order_with_their_defaults():
    assert list(FIELDS) == [field.name for field in fields(TrainingConfig)]
    defaults = TrainingConfig()
    for name, field in FIELDS.items():
        assert field.name == name
        assert field.default == getattr(defaults, name)
        assert field.default is None or isinstance(field.default, field.kind)


def test_a_setting_may_be_left_open_where_it_is_open_by_default():
    left_open = {name for name, field in FIELDS.items() if field.is_optional}
    assert left_open == {name for name, field in FIELDS.items() if field.default is None}
    assert {"minutes", "tsa_weight", "graph_nodes"} <= left_open
    assert not left_open & {"method", "seed", "early_stop"}


@pytest.mark.parametrize("name", LEAST)
def test_the_least_value_is_taken_and_one_below_is_not(name):
    field = FIELDS[name]
    below = field.least - (1 if field.kind is int else 1e-3)
    validate_config(TrainingConfig(**{name: field.least}))
    with pytest.raises(ConfigError, match=f"'{name}'"):
        validate_config(TrainingConfig(**{name: below}))


@pytest.mark.parametrize("name", MOST)
def test_the_most_is_taken_and_one_above_is_not(name):
    field = FIELDS[name]
    above = field.most + (1 if field.kind is int else 1e-3)
    validate_config(TrainingConfig(**{name: field.most}))
    with pytest.raises(ConfigError, match=f"'{name}'"):
        validate_config(TrainingConfig(**{name: above}))


def test_a_number_without_told_limits_has_none():
    for name in set(NUMBERS) - set(LEAST):
        assert name in ("clip_low", "clip_high")
    for name in set(NUMBERS) - set(MOST) - {"clip_low", "clip_high"}:
        validate_config(TrainingConfig(**{name: FIELDS[name].kind(10**9)}))


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.choices])
def test_every_choice_is_taken_and_no_other(name):
    assert FIELDS[name].kind is str
    for choice in FIELDS[name].choices:
        validate_config(TrainingConfig(**{name: choice}))
    with pytest.raises(ConfigError, match=f"'{name}' to be one of"):
        validate_config(TrainingConfig(**{name: "another"}))


def test_every_setting_has_the_words_under_its_field_as_one_line_without_marks():
    for name, field in FIELDS.items():
        assert field.doc, name
        assert "`" not in field.doc and "\n" not in field.doc and "  " not in field.doc
    # One setting whose words run over two lines, as its source has them.
    words = "Train on slices (2d) or on volumes (3d); auto decides from spacing, number of slices"
    assert FIELDS["dimensions"].doc == f"{words} and annotation."


def test_without_its_source_the_settings_are_told_without_words(monkeypatch):
    def missing(_):
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", missing)
    assert told._docs() == {}
