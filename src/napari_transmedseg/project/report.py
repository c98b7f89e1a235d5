"""One HTML file about a run: Dice table, curves, and slices beside their references."""

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.evaluation_table import EvaluationTable
from napari_transmedseg.project.label_files import CASE_PLACEHOLDER, find_label_maps
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.report_cards import case_cards
from napari_transmedseg.project.report_charts import Line, Span, line_chart
from napari_transmedseg.project.report_style import OVERLAY_SLIDER, STYLE
from napari_transmedseg.project.run import Run
from napari_transmedseg.project.when import now_in_words

LOSS_COLORS = {
    "total": "#16202b",
    "supervised": "#1d63c9",
    "pseudo": "#d97706",
    "graph": "#7c3aed",
    "tsa": "#0d9488",
}
LOSS_NAMES = {"pseudo": "pseudo-label", "graph": "graph (γ)", "tsa": "augmentation (β)"}
PACKAGES = ("napari-transmedseg", "torch", "monai", "numpy", "nibabel")
Metrics = Sequence[Mapping[str, Any]]


def write_report(
    path: Path | str,
    project: Project,
    table: EvaluationTable,
    *,
    predictions: Path | str,
    references: Path | str,
    run_id: str | None = None,
    pattern: str = CASE_PLACEHOLDER,
) -> Path:
    """Write the report of a run; the file needs nothing beside it.

    Parameters
    ----------
    table
        From `evaluate`, with ``only_unannotated=project``.
    predictions, references
        Folders of label maps that the table was made from.
    run_id
        Whose curves are shown; None: the latest run's.
    pattern
        Name of a reference after its case.

    Raises
    ------
    ImageReadError, ProjectError
        Where a file is missing or the folder cannot be written.
    """
    run = project.run(run_id)
    metrics = run.metrics()
    found = find_label_maps(Path(predictions))
    expected = find_label_maps(Path(references), pattern=pattern)
    body = [
        _head(project, run, table, metrics),
        _dice_section(project, table),
        _curve_section(project, metrics),
        _slice_section(project, table, found, expected),
        _notes_section(metrics),
        _settings_section(project, run),
    ]
    title = escape(f"{project.name} – TransMedSeg report")
    html = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(body)}</main></body></html>\n"
    )
    path = Path(path)
    write_bytes(path, html.encode())
    return path


def _head(project: Project, run: Run, table: EvaluationTable, metrics: Metrics) -> str:
    states = [s for case in project.cases for s in project.ledger(case.case_id).states]
    labeled = sum(state.is_labeled for state in states)
    share = labeled / len(states) if states else 0.0
    end: Mapping[str, Any] = next(iter(_of(metrics, "TrainingFinished")[::-1]), {})
    tiles = [
        (_dice(table.mean(True)), "mean Dice, other slices of the annotated cases"),
        (_dice(table.mean(False)), "mean Dice, cases without any annotation"),
        (f"{labeled} of {len(states)}", f"slices annotated ({share:.0%})"),
        (
            f"{end.get('elapsed_s', 0) / 60:.1f} min",
            f"of training: {end.get('step', 0)} steps, "
            f"{end.get('self_training_steps', 0)} of them in self-training",
        ),
    ]
    cells = "".join(
        f"<div class='tile'><b>{value}</b><span>{text}</span></div>" for value, text in tiles
    )
    return (
        f"<h1>{escape(project.name)}</h1><p class='quiet'>Run {escape(run.run_id)}, method "
        f"{escape(run.config.method)}, report of {now_in_words()}. For research, not for "
        f"diagnosis.</p><div class='tiles'>{cells}</div>"
    )


