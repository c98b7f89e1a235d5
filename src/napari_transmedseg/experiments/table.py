"""Results of an experiment as tables: Markdown to read, CSV to plot, JSON to compare."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_transmedseg.experiments.experiment import Experiment
from napari_transmedseg.experiments.runner import results_of
from napari_transmedseg.experiments.scores import MEAN, METRICS
from napari_transmedseg.imaging.atomic import write_bytes

TABLE_MD, TABLE_CSV, TABLE_JSON, MONITORS_CSV = (
    "table.md",
    "table.csv",
    "table.json",
    "monitors.csv",
)
GROUP_TITLES = {
    "annotated": "cases with annotation",
    "unannotated": "cases without annotation",
}
"""Groups of cases in the tables; domains follow under their own names."""
METRIC_TITLES = {"dice": "Dice", "jaccard": "Jaccard", "hd95": "hd95", "asd": "asd"}
_DISTANCES = ("hd95", "asd")
_DASH = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A value over seeds."""

    values: tuple[float, ...]
    """One per seed that has it."""

    @property
    def mean(self) -> float:
        """Mean; nan of no values."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def deviation(self) -> float:
        """Sample standard deviation; nan of fewer than two values."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan


def write_tables(experiment: Experiment, out: Path) -> str:
    """Write `table.md`, `table.csv`, `table.json` and `monitors.csv` into a folder.

    Returns
    -------
    str
        The Markdown.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = [json.loads(path.read_bytes()) for path in results_of(experiment, out)]
    text = markdown(experiment, results)
    write_bytes(out / TABLE_MD, text.encode())
    write_bytes(out / TABLE_CSV, _csv(_long_rows(results)).encode())
    write_bytes(out / MONITORS_CSV, _csv(_monitor_rows(results)).encode())
    content = json.dumps(summary(experiment, results), indent=1, allow_nan=False)
    write_bytes(out / TABLE_JSON, content.encode() + b"\n")
    return text


def spread_of(results: Sequence[dict[str, Any]], get: Callable[[dict[str, Any]], Any]) -> Spread:
    """A value of every result over the seeds, without those that lack it."""
    values = (get(result) for result in results)
    return Spread(values=tuple(float(value) for value in values if value is not None))


def summary(experiment: Experiment, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean, standard deviation and values per row, as JSON values."""
    rows = {}
    for row in experiment.rows:
        own = _of_row(results, row.label)
        if own:
            rows[row.label] = {
                "seeds": [result["request"]["seed"] for result in own],
                "config": own[0]["config"],
                **{name: _plain(spread_of(own, get)) for name, get in _COSTS.items()},
                "means": {
                    group: {
                        metric: {
                            name: _plain(spread_of(own, _score(group, metric, name)))
                            for name in (*own[0]["classes_measured"], MEAN)
                        }
                        for metric in METRICS
                    }
                    for group in _groups(own)
                },
            }
    return {"experiment": experiment.name, "title": experiment.title, "rows": rows}


def markdown(experiment: Experiment, results: Sequence[dict[str, Any]]) -> str:
    """The tables of an experiment: means and cost, then every metric per class."""
    parts = [f"## {experiment.title}"]
    if experiment.note:
        parts.append(experiment.note)
    if not results:
        return "\n\n".join([*parts, "No run has finished."]) + "\n"
    parts += [_facts(experiment, results), _overview(experiment, results)]
    parts.append(f"### All metrics, mean over classes\n\n{_all_metrics(experiment, results)}")
    parts += [
        f"### {METRIC_TITLES[metric]} per class{_unit(metric, results)}\n\n"
        + _per_class(experiment, results, metric)
        for metric in METRICS
    ]
    missing = [
        f"{row.label} (seed {seed})"
        for row in experiment.rows
        for seed in experiment.seeds
        if seed not in {result["request"]["seed"] for result in _of_row(results, row.label)}
    ]
    if missing:
        parts.append(f"Without a result: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


_COSTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "wall_s": lambda result: result["wall_s"],
    "peak_memory_mib": lambda result: result["peak_memory_mib"],
    "steps": lambda result: result["steps"],
    "self_training_share": lambda r: r["self_training_steps"] / max(1, r["steps"]),
    "pseudo_label_share": lambda result: result["pseudo_label_share"],
}


def _facts(experiment: Experiment, results: Sequence[dict[str, Any]]) -> str:
    first = results[0]
    counts = {name: group["cases"] for name, group in first["means"].items() if name != "all"}
    measured = ", ".join(f"{n} {GROUP_TITLES.get(name, name)}" for name, n in counts.items())
    hardware, versions = first["hardware"], first["versions"]
    seen = (
        "held out"
        if first["held_out"]
        else "of which the training sees the images, on voxels that nobody annotated"
    )
    pinned = ", one core a run" if first["request"]["core"] is not None else ""
    facts = [
        f"Every run has {experiment.setup.budget}.",
        f"{first['training_cases']} cases train; measured are {measured}, {seen}.",
        "A value is the mean over cases, then over classes; mean ± standard deviation over seeds.",
        f"Device {first['device']}, {hardware['system']}, {hardware['cpu_count']} cores{pinned}, "
        f"Python {versions['python']}, PyTorch {versions.get('torch', 'unknown')}.",
        *first["data_notes"],
    ]
    if thrown := sum(result["draws_thrown_away"] for result in results):
        facts.append(f"{thrown} draws of annotation lacked a class and were drawn again.")
    return " ".join(facts)


