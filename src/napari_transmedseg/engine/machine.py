"""What the machine offers: devices, cores, free memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_transmedseg.errors import ConfigError


def resolve_device(name: str) -> str:
    """Turn `auto` into the best device at hand, and check the others.

    Raises
    ------
    ConfigError
        When the device that was asked for is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in available.items() if there)
    if not available[name]:
        raise ConfigError(
            f"Expected a '{name}' device, found none on this machine; use --device auto or cpu."
        )
    return name


def available_cores() -> int:
    """CPU cores that this process may use; fewer than the machine's in a container."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)


def free_memory_bytes(device: str) -> float:
    """Memory that is free for images on a device."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * 1024.0**3


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
