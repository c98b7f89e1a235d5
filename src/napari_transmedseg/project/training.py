"""Training and predicting on a project: the engine's work, kept in the project's folders.

Torch is loaded when the first event is asked for, not when this module is.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import Device, TrainingConfig, validate_config
from napari_transmedseg.engine.control import StoppedError, TrainingControl
from napari_transmedseg.engine.events import TrainingEvent
from napari_transmedseg.errors import ConfigError, ProjectError
from napari_transmedseg.project.case_files import load_case
from napari_transmedseg.project.learned import note_learned
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run import Run
from napari_transmedseg.project.slice_scores import read_scores, scores_of, write_scores

_CHANGEABLE = ("minutes", "steps", "device", "threads", "overlay_interval_s")
"""Settings that a resumed run may take anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePredicted:
    """One case was predicted and written."""

    case_id: str
    index: int
    """Cases done so far, this one included."""
    total: int
    path: Path


def train(
    project: Project,
    config: TrainingConfig | None = None,
    *,
    control: TrainingControl | None = None,
    resume: str | None = None,
    warm_start: str | None = None,
) -> Iterator[TrainingEvent]:
    """Train on what is annotated and on all that is not.

    The run's folder is made and the annotation read when this is called, on the caller's
    thread; images are read and the work is done while the events are asked for, on any one
    thread. What is annotated, and what happens to images, after that counts from the next
    training, or when this one is resumed. Every event is written to the run's `metrics.jsonl`.
    A run that ends before its first event leaves no folder.

    Parameters
    ----------
    project
        Open for writing.
    config
        Settings; None takes the defaults, or when resuming the run's own.
    control
        For stopping, pausing, and choosing the slice to predict meanwhile.
    resume
        Run that goes on in its own folder, with its own settings; budget, device, threads and
        the interval of looks at the slice on screen may be given anew.
    warm_start
        Run whose model a new run starts from.

    Raises
    ------
    ProjectError, ConfigError
        At the call: a run or checkpoint is missing, an image is missing, settings contradict.
    PlanError, ImageReadError, TrainingError
        While the events are asked for.
    """
    given = config or TrainingConfig()
    validate_config(given)
    if resume is not None and warm_start is not None:
        raise ConfigError(
            "Expected a run to resume or one to start from, found both; leave one out."
        )
    cases = project.training_cases()
    if resume is not None:
        run, resume_from, warm_from = project.run(resume), _checkpoint(project, resume), None
        used = _resumed(run, given)
        _note_resume(run, used)
        note_learned(project, run)
    else:
        resume_from = None
        warm_from = None if warm_start is None else _checkpoint(project, warm_start)
        used = given
        run = project.new_run(used, warm_start=warm_start)
        note_learned(project, run, None if warm_start is None else project.run(warm_start))
    names = tuple(item.name for item in project.classes)
    events = _fit(
        run, cases, names, used, project.slice_axis,
        control=control, resume_from=resume_from, warm_start_from=warm_from,
    )  # fmt: skip
    names_of_cases = [case.case_id for case in project.cases]
    recorded = run.record(_while_ours(project, events), names_of_cases)
    return recorded if resume is not None else _kept_once_begun(run, recorded)


def predict(
    project: Project,
    run_id: str | None = None,
    *,
    case_ids: Sequence[str] | None = None,
    control: TrainingControl | None = None,
    device: Device = "auto",
    threads: int = 0,
    flips: bool = False,
) -> Iterator[CasePredicted]:
    """Predict cases with a trained run, into `predictions/<run>/`; annotation is not touched.

    Beside each mask, `<case>.json` holds its mean uncertainty, and of every slice the uncertainty,
    the disagreement of student and teacher, and the biggest class; `<case>.uncertainty.nii.gz`
    holds the uncertainty of every voxel, unless the disk has no room for that any more.

    Parameters
    ----------
    project
        Open for writing.
    run_id
        Run to use; None: the latest.
    case_ids
        Cases to predict; None: all.
    control
        Its stop request is honoured within a second or so; the case that is worked on is let go.
    device
        Where to predict; it need not be where the run was trained.
    threads
        CPU threads; 0: as many as the run was trained with.
    flips
        Average over each image and its mirror images; three to four times as slow.

    Raises
    ------
    ProjectError
        At the call: no such run or case, no checkpoint.
    ConfigError
        At the call: there is no such device, or not so many threads.
    """
    validate_config(TrainingConfig(device=device, threads=threads))
    run = project.trained_run(run_id)
    checkpoint = run.require_checkpoint()
    check_model_fits(project, run)
    chosen = [case.case_id for case in project.cases] if case_ids is None else list(case_ids)
    for case_id in chosen:
        project.case(case_id)
    used = threads or run.config.threads
    return _predict(project, run, checkpoint, chosen, control, device, used, flips)


def uncertainty(project: Project, case_id: str, run_id: str) -> list[float] | None:
    """Mean uncertainty of every slice of a predicted case, in [0, 1]; None where not predicted."""
    scores = read_scores(project, case_id, run_id)
    return None if scores is None else list(scores.slice_uncertainty)


