"""What semantic augmentation costs: table form against the form voxel by voxel.

    python benchmarks/tsa_cost.py [--voxels 12 256 256] [--features 16] [--classes 4]

The naive form is that of TSA's published code (Li et al., CVPR 2021): N x C x A weight
differences and N x A x A covariances, one per voxel. Both compute L_tsa and its gradients
from given logits; each runs in a process of its own, so that the peak memory is its own.
Prints one table row per form: best time of a few repeats, and the memory added at the peak.
"""

import argparse
import json
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

FORMS = ("table", "naive")


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.form:
        print(json.dumps(_measure(arguments)))
        return
    rows = {form: _in_own_process(form) for form in FORMS}
    size = " x ".join(str(length) for length in arguments.voxels)
    print(
        f"{size} voxels, {arguments.features} features, {arguments.classes} classes, "
        f"{arguments.threads} thread(s), float32"
    )
    print(f"{'form':<8}{'time/ms':>12}{'peak/MiB':>12}{'loss':>14}")
    for form, row in rows.items():
        print(f"{form:<8}{row['ms']:>12.2f}{row['mib']:>12.1f}{row['loss']:>14.7f}")
    table, naive = rows["table"], rows["naive"]
    print(
        f"table form: {naive['ms'] / table['ms']:.1f} times as fast, "
        f"{naive['mib'] / max(table['mib'], 0.1):.1f} times less memory"
    )
    if not math.isclose(table["loss"], naive["loss"], rel_tol=1e-4):
        sys.exit("The two forms disagree.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, nargs="+", default=[12, 256, 256])
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    return parser


def _in_own_process(form: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--form", form]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _measure(arguments: argparse.Namespace) -> dict[str, float]:
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    num_features, num_classes = arguments.features, arguments.classes
    batch, *space = arguments.voxels
    root = torch.randn(num_classes, num_features, num_features) / num_features**0.5
    problem = {
        "logits": torch.randn(batch, num_classes, *space, requires_grad=True),
        "labels": torch.randint(0, num_classes, (batch, *space)),
        "weight": torch.randn(num_classes, num_features, requires_grad=True),
        "shift": torch.randn(num_classes, num_features),
        "covariance": root @ root.mT,
    }
    loss = {"table": _table_form, "naive": _naive_form}[arguments.form]
    small = problem | {name: problem[name][:1, ..., :8] for name in ("logits", "labels")}
    loss(small).backward()  # libraries load
    before, peak = _resident_mib(), _PeakMemory()
    seconds = []
    with peak:
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            value = loss(problem)
            value.backward()
            seconds.append(time.perf_counter() - start)
    return {"ms": 1e3 * min(seconds), "mib": peak.mib - before, "loss": value.item()}


def _table_form(problem):
    from napari_transmedseg.engine.semantic_augmentation import (
        augmentation_table,
        transferable_cross_entropy,
    )

    table = augmentation_table(problem["weight"], problem["shift"], problem["covariance"], 0.25)
    return transferable_cross_entropy(problem["logits"], problem["labels"], table)


def _naive_form(problem):
    import torch

    labels_N = problem["labels"].flatten()
    weight_CA, num_classes = problem["weight"], len(problem["weight"])
    logits_NC = problem["logits"].movedim(1, -1).reshape(-1, num_classes)
    difference_NCA = weight_CA[None] - weight_CA[labels_N][:, None]
    covariance_NAA = problem["covariance"][labels_N]
    spread_NC = ((difference_NCA @ covariance_NAA) * difference_NCA).sum(-1)
    shift_NC = (difference_NCA @ problem["shift"][labels_N][..., None]).squeeze(-1)
    moved_NC = logits_NC + 0.25 * shift_NC + 0.125 * spread_NC
    return torch.nn.functional.cross_entropy(moved_NC, labels_N)


class _PeakMemory:
    """Watches this process's resident memory, every millisecond, from a thread."""

    def __enter__(self) -> "_PeakMemory":
        self.mib = _resident_mib()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.001):
            self.mib = max(self.mib, _resident_mib())


def _resident_mib() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        sys.exit("Expected a Linux system, where /proc tells a process's memory; run it there.")
    return int(statm.read_text().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    main()
