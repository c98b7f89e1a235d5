"""The teacher: an exponential moving average of the student, never trained by gradient.

Mean teacher (Tarvainen and Valpola, NeurIPS 2017), as BCP (CVPR 2023) and TransMedSeg
(arXiv:2505.14753) use it.
"""

import copy

import torch
from torch import Tensor, nn


def make_teacher(student: nn.Module) -> nn.Module:
    """Copy the student, in evaluation mode and out of reach of any gradient."""
    return copy.deepcopy(student).eval().requires_grad_(False)


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """θ_teacher ← λ θ_teacher + (1-λ) θ_student, for weights and buffers alike.

    Integer buffers (BatchNorm's count of batches) are copied.

    Parameters
    ----------
    teacher, student : nn.Module
        Of one architecture.
    decay : float
        λ in [0, 1]; 0 copies the student.
    """
    averaged: list[Tensor] = []
    news: list[Tensor] = []
    for old, new in zip(_state(teacher), _state(student), strict=True):
        if old.is_floating_point():
            averaged.append(old)
            news.append(new)
        else:
            old.copy_(new)
    torch._foreach_mul_(averaged, decay)
    torch._foreach_add_(averaged, news, alpha=1 - decay)


def _state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
