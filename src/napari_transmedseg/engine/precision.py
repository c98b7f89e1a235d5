"""Half precision where a GPU gains from it; the CPU and everything unsure stay in float32.

On CPUs autocast to bfloat16 can end the process (an instruction that the processor advertises but
may not use), so it is never tried there.
"""

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_precision(device: str) -> Precision:
    """bfloat16 on CUDA cards that compute in it (compute capability 8), float16 on older ones."""
    if device != "cuda":
        return "float32"
    major, _ = torch.cuda.get_device_capability()
    return "bfloat16" if major >= 8 else "float16"


def autocast(device: str, precision: Precision) -> AbstractContextManager[None]:
    """Context in which the networks run."""
    return torch.autocast(
        torch.device(device).type,
        dtype=_DTYPES.get(precision),
        enabled=precision != "float32",
    )


def make_scaler(precision: Precision) -> torch.amp.GradScaler:
    """Scale the loss so that small gradients survive float16; does nothing otherwise."""
    return torch.amp.GradScaler("cuda", enabled=precision == "float16")
