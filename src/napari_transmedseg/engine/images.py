"""All images of a cohort in network space, on the device: slices in 2-D, volumes in 3-D.

Shape suffixes: N all images, L labeled images, K cases, P anchors, 1 the channels of an
image (several where cases have several), HW space axes of the window (3-D: slices, rows, columns).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import torch
from torch import Tensor

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.channels import require_channels
from napari_transmedseg.engine.control import StoppedError, TrainingControl
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.preprocess import (
    image_to_network,
    inside_mask,
    labels_to_network,
)
from napari_transmedseg.errors import PlanError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import Volume

_ANCHORS = 128
_ENOUGH = 50
"""Annotated images from which a tenth is held out unless told otherwise (volumes: 10)."""
_AUTOMATIC_SHARE = 0.1
_ENOUGH_HELD_OUT = 5
"""Held-out images that must show each class before their Dice decides: with fewer, chance does."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageStore:
    """Preprocessed images and what is known about them."""

    image_N1HW: Tensor
    case_N: Tensor
    """Row of `inside_KHW` and of `domain_K` that belongs to each image."""
    inside_KHW: Tensor
    """Masks of the window's voxels that lie on the image, one per case."""
    domain_K: Tensor
    """Place of each case's domain in the plan's domains."""
    label_LHW: Tensor
    known_LHW: Tensor
    labeled_L: Tensor
    """Images with any known voxel: their place among all images."""
    anchor_LPD: Tensor
    """Known voxels of each labeled image, half of them of a class: where patches are drawn."""
    training_rows: Tensor
    """Rows of L to train on."""
    held_out_rows: Tensor
    """Rows of L that only measure Dice."""
    held_out_decides: bool
    """Whether enough held-out images show each class for their Dice to choose a model."""
    unlabeled_U: Tensor
    """Images with any unknown voxel: their place among all images."""
    num_labeled_slices: int
    """Slices to train on with any known voxel."""
    num_unlabeled_slices: int
    start: dict[str, int]
    """First image of each case."""
    geometry: dict[str, Geometry]
    patch: tuple[int, ...]
    """What the network sees at a time; the window, or a part of it."""

    @property
    def num_images(self) -> int:
        """N."""
        return len(self.image_N1HW)

    @property
    def slices_per_image(self) -> int:
        """1 in 2-D; in 3-D the slices of the window."""
        return 1 if self.image_N1HW.ndim == 4 else int(self.image_N1HW.shape[2])

    @property
    def is_sparse(self) -> bool:
        """Whether labeled images have unknown voxels that a teacher could fill (3-D)."""
        return self.image_N1HW.ndim == 5 and not bool(
            (self.known_LHW | ~self.inside_KHW[self.case_N[self.labeled_L]]).all()
        )


def build_store(
    cases: Sequence[TrainingCase],
    plan: TrainingPlan,
    *,
    validation_share: float | None,
    seed: int,
    cache: Path | None,
    control: TrainingControl | None = None,
) -> ImageStore:
    """Read, preprocess and keep every image of the cohort.

    Parameters
    ----------
    cases
        The cohort; each image is read once.
    plan
        Says where images live: on its device, or memory-mapped from `cache`.
    validation_share
        Share of the labeled images to hold out, at least one where it is not 0. None: a tenth
        where there are enough.
    seed
        Chooses the images that are held out.
    cache
        File for preprocessed images where they do not fit into memory.
    control
        Its stop request is honoured between two cases.

    Raises
    ------
    StoppedError
        When the control's stop was asked for.
    PlanError
        When nothing of the annotation is left in network space.
    """
    space = plan.space
    images, insides, case_of_image, domains = [], [], [], []
    labels, knowns, labeled, unlabeled, names = [], [], [], [], []
    start: dict[str, int] = {}
    geometry: dict[str, Geometry] = {}
    count = open_slices = 0
    writer = None if plan.in_memory or cache is None else _ImageFile(cache, plan)
    for row, case in enumerate(cases):
        if control is not None and control.stop_requested:
            raise StoppedError
        volume = _load(case, plan)
        stack = image_to_network(volume, space)
        inside = inside_mask(volume.geometry, space)
        start[case.case_id], geometry[case.case_id] = count, volume.geometry
        known = torch.zeros(len(stack), *space.size, dtype=torch.bool)
        if case.annotation is not None:
            label, known = labels_to_network(case.annotation, space)
            chosen = torch.nonzero(known.flatten(1).any(1)).flatten()
            labels.append(label[chosen])
            knowns.append(known[chosen])
            labeled.append(chosen + count)
            names += [f"{case.case_id}:{index}" for index in chosen.tolist()]
        unknown = inside & ~known
        unlabeled.append(torch.nonzero(unknown.flatten(1).any(1)).flatten() + count)
        open_slices += int(unknown.flatten(-2).any(-1).sum())
        insides.append(inside)
        case_of_image.append(torch.full((len(stack),), row))
        domains.append(plan.domains.index(case.domain) if len(plan.domains) > 1 else 0)
        if writer is None:
            images.append(stack.to(plan.device))
        else:
            writer.append(stack)
        count += len(stack)
    label_LHW, known_LHW, labeled_L = torch.cat(labels), torch.cat(knowns), torch.cat(labeled)
    if len(labeled_L) == 0:
        raise PlanError(
            "Expected annotated areas of some width, found only strokes thinner than the network's "
            "pixels; annotate a whole slice."
        )
    share = _share(validation_share, len(labeled_L), plan.dims)
    training, held_out = _hold_out(label_LHW, names, share, seed)
    return ImageStore(
        image_N1HW=torch.cat(images) if writer is None else writer.tensor(),
        case_N=torch.cat(case_of_image),
        inside_KHW=torch.stack(insides).to(plan.device),
        domain_K=torch.tensor(domains),
        label_LHW=label_LHW.to(plan.device),
        known_LHW=known_LHW.to(plan.device),
        labeled_L=labeled_L,
        anchor_LPD=_anchors(label_LHW, known_LHW, seed, needed=bool(space.patch)),
        training_rows=training,
        held_out_rows=held_out,
        held_out_decides=_shows_enough(label_LHW[held_out], plan.num_classes),
        unlabeled_U=torch.cat(unlabeled),
        num_labeled_slices=int(known_LHW[training].flatten(-2).any(-1).sum()),
        num_unlabeled_slices=open_slices,
        start=start,
        geometry=geometry,
        patch=space.patch_size,
    )


