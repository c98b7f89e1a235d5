"""Everything that a run changes and a checkpoint keeps."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_transmedseg.engine.class_statistics import ClassStatistics
from napari_transmedseg.engine.events import Phase
from napari_transmedseg.engine.graph_clustering import GraphClustering, pick_level
from napari_transmedseg.engine.keeping import KeptModel
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.precision import make_scaler
from napari_transmedseg.engine.teacher import make_teacher
from napari_transmedseg.networks import SegmentationNetwork, build_network

if TYPE_CHECKING:
    from napari_transmedseg.engine.pseudo_bank import PseudoLabelBank


@dataclass(kw_only=True, slots=True, eq=False)
class TrainingState:
    """Networks, statistics, generators and counters of one run."""

    student: SegmentationNetwork
    teacher: SegmentationNetwork
    graph: GraphClustering | None
    optimizer: torch.optim.Optimizer
    source: ClassStatistics
    """Student features of annotated voxels."""
    targets: list[ClassStatistics]
    """Teacher features of unlabeled voxels, by pseudo-label; one for each domain of the plan."""
    scaler: torch.amp.GradScaler
    generator: torch.Generator
    """Draws slices, augmentation and copy-paste boxes."""
    sampling_generator: torch.Generator
    """Draws voxels for the statistics: apart, so that switching them off changes no batch."""
    phase: Phase = "warm-up"
    step: int = 0
    averaged_steps: int = 0
    """Student steps in the teacher's average, those before a warm start included."""
    self_training_steps: int = 0
    self_training_start: float = 1.0
    """Progress at which self-training began."""
    elapsed_s: float = 0.0
    trusted: bool = True
    """False: the teacher fails on annotated slices, so that u = 0 and T = 0."""
    predicted_share: Tensor
    """(C,) running share of unlabeled voxels predicted as each class; NaN before the first."""
    finite: Tensor
    """Bool scalar: no loss was NaN or infinite so far."""
    saved_step: int | None = None
    """Step of the last checkpoint; None before the first."""
    told_of_time: bool = False
    """Whether a person was told that the budget is too short to learn from unlabeled images."""
    bank: "PseudoLabelBank | None" = None
    """Made with the first step of self-training on slices."""
    saved_bank: dict[str, Any] | None = None
    """Of the checkpoint that goes on, until the bank is made."""
    kept: KeptModel = field(default_factory=KeptModel)
    """What predicts: the latest model, or the best one on held-out images."""


def make_state(plan: TrainingPlan, *, num_slices: int, seed: int) -> TrainingState:
    """Build networks and statistics; all that is random comes from the seed.

    `num_slices` counts those of all images, in 3-D those of all windows.
    """
    device = torch.device(plan.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = build_plan_network(plan).to(device)
        graph = None
        if plan.graph_weight > 0:
            channels = _graph_channels(student, plan)
            graph = GraphClustering(channels, plan.graph_clusters, plan.graph_alpha).to(device)
    if plan.recipe.dropout:
        torch.manual_seed(seed)
    teacher = make_teacher(student)
    if plan.compile:
        student.compile()
        teacher.compile()
    num_features = student.classifier_weight().shape[1]

    def statistics() -> ClassStatistics:
        return ClassStatistics(
            plan.num_classes,
            num_features,
            num_slices=num_slices,
            max_batch_count=plan.recipe.statistics_voxels,
            device=device,
        )

    return TrainingState(
        student=student,
        teacher=teacher,  # type: ignore[arg-type]
        graph=graph,
        optimizer=_optimizer(plan, student, graph),
        source=statistics(),
        targets=[statistics() for _ in plan.domains],
        scaler=make_scaler(plan.precision),
        generator=torch.Generator().manual_seed(seed),
        sampling_generator=torch.Generator().manual_seed(seed + 1),
        predicted_share=torch.full((plan.num_classes,), float("nan"), device=device),
        finite=torch.ones((), dtype=torch.bool, device=device),
    )


def build_plan_network(plan: TrainingPlan) -> SegmentationNetwork:
    """Make the plan's network in the memory layout that is fastest here."""
    network = build_network(
        plan.network,
        in_channels=plan.in_channels,
        num_classes=plan.num_classes,
        dims=plan.dims,
        channels=plan.channels,
        dropout=tuple(plan.recipe.dropout),
    )
    return network.to(memory_format=MEMORY_FORMAT[plan.dims])  # type: ignore[call-overload, no-any-return]


MEMORY_FORMAT = {2: torch.channels_last, 3: torch.channels_last_3d}


def _graph_channels(student: SegmentationNetwork, plan: TrainingPlan) -> int:
    with torch.no_grad():
        mode = student.training
        image = torch.zeros(1, plan.in_channels, *plan.space.patch_size, device=plan.device)
        encoder = student.eval()(image).encoder
        student.train(mode)
    return int(pick_level(encoder, plan.recipe.graph_nodes).shape[1])


def _optimizer(
    plan: TrainingPlan, student: nn.Module, graph: nn.Module | None
) -> torch.optim.Optimizer:
    recipe = plan.recipe
    groups = [{"params": list(student.parameters())}]
    if graph is not None:
        groups.append({"params": list(graph.parameters())})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=recipe.learning_rate,
            momentum=0.9,
            weight_decay=recipe.weight_decay,
            fused=plan.device != "mps",
        )
    return torch.optim.AdamW(
        groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
