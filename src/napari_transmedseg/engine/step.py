"""One training step: student and teacher, copy-paste, the terms of the loss, the update.

L = L_BCP + γ·L_graph + β·L_tsa (TransMedSeg, arXiv:2505.14753). γ = β = 0 is BCP (Bai et al.,
CVPR 2023), β = 0 is GraphCL (Wang et al., ICML 2025).
"""

import torch
from torch import Tensor

from napari_transmedseg.engine.copy_paste import masked_segmentation_losses
from napari_transmedseg.engine.graph_clustering import pick_level
from napari_transmedseg.engine.mixing import (
    Mixed,
    PseudoLabels,
    copy_paste_batch,
    warm_up_batch,
    whole_slice_batch,
)
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_labels import (
    largest_components,
    normalized_entropy,
    predict_labels,
)
from napari_transmedseg.engine.sampling import Sampler, Stream
from napari_transmedseg.engine.schedules import (
    early_decay,
    learning_rate,
    ramp,
    self_training_progress,
)
from napari_transmedseg.engine.semantic_augmentation import (
    augmentation_moments,
    augmentation_table,
    transferable_cross_entropy,
)
from napari_transmedseg.engine.state import MEMORY_FORMAT, TrainingState
from napari_transmedseg.engine.teacher import update_teacher
from napari_transmedseg.errors import TrainingError
from napari_transmedseg.networks import NetworkOutput

_SHARE_DECAY = 0.95


def train_step(
    state: TrainingState, plan: TrainingPlan, sampler: Sampler, progress: float
) -> dict[str, Tensor]:
    """Train on one batch; gives the detached value of each term, on the device.

    Raises
    ------
    TrainingError
        When the loss is not a number; the weights are untouched then.
    """
    recipe = plan.recipe
    labeled = sampler.labeled(recipe.batch_size)
    pseudo = None
    if state.phase == "self-training":
        pasting = _is_pasting(state, plan)
        # Whole slices: half as many unlabeled ones, so that what is annotated keeps its weight.
        batch = recipe.batch_size if pasting else max(1, recipe.batch_size // 2)
        unlabeled = sampler.unlabeled(batch)
        pseudo = pseudo_labels(state, plan, unlabeled)
        if pasting:
            mixed = copy_paste_batch(labeled, unlabeled, pseudo, state.generator)
        else:
            mixed = whole_slice_batch(labeled, unlabeled, pseudo)
    else:
        mixed = warm_up_batch(labeled, recipe.warmup_copy_paste, state.generator)
    image = mixed.image_B1HW.contiguous(memory_format=MEMORY_FORMAT[plan.dims])
    losses = loss_terms(state, plan, state.student(image), mixed, progress)
    total = sum(losses.values(), torch.zeros((), device=image.device))
    if not bool(torch.isfinite(total)):
        raise TrainingError(
            f"Expected a finite loss, found {total.item()} at step {state.step}; the weights were "
            "kept. Resume from the last checkpoint, or check the images for extreme values."
        )
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe.learning_rate, progress, state.step)
    state.optimizer.zero_grad()
    total.backward()
    state.optimizer.step()
    decay = early_decay(recipe.ema_decay, state.averaged_steps)
    update_teacher(state.teacher, state.student, decay)
    state.step += 1
    state.averaged_steps += 1
    state.self_training_steps += state.phase == "self-training"
    reported = {name: value.detach() for name, value in losses.items()} | {"total": total.detach()}
    if pseudo is not None:
        inside = unlabeled.inside_BHW
        count = inside.sum().clamp(min=1)
        reported["pseudo_label_share"] = pseudo.weight_BHW.sum() / count
        reported["entropy"] = (pseudo.entropy_BHW * inside).sum() / count
    return reported


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


@torch.no_grad()
def pseudo_labels(state: TrainingState, plan: TrainingPlan, unlabeled: Stream) -> PseudoLabels:
    """Teacher → classes, largest component, confidence; and the target statistics."""
    state.teacher.train(plan.recipe.teacher_in_train_mode)
    image = unlabeled.plain_B1HW.contiguous(memory_format=MEMORY_FORMAT[plan.dims])
    output = state.teacher(image)
    state.teacher.eval()
    probability = output.logits.float().softmax(1)
    # Nothing in the padding: it could connect or outgrow what lies on the image.
    label = predict_labels(probability) * unlabeled.inside_BHW
    if plan.largest_component:
        label = largest_components(label, plan.num_classes)
    weight = unlabeled.inside_BHW.float()
    if plan.recipe.confidence > 0:
        weight = weight * (probability.amax(1) >= plan.recipe.confidence)
    _note_shares(state, label, unlabeled.inside_BHW)
    if plan.tsa_weight > 0:
        counted = torch.where(weight > 0, label, -1)
        state.target.update_maps(
            output.features, counted, unlabeled.slice_B, state.sampling_generator
        )
    return PseudoLabels(
        label_BHW=label,
        weight_BHW=weight,
        entropy_BHW=normalized_entropy(probability),
        features_BAHW=output.features,
    )


def _tsa(
    state: TrainingState, plan: TrainingPlan, output: NetworkOutput, mixed: Mixed, progress: float
) -> Tensor:
    """L_tsa over annotated voxels, with α = α0 · progress of self-training."""
    label = torch.where(mixed.annotated_BHW > 0, mixed.target_BHW, -1)
    state.source.update_maps(output.features, label, mixed.slice_B, state.sampling_generator)
    strength = plan.tsa_strength * self_training_progress(progress, state.self_training_start)
    shift, covariance, ready = augmentation_moments(state.source, state.target)
    ready = ready if state.trusted else torch.zeros_like(ready)
    table = augmentation_table(
        state.student.classifier_weight(), shift, covariance, strength, ready
    )
    return transferable_cross_entropy(output.logits, label, table)


def _is_pasting(state: TrainingState, plan: TrainingPlan) -> bool:
    share = 0.0 if plan.method == "mean-teacher" else plan.recipe.copy_paste_share
    return float(torch.rand((), generator=state.generator)) < share


def _note_shares(state: TrainingState, label_BHW: Tensor, inside_BHW: Tensor) -> None:
    inside = label_BHW[inside_BHW]
    counts = torch.bincount(inside, minlength=len(state.predicted_share)).float()
    shares = (counts / counts.sum().clamp(min=1)).tolist()
    state.predicted_share = [
        new if old != old else _SHARE_DECAY * old + (1 - _SHARE_DECAY) * new
        for old, new in zip(state.predicted_share, shares, strict=True)
    ]
