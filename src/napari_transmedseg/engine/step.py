"""One training step: student and teacher, copy-paste, the terms of the loss, the update.

L = L_BCP + γ·L_graph + β·L_tsa (TransMedSeg, arXiv:2505.14753). γ = β = 0 is BCP (Bai et al.,
CVPR 2023), β = 0 is GraphCL (Wang et al., ICML 2025). Slices and volumes take the same path.
Nothing here waits for an accelerator but the connected components of the pseudo-labels, and those
run while the student does.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from napari_transmedseg.engine.copy_paste import masked_segmentation_losses
from napari_transmedseg.engine.forward import run_network
from napari_transmedseg.engine.graph_clustering import pick_level
from napari_transmedseg.engine.mixing import (
    Mixed,
    PseudoLabels,
    copy_paste,
    warm_up_batch,
    whole_images,
    with_targets,
)
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_bank import make_bank
from napari_transmedseg.engine.sampling import Sampler, Stream
from napari_transmedseg.engine.schedules import (
    early_decay,
    ramp,
    scheduled_rate,
    self_training_progress,
)
from napari_transmedseg.engine.semantic_augmentation import (
    augmentation_moments,
    augmentation_table,
    sampled_cross_entropy,
    transferable_cross_entropy,
)
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.engine.target_statistics import voxels_per_slice
from napari_transmedseg.engine.teacher import update_teacher
from napari_transmedseg.engine.teaching import begin_pseudo_labels
from napari_transmedseg.errors import TrainingError
from napari_transmedseg.networks import NetworkOutput

Finish: TypeAlias = Callable[[], tuple[PseudoLabels, PseudoLabels | None]]
"""Gives the pseudo-labels of the unlabeled stream, and those that fill gaps of the labeled one."""


def train_step(
    state: TrainingState, plan: TrainingPlan, sampler: Sampler, progress: float
) -> dict[str, Tensor]:
    """Train on one batch; gives the detached value of each term, on the device.

    Raises
    ------
    TrainingError
        When the loss or a gradient is not a number; the weights are untouched then.
    """
    if state.phase != "self-training":
        labeled = sampler.labeled(plan.recipe.batch_size)
        mixed = warm_up_batch(labeled, plan.recipe.warmup_copy_paste, state.generator)
        output = run_network(state.student, mixed.image_B1HW, plan)
        return _update(state, plan, loss_terms(state, plan, output, mixed, progress), progress)
    pasting = _is_pasting(state, plan)
    banked = plan.recipe.bank_volumes > 0 and plan.dims == 2
    labeled, unlabeled, finish = (_from_bank if banked else _from_teacher)(
        state, plan, sampler, pasting
    )
    arrangement = (
        copy_paste(labeled, state.generator) if pasting else whole_images(labeled, unlabeled)
    )
    image = arrangement.combine(labeled.strong_B1HW, unlabeled.strong_B1HW)
    output = run_network(state.student, image, plan)
    pseudo, filled = finish()
    mixed = with_targets(arrangement, image, labeled, unlabeled, pseudo, filled)
    losses = _update(state, plan, loss_terms(state, plan, output, mixed, progress), progress)
    return losses | _seen(unlabeled, pseudo)


def loss_terms(
    state: TrainingState, plan: TrainingPlan, output: NetworkOutput, mixed: Mixed, progress: float
) -> dict[str, Tensor]:
    """Weigh the terms of the loss; a term that is off does not appear."""
    rising = ramp(state.self_training_steps, plan.recipe.ramp_steps)
    annotated, pseudo = [], []
    for part in mixed.parts:
        of_part = masked_segmentation_losses(
            output.logits[part],
            mixed.target_BHW[part],
            (mixed.annotated_BHW[part], mixed.pseudo_BHW[part]),
        )
        annotated.append(of_part[0])
        pseudo.append(of_part[1])
    losses = {"supervised": torch.stack(annotated).sum()}
    if state.phase != "self-training":
        return losses
    if state.trusted:
        losses["pseudo"] = plan.recipe.pseudo_label_weight * rising * torch.stack(pseudo).sum()
    if state.graph is not None and plan.graph_weight > 0:
        level = pick_level(output.encoder, plan.recipe.graph_nodes)
        losses["graph"] = plan.graph_weight * rising * state.graph(level, mixed.inside_BHW)
    if plan.tsa_weight > 0:
        losses["tsa"] = plan.tsa_weight * _tsa(state, plan, output, mixed, progress)
    return losses


def _update(
    state: TrainingState, plan: TrainingPlan, losses: dict[str, Tensor], progress: float
) -> dict[str, Tensor]:
    """Backward pass, optimizer, teacher, counters; gives the terms and their sum, detached."""
    total = torch.stack(list(losses.values())).sum()
    for group in state.optimizer.param_groups:
        group["lr"] = scheduled_rate(plan.recipe, progress, state.step)
    state.optimizer.zero_grad()
    state.scaler.scale(total).backward()
    _require_finite(state, plan, total.detach())
    state.scaler.step(state.optimizer)
    state.scaler.update()
    decay = early_decay(plan.recipe.ema_decay, state.averaged_steps)
    update_teacher(state.teacher, state.student, decay)
    state.step += 1
    state.averaged_steps += 1
    state.self_training_steps += state.phase == "self-training"
    return {name: value.detach() for name, value in losses.items()} | {"total": total.detach()}


def _require_finite(state: TrainingState, plan: TrainingPlan, total: Tensor) -> None:
    """Stop before weights are spoilt; on CUDA the optimizer skips and the next report stops."""
    finite = torch.isfinite(total)
    if plan.precision != "float16":  # there the scaler looks at the gradients
        weights = (w for group in state.optimizer.param_groups for w in group["params"])
        norms = torch._foreach_norm([w.grad for w in weights if w.grad is not None])
        finite = finite & torch.isfinite(torch.stack(norms).sum())
    if plan.device == "cuda":
        state.finite = state.finite & finite
        if plan.precision != "float16":
            state.optimizer.found_inf = (~state.finite).float()  # type: ignore[attr-defined]
    elif not bool(finite):
        raise not_finite(state)


def not_finite(state: TrainingState) -> TrainingError:
    """The error of a loss or a gradient that is no number."""
    kept = "no model was kept yet" if state.saved_step is None else (
        f"the model of step {state.saved_step} is kept"
    )  # fmt: skip
    return TrainingError(
        f"Expected a finite loss, found none at step {state.step}, so training stopped and {kept}; "
        "check the images for extreme values or set 'clip_low' and 'clip_high' around the tissue, "
        "then train again."
    )


def _tsa(
    state: TrainingState, plan: TrainingPlan, output: NetworkOutput, mixed: Mixed, progress: float
) -> Tensor:
    """L_tsa over annotated voxels, with α = α0 · progress of self-training.

    With statistics per domain, each step moves towards one domain drawn at random.
    """
    label = torch.where(mixed.annotated_BHW > 0, mixed.target_BHW, -1)
    state.source.update_maps(
        output.features,
        label,
        mixed.slice_B,
        state.sampling_generator,
        voxels_per_slice=voxels_per_slice(label),
    )
    strength = plan.tsa_strength * self_training_progress(progress, state.self_training_start)
    target = state.targets[_drawn(len(state.targets), state.sampling_generator)]
    shift, covariance, ready = augmentation_moments(
        state.source, target, direction=plan.tsa_direction
    )
    ready = ready if state.trusted else torch.zeros_like(ready)
    if plan.tsa_samples > 0:
        return sampled_cross_entropy(
            output.features,
            state.student.classifier_weight(),
            state.student.classifier_bias(),
            label,
            shift,
            covariance,
            strength,
            plan.tsa_samples,
            ready_C=ready,
            generator=state.sampling_generator,
        )
    table = augmentation_table(
        state.student.classifier_weight(), shift, covariance, strength, ready
    )
    return transferable_cross_entropy(output.logits, label, table)


def _drawn(count: int, generator: torch.Generator) -> int:
    return 0 if count == 1 else int(torch.randint(count, (), generator=generator))


def _is_pasting(state: TrainingState, plan: TrainingPlan) -> bool:
    share = 0.0 if plan.method == "mean-teacher" else plan.recipe.copy_paste_share
    return float(torch.rand((), generator=state.generator)) < share


def _from_teacher(
    state: TrainingState, plan: TrainingPlan, sampler: Sampler, pasting: bool
) -> tuple[Stream, Stream, Finish]:
    """Two streams, of which the teacher labels what is unknown while the student runs."""
    labeled = sampler.labeled(plan.recipe.batch_size)
    # Whole images: half as many unlabeled ones, so that what is annotated keeps its weight.
    unlabeled = sampler.unlabeled(plan.recipe.batch_size if pasting else _half(plan))
    pending = begin_pseudo_labels(state, plan, unlabeled)
    filling = begin_pseudo_labels(state, plan, labeled) if sampler.fills_gaps else None

    def finish() -> tuple[PseudoLabels, PseudoLabels | None]:
        pseudo = pending.finish(count=True)
        return pseudo, None if filling is None else filling.finish(count=False)

    return labeled, unlabeled, finish


def _from_bank(
    state: TrainingState, plan: TrainingPlan, sampler: Sampler, pasting: bool
) -> tuple[Stream, Stream, Finish]:
    """Two streams of slices, with pseudo-labels that are kept from earlier looks."""
    if state.bank is None:
        state.bank = make_bank(state, plan, sampler.store)
    batch = plan.recipe.batch_size if pasting else _half(plan)
    labeled = sampler.labeled(batch)
    state.bank.advance(state, plan, _half(plan))
    unlabeled, pseudo = state.bank.draw(sampler, batch)
    return labeled, unlabeled, lambda: (pseudo, None)


def _half(plan: TrainingPlan) -> int:
    return max(1, plan.recipe.batch_size // 2)


def _seen(unlabeled: Stream, pseudo: PseudoLabels) -> dict[str, Tensor]:
    """Share of the unlabeled voxels that carry a pseudo-label, and their mean entropy."""
    count = unlabeled.inside_BHW.sum().clamp(min=1)
    return {
        "pseudo_label_share": pseudo.weight_BHW.sum() / count,
        "entropy": (pseudo.entropy_BHW * unlabeled.inside_BHW).sum() / count,
    }
