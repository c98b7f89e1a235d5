"""Accuracy from a few annotated slices: methods and seeds on a real cohort, by the command line.

    python benchmarks/few_slices.py COHORT --classes anterior,posterior --plane coronal \
        --cases 10 --slices 3 --minutes 4 --methods supervised transmedseg --seeds 0 1 2

COHORT holds images/ and labels/ with files of the same names. Every run gets a project of its own:
new, annotate (always the same slices), train, predict, evaluate on what was not annotated. Runs are
appended to a JSON-lines file, so that an interrupted benchmark goes on where it was; the table at
the end gives mean, standard deviation and every single value.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main() -> None:
    options = _options()
    jobs = [(method, seed) for seed in options.seeds for method in options.methods]
    jobs = [job for job in jobs if not _find(options, *job)]
    lanes = list(range(options.lanes))

    def work(job: tuple[str, int]) -> None:
        lane = lanes.pop()
        _run(options, *job, lane)
        lanes.append(lane)

    with ThreadPoolExecutor(options.lanes) as pool:
        list(pool.map(work, jobs))
    print(_table(options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--plane", default="auto")
    parser.add_argument("--images", default="*.nii.gz", help="which images to take")
    parser.add_argument("--without", default="", help="cases that contain this are left out")
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--annotation-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--methods", nargs="+", default=["supervised", "transmedseg"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--train", default="", help="further options for `transmedseg train`")
    parser.add_argument("--lanes", type=int, default=1, help="runs side by side, one core each")
    parser.add_argument("--threads", type=int, default=0, help="threads of a run; 0: all")
    parser.add_argument("--results", type=Path, default=Path("few_slices.jsonl"))
    return parser.parse_args()


def _run(options: argparse.Namespace, method: str, seed: int, lane: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="few-slices-"))
    project, labels = folder / "study", str(options.cohort / "labels")
    images = [
        str(path)
        for path in sorted((options.cohort / "images").glob(options.images))
        if (options.cohort / "labels" / path.name).exists()
        and not (options.without and options.without in path.name)
    ]
    new = ["new", str(project), "--classes", options.classes, "--plane", options.plane]
    _call([*new, "--images", *images], lane, options)
    _call(
        [
            "annotate",
            str(project),
            "--from-labels",
            labels,
            "--cases",
            str(options.cases),
            "--slices-per-case",
            str(options.slices),
            "--seed",
            str(options.annotation_seed),
        ],
        lane,
        options,
    )
    begin = time.monotonic()
    _call(
        [
            "train",
            str(project),
            "--minutes",
            str(options.minutes),
            "--method",
            method,
            "--seed",
            str(seed),
            "--threads",
            str(options.threads),
            "--json",
            *options.train.split(),
        ],
        lane,
        options,
    )
    wall_s = time.monotonic() - begin
    _call(["predict", str(project)], lane, options)
    said = _call(
        [
            "evaluate",
            str(project / "predictions" / "run-001"),
            labels,
            "--only-unannotated",
            str(project),
            "--json",
        ],
        lane,
        options,
    )
    record = {**_key(options, method, seed), "wall_s": wall_s, "lanes": options.lanes}
    record |= _of_run(project / "runs" / "run-001") | {"evaluation": json.loads(said)["means"]}
    with options.results.open("a") as file:
        file.write(json.dumps(record) + "\n")
    shutil.rmtree(folder)


def _of_run(run: Path) -> dict[str, float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    finished = next(row for row in rows if row["event"] == "TrainingFinished")
    shares = [
        row["pseudo_label_share"]
        for row in rows
        if row["event"] == "StepReport" and row["phase"] == "self-training"
    ]
    return {
        "steps": finished["step"],
        "self_training_steps": finished["self_training_steps"],
        "pseudo_label_share": statistics.mean(shares) if shares else 0.0,
    }


def _call(arguments: list[str], lane: int, options: argparse.Namespace) -> str:
    command = [str(Path(sys.executable).with_name("transmedseg")), *arguments]
    pinned = ["taskset", "-c", str(lane)] if options.lanes > 1 else []
    done = subprocess.run(
        [*pinned, *command], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def _key(options: argparse.Namespace, method: str, seed: int) -> dict[str, object]:
    return {
        "cohort": options.cohort.name,
        "cases": options.cases,
        "slices": options.slices,
        "annotation_seed": options.annotation_seed,
        "minutes": options.minutes,
        "train": options.train,
        "method": method,
        "seed": seed,
    }


def _records(options: argparse.Namespace) -> list[dict[str, object]]:
    if not options.results.exists():
        return []
    return [json.loads(line) for line in options.results.read_text().splitlines()]


def _find(options: argparse.Namespace, method: str, seed: int) -> list[dict[str, object]]:
    wanted = _key(options, method, seed)
    return [
        record
        for record in _records(options)
        if all(record[name] == value for name, value in wanted.items())
    ]


def _table(options: argparse.Namespace) -> str:
    lines = [
        "| method | Dice, annotated cases | Dice, cases without annotation | single values "
        "| steps | self-training | pseudo-labeled |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in options.methods:
        runs = [run for seed in options.seeds for run in _find(options, method, seed)]
        if not runs:
            continue
        groups = [
            [_mean_dice(run["evaluation"], name) for run in runs] for name in _groups(runs[0])
        ]
        singles = ", ".join(
            "/".join(f"{x:.3f}" for x in pair) for pair in zip(*groups, strict=True)
        )
        steps = statistics.mean(run["steps"] for run in runs)
        share = statistics.mean(run["self_training_steps"] / run["steps"] for run in runs)
        pseudo = statistics.mean(run["pseudo_label_share"] for run in runs)
        lines.append(
            f"| {method} | {_spread(groups[0])} | {_spread(groups[1])} | {singles} "
            f"| {steps:.0f} | {share:.0%} | {pseudo:.0%} |"
        )
    return "\n".join(lines)


def _groups(run: dict[str, dict[str, object]]) -> list[str]:
    return [name for name in run["evaluation"] if name != "all"]


def _mean_dice(evaluation: dict[str, dict[str, float]], group: str) -> float:
    return evaluation[group]["mean"]


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
