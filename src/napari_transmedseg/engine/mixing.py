"""What the student sees in one step, with its targets and the weight of every voxel.

Bidirectional copy-paste after BCP (Bai et al., CVPR 2023), masked by what is known; the plain
mean teacher (Tarvainen and Valpola, NeurIPS 2017) shows whole images instead. How a batch is
arranged needs no pseudo-labels: the student may run while they are still being made.

Shape suffixes: B batch, 1 the channels of an image (several where cases have several), HW space
axes of what the network sees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine.copy_paste import box_mask, mix
from napari_transmedseg.engine.sampling import Stream


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PseudoLabels:
    """The teacher's view of a stream."""

    label_BHW: Tensor
    weight_BHW: Tensor
    """0 in the padding and below the confidence that is asked for, else 1."""
    entropy_BHW: Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixed:
    """One student batch. Its parts (`x_in` and `x_out` of BCP) are normalised one by one."""

    image_B1HW: Tensor
    target_BHW: Tensor
    annotated_BHW: Tensor
    """Weight of annotated voxels: 1 or 0."""
    pseudo_BHW: Tensor
    """Weight of pseudo-labeled voxels, before u."""
    slice_B: Tensor
    """Place among all slices of each image's (first) annotated slice."""
    inside_BHW: Tensor
    parts: tuple[slice, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Arrangement:
    """Which voxels of a student batch come from the labeled and which from the other stream."""

    from_labeled_BHW: Tensor | None
    """Bool; None: whole images, the labeled ones first."""
    parts: tuple[slice, ...]

    def combine(self, of_labeled: Tensor, of_unlabeled: Tensor) -> Tensor:
        """Values of the batch, (B, …HW) or (B, 1, …HW) or per image (B,)."""
        mask = self.from_labeled_BHW
        if mask is None:
            return torch.cat((of_labeled, of_unlabeled))
        if of_labeled.ndim == 1:
            return of_labeled
        return torch.where(
            mask if of_labeled.ndim == mask.ndim else mask[:, None], of_labeled, of_unlabeled
        )


def warm_up_batch(labeled: Stream, copy_paste: bool, generator: torch.Generator) -> Mixed:
    """Annotated images only; `copy_paste` pastes the two halves of the batch into each other."""
    target, known, image = labeled.label_BHW, labeled.known_BHW, labeled.strong_B1HW
    inside = labeled.inside_BHW
    if copy_paste:
        mask = _mask(image, len(image), generator)
        image, target, known, inside = (
            mix(part, part.roll(len(part) // 2, 0), mask) for part in (image, target, known, inside)
        )
    return Mixed(
        image_B1HW=image,
        target_BHW=target,
        annotated_BHW=(known & inside).float(),
        pseudo_BHW=torch.zeros_like(target, dtype=torch.float32),
        slice_B=labeled.slice_B,
        inside_BHW=inside,
        parts=(slice(0, len(image)),),
    )


def copy_paste(labeled: Stream, generator: torch.Generator) -> Arrangement:
    """x_in = u_p·M + l_a·(1-M), then x_out = l_b·M + u_q·(1-M), in one batch (BCP, eq. 1-2)."""
    half = len(labeled.slice_B) // 2
    mask = _mask(labeled.strong_B1HW, half, generator)
    return Arrangement(
        from_labeled_BHW=torch.cat((mask == 0, mask == 1)),
        parts=(slice(0, half), slice(half, 2 * half)),
    )


def whole_images(labeled: Stream, unlabeled: Stream) -> Arrangement:
    """Annotated images, then unlabeled ones, unmixed (the plain mean teacher's batch)."""
    count = len(labeled.slice_B) + len(unlabeled.slice_B)
    return Arrangement(from_labeled_BHW=None, parts=(slice(0, count),))


def with_targets(
    arrangement: Arrangement,
    image_B1HW: Tensor,
    labeled: Stream,
    unlabeled: Stream,
    pseudo: PseudoLabels,
    filled: PseudoLabels | None = None,
) -> Mixed:
    """Targets and weights of an arranged batch.

    Parameters
    ----------
    pseudo
        Of the unlabeled stream.
    filled
        Of the labeled one, for its unknown voxels (sparse 3-D annotation); None leaves those out.
    """
    known = labeled.known_BHW & labeled.inside_BHW
    label, gaps = labeled.label_BHW, torch.zeros_like(pseudo.weight_BHW[:1]).expand_as(known)
    if filled is not None:
        label = torch.where(known, label, filled.label_BHW)
        gaps = filled.weight_BHW * ~known
    combine = arrangement.combine
    return Mixed(
        image_B1HW=image_B1HW,
        target_BHW=combine(label, pseudo.label_BHW),
        annotated_BHW=combine(known.float(), torch.zeros_like(pseudo.weight_BHW)),
        pseudo_BHW=combine(gaps, pseudo.weight_BHW),
        slice_B=combine(labeled.slice_B, unlabeled.slice_B),
        inside_BHW=combine(labeled.inside_BHW, unlabeled.inside_BHW),
        parts=arrangement.parts,
    )


def _mask(image_B1HW: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    shape = tuple(image_B1HW.shape[2:])
    return box_mask(shape, generator=generator, batch=batch, device=image_B1HW.device)