def _kept_once_begun(run: Run, events: Iterator[TrainingEvent]) -> Iterator[TrainingEvent]:
    """Pass on a new run; take its folder away if it ends before its first event."""
    begun = False
    try:
        for event in events:
            begun = True
            yield event
    finally:
        if not begun:
            shutil.rmtree(run.folder, ignore_errors=True)


def _while_ours(project: Project, events: Iterator[TrainingEvent]) -> Iterator[TrainingEvent]:
    """Pass events on; end the training when another program took the project over.

    Raises
    ------
    ProjectTakenError
    """
    try:
        for event in events:
            project.require_ours()
            yield event
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


def _fit(
    run: Run,
    cases: Sequence[TrainingCase],
    class_names: Sequence[str],
    config: TrainingConfig,
    slice_axis: int,
    *,
    control: TrainingControl | None,
    resume_from: Path | None,
    warm_start_from: Path | None,
) -> Iterator[TrainingEvent]:
    from napari_transmedseg.engine.trainer import fit

    _note_accelerator(run)
    yield from fit(
        cases,
        class_names,
        config,
        slice_axis=slice_axis,
        folder=run.folder,
        run_id=run.run_id,
        control=control,
        resume_from=resume_from,
        warm_start_from=warm_start_from,
    )


def _predict(
    project: Project,
    run: Run,
    checkpoint: Path,
    case_ids: Sequence[str],
    control: TrainingControl | None,
    device: Device,
    threads: int,
    flips: bool,
) -> Iterator[CasePredicted]:
    from napari_transmedseg.engine.inference import load_predictor

    predictor = load_predictor(checkpoint, device, threads, flips=flips, control=control)
    student = load_predictor(checkpoint, device, threads, weights="student", control=control)
    for index, case_id in enumerate(case_ids, start=1):
        if control is not None and control.stop_requested:
            return
        volume = load_case(project.case(case_id), *project.image_paths(case_id))
        try:
            prediction = predictor.predict_volume(volume)
            second = student.predict_volume(volume).labels.array
        except StoppedError:
            return
        path = project.save_prediction(run.run_id, case_id, prediction.labels)
        scores = scores_of(
            prediction.labels.array, prediction.uncertainty_IPL, second, project.slice_axis
        )
        write_scores(project, case_id, run.run_id, scores)
        with suppress(ProjectError):  # a full disk; the mask is there, and shown without
            project.save_uncertainty(run.run_id, case_id, prediction.uncertainty_IPL)
        yield CasePredicted(case_id=case_id, index=index, total=len(case_ids), path=path)


def _checkpoint(project: Project, run_id: str) -> Path:
    run = project.trained_run(run_id)
    check_model_fits(project, run)
    return run.require_checkpoint()


def check_model_fits(project: Project, run: Run) -> None:
    """Refuse a model of another number of classes or another plane; names may change.

    Raises
    ------
    ProjectError
    """
    details = run.details()
    trained, wanted = details.get("classes", []), [item.name for item in project.classes]
    if len(trained) != len(wanted):
        raise ProjectError(
            f"Expected a model of the {len(wanted)} classes {', '.join(wanted)}, found that "
            f"{run.run_id} was trained on {len(trained)} ({', '.join(map(str, trained))}); train "
            "a new run."
        )
    if run.outdated:
        raise ProjectError(
            f"Expected a model of this project's classes, found that {run.run_id} is older than "
            f"them ({run.outdated}); train a new run."
        )
    if details.get("slice_axis", project.slice_axis) != project.slice_axis:
        raise ProjectError(
            f"Expected a model of this project's slices, found that {run.run_id} was trained in "
            "another plane; train a new run."
        )


def model_fits(project: Project, run: Run) -> bool:
    """Whether a run's model may predict this project's classes, in its plane."""
    try:
        check_model_fits(project, run)
    except ProjectError:
        return False
    return True


def _resumed(run: Run, given: TrainingConfig) -> TrainingConfig:
    """Take the settings of the run, with budget, device and threads from those given."""
    own, default = run.config, TrainingConfig()
    fresh: dict[str, Any] = {}
    for field in dataclasses.fields(TrainingConfig):
        value = getattr(given, field.name)
        if value == getattr(default, field.name):
            continue
        if field.name in _CHANGEABLE:
            fresh[field.name] = value
        elif value != getattr(own, field.name):
            raise ConfigError(
                f"Expected {run.run_id} to go on with its '{field.name}' "
                f"{getattr(own, field.name)!r}, found {value!r}; leave it out, or start a new run "
                "from it (warm start)."
            )
    if "minutes" in fresh or "steps" in fresh:
        fresh = {"minutes": None, "steps": None, **fresh}
    used = dataclasses.replace(own, **fresh)
    validate_config(used)
    return used


def _note_resume(run: Run, used: TrainingConfig) -> None:
    details = run.details()
    if dataclasses.asdict(used) != details["config"]:
        run.write_details({**details, "config": dataclasses.asdict(used)})


def _note_accelerator(run: Run) -> None:
    """Add what only torch knows about the machine."""
    import torch

    details = run.details()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    details["hardware"] = {**details.get("hardware", {}), "accelerators": names}
    run.write_details(details)