def _overview(experiment: Experiment, results: Sequence[dict[str, Any]]) -> str:
    groups = _groups(results)
    header = ["method", *(f"Dice, {GROUP_TITLES.get(g, g)}" for g in groups), "single values"]
    header += ["wall time", "peak memory", "steps", "self-training", "pseudo-labeled"]
    lines = []
    for row in experiment.rows:
        own = _of_row(results, row.label)
        if not own:
            continue
        cells = [_text(spread_of(own, _score(group, "dice", MEAN))) for group in groups]
        cells.append(", ".join(_single(result, groups) for result in own))
        lines.append([row.label, *cells, *_cost_cells(own)])
    return _table(header, lines)


def _all_metrics(experiment: Experiment, results: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in experiment.rows:
        own = _of_row(results, row.label)
        for group in _groups(results) if own else []:
            cells = [
                _text(spread_of(own, _score(group, metric, MEAN)), _digits(metric))
                for metric in METRICS
            ]
            lines.append([row.label, GROUP_TITLES.get(group, group), *cells])
    header = [f"{METRIC_TITLES[metric]}{_unit(metric, results)}" for metric in METRICS]
    return _table(["method", "cases", *header], lines)


def _cost_cells(own: Sequence[dict[str, Any]]) -> list[str]:
    cost = {name: spread_of(own, get).mean for name, get in _COSTS.items()}
    return [
        f"{cost['wall_s']:.0f} s",
        f"{cost['peak_memory_mib']:.0f} MiB",
        f"{cost['steps']:.0f}",
        f"{cost['self_training_share']:.0%}",
        f"{cost['pseudo_label_share']:.0%}",
    ]


def _single(result: dict[str, Any], groups: Sequence[str]) -> str:
    values = (_score(group, "dice", MEAN)(result) for group in groups)
    return "/".join(_DASH if value is None else f"{value:.3f}" for value in values)


def _per_class(experiment: Experiment, results: Sequence[dict[str, Any]], metric: str) -> str:
    names = results[0]["classes_measured"]
    lines = []
    for row in experiment.rows:
        own = _of_row(results, row.label)
        for group in _groups(results) if own else []:
            cells = [
                _text(spread_of(own, _score(group, metric, name)), _digits(metric))
                for name in names
            ]
            lines.append([row.label, GROUP_TITLES.get(group, group), *cells])
    return _table(["method", "cases", *names], lines)


def _digits(metric: str) -> int:
    return 2 if metric in _DISTANCES else 3


def _unit(metric: str, results: Sequence[dict[str, Any]]) -> str:
    return f" ({results[0]['distance_unit']})" if metric in _DISTANCES else ""


def _groups(results: Sequence[dict[str, Any]]) -> list[str]:
    """Groups of cases that any result has; `all` only where it is the only one."""
    found = dict.fromkeys(name for result in results for name in result["means"])
    return [name for name in found if name != "all"] or list(found)


def _of_row(results: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return [result for result in results if result["request"]["row"]["label"] == label]


def _score(group: str, metric: str, name: str) -> Callable[[dict[str, Any]], Any]:
    def get(result: dict[str, Any]) -> Any:
        return result["means"].get(group, {}).get(metric, {}).get(name)

    return get


def _text(spread: Spread, digits: int = 3) -> str:
    if not spread.values:
        return _DASH
    if len(spread.values) == 1:
        return f"{spread.mean:.{digits}f}"
    return f"{spread.mean:.{digits}f} ± {spread.deviation:.{digits}f}"


def _plain(spread: Spread) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "mean": number(spread.mean),
        "std": number(spread.deviation),
        "values": list(spread.values),
    }


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _long_rows(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One value per line: row, seed, group of cases, class, metric."""
    lines: list[dict[str, Any]] = []
    for result in results:
        key = {"row": result["request"]["row"]["label"], "seed": result["request"]["seed"]}
        for group, scores in result["means"].items():
            for metric in METRICS:
                lines += [
                    {**key, "cases": group, "class": name, "metric": metric, "value": value}
                    for name, value in scores[metric].items()
                ]
        lines += [
            {**key, "cases": "", "class": "", "metric": name, "value": get(result)}
            for name, get in _COSTS.items()
        ]
    return lines


def _monitor_rows(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"row": result["request"]["row"]["label"], "seed": result["request"]["seed"], **monitor}
        for result in results
        for monitor in result["monitors"]
    ]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
