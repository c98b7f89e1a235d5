"""Tables from results whose numbers are known."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_transmedseg.experiments.experiment import Experiment, Labeling, Row, Setup
from napari_transmedseg.experiments.runner import run_folder
from napari_transmedseg.experiments.table import write_tables

EXPERIMENT = Experiment(
    name="e",
    title="A title",
    note="A note.",
    rows=(Row(label="β = 0"), Row(label="β = 0.4"), Row(label="never run")),
    setup=Setup(source="hippocampus", labeling=Labeling(cases=1), steps=10),
    seeds=(0, 1),
)


def result(label: str, seed: int, dice: float) -> dict[str, Any]:
    values = {"one": dice, "two": dice + 0.2, "mean": dice + 0.1}
    scores = {"dice": values, "jaccard": values, "hd95": values, "asd": dict.fromkeys(values)}
    return {
        "request": {"row": {"label": label}, "seed": seed, "core": 0},
        "config": {"method": "graphcl"},
        "means": {
            "annotated": {"cases": 5, **scores},
            "unannotated": {"cases": 25, **scores},
            "all": {"cases": 30, **scores},
        },
        "classes_measured": ["one", "two"],
        "distance_unit": "mm (nominal)",
        "data_notes": ["A file was strange."],
        "draws_thrown_away": seed,
        "training_cases": 31,
        "held_out": False,
        "hardware": {"system": "Linux", "cpu_count": 2},
        "versions": {"python": "3.11", "torch": "2.13"},
        "device": "cpu",
        "wall_s": 60.0 + seed,
        "peak_memory_mib": 400.0,
        "steps": 200,
        "self_training_steps": 50,
        "pseudo_label_share": 0.9,
        "monitors": [
            {"step": 100, "name": "condition_number", "class": "one", "value": 7.0, "light": "ok"}
        ],
    }


@pytest.fixture
def out(tmp_path) -> Path:
    for row, dice in zip(EXPERIMENT.rows, (0.5, 0.7), strict=False):
        for seed in EXPERIMENT.seeds:
            folder = run_folder(tmp_path, row, seed)
            folder.mkdir(parents=True)
            content = result(row.label, seed, dice + 0.1 * seed)
            (folder / "result.json").write_text(json.dumps(content))
    return tmp_path


def test_markdown_has_means_deviations_and_single_values(out):
    text = write_tables(EXPERIMENT, out)
    assert "## A title" in text and "A note." in text and "A file was strange." in text
    overview = next(line for line in text.splitlines() if line.startswith("| β = 0 |"))
    assert overview == (
        "| β = 0 | 0.650 ± 0.071 | 0.650 ± 0.071 | 0.600/0.600, 0.700/0.700 | 60 s | 400 MiB "
        "| 200 | 25% | 90% |"
    )
    assert "| β = 0.4 | cases without annotation | 0.750 ± 0.071 | 0.950 ± 0.071 |" in text
    assert "hd95 per class (mm (nominal))" in text
    assert "| β = 0 | cases with annotation | – | – |" in text
    assert "Without a result: never run (seed 0), never run (seed 1)." in text
    assert "Every run has 10 steps." in text and "2 cores, one core a run" in text
    assert "2 draws of annotation lacked a class" in text


def test_csv_has_one_value_per_line(out):
    write_tables(EXPERIMENT, out)
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    (value,) = [
        row["value"]
        for row in rows
        if (row["row"], row["seed"], row["cases"], row["class"], row["metric"])
        == ("β = 0.4", "1", "unannotated", "two", "dice")
    ]
    assert float(value) == pytest.approx(1.0)
    assert sum(row["metric"] == "wall_s" for row in rows) == 4
    monitors = list(csv.DictReader((out / "monitors.csv").read_text().splitlines()))
    assert [row["value"] for row in monitors] == ["7.0"] * 4


def test_json_has_mean_deviation_values_and_the_settings(out):
    write_tables(EXPERIMENT, out)
    table = json.loads((out / "table.json").read_text())
    assert list(table["rows"]) == ["β = 0", "β = 0.4"]
    row = table["rows"]["β = 0"]
    assert row["config"] == {"method": "graphcl"}
    assert row["means"]["annotated"]["dice"]["one"] == {
        "mean": pytest.approx(0.55),
        "std": pytest.approx(0.0707, abs=1e-4),
        "values": [0.5, 0.6],
    }
    assert row["means"]["annotated"]["asd"]["one"] == {"mean": None, "std": None, "values": []}
    assert row["wall_s"]["mean"] == 60.5


def test_one_seed_has_no_deviation(out):
    text = write_tables(replace(EXPERIMENT, seeds=(0,)), out)
    assert "| β = 0 | 0.600 | 0.600 | 0.600/0.600 |" in text


def test_without_results_the_table_says_so(tmp_path):
    assert "No run has finished." in write_tables(EXPERIMENT, tmp_path)
