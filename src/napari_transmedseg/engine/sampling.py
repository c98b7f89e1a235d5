"""All slices of a cohort in network space, on the device, and two-stream batches from them.

Shape suffixes: N all slices, L labeled slices, U unlabeled slices, B batch, H and W rows and
columns of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napari_transmedseg.engine.augment import (
    AugmentationRanges,
    apply_geometry,
    apply_intensity,
    sample_geometry,
    sample_intensity,
)
from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.preprocess import (
    image_to_network,
    inside_mask,
    labels_to_network,
)
from napari_transmedseg.errors import PlanError
from napari_transmedseg.imaging.geometry import Geometry


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SliceStore:
    """Preprocessed slices and what is known about them."""

    image_N1HW: Tensor
    inside_N: Tensor
    """Row of `inside_KHW` that belongs to each slice."""
    inside_KHW: Tensor
    """Masks of the window's pixels that lie on the image, one per case."""
    label_LHW: Tensor
    known_LHW: Tensor
    labeled_L: Tensor
    """Slices with any known pixel: their place among all slices."""
    training_rows: Tensor
    """Rows of L to train on."""
    held_out_rows: Tensor
    """Rows of L that only measure Dice."""
    unlabeled_U: Tensor
    """Slices with any unknown pixel: their place among all slices."""
    start: dict[str, int]
    """First slice of each case."""
    geometry: dict[str, Geometry]

    @property
    def num_slices(self) -> int:
        """N."""
        return len(self.image_N1HW)


