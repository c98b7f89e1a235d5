"""Pseudo-labels from the teacher: classes, the one-organ prior, and uncertainty.

As BCP (Bai et al., CVPR 2023) and TransMedSeg (arXiv:2505.14753) make them: argmax (binary
tasks: probability ≥ 0.5), then the largest connected component of every class.

Shapes: B images, C classes (0 = background), YX any number of spatial axes.
"""

import math
from collections.abc import Collection

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


def largest_components(
    labels_BYX: Tensor, num_classes: int, classes: Collection[int] | None = None
) -> Tensor:
    """Keep the largest connected component of each foreground class in each image.

    The rest becomes background. Voxels that touch at a corner are connected. Of equally
    large components, the one that begins first in memory order stays. Values outside
    1…C-1 pass unchanged. Runs on the CPU (one pass for all images and classes) and so
    waits for the device; `begin_largest_components` lets it work meanwhile.

    Parameters
    ----------
    labels_BYX : Tensor
        Slices, or patches in 3-D: each is one image.
    num_classes : int
        C, background included.
    classes : collection of int, optional
        Those that are one compact organ; all others keep all their components (both
        kidneys, every lesion). Without it, all are.
    """
    return begin_largest_components(labels_BYX, num_classes, classes).result()


def begin_largest_components(
    labels_BYX: Tensor, num_classes: int, classes: Collection[int] | None = None
) -> "PendingComponents":
    """As `largest_components`, whose answer is fetched later by `result()`.

    On a GPU this starts a copy and waits for nothing: enqueue other work, then ask for the
    result, and the CPU looks for components while the GPU is busy. On the CPU the answer is
    made at once. The labels must not be changed in between.
    """
    chosen = range(1, num_classes) if classes is None else classes
    compact = frozenset(value for value in chosen if 1 <= value < num_classes)
    return PendingComponents(labels_BYX.detach(), compact)


class PendingComponents:
    """Labels on their way to the CPU; see `begin_largest_components`."""

    def __init__(self, labels_BYX: Tensor, compact: frozenset[int]) -> None:
        self._labels_BYX = labels_BYX
        self._compact = compact
        self._copied: torch.cuda.Event | None = None
        self._result: Tensor | None = None
        if labels_BYX.device.type == "cuda":
            self._copy_BYX = torch.empty(labels_BYX.shape, dtype=torch.uint8, pin_memory=True)
            self._copy_BYX.copy_(labels_BYX.to(torch.uint8), non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(labels_BYX.device))
        else:
            self._copy_BYX = labels_BYX.to("cpu", torch.uint8)
            self._result = self._finish()

    def result(self) -> Tensor:
        """Labels of which each compact class has one component; on their own device."""
        if self._result is None:
            self._result = self._finish()
        return self._result

    def _finish(self) -> Tensor:
        if not self._compact:
            return self._labels_BYX.clone()
        if self._copied is not None:
            self._copied.synchronize()
        dropped_BYX = torch.from_numpy(_dropped(self._copy_BYX.numpy(), self._compact))
        if self._copied is not None:
            dropped_BYX = dropped_BYX.pin_memory()
        dropped_BYX = dropped_BYX.to(self._labels_BYX.device, non_blocking=True)
        return self._labels_BYX.masked_fill(dropped_BYX, 0)


def without_islands(labels_SYX: Tensor, inside_SYX: Tensor, classes: Collection[int]) -> Tensor:
    """Make background of components of some classes that have no voxel inside a region.

    A class without any voxel there keeps all that it has.

    Parameters
    ----------
    labels_SYX : Tensor
        Classes of a volume, on the CPU.
    inside_SYX : Tensor
        Bool: the region.
    classes : collection of int
        Those whose components are looked at.
    """
    import cc3d

    labels = labels_SYX.numpy()
    inside = inside_SYX.numpy()
    chosen = [value for value in classes if np.any(inside & (labels == value))]
    if not chosen:
        return labels_SYX
    components = cc3d.connected_components(np.where(np.isin(labels, chosen), labels, 0))
    is_island = np.ones(int(components.max()) + 1, bool)
    is_island[0] = False
    is_island[np.unique(components[inside])] = False
    return labels_SYX.masked_fill(torch.from_numpy(is_island[components]), 0)


def normalized_entropy(probabilities_BCYX: Tensor) -> Tensor:
    """Entropy of the class probabilities over log C, (B, …space) in [0, 1]."""
    num_classes = probabilities_BCYX.shape[1]
    smallest = torch.finfo(probabilities_BCYX.dtype).tiny
    entropy_BYX = -(probabilities_BCYX * probabilities_BCYX.clamp(min=smallest).log()).sum(1)
    return (entropy_BYX / math.log(num_classes)).clamp(0, 1)


def _dropped(images_BYX: np.ndarray, compact: frozenset[int]) -> np.ndarray:
    """Where a compact class has a component that is not its largest."""
    import cc3d

    # One empty row after each image keeps neighbours in the batch apart.
    shape = (images_BYX.shape[0], images_BYX.shape[1] + 1, *images_BYX.shape[2:])
    canvas = np.zeros(shape, np.uint8)
    canvas[:, :-1] = images_BYX
    components = cc3d.connected_components(canvas.reshape(-1, *shape[2:])).reshape(-1)
    small = _is_small(components, canvas.reshape(-1), canvas[0].size, compact)
    return small[components].reshape(shape)[:, :-1]


def _is_small(
    components: np.ndarray, labels: np.ndarray, voxels_per_image: int, compact: frozenset[int]
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
    small[~np.isin(value, list(compact))] = False
    return small
