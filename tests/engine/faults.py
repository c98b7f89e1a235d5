"""Faults that are let loose in a running training: no memory, no numbers, no space."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from napari_transmedseg.engine import forward

MEMORY = {
    "host": lambda: MemoryError(),
    "CPU allocator": lambda: RuntimeError("DefaultCPUAllocator: not enough memory: you tried to"),
    "CPU allocator, Linux": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    "GPU": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cuBLAS": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"),
}


class Network:
    """Stands in for `run_network` in one module, and fails at some of its calls."""

    def __init__(self, patch: Any, module: str, *, at: int, fault: Any, times: float = 1) -> None:
        self.calls, self.at, self.fault, self.times = 0, at, fault, times
        patch.setattr(f"napari_transmedseg.engine.{module}.run_network", self)

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        output = forward.run_network(*arguments)
        if not self.at <= self.calls < self.at + self.times:
            return output
        return self.fault(output)


def no_memory(kind: str) -> Any:
    """Fault that raises as an allocator does."""

    def fault(_: Any) -> Any:
        raise MEMORY[kind]()

    return fault


def no_numbers(output: Any) -> Any:
    """Fault that makes a voxel of every image NaN."""
    output.logits[..., 0] *= math.nan
    return output


def infinite_gradients(output: Any) -> Any:
    """Fault that leaves the loss as it is and spoils what follows from it."""
    output.logits.register_hook(lambda gradient: gradient * math.inf)
    return output


@contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes meanwhile."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


HAS_LIMITS = sys.platform != "win32"