def _dice_section(project: Project, table: EvaluationTable) -> str:
    colors = {item.name: item.color for item in project.classes}
    head = "".join(
        f"<th><i class='swatch' style='background:{colors.get(name, '#888')}'></i>"
        f"{escape(name)}</th>"
        for name in table.class_names
    )
    rows = [
        f"<tr><td>{escape(case.case_id)}</td>"
        f"<td class='text'>{'some slices' if case.annotated else 'none'}</td>"
        f"<td>{case.num_voxels:,}</td>"
        f"{_dice_cells(case.dice, colors)}{_dice_cells({'mean': case.mean}, {})}</tr>"
        for case in table.cases
    ]
    names = {"annotated": "with annotation", "unannotated": "without annotation", "all": "all"}
    for name, which in table.groups.items():
        rows.append(
            f"<tr class='mean'><td>Mean, {names[name]}</td><td></td><td></td>"
            f"{_dice_cells(table.class_means(which), colors)}"
            f"{_dice_cells({'mean': table.mean(which)}, {})}</tr>"
        )
    return (
        "<h2>Dice on the voxels that nobody annotated</h2>"
        "<p class='quiet'>Per case, pooled over its voxels outside the annotated slices. 1 is "
        "perfect agreement with the reference, 0 is none; a dash: neither holds the class.</p>"
        "<div class='panel'><table><thead><tr><th>Case</th><th class='text'>Annotation</th>"
        f"<th>Voxels compared</th>{head}<th>Mean</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _dice_cells(dice: Mapping[str, float], colors: Mapping[str, str]) -> str:
    return "".join(
        f"<td class='bar' style='--bar:{colors.get(name, '#8a97a5')};"
        f"--share:{0 if math.isnan(value) else value:.1%}'>{_dice(value)}</td>"
        for name, value in dice.items()
    )


def _curve_section(project: Project, metrics: Metrics) -> str:
    steps = _of(metrics, "StepReport")
    minutes = {entry["step"]: entry["elapsed_s"] / 60 for entry in steps}
    losses = [
        Line(
            name=LOSS_NAMES.get(term, term),
            color=color,
            points=[
                (entry["elapsed_s"] / 60, entry["losses"][term])
                for entry in steps
                if entry["losses"].get(term) is not None
            ],
        )
        for term, color in LOSS_COLORS.items()
    ]
    spans = _phases(steps)
    loss_chart = line_chart(
        losses, x_label="training time (min)", y_label="loss (no unit)", spans=spans
    )
    held_out = any(entry["held_out"] for entry in _of(metrics, "DiceReport"))
    dice = [
        Line(name=item.name, color=item.color, points=_dice_points(metrics, minutes, item.name))
        for item in project.classes
    ]
    dice_chart = line_chart(
        dice, x_label="training time (min)", y_label="Dice (0 to 1)", spans=spans, y_top=1.0
    )
    where = "slices that were held out" if held_out else "the annotated slices"
    return (
        "<h2>Training</h2><p class='quiet'>Warm-up learns from the annotated slices alone; "
        "self-training begins when they are reproduced, and learns from the others too.</p>"
        f"<div class='charts'><div class='panel'><h3>Loss</h3>{loss_chart}</div>"
        f"<div class='panel'><h3>Dice on {where}</h3>{dice_chart}</div></div>"
    )


def _dice_points(
    metrics: Metrics, minutes: Mapping[int, float], name: str
) -> list[tuple[float, float]]:
    points = []
    for entry in _of(metrics, "DiceReport"):
        value = (entry["held_out"] or entry["annotated"]).get(name)
        nearest = min(minutes, key=lambda step: abs(step - entry["step"]), default=None)
        if value is not None and nearest is not None and not math.isnan(value):
            points.append((minutes[nearest], value))
    return points


def _phases(steps: Metrics) -> list[Span]:
    spans: list[Span] = []
    start = 0.0
    for entry, following in zip(steps, [*steps[1:], None], strict=True):
        if following is None or following["phase"] != entry["phase"]:
            end = entry["elapsed_s"] / 60
            spans.append(Span(name=entry["phase"], start=start, end=end))
            start = end
    return spans


def _slice_section(
    project: Project,
    table: EvaluationTable,
    predictions: Mapping[str, Path],
    references: Mapping[str, Path],
) -> str:
    cards = "".join(
        case_cards(project, case, predictions[case.case_id], references[case.case_id])
        for case in table.cases
        if case.case_id in predictions and case.case_id in references
    )
    legend = "".join(
        f"<span class='key'><i style='background:{item.color}'></i>{escape(item.name)}</span>"
        for item in project.classes
    )
    return (
        "<h2>Slices that nobody annotated</h2><p class='quiet'>Of each case the slice on which "
        "the reference is largest, and the one that agrees least; counted from 1."
        "</p>"
        f"<div class='tools legend'>{legend}{OVERLAY_SLIDER}</div><div class='cards'>{cards}</div>"
    )


def _notes_section(metrics: Metrics) -> str:
    sentences = [note for entry in _of(metrics, "TrainingStarted") for note in entry["notes"]]
    for entry in metrics:
        healthy = entry["event"] == "MonitorReport" and entry["light"] == "ok"
        if entry.get("sentence") and not healthy:
            sentences.append(entry["sentence"])
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in dict.fromkeys(sentences))
    return f"<h2>What the run said</h2><div class='panel'><ul>{items}</ul></div>"


def _settings_section(project: Project, run: Run) -> str:
    facts = {
        field.name.replace("_", " "): getattr(run.config, field.name)
        for field in fields(run.config)
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    facts["project"] = project.folder
    facts["versions"] = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    facts["system"] = f"Python {platform.python_version()}, {platform.platform()}"
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items())
    return f"<h2>Settings and versions</h2><div class='panel'><dl>{items}</dl></div>"


def _of(metrics: Metrics, event: str) -> list[Mapping[str, Any]]:
    return [entry for entry in metrics if entry["event"] == event]


def _dice(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
