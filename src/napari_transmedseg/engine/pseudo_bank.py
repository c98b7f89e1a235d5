"""Pseudo-labels of whole, unaugmented volumes, kept for many steps; for networks on slices.

The teacher sees a volume as inference does, not through the student's augmentation, and its
proposals are cleaned as a volume (neighbouring slices, one component per class in 3-D). The
student gets them warped together with the image, so that no step needs a teacher pass of its own
(after noisy student, Xie et al., CVPR 2020; here the teacher keeps moving). Each step renews half
as many slices as a batch has. Ours; the papers ask the teacher about every batch anew.

Shape suffixes: N all slices, S slices of one volume, C classes, HW rows and columns of the window.
"""

from collections import deque
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_transmedseg.engine.forward import run_network
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.mixing import PseudoLabels
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_labels import (
    largest_components,
    normalized_entropy,
    predict_labels,
)
from napari_transmedseg.engine.sampling import Sampler, Stream
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.engine.target_statistics import count_features, note_shares

_FIRST = 10
"""Volumes that are labeled before the first step."""
_NEIGHBOUR = 0.25
"""Weight of each neighbouring slice in the teacher's probabilities."""


class PseudoLabelBank:
    """The teacher's proposals for the volumes that it saw last.

    Parameters
    ----------
    store
        All slices.
    volumes
        How many volumes to keep; the oldest make way.
    seed
        Order of the volumes; those with annotated slices come first.
    """

    def __init__(self, store: ImageStore, volumes: int, seed: int) -> None:
        self._store = store
        device = store.label_LHW.device
        shape = (store.num_images, *store.label_LHW.shape[1:])
        self.label_NHW = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.weight_NHW = torch.zeros(shape, dtype=torch.bool, device=device)
        self.entropy = torch.full((), float("nan"), device=device)
        """Mean of the volume that was labeled last, over log C."""
        self._open_N = torch.zeros(store.num_images, dtype=torch.bool)
        self._open_N[store.unlabeled_U] = True
        self._order = _order(store, seed)
        self._next = 0
        self._credit = 0
        self._places: deque[int] = deque(maxlen=min(volumes, len(self._order)))

    def draw(self, sampler: Sampler, batch: int) -> tuple[Stream, PseudoLabels]:
        """Draw augmented slices with unknown voxels, and their pseudo-labels."""
        stream = sampler.pseudo_labeled(batch, self._rows(), self.label_NHW, self.weight_NHW)
        return stream, PseudoLabels(
            label_BHW=stream.label_BHW,
            weight_BHW=stream.known_BHW.float(),
            entropy_BHW=self.entropy.expand(stream.label_BHW.shape),
        )

    def advance(self, state: TrainingState, plan: TrainingPlan, slices: int) -> None:
        """Renew `slices` on average; before the first step some whole volumes."""
        while len(self._places) < min(_FIRST, self._places.maxlen or 0):
            self._renew(state, plan)
        self._credit += slices
        while self._credit >= len(self._order[self._next]):
            self._credit -= self._renew(state, plan)

    def state_dict(self) -> dict[str, Any]:
        """What a run needs to go on exactly: the kept volumes with their pseudo-labels."""
        rows = self._kept_rows()
        return {
            "cohort": self._cohort(),
            "places": list(self._places),
            "next": self._next,
            "credit": self._credit,
            "entropy": self.entropy,
            "label": self.label_NHW[rows],
            "weight": self.weight_NHW[rows],
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        With another cohort or annotation since, places mean other volumes: it begins anew then.
        """
        if content.get("cohort", self._cohort()) != self._cohort():
            return
        self._places.clear()
        self._places.extend(content["places"])
        self._next, self._credit = content["next"], content["credit"]
        self.entropy = content["entropy"].to(self.label_NHW.device)
        rows = self._kept_rows()
        self.label_NHW[rows] = content["label"].to(self.label_NHW.device)
        self.weight_NHW[rows] = content["weight"].to(self.weight_NHW.device)

    def _cohort(self) -> list[list[int]]:
        """First slice and number of slices of each volume, in order."""
        return [[int(rows[0]), len(rows)] for rows in self._order]

    def _kept_rows(self) -> Tensor:
        """Slices of the kept volumes; a volume that was labeled twice counts once."""
        return torch.cat([self._order[place] for place in dict.fromkeys(self._places)])

    def _rows(self) -> Tensor:
        rows = self._kept_rows()
        return rows[self._open_N[rows]]

    @torch.no_grad()
    def _renew(self, state: TrainingState, plan: TrainingPlan) -> int:
        """Label the volume whose turn it is; gives the number of its slices."""
        store, rows = self._store, self._order[self._next]
        image = store.image_N1HW[rows.to(store.image_N1HW.device)].to(plan.device)
        inside = store.inside_KHW[store.case_N[rows].to(plan.device)]
        output = run_network(state.teacher, image, plan)
        probability = output.logits.float().softmax(1)
        probability = _smooth(self._with_annotation(probability, rows, plan.num_classes))
        label = predict_labels(probability) * inside
        if plan.largest_component:
            kept = plan.largest_component
            label = largest_components(label[None], plan.num_classes, kept)[0]
        weight = inside & (probability.amax(1) >= plan.recipe.confidence)
        note_shares(state, label, inside)
        if plan.tsa_weight > 0:
            domain = store.domain_K[store.case_N[rows]].to(plan.device)
            counted = torch.where(weight, label, -1)
            count_features(state, output.features, counted, rows.to(plan.device), domain)
        self.label_NHW[rows.to(plan.device)] = label.to(torch.uint8)
        self.weight_NHW[rows.to(plan.device)] = weight
        self.entropy = (normalized_entropy(probability) * inside).sum() / inside.sum()
        self._places.append(self._next)
        self._next = (self._next + 1) % len(self._order)
        return len(rows)

    def _with_annotation(self, probability_SCHW: Tensor, rows_S: Tensor, classes: int) -> Tensor:
        """Certainty where a person annotated: it speaks for the neighbouring slices too."""
        labeled = self._store.labeled_L
        training = self._store.training_rows
        for row in training[torch.isin(labeled[training], rows_S)].tolist():
            place = int(labeled[row] - rows_S[0])
            exact = functional.one_hot(self._store.label_LHW[row].long(), classes).movedim(-1, 0)
            probability_SCHW[place] = torch.where(
                self._store.known_LHW[row], exact.float(), probability_SCHW[place]
            )
        return probability_SCHW


def make_bank(state: TrainingState, plan: TrainingPlan, store: ImageStore) -> PseudoLabelBank:
    """A new bank, or the one of the checkpoint that the run goes on from."""
    bank = PseudoLabelBank(store, plan.recipe.bank_volumes, state.generator.initial_seed())
    if state.saved_bank is not None:
        bank.load_state_dict(state.saved_bank)
        state.saved_bank = None
    return bank


def _order(store: ImageStore, seed: int) -> list[Tensor]:
    starts = [*store.start.values(), store.num_images]
    volumes = [torch.arange(a, b) for a, b in pairwise(starts)]
    order = torch.randperm(len(volumes), generator=torch.Generator().manual_seed(seed)).tolist()
    annotated = [bool(torch.isin(rows, store.labeled_L).any()) for rows in volumes]
    wanted = [bool(torch.isin(rows, store.unlabeled_U).any()) for rows in volumes]
    order = [place for place in order if wanted[place]]
    return [volumes[place] for place in sorted(order, key=lambda place: not annotated[place])]


def _smooth(probability_SCHW: Tensor) -> Tensor:
    before = torch.cat((probability_SCHW[:1], probability_SCHW[:-1]))
    after = torch.cat((probability_SCHW[1:], probability_SCHW[-1:]))
    return (1 - 2 * _NEIGHBOUR) * probability_SCHW + _NEIGHBOUR * (before + after)