def build_store(
    cases: Sequence[TrainingCase],
    plan: TrainingPlan,
    *,
    validation_share: float,
    seed: int,
    cache: Path | None,
) -> SliceStore:
    """Read, preprocess and keep every slice of the cohort.

    Parameters
    ----------
    cases
        The cohort; each image is read once.
    plan
        Says where slices live: on its device, or memory-mapped from `cache`.
    validation_share
        Share of the labeled slices to hold out, at least one where it is not 0.
    seed
        Chooses the slices that are held out.
    cache
        File for preprocessed slices where they do not fit into memory.

    Raises
    ------
    PlanError
        When nothing of the annotation is left in network space.
    """
    images, insides, rows_of_inside = [], [], []
    labels, knowns, labeled, unlabeled = [], [], [], []
    start: dict[str, int] = {}
    geometry: dict[str, Geometry] = {}
    count = 0
    writer = None if plan.in_memory or cache is None else _SliceFile(cache, plan.space.size)
    for row, case in enumerate(cases):
        volume = case.load()
        stack = image_to_network(volume, plan.space)
        inside = inside_mask(volume.geometry, plan.space)
        start[case.case_id], geometry[case.case_id] = count, volume.geometry
        known = torch.zeros(len(stack), *plan.space.size, dtype=torch.bool)
        if case.annotation is not None:
            label, known = labels_to_network(case.annotation, plan.space)
            chosen = torch.nonzero(known.flatten(1).any(1)).flatten()
            labels.append(label[chosen])
            knowns.append(known[chosen])
            labeled.append(chosen + count)
        open_slices = (inside & ~known).flatten(1).any(1)
        unlabeled.append(torch.nonzero(open_slices).flatten() + count)
        insides.append(inside)
        rows_of_inside.append(torch.full((len(stack),), row))
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
    training, held_out = _hold_out(label_LHW, validation_share, seed)
    return SliceStore(
        image_N1HW=torch.cat(images) if writer is None else writer.tensor(),
        inside_N=torch.cat(rows_of_inside),
        inside_KHW=torch.stack(insides).to(plan.device),
        label_LHW=label_LHW.to(plan.device),
        known_LHW=known_LHW.to(plan.device),
        labeled_L=labeled_L,
        training_rows=training,
        held_out_rows=held_out,
        unlabeled_U=torch.cat(unlabeled),
        start=start,
        geometry=geometry,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stream:
    """Augmented slices. Geometry is shared by teacher and student, intensity is not."""

    plain_B1HW: Tensor
    """After geometry: what the teacher sees."""
    strong_B1HW: Tensor
    """After geometry and intensity: what the student sees."""
    label_BHW: Tensor
    """Classes, int64; 0 where unknown."""
    known_BHW: Tensor
    """Bool: voxels that a person vouches for and that lie on the image."""
    inside_BHW: Tensor
    """Bool: voxels that lie on the image."""
    slice_B: Tensor
    """Place among all slices."""


class Sampler:
    """Draws augmented batches; everything random comes from one generator on the CPU."""

    def __init__(
        self,
        store: SliceStore,
        ranges: AugmentationRanges,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self._store = store
        self._ranges = ranges
        self._generator = generator
        self._device = device

    def labeled(self, batch: int) -> Stream:
        """Draw annotated slices."""
        store = self._store
        rows = store.training_rows[self._choose(len(store.training_rows), batch)]
        where = rows.to(self._device)
        return self._augment(store.labeled_L[rows], store.label_LHW[where], store.known_LHW[where])

    def unlabeled(self, batch: int) -> Stream:
        """Draw slices with unknown voxels; nothing of them counts as known here."""
        store = self._store
        slices = store.unlabeled_U[self._choose(len(store.unlabeled_U), batch)]
        nothing = torch.zeros(batch, *store.label_LHW.shape[1:], device=self._device)
        return self._augment(slices, nothing, nothing)

    def _choose(self, count: int, batch: int) -> Tensor:
        return torch.randint(count, (batch,), generator=self._generator)

    def _augment(self, slices: Tensor, label: Tensor, known: Tensor) -> Stream:
        store = self._store
        image = store.image_N1HW[slices.to(store.image_N1HW.device)].to(self._device)
        inside = store.inside_KHW[store.inside_N[slices].to(self._device)]
        batch, shape = len(image), tuple(image.shape[2:])
        geometry = sample_geometry(self._ranges, batch, shape, self._generator, self._device)
        plain = apply_geometry(image, geometry)
        maps = torch.stack((label, known, inside), dim=1).to(image.dtype)
        maps = apply_geometry(maps, geometry, nearest=True)
        strong = plain
        if self._ranges.intensity:
            strong = apply_intensity(plain, sample_intensity(self._ranges, batch, self._generator))
        return Stream(
            plain_B1HW=plain,
            strong_B1HW=strong,
            label_BHW=maps[:, 0].long(),
            known_BHW=maps[:, 1] > 0.5,
            inside_BHW=maps[:, 2] > 0.5,
            slice_B=slices.to(self._device),
        )


class _SliceFile:
    """Slices appended to a file and read back memory-mapped."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._size = size
        self._count = 0
        path.write_bytes(b"")

    def append(self, stack: Tensor) -> None:
        with self._path.open("ab") as file:
            file.write(stack.contiguous().numpy().tobytes())
        self._count += len(stack)

    def tensor(self) -> Tensor:
        shape = (self._count, 1, *self._size)
        flat = torch.from_file(
            str(self._path), shared=True, size=self._count * self._size[0] * self._size[1]
        )
        return flat.reshape(shape)


def _hold_out(label_LHW: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and to hold out; every class keeps an example to train on."""
    rows = torch.randperm(len(label_LHW), generator=torch.Generator().manual_seed(seed))
    wanted = round(share * len(rows)) if share == 0 else max(1, round(share * len(rows)))
    held_out: list[int] = []
    values = [set(torch.unique(label).tolist()) - {0} for label in label_LHW]
    for row in rows.tolist():
        if len(held_out) == wanted:
            break
        others = [r for r in rows.tolist() if r != row and r not in held_out]
        if values[row] <= set().union(*(values[r] for r in others)):
            held_out.append(row)
    training = sorted(set(rows.tolist()) - set(held_out))
    return torch.tensor(training), torch.tensor(sorted(held_out), dtype=torch.long)
