"""What semantic augmentation costs: table form against the form voxel by voxel.

    python benchmarks/tsa_cost.py [--voxels 12 256 256] [--features 16] [--classes 4]
    python benchmarks/tsa_cost.py --samples 1 10 100    # and drawing features explicitly

The naive form is that of TSA's published code (Li et al., CVPR 2021): N x C x A weight
differences and N x A x A covariances, one per voxel. Both compute L_tsa and its gradients
from given logits; `drawn M` draws M features a voxel instead, whose mean loss L_tsa bounds
from above. Each runs in a process of its own, so that the peak memory is its own. Prints one
table row per form: best time of a few repeats, and the memory added at the peak. Exits with
an error where the two forms disagree or a drawn loss exceeds the bound.
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
STRENGTH = 0.25


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.form:
        print(json.dumps(_measure(arguments)))
        return
    forms = [*FORMS, *(f"drawn {number}" for number in arguments.samples)]
    rows = {form: _in_own_process(form) for form in forms}
    size = " x ".join(str(length) for length in arguments.voxels)
    print(
        f"{size} voxels, {arguments.features} features, {arguments.classes} classes, "
        f"{arguments.threads} thread(s), float32"
    )
    print(f"{'form':<12}{'time/ms':>12}{'peak/MiB':>12}{'loss':>14}")
    for form, row in rows.items():
        print(f"{form:<12}{row['ms']:>12.2f}{row['mib']:>12.1f}{row['loss']:>14.7f}")
    table, naive = rows["table"], rows["naive"]
    print(
        f"table form: {naive['ms'] / table['ms']:.1f} times as fast, "
        f"{naive['mib'] / max(table['mib'], 0.1):.1f} times less memory"
    )
    if not math.isclose(table["loss"], naive["loss"], rel_tol=1e-4):
        sys.exit("The two forms disagree.")
    for form in forms[len(FORMS) :]:
        print(f"table form: {rows[form]['ms'] / table['ms']:.1f} times as fast as {form}")
        if rows[form]["loss"] > 1.01 * table["loss"]:
            sys.exit(f"Expected L_tsa to bound {form} from above.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, nargs="+", default=[12, 256, 256])
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, nargs="*", default=[], metavar="M")
    parser.add_argument("--form", help=argparse.SUPPRESS)
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
        "labels": torch.randint(0, num_classes, (batch, *space)),
        "weight": torch.randn(num_classes, num_features, requires_grad=True),
        "shift": torch.randn(num_classes, num_features),
        "covariance": root @ root.mT,
    }
    form, *samples = arguments.form.split()
    loss = {"table": _table_form, "naive": _naive_form, "drawn": _drawn_form}[form]
    features = torch.randn(batch, num_features, *space)
    per_voxel = {"labels": problem["labels"]}
    if form == "drawn":
        problem["samples"] = int(samples[0])
        per_voxel["features"] = features.requires_grad_()
    else:
        logits = torch.einsum("ca,ba...->bc...", problem["weight"].detach(), features)
        per_voxel["logits"] = logits.contiguous().requires_grad_()
        del features, logits
    problem |= per_voxel
    small = problem | {name: value[:1, ..., :8] for name, value in per_voxel.items()}
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

    table = augmentation_table(problem["weight"], problem["shift"], problem["covariance"], STRENGTH)
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
    moved_NC = logits_NC + STRENGTH * (shift_NC + spread_NC / 2)
    return torch.nn.functional.cross_entropy(moved_NC, labels_N)


def _drawn_form(problem):
    from napari_transmedseg.engine.semantic_augmentation import sampled_cross_entropy

    moments = problem["shift"], problem["covariance"], STRENGTH
    return sampled_cross_entropy(
        problem["features"],
        problem["weight"],
        None,
        problem["labels"],
        *moments,
        problem["samples"],
    )


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
