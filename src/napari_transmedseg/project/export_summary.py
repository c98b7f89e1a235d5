"""What an export says about itself: JSON for programs, CSV and one HTML file for people."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.export_options import CLEANUP_WORDS, FORMAT_WORDS, ExportOptions
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.report_style import STYLE
from napari_transmedseg.project.run import versions
from napari_transmedseg.project.when import now_in_words

SUMMARY_FILE = "export.json"
CASES_FILE = "export.csv"
SLICES_FILE = "slices.csv"
PAGE_FILE = "export.html"
ALL_FILES = (SUMMARY_FILE, CASES_FILE, SLICES_FILE, PAGE_FILE)
_PERSON, _BOTH, _MODEL, _NOBODY = "a person", "a person and the model", "the model", "nobody"
_SOURCE_COLORS = {_PERSON: "#0b7a5b", _BOTH: "#e0b100", _MODEL: "#7aa7e0", _NOBODY: "#d5dbe2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedCase:
    """One mask that was written."""

    case_id: str
    path: Path
    known_path: Path | None
    """Where the known mask is; None where every voxel counts."""
    run_id: str | None
    """Run whose prediction fills what nobody annotated; None where nothing is predicted."""
    volumes_ml: dict[str, float]
    """Volume of each class, by name."""
    known_share: float
    """Share of the voxels that a person vouches for, in [0, 1]."""
    slice_states: tuple[str, ...]
    """Provenance: state of every slice."""
    rejected: tuple[int, ...] = ()
    """Slices left without the prediction, which a person rejected."""
    files: tuple[str, ...] = ()
    """Names of all files of the case in the folder; `path` is the first."""

    @property
    def slice_sources(self) -> list[str]:
        """Who said what each slice holds, in words."""
        return [
            _source_of(SliceState(state), self.run_id is not None and index not in self.rejected)
            for index, state in enumerate(self.slice_states)
        ]


def write_summary(
    project: Project, folder: Path, done: Sequence[ExportedCase], options: ExportOptions
) -> None:
    """Write the four files of an export's summary into a folder."""
    used = sorted({case.run_id for case in done if case.run_id})
    runs = {run_id: project.run(run_id).details() for run_id in used}
    content = {
        "project": project.name,
        "classes": {value: name for value, name in project.class_names.items()},
        "options": dataclasses.asdict(options),
        "versions": versions(),
        "runs": runs,
        "cases": [
            {
                **dataclasses.asdict(case),
                "path": case.path.name,
                "known_path": None if case.known_path is None else case.known_path.name,
            }
            for case in done
        ],
    }
    write_bytes(folder / SUMMARY_FILE, json.dumps(content, indent=1).encode() + b"\n")
    write_bytes(folder / CASES_FILE, _csv(_case_rows(project, done)))
    write_bytes(folder / SLICES_FILE, _csv(_slice_rows(project, done)))
    write_bytes(folder / PAGE_FILE, _page(project, done, options, runs).encode())


def _source_of(state: SliceState, has_prediction: bool) -> str:
    if state.is_labeled:
        return _PERSON
    if state is SliceState.IN_PROGRESS:
        return _BOTH if has_prediction else _PERSON
    return _MODEL if has_prediction else _NOBODY


def _case_rows(project: Project, done: Sequence[ExportedCase]) -> Iterator[list[Any]]:
    volumes = [f"{name} ml" for name in project.class_names.values()]
    states = [f"slices {state.value}" for state in SliceState]
    yield ["case", "domain", "file", "run", *volumes, "known share", "slices", *states]
    for case in done:
        counts = [case.slice_states.count(state.value) for state in SliceState]
        yield [
            case.case_id,
            project.case(case.case_id).domain,
            case.path.name,
            case.run_id or "",
            *(f"{ml:.4f}" for ml in case.volumes_ml.values()),
            f"{case.known_share:.4f}",
            len(case.slice_states),
            *counts,
        ]


