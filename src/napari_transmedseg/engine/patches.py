"""Where in the images the network looks: whole windows, or patches of 3-D ones.

A patch is named by the place of its first voxel. Labeled patches hold a known voxel.

Shape suffixes: B batch, D space axes, P anchors, 1 the channels of an image (several where
cases have several), HW space axes of the patch.
"""

import torch
from torch import Tensor

from napari_transmedseg.engine.images import ImageStore


def labeled_starts(store: ImageStore, rows_B: Tensor, generator: torch.Generator) -> Tensor:
    """(B, D) starts at random, each around a random known voxel of its image."""
    if not _is_cut(store):
        return _zeros(store, len(rows_B))
    chosen = torch.randint(store.anchor_LPD.shape[1], (len(rows_B),), generator=generator)
    anchor_BD = store.anchor_LPD[rows_B, chosen]
    patch, room = _sizes(store)
    offset_BD = torch.rand(anchor_BD.shape, generator=generator) * patch
    return (anchor_BD - offset_BD.long()).clamp(min=0).minimum(room)


def unlabeled_starts(store: ImageStore, count: int, generator: torch.Generator) -> Tensor:
    """(B, D) starts anywhere in the window."""
    if not _is_cut(store):
        return _zeros(store, count)
    _, room = _sizes(store)
    return (torch.rand(count, len(room), generator=generator) * (room + 1)).long().minimum(room)


def known_starts(store: ImageStore, rows_B: Tensor) -> Tensor:
    """(B, D) starts that put the middle of what is known in the middle, always the same."""
    if not _is_cut(store):
        return _zeros(store, len(rows_B))
    patch, room = _sizes(store)
    anchors_BPD = store.anchor_LPD[rows_B]
    middle_BD = anchors_BPD[:, : anchors_BPD.shape[1] // 2].median(dim=1).values
    # The median along the slices may lie on an unknown one: take the nearest anchor's.
    distance_BP = (anchors_BPD - middle_BD[:, None]).abs().sum(-1)
    nearest = anchors_BPD[torch.arange(len(rows_B)), distance_BP.argmin(1)]
    return (nearest - patch // 2).clamp(min=0).minimum(room)


def middle_starts(store: ImageStore, count: int) -> Tensor:
    """(B, D) starts of the patch in the middle of the window."""
    _, room = _sizes(store)
    return (room // 2).expand(count, -1)


def cut_images(store: ImageStore, images_B: Tensor, starts_BD: Tensor, device: str) -> Tensor:
    """Intensities (B, 1, HW) of patches of images."""
    image = _cut(store.image_N1HW, images_B, starts_BD, store.patch)
    return image.to(device)


def cut_labels(store: ImageStore, rows_B: Tensor, starts_BD: Tensor) -> tuple[Tensor, Tensor]:
    """Classes and known mask (B, HW) of patches of labeled images."""
    return (
        _cut(store.label_LHW, rows_B, starts_BD, store.patch),
        _cut(store.known_LHW, rows_B, starts_BD, store.patch),
    )


def cut_inside(store: ImageStore, images_B: Tensor, starts_BD: Tensor) -> Tensor:
    """Mask (B, HW) of the patches' voxels that lie on the image."""
    return _cut(store.inside_KHW, store.case_N[images_B], starts_BD, store.patch)


def slice_ids(store: ImageStore, images_B: Tensor, starts_BD: Tensor) -> Tensor:
    """(B,) place of each patch's first slice among all slices of the cohort."""
    if store.slices_per_image == 1:
        return images_B
    return images_B * store.slices_per_image + starts_BD[:, 0]


def _cut(values: Tensor, index_B: Tensor, starts_BD: Tensor, patch: tuple[int, ...]) -> Tensor:
    index_B = index_B.to(values.device)
    if tuple(values.shape[-len(patch) :]) == patch:
        return values[index_B]
    parts = []
    for index, start in zip(index_B.tolist(), starts_BD.tolist(), strict=True):
        where = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        parts.append(values[(index, ..., *where)])
    return torch.stack(parts)


def _is_cut(store: ImageStore) -> bool:
    return tuple(store.label_LHW.shape[1:]) != store.patch


def _sizes(store: ImageStore) -> tuple[Tensor, Tensor]:
    """Sides of the patch, and the last possible start per axis."""
    patch = torch.tensor(store.patch)
    return patch, torch.tensor(store.label_LHW.shape[1:]) - patch


def _zeros(store: ImageStore, count: int) -> Tensor:
    return torch.zeros(count, len(store.patch), dtype=torch.long)
