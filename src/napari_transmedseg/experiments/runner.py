"""Runs an experiment: rows and seeds over lanes, each in a process; goes on where it was."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.errors import ExperimentError
from napari_transmedseg.experiments.experiment import Experiment, Row, config_of
from napari_transmedseg.experiments.request import (
    LOG_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    RunRequest,
    as_dict,
    write_request,
)
from napari_transmedseg.experiments.sources import open_source

_POLL_S = 0.2
_END_S = 10.0
"""Seconds that a run has to end by itself before it is killed."""
_FREE = ("core", "data")
"""What may differ between a result that is there and the run that is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSkipped:
    """The result is there already."""

    row: str
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted:
    """A run begins in a lane."""

    row: str
    seed: int
    lane: int
    index: int
    """From 1, in the order of starts."""
    total: int
    """Runs to do, those with a result left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunDone:
    """A run left its result."""

    row: str
    seed: int
    result: Path
    dice: dict[str, float | None]
    """Mean over classes by group of cases."""
    wall_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFailed:
    """A run ended without a result; the others go on."""

    row: str
    seed: int
    sentence: str
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentDone:
    """Everything was tried, or a stop was requested."""

    results: tuple[Path, ...]
    failed: int


RunnerEvent = RunSkipped | RunStarted | RunDone | RunFailed | ExperimentDone


def run_experiment(
    experiment: Experiment,
    *,
    data: Path,
    out: Path,
    lanes: int = 1,
    control: TrainingControl | None = None,
) -> Iterator[RunnerEvent]:
    """Run what has no result yet, and tell how it goes.

    A stop request, or ending the iteration early, ends the running processes; their runs begin
    anew next time. With several lanes every run has one core of its own.

    Parameters
    ----------
    data
        Folder of the data set, or of several under their names.
    out
        Gets `runs/<row>-seed<seed>/` with request, log and result.
    lanes
        Runs side by side.
    control
        Its stop request is honoured at once.

    Raises
    ------
    ExperimentError, DataSetError, ConfigError
        Before the first run: settings, data or the results that are there do not fit.
    """
    cores = _cores()
    if not 1 <= lanes <= len(cores):
        raise ExperimentError(
            f"Expected 1 to {len(cores)} lanes, a core for each, found {lanes}; ask for fewer."
        )
    for row in experiment.rows:
        config_of(experiment.setup, row, 0)
    open_source(experiment.setup.source, data)
    if experiment.setup.split.test_source:
        open_source(experiment.setup.split.test_source, data)
    jobs = []
    for seed in experiment.seeds:
        for row in experiment.rows:
            job = _Job(experiment, row, seed, data.resolve(), out.resolve())
            if job.has_result():
                yield RunSkipped(row=row.label, seed=seed)
            else:
                jobs.append(job)
    failed = 0
    pinned = [cores[lane] if lanes > 1 else None for lane in range(lanes)]
    for event in _Lanes(jobs, pinned, control or TrainingControl()).run():
        failed += isinstance(event, RunFailed)
        yield event
    yield ExperimentDone(results=results_of(experiment, out), failed=failed)


def results_of(experiment: Experiment, out: Path) -> tuple[Path, ...]:
    """The results that are there, by row and seed."""
    paths = (
        run_folder(out, row, seed) / RESULT_FILE
        for row in experiment.rows
        for seed in experiment.seeds
    )
    return tuple(path for path in paths if path.exists())


def run_folder(out: Path, row: Row, seed: int) -> Path:
    """Folder of a run."""
    slug = re.sub(r"[^\w.=-]+", "-", row.label).strip("-")
    return out / "runs" / f"{slug}-seed{seed}"


class _Job:
    """A run to do: its folder, request, and later its process."""

    def __init__(self, experiment: Experiment, row: Row, seed: int, data: Path, out: Path) -> None:
        self.row, self.seed = row.label, seed
        self.request = RunRequest(
            experiment=experiment.name, row=row, setup=experiment.setup, seed=seed, data=data
        )
        self.folder = run_folder(out, row, seed)
        self.result = self.folder / RESULT_FILE
        self.log = self.folder / LOG_FILE

    def has_result(self) -> bool:
        """Whether a result of exactly this run is there; refuses another's."""
        if not self.result.exists():
            return False
        found, wanted = json.loads(self.result.read_bytes())["request"], as_dict(self.request)
        different = [key for key in wanted if key not in _FREE and found[key] != wanted[key]]
        if different:
            raise ExperimentError(
                f"Expected results of the same experiment in {self.folder.parent}, found that "
                f"{self.folder.name} had another {' and '.join(different)}; choose another --out "
                "or remove it."
            )
        return True

    def start(self, core: int | None) -> _Running:
        self.folder.mkdir(parents=True, exist_ok=True)
        request = RunRequest(
            experiment=self.request.experiment, row=self.request.row, setup=self.request.setup,
            seed=self.seed, data=self.request.data, core=core,
        )  # fmt: skip
        write_request(self.folder / REQUEST_FILE, request)
        log = self.log.open("wb")
        environment = dict(os.environ)
        if core is not None:
            environment["OMP_NUM_THREADS"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-m", "napari_transmedseg.experiments.one_run",
             str(self.folder / REQUEST_FILE)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,  # Ctrl-C is for the runner, which ends its runs in order
        )  # fmt: skip
        return _Running(job=self, process=process, log=log)


