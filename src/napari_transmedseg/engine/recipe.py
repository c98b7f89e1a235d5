"""The two presets: how a run trains, in everything that is not asked of the user."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from napari_transmedseg.engine.augment import STRONG, WEAK, AugmentationRanges
from napari_transmedseg.engine.config import Preset, TrainingConfig
from napari_transmedseg.engine.preprocess import Normalisation


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Network, optimizer, batch, augmentation and pseudo-label rules of a preset."""

    network: str
    """Where none is asked for by name."""
    channels: tuple[int, ...]
    """Feature channels per level, finest first."""
    whole_images: bool
    """Look at whole images instead of a window around what is annotated."""
    optimizer: Literal["adamw", "sgd"]
    learning_rate: float
    weight_decay: float
    batch_size: int
    """Images per student pass; as many unlabeled slices go through the teacher."""
    ema_decay: float
    pseudo_label_weight: float
    """u of BCP: weight of the pseudo-labeled part of a mixed image."""
    confidence: float
    """Pseudo-labels below this probability are left out; 0 keeps all."""
    warmup_share: float
    """Share of the budget after which self-training may begin, competence provided."""
    warmup_passes: int
    """How often each annotated image is seen, on average, before self-training may begin: with
    many of them and little time a run stays supervised."""
    warmup_copy_paste: bool
    """Paste one half of the labeled batch into the other during warm-up."""
    copy_paste_share: float
    """Share of the self-training steps that mix slices by copy-paste; the others show annotated
    and unlabeled slices whole. Of the methods without copy-paste none does."""
    teacher_in_train_mode: bool
    """Batch statistics in the teacher's BatchNorm, as published, instead of running ones."""
    augmentation: AugmentationRanges
    normalisation: Normalisation
    graph_nodes: int
    """Most positions of the encoder level that the graph term clusters."""
    statistics_voxels: int
    """Most voxels of a class that one step adds to the memory module."""
    bank_volumes: int
    """Volumes whose pseudo-labels are kept and drawn from; 0: the teacher labels every batch
    anew, as published. Of networks on slices only."""
    calibration_images: int
    """Images (patches in 3-D) on which the teacher's BatchNorm is measured anew at every look at
    it; the kept model's on eight times as many. 0: the running averages, as published."""
    dropout: tuple[float, ...] = ()
    """Rate of each encoder level of the student; needs PyTorch's global generator."""
    competence: float = 0.85
    """Teacher's Dice per class on the slices that it trains on, from which self-training may
    begin."""
    held_out_competence: float = 0.7
    """The same on held-out slices, which decide for the classes that they show."""
    step_decay: tuple[int, float] | None = None
    """Multiply the learning rate by the second number every so many steps, as published for
    volumes, instead of the polynomial decay."""
    ramp_steps: int = 100
    """Steps over which the pseudo-label and graph terms grow to their weight."""


_PAPER_CHANNELS = (16, 32, 64, 128, 256)

_DEFAULT = Recipe(
    network="unet",
    channels=_PAPER_CHANNELS,
    whole_images=False,
    optimizer="adamw",
    learning_rate=2e-3,
    weight_decay=1e-2,
    batch_size=8,
    ema_decay=0.998,
    pseudo_label_weight=0.5,
    confidence=0.98,
    warmup_share=0.3,
    warmup_passes=200,
    warmup_copy_paste=False,
    copy_paste_share=1.0,
    teacher_in_train_mode=False,
    augmentation=STRONG,
    normalisation="z-score",
    graph_nodes=256,
    statistics_voxels=1024,
    bank_volumes=40,
    calibration_images=32,
)

_PAPER = Recipe(
    network="unet",
    channels=_PAPER_CHANNELS,
    whole_images=True,
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=1e-4,
    batch_size=12,
    ema_decay=0.99,
    pseudo_label_weight=0.5,
    confidence=0.0,
    warmup_share=0.25,
    warmup_passes=0,
    warmup_copy_paste=True,
    copy_paste_share=1.0,
    teacher_in_train_mode=True,
    augmentation=WEAK,
    normalisation="unit",
    graph_nodes=1024,
    statistics_voxels=4096,
    bank_volumes=0,
    calibration_images=0,
    dropout=(0.05, 0.1, 0.2, 0.3, 0.5),
)

RECIPES: dict[tuple[Preset, int], Recipe] = {
    ("default", 2): _DEFAULT,
    ("paper", 2): _PAPER,
    ("default", 3): replace(
        _DEFAULT,
        channels=(8, 16, 32, 64),
        batch_size=2,
        graph_nodes=512,
        bank_volumes=0,
        calibration_images=4,
        # Patches of whole volumes, each asked anew: the rules that slices had before the bank.
        warmup_share=0.4,
        warmup_passes=0,
        copy_paste_share=0.25,
        confidence=0.9,
    ),
    # The papers' protocol on LA: V-Net, batches of 8 (4 labeled), z-score.
    ("paper", 3): replace(
        _PAPER,
        network="vnet",
        batch_size=4,
        step_decay=(2500, 0.1),
        augmentation=replace(WEAK, rotation_deg=0.0),
        normalisation="z-score",
        dropout=(),
    ),
}
"""By preset and number of space axes."""


def recipe_of(config: TrainingConfig, dims: int) -> Recipe:
    """The preset's recipe for slices or volumes, with what a config asks for otherwise."""
    recipe = RECIPES[config.preset, dims]
    changes: dict[str, Any] = {}
    if config.ema_decay is not None:
        changes["ema_decay"] = config.ema_decay
    if config.graph_nodes is not None:
        changes["graph_nodes"] = config.graph_nodes
    return replace(recipe, **changes)
