"""What the student sees in one step, with its targets and the weight of every voxel.

Bidirectional copy-paste after BCP (Bai et al., CVPR 2023), masked by what is known; the plain
mean teacher (Tarvainen and Valpola, NeurIPS 2017) shows whole slices instead.

Shape suffixes: B batch, A features, H and W rows and columns of the window.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine.copy_paste import box_mask, mix
from napari_transmedseg.engine.sampling import Stream


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PseudoLabels:
    """The teacher's view of the unlabeled stream."""

    label_BHW: Tensor
    weight_BHW: Tensor
    """0 in the padding and below the confidence that is asked for, else 1."""
    entropy_BHW: Tensor
    features_BAHW: Tensor


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
    """Place among all slices of each image's annotated voxels."""
    inside_BHW: Tensor
    parts: tuple[slice, ...]


def warm_up_batch(labeled: Stream, copy_paste: bool, generator: torch.Generator) -> Mixed:
    """Annotated slices only; `copy_paste` pastes the two halves of the batch into each other."""
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


def copy_paste_batch(
    labeled: Stream, unlabeled: Stream, pseudo: PseudoLabels, generator: torch.Generator
) -> Mixed:
    """x_in = u_p·M + l_a·(1-M), then x_out = l_b·M + u_q·(1-M), in one batch (BCP, eq. 1-2)."""
    half = len(labeled.slice_B) // 2
    mask = _mask(labeled.strong_B1HW, half, generator)
    from_labeled = torch.cat((mask == 0, mask == 1))

    def paste(of_labeled: Tensor, of_unlabeled: Tensor) -> Tensor:
        return torch.where(_like(from_labeled, of_labeled), of_labeled, of_unlabeled)

    known = labeled.known_BHW & labeled.inside_BHW
    return Mixed(
        image_B1HW=paste(labeled.strong_B1HW, unlabeled.strong_B1HW),
        target_BHW=paste(labeled.label_BHW, pseudo.label_BHW),
        annotated_BHW=(from_labeled & known).float(),
        pseudo_BHW=pseudo.weight_BHW * ~from_labeled,
        slice_B=labeled.slice_B,
        inside_BHW=paste(labeled.inside_BHW, unlabeled.inside_BHW),
        parts=(slice(0, half), slice(half, 2 * half)),
    )


def whole_slice_batch(labeled: Stream, unlabeled: Stream, pseudo: PseudoLabels) -> Mixed:
    """Annotated slices, then unlabeled ones, unmixed (the plain mean teacher's batch)."""
    known = (labeled.known_BHW & labeled.inside_BHW).float()
    return Mixed(
        image_B1HW=torch.cat((labeled.strong_B1HW, unlabeled.strong_B1HW)),
        target_BHW=torch.cat((labeled.label_BHW, pseudo.label_BHW)),
        annotated_BHW=torch.cat((known, torch.zeros_like(pseudo.weight_BHW))),
        pseudo_BHW=torch.cat((torch.zeros_like(known), pseudo.weight_BHW)),
        slice_B=torch.cat((labeled.slice_B, unlabeled.slice_B)),
        inside_BHW=torch.cat((labeled.inside_BHW, unlabeled.inside_BHW)),
        parts=(slice(0, len(labeled.slice_B) + len(unlabeled.slice_B)),),
    )


def _mask(image_B1HW: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    shape = tuple(image_B1HW.shape[2:])
    return box_mask(shape, generator=generator, batch=batch, device=image_B1HW.device)


def _like(mask_BHW: Tensor, values: Tensor) -> Tensor:
    return mask_BHW if values.ndim == mask_BHW.ndim else mask_BHW[:, None]
