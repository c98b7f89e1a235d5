"""Pseudo-labels from the teacher: classes, the one-organ prior, and uncertainty.

As BCP (Bai et al., CVPR 2023) and TransMedSeg (arXiv:2505.14753) make them: argmax (binary
tasks: probability ≥ 0.5), then the largest connected component of every class.

Shapes: B images, C classes (0 = background), YX any number of spatial axes.
"""

import math

import numpy as np
import torch
from torch import Tensor


def predict_labels(probabilities_BCYX: Tensor) -> Tensor:
    """Most likely class of every voxel, int64; of two classes, class 1 from 0.5 on.

    Among equally likely classes the lowest wins (but class 1 of two).
    """
    if probabilities_BCYX.shape[1] == 2:
        return (probabilities_BCYX[:, 1] >= 0.5).long()
    best_BYX = probabilities_BCYX[:, 0]
    labels_BYX = torch.zeros(best_BYX.shape, dtype=torch.int64, device=best_BYX.device)
    for value in range(1, probabilities_BCYX.shape[1]):  # faster than argmax over strides
        candidate_BYX = probabilities_BCYX[:, value]
        labels_BYX.masked_fill_(candidate_BYX > best_BYX, value)
        best_BYX = torch.maximum(best_BYX, candidate_BYX)
    return labels_BYX


def largest_components(labels_BYX: Tensor, num_classes: int) -> Tensor:
    """Keep the largest connected component of each foreground class in each image.

    The rest becomes background. Voxels that touch at a corner are connected. Of equally
    large components, the one that begins first in memory order stays. Values outside
    1…C-1 pass unchanged. Runs on the CPU (one pass for all images and classes) and so
    waits for the device.
    """
    import cc3d

    images = labels_BYX.detach().to("cpu", torch.uint8).numpy()
    # One empty row after each image keeps neighbours in the batch apart.
    canvas = np.zeros((images.shape[0], images.shape[1] + 1, *images.shape[2:]), np.uint8)
    canvas[:, :-1] = images
    flat = canvas.reshape(-1)
    components = cc3d.connected_components(canvas.reshape(-1, *images.shape[2:])).reshape(-1)
    dropped = _is_small(components, flat, canvas[0].size, num_classes)[components]
    dropped_BYX = torch.from_numpy(dropped.reshape(canvas.shape)[:, :-1])
    return labels_BYX.masked_fill(dropped_BYX.to(labels_BYX.device), 0)


def normalized_entropy(probabilities_BCYX: Tensor) -> Tensor:
    """Entropy of the class probabilities over log C, (B, …space) in [0, 1]."""
    num_classes = probabilities_BCYX.shape[1]
    smallest = torch.finfo(probabilities_BCYX.dtype).tiny
    entropy_BYX = -(probabilities_BCYX * probabilities_BCYX.clamp(min=smallest).log()).sum(1)
    return (entropy_BYX / math.log(num_classes)).clamp(0, 1)


def _is_small(
    components: np.ndarray, labels: np.ndarray, voxels_per_image: int, num_classes: int
) -> np.ndarray:
    """Whether a component is not the largest of its class in its image, per component."""
    sizes = np.bincount(components)
    first = np.zeros(sizes.size, np.int64)
    first[components[::-1]] = np.arange(components.size - 1, -1, -1)
    value = labels[first].astype(np.int64)
    group = first // voxels_per_image * 256 + value
    order = np.lexsort((first, -sizes, group))
    is_largest = np.ones(order.size, bool)
    is_largest[1:] = np.diff(group[order]) != 0
    small = np.ones(sizes.size, bool)
    small[order[is_largest]] = False
    small[0] = False
    small[value >= num_classes] = False
    return small
