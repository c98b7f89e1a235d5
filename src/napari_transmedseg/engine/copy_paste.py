"""Bidirectional copy-paste: box masks, mixing, and the masked losses.

BCP (Bai et al., CVPR 2023), as TransMedSeg (arXiv:2505.14753) uses it: with M = 0 in one
box and 1 outside, x_in = u_p·M + l_a·(1-M) and x_out = l_b·M + u_q·(1-M); targets are
mixed alike. Each part of a mixed image (annotated voxels, pseudo-labeled voxels) has its
own (CE + Dice)/2, normalised by its own voxels.

Shapes: B images, C classes (0 = background), YX any number of spatial axes, N voxels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_transmedseg.engine.one_hot import one_hot_rows

BOX_SIDE = 2 / 3


def box_mask(
    shape: Sequence[int],
    side: float = BOX_SIDE,
    generator: torch.Generator | None = None,
    batch: int = 1,
    device: torch.device | str = "cpu",
) -> Tensor:
    """One randomly placed box per image, always whole inside it.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape, (Y, X) or (Z, Y, X).
    side : float
        Side of the box over the image's, in each axis (papers: 2/3).
    generator : torch.Generator, optional
        Places the boxes.
    batch : int
        Number of images B.

    Returns
    -------
    Tensor
        mask_BYX, float32: 0 inside the box, 1 outside.
    """
    origin = device if generator is None else generator.device
    place_DB = torch.rand(len(shape), batch, generator=generator, device=origin).to(device)
    inside = torch.ones((batch, *[1] * len(shape)), dtype=torch.bool, device=device)
    for axis, length in enumerate(shape):
        box = min(length, max(1, round(side * length)))
        start_B1 = (place_DB[axis] * (length - box + 1)).long().clamp(max=length - box)[:, None]
        position_L = torch.arange(length, device=device)
        inside_BL = (position_L >= start_B1) & (position_L < start_B1 + box)
        view = [1] * len(shape)
        view[axis] = length
        inside = inside & inside_BL.view(batch, *view)
    return (~inside).to(torch.float32)


def mix(a: Tensor, b: Tensor, mask_BYX: Tensor) -> Tensor:
    """a·M + b·(1-M), for tensors of any type with or without channels.

    Parameters
    ----------
    a, b : Tensor
        (B, …, Y, X) of one shape and type.
    mask_BYX : Tensor
        M, of zeros and ones, as from `box_mask`.
    """
    channels = a.ndim - mask_BYX.ndim
    mask = mask_BYX.reshape(mask_BYX.shape[0], *[1] * channels, *mask_BYX.shape[1:])
    return torch.where(mask.bool(), a, b)


def masked_segmentation_loss(logits_BCYX: Tensor, target_BYX: Tensor, weight_BYX: Tensor) -> Tensor:
    """(CE + Dice)/2 over the voxels with a weight, normalised by the sum of weights.

    Parameters
    ----------
    logits_BCYX : Tensor
        Student logits.
    target_BYX : Tensor
        Classes; any value where the weight is 0.
    weight_BYX : Tensor
        0 leaves a voxel out; fractions weigh it by confidence. A common factor cancels:
        multiply the result by u instead.

    Returns
    -------
    Tensor
        Scalar; exactly 0 with zero gradients where all weights are 0. Dice is soft, pooled
        over the batch, and averaged over the classes that the target has.
    """
    return masked_segmentation_losses(logits_BCYX, target_BYX, (weight_BYX,))[0]


def masked_segmentation_losses(
    logits_BCYX: Tensor, target_BYX: Tensor, weights_BYX: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """`masked_segmentation_loss` of several parts of one mixed image at the cost of one.

    The parts share the target and the softmax; each has its own weights and is normalised
    by itself (annotated voxels, pseudo-labeled voxels).
    """
    num_classes = logits_BCYX.shape[1]
    with torch.autocast(logits_BCYX.device.type, enabled=False):
        dtype = torch.promote_types(logits_BCYX.dtype, torch.float32)
        logits_CN = logits_BCYX.to(dtype).transpose(0, 1).flatten(1)
        one_hot_CN = one_hot_rows(target_BYX, num_classes, dtype)
        log_probability_CN = logits_CN.log_softmax(0)
        probability_CN = log_probability_CN.exp()
        true_N = (log_probability_CN * one_hot_CN).sum(0)
        return tuple(
            _cross_entropy_and_dice(
                true_N, probability_CN, one_hot_CN, weight_BYX.flatten().to(logits_CN.dtype)
            )
            for weight_BYX in weights_BYX
        )


def _cross_entropy_and_dice(
    true_N: Tensor, probability_CN: Tensor, one_hot_CN: Tensor, weight_N: Tensor
) -> Tensor:
    """Loss of one part; sums over voxels are products, so that a part costs little.

    `true_N` is the log-probability of the target's class.
    """
    wanted_C = one_hot_CN @ weight_N
    overlap_C = one_hot_CN @ (true_N.exp() * weight_N)
    predicted_C = probability_CN @ weight_N
    cross_entropy = -(true_N @ weight_N) / _or_one(wanted_C.sum())
    present_C = wanted_C > 0
    dice_C = 2 * overlap_C / _or_one(predicted_C + wanted_C)
    dice_loss = torch.where(present_C, 1 - dice_C, 0).sum() / present_C.sum().clamp(min=1)
    return (cross_entropy + dice_loss) / 2


def _or_one(total: Tensor) -> Tensor:
    return torch.where(total > 0, total, 1)