@dataclass(kw_only=True, slots=True)
class _Running:
    job: _Job
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    begin: float = field(default_factory=time.monotonic)

    def outcome(self) -> RunDone | RunFailed:
        """What came out of a process that has ended."""
        self.log.close()
        job = self.job
        if self.process.returncode == 0 and job.result.exists():
            result = json.loads(job.result.read_bytes())
            dice = {name: group["dice"]["mean"] for name, group in result["means"].items()}
            return RunDone(
                row=job.row, seed=job.seed, result=job.result, dice=dice,
                wall_s=time.monotonic() - self.begin,
            )  # fmt: skip
        return RunFailed(
            row=job.row, seed=job.seed, sentence=_why(self.process.returncode, job.log),
            log=job.log,
        )  # fmt: skip

    def end(self) -> None:
        """End the process, hard if it does not want to."""
        self.process.terminate()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class _Lanes:
    """Keeps every lane busy until there are no jobs left."""

    def __init__(self, jobs: list[_Job], cores: list[int | None], control: TrainingControl) -> None:
        self.waiting, self.total = list(jobs), len(jobs)
        self.cores, self.control = cores, control
        self.running: dict[int, _Running] = {}

    def run(self) -> Iterator[RunnerEvent]:
        try:
            while (self.waiting or self.running) and not self.control.stop_requested:
                yield from self._fill()
                yield from self._collect()
                time.sleep(_POLL_S if self.running else 0)
        finally:
            for running in self.running.values():
                running.end()

    def _fill(self) -> Iterator[RunnerEvent]:
        for lane, core in enumerate(self.cores):
            if lane not in self.running and self.waiting:
                job = self.waiting.pop(0)
                self.running[lane] = job.start(core)
                yield RunStarted(
                    row=job.row, seed=job.seed, lane=lane, total=self.total,
                    index=self.total - len(self.waiting),
                )  # fmt: skip

    def _collect(self) -> Iterator[RunnerEvent]:
        for lane, running in list(self.running.items()):
            if running.process.poll() is not None:
                del self.running[lane]
                yield running.outcome()


def _cores() -> list[int]:
    """Cores that this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)  # Linux only
    return sorted(affinity(0)) if affinity is not None else list(range(os.cpu_count() or 1))


def _why(code: int, log: Path) -> str:
    """The last line that a failed run wrote, or how it was ended."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if code < 0:
        return f"It was ended by signal {-code}" + (
            f"; it last said: {lines[-1]}" if lines else "."
        )
    return lines[-1] if lines else f"It ended with code {code} and said nothing."
