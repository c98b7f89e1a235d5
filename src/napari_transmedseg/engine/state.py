"""Everything that a run changes and a checkpoint keeps."""

from dataclasses import dataclass, field

import torch
from torch import nn

from napari_transmedseg.engine.class_statistics import ClassStatistics
from napari_transmedseg.engine.events import Phase
from napari_transmedseg.engine.graph_clustering import GraphClustering, pick_level
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.teacher import make_teacher
from napari_transmedseg.networks import SegmentationNetwork, build_network

_CLUSTERS_PER_CLASS = 2


@dataclass(kw_only=True, slots=True, eq=False)
class TrainingState:
    """Networks, statistics, generators and counters of one run."""

    student: SegmentationNetwork
    teacher: SegmentationNetwork
    graph: GraphClustering | None
    optimizer: torch.optim.Optimizer
    source: ClassStatistics
    """Student features of annotated voxels."""
    target: ClassStatistics
    """Teacher features of unlabeled voxels, by pseudo-label."""
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
    predicted_share: list[float] = field(default_factory=list)
    """Running share of unlabeled voxels predicted as each class."""


def make_state(plan: TrainingPlan, *, num_slices: int, seed: int) -> TrainingState:
    """Build networks and statistics; all that is random comes from the seed."""
    device = torch.device(plan.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = build_plan_network(plan).to(device)
        graph = None
        if plan.graph_weight > 0:
            channels = _graph_channels(student, plan)
            graph = GraphClustering(channels, _CLUSTERS_PER_CLASS * plan.num_classes).to(device)
    if plan.recipe.dropout:
        torch.manual_seed(seed)
    teacher = make_teacher(student)
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
        target=statistics(),
        generator=torch.Generator().manual_seed(seed),
        sampling_generator=torch.Generator().manual_seed(seed + 1),
        predicted_share=[float("nan")] * plan.num_classes,
    )


def build_plan_network(plan: TrainingPlan) -> SegmentationNetwork:
    """Make the plan's network in the memory layout that is fastest here."""
    network = build_network(
        plan.network,
        in_channels=1,
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
        encoder = student.eval()(torch.zeros(1, 1, *plan.space.size, device=plan.device)).encoder
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
            groups, lr=recipe.learning_rate, momentum=0.9, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(
        groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
