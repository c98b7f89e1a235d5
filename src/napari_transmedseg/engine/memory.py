"""How much memory a run uses."""

import mmap
import sys

import torch


def used_memory_mib(device: str) -> float:
    """Memory of the accelerator, or resident memory of this process, in MiB; 0 if unknown."""
    if device == "cuda":
        return torch.cuda.memory_allocated() / 2**20
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE / 2**20
    except OSError:
        return _peak_memory_mib()


def peak_memory_mib(device: str) -> float:
    """Most memory of the accelerator, or most resident memory of this process, so far, in MiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):
        return _peak_memory_mib()


def _peak_memory_mib() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
