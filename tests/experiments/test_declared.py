"""Every declared experiment can be run: its settings hold, its data is known, a lite one exists."""

import pytest

from napari_transmedseg.errors import ExperimentError
from napari_transmedseg.experiments.declared import experiments, find_experiment
from napari_transmedseg.experiments.experiment import config_of
from napari_transmedseg.experiments.shipped_lists import shipped_list
from napari_transmedseg.experiments.sources import SOURCES

BOTH = [
    pytest.param(experiment, id=experiment.name)
    for declared in experiments().values()
    for experiment in (declared.full, declared.lite)
]


@pytest.mark.parametrize("experiment", BOTH)
def test_declared_experiments_hold(experiment):
    for row in experiment.rows:
        config = config_of(experiment.setup, row, seed=3)
        assert (config.seed, config.minutes, config.steps) == (
            3,
            experiment.setup.minutes,
            experiment.setup.steps,
        )
    labels = [row.label for row in experiment.rows]
    assert len(set(labels)) == len(labels)
    assert len(experiment.seeds) == 3
    assert {experiment.setup.source, experiment.setup.split.test_source} <= {*SOURCES, ""}
    assert (experiment.setup.minutes is None) != (experiment.setup.steps is None)


@pytest.mark.parametrize("experiment", BOTH)
def test_rows_of_an_experiment_differ(experiment):
    kinds = [(config_of(experiment.setup, row, 0), row.labeling) for row in experiment.rows]
    assert all(kinds.index(kind) == index for index, kind in enumerate(kinds))


@pytest.mark.parametrize("declared", experiments().values(), ids=lambda d: d.full.name)
def test_a_lite_run_takes_minutes(declared):
    assert declared.lite.setup.expected_s() <= 8 * 60
    assert declared.lite.name == f"{declared.full.name}-lite"


@pytest.mark.parametrize(
    ("count", "cases", "slices", "minutes"),
    [pytest.param(10, 5, 2, 1.5), pytest.param(30, 10, 3, 4.0), pytest.param(100, 20, 5, 1.5)],
)
def test_few_slices_compare_five_methods_in_equal_minutes(count, cases, slices, minutes):
    experiment = find_experiment(f"few-slices-{count}")
    labeling = experiment.setup.labeling
    assert labeling.cases * labeling.slices_per_case == count
    assert (labeling.cases, labeling.slices_per_case) == (cases, slices)
    assert experiment.setup.minutes == minutes
    assert [row.label for row in experiment.rows] == [
        "supervised", "mean-teacher", "bcp", "graphcl", "transmedseg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("acdc_train", 70), pytest.param("acdc_validation", 10),
        pytest.param("acdc_labeled_3", 3), pytest.param("acdc_labeled_7", 7),
        pytest.param("la_train", 80), pytest.param("la_labeled_4", 4),
        pytest.param("la_labeled_8", 8), pytest.param("pancreas_labeled_12", 12),
    ],
)  # fmt: skip
def test_shipped_lists_are_the_papers(name, count):
    assert len(shipped_list(name)) == count


@pytest.mark.parametrize("part", ["acdc_labeled_3", "acdc_labeled_7"])
def test_labeled_patients_are_training_patients_and_validation_patients_are_not(part):
    train = set(shipped_list("acdc_train"))
    assert set(shipped_list(part)) <= train
    assert not train & set(shipped_list("acdc_validation"))


def test_rows_run_on_the_data_of_another_experiment():
    experiment = find_experiment("beta", on="first-la-5", lite=True)
    la = find_experiment("first-la-5", lite=True)
    assert experiment.setup == la.setup
    assert experiment.rows == find_experiment("beta").rows
    assert experiment.name == "beta-lite-on-first-la-5-lite"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param({"name": "few-slice-10"}, "did you mean 'few-slices-10'", id="misspelt"),
        pytest.param({"name": "rare-class", "on": "beta"}, "own annotation", id="own annotation"),
    ],
)
def test_experiments_that_are_not_there_are_refused(arguments, sentence):
    with pytest.raises(ExperimentError, match=sentence):
        find_experiment(**arguments)


def test_unknown_setting_or_row_is_refused():
    experiment = find_experiment("beta")
    row = type(experiment.rows[0])(label="x", settings={"magic": 1})
    with pytest.raises(ExperimentError, match="magic"):
        config_of(experiment.setup, row, 0)
    with pytest.raises(ExperimentError, match="found 'magic'"):
        experiment.with_rows(["magic"])
