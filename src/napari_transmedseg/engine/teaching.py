"""The teacher labels a stream: classes, largest components, confidence, target statistics.

In two parts, so that the student can run between them: `begin_pseudo_labels` asks the teacher,
`PendingPseudoLabels.finish` takes what came of it.

Shape suffixes: B batch, C classes, HW space axes of what the network sees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine.forward import run_network
from napari_transmedseg.engine.mixing import PseudoLabels
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_labels import (
    PendingComponents,
    begin_largest_components,
    normalized_entropy,
    predict_labels,
)
from napari_transmedseg.engine.sampling import Stream
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.engine.target_statistics import count_features, note_shares


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PendingPseudoLabels:
    """The teacher's answer, whose connected components may still be on their way."""

    state: TrainingState
    plan: TrainingPlan
    stream: Stream
    labels: PendingComponents
    weight_BHW: Tensor
    entropy_BHW: Tensor
    features: Tensor

    @torch.no_grad()
    def finish(self, *, count: bool) -> PseudoLabels:
        """Wait for the components; `count` adds the result to statistics and class shares."""
        label_BHW = self.labels.result()
        if count:
            note_shares(self.state, label_BHW, self.stream.inside_BHW)
            if self.plan.tsa_weight > 0:
                counted = torch.where(self.weight_BHW > 0, label_BHW, -1)
                slices, domains = self.stream.slice_B, self.stream.domain_B
                count_features(self.state, self.features, counted, slices, domains)
        return PseudoLabels(
            label_BHW=label_BHW, weight_BHW=self.weight_BHW, entropy_BHW=self.entropy_BHW
        )


@torch.no_grad()
def begin_pseudo_labels(
    state: TrainingState, plan: TrainingPlan, stream: Stream
) -> PendingPseudoLabels:
    """Ask the teacher about the unaugmented intensities of a stream."""
    state.teacher.train(plan.recipe.teacher_in_train_mode)
    output = run_network(state.teacher, stream.plain_B1HW, plan)
    state.teacher.eval()
    probability = output.logits.float().softmax(1)
    # Nothing in the padding: it could connect or outgrow what lies on the image.
    label = predict_labels(probability) * stream.inside_BHW
    weight = stream.inside_BHW.float()
    if plan.recipe.confidence > 0:
        weight = weight * (probability.amax(1) >= plan.recipe.confidence)
    kept = plan.largest_component
    return PendingPseudoLabels(
        state=state,
        plan=plan,
        stream=stream,
        labels=begin_largest_components(label, plan.num_classes, classes=kept),
        weight_BHW=weight,
        entropy_BHW=normalized_entropy(probability),
        features=output.features,
    )