def _load(case: TrainingCase, plan: TrainingPlan) -> Volume:
    volume = case.load()
    require_channels(volume, plan.image_channels, f"the image of {case.case_id}")
    return volume


class _ImageFile:
    """Images appended to a file and read back memory-mapped."""

    def __init__(self, path: Path, plan: TrainingPlan) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._shape = (plan.in_channels, *plan.space.size)
        self._count = 0
        path.write_bytes(b"")

    def append(self, stack: Tensor) -> None:
        with self._path.open("ab") as file:
            file.write(stack.contiguous().numpy().tobytes())
        self._count += len(stack)

    def tensor(self) -> Tensor:
        shape = torch.Size((self._count, *self._shape))
        return torch.from_file(str(self._path), shared=True, size=shape.numel()).reshape(shape)


def _share(asked: float | None, count: int, dims: int) -> float:
    if asked is not None:
        return asked
    return _AUTOMATIC_SHARE if count >= (_ENOUGH if dims == 2 else _ENOUGH // 5) else 0.0


def _hold_out(
    label_LHW: Tensor, names: Sequence[str], share: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Rows to train on and to hold out; every class keeps an example to train on.

    Which come first depends on their names alone, so that with more annotation a row that was
    held out before is held out again: a warm start is measured on what it never saw.
    """
    rows = sorted(range(len(names)), key=lambda row: crc32(f"{seed}:{names[row]}".encode()))
    wanted = 0 if share == 0 else max(1, round(share * len(rows)))
    held_out: list[int] = []
    values = [set(torch.unique(label).tolist()) - {0} for label in label_LHW]
    left = {value: sum(value in of_row for of_row in values) for value in set().union(*values)}
    for row in rows:
        if len(held_out) == wanted:
            break
        if all(left[value] > 1 for value in values[row]) and len(held_out) + 1 < len(rows):
            held_out.append(row)
            for value in values[row]:
                left[value] -= 1
    training = sorted(set(rows) - set(held_out))
    return torch.tensor(training), torch.tensor(sorted(held_out), dtype=torch.long)


def _shows_enough(label_LHW: Tensor, num_classes: int) -> bool:
    shown = [(label_LHW == value).flatten(1).any(1).sum() for value in range(1, num_classes)]
    return len(label_LHW) > 0 and min(int(count) for count in shown) >= _ENOUGH_HELD_OUT


def _anchors(label_LHW: Tensor, known_LHW: Tensor, seed: int, *, needed: bool) -> Tensor:
    """(L, P, D) known voxels of each image; where it shows a class, half of them of one."""
    if not needed:
        return torch.zeros(len(label_LHW), 0, label_LHW.ndim - 1, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)

    def some(mask: Tensor, count: int) -> Tensor:
        where = torch.nonzero(mask)
        return where[torch.randint(len(where), (count,), generator=generator)]

    anchors = []
    for label, known in zip(label_LHW, known_LHW, strict=True):
        painted = known & (label > 0)
        shown = painted if bool(painted.any()) else known
        anchors.append(torch.cat((some(shown, _ANCHORS // 2), some(known, _ANCHORS // 2))))
    return torch.stack(anchors)