def _slice_rows(project: Project, done: Sequence[ExportedCase]) -> Iterator[list[Any]]:
    yield ["case", "slice", "slice_index", "state", "labels by", "run", "who", "when"]
    for case in done:
        entries = project.ledger(case.case_id).entries
        for index, (entry, source) in enumerate(zip(entries, case.slice_sources, strict=True)):
            run = case.run_id if source in (_MODEL, _BOTH) else ""
            number = index + 1  # as on screen and on the page
            said = entry.state.value, source, run, entry.who, entry.when
            yield [case.case_id, number, index, *said]


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _harmless(cell: Any) -> Any:
    """Text that a spreadsheet takes for a formula becomes text again."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell


def _page(
    project: Project, done: Sequence[ExportedCase], options: ExportOptions, runs: dict[str, Any]
) -> str:
    what = "only what a person vouches for" if options.reviewed_only else "people's labels first"
    body = [
        f"<h1>{escape(project.name)}: masks</h1><p class='quiet'>Export of {now_in_words()}: "
        f"{len(done)} {'case' if len(done) == 1 else 'cases'}, "
        f"{FORMAT_WORDS[options.file_format]}, {what}; predicted voxels: "
        f"{CLEANUP_WORDS[options.cleanup]}. For research, not for diagnosis.</p>",
        _case_table(project, done),
        *(_run_section(run_id, details) for run_id, details in runs.items()),
        f"<h2>Versions of this export</h2><div class='panel'>{_facts(versions())}</div>",
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(project.name)} – masks</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _case_table(project: Project, done: Sequence[ExportedCase]) -> str:
    colors = {item.name: item.color for item in project.classes}
    classes = "".join(
        f"<th><i class='swatch' style='background:{colors[name]}'></i>{escape(name)}, ml</th>"
        for name in colors
    )
    rows = "".join(_case_row(case) for case in done)
    key = "".join(
        f"<span><i class='swatch' style='background:{color}'></i>{name}</span>"
        for name, color in _SOURCE_COLORS.items()
    )
    return (
        "<h2>Volumes, and who labeled which slice</h2><div class='panel'><table><thead><tr>"
        f"<th>Case</th>{classes}<th>Known</th><th class='text'>Slices, first to last</th>"
        f"<th class='text'>Model</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<p class='legend' style='margin-top:12px'>{key}</p></div>"
    )


def _case_row(case: ExportedCase) -> str:
    volumes = "".join(f"<td>{ml:.2f}</td>" for ml in case.volumes_ml.values())
    return (
        f"<tr><td>{escape(case.case_id)}</td>{volumes}<td>{case.known_share:.0%}</td>"
        f"<td class='text'>{_strip(case)}</td><td class='text'>{escape(case.run_id or 'none')}"
        "</td></tr>"
    )


def _strip(case: ExportedCase) -> str:
    """Slices as a row of coloured boxes; each says what it is when pointed at."""
    boxes = "".join(
        f"<rect x='{index}' width='1' height='1' fill='{_SOURCE_COLORS[source]}'>"
        f"<title>Slice {index + 1}: {state}, by {source}</title></rect>"
        for index, (state, source) in enumerate(
            zip(case.slice_states, case.slice_sources, strict=True)
        )
    )
    return (
        f"<svg viewBox='0 0 {len(case.slice_states)} 1' preserveAspectRatio='none' role='img' "
        f"aria-label='Slices of {escape(case.case_id, quote=True)}' "
        f"style='width:260px;height:14px'>{boxes}</svg>"
    )


def _run_section(run_id: str, details: dict[str, Any]) -> str:
    config = details.get("config", {})
    about = {name: details[name] for name in ("created", "warm_start") if details.get(name)}
    return (
        f"<h2>Model {escape(run_id)}</h2><div class='panel'>{_facts({**about, **config})}"
        f"<h3>Versions it was trained with</h3>{_facts(details.get('versions', {}))}</div>"
    )


def _facts(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
        for name, value in facts.items()
    )
    return f"<dl>{rows}</dl>"
