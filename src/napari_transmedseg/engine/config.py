"""What a person may choose about a training run; frozen, with limits and units."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from napari_transmedseg.errors import ConfigError

Method = Literal["transmedseg", "graphcl", "bcp", "mean-teacher", "supervised"]
Preset = Literal["default", "paper"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Dimensions = Literal["auto", "2d", "3d"]
Direction = Literal["to-target", "to-source"]
NETWORKS = ("unet", "vnet", "basicunet", "segresnet", "swinunetr", "dynunet")
"""Names that come with the program; `register_network` adds others."""

METHODS_WITH_GRAPH: frozenset[str] = frozenset({"transmedseg", "graphcl"})
METHODS_WITH_TSA: frozenset[str] = frozenset({"transmedseg"})

DEFAULT_TSA_WEIGHT = 0.4
DEFAULT_GRAPH_WEIGHT = 0.1
DEFAULT_MINUTES = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Settings of one training run. Without a budget it trains ten minutes."""

    method: Method = "transmedseg"
    """Training method; the later ones drop terms of the first."""
    preset: Preset = "default"
    """`default`: made for minutes. `paper`: the published recipe."""
    dimensions: Dimensions = "auto"
    """Train on slices (`2d`) or on volumes (`3d`); `auto` decides from spacing, number of slices
    and annotation."""
    network: str = "auto"
    """Network by name: `unet`, `vnet`, MONAI's `basicunet`, `segresnet`, `swinunetr`, `dynunet`.
    `auto`: the U-Net; for preset `paper` in 3-D the V-Net."""
    minutes: Annotated[float, Gt(0)] | None = None
    """Time budget in minutes, preparation included. Excludes `steps`."""
    steps: Annotated[int, Ge(1)] | None = None
    """Step budget, warm-up and self-training together. Excludes `minutes`."""
    tsa_weight: Annotated[float, Ge(0), Le(10)] | None = None
    """Weight β of the semantic augmentation loss. None: the method's (paper: 0.4)."""
    tsa_strength: Annotated[float, Ge(0), Le(10)] = 0.25
    """Final strength α0 of the semantic augmentation (TSA's default: 0.25)."""
    tsa_samples: Annotated[int, Ge(0), Le(1000)] = 0
    """Explicitly drawn augmentations per voxel, M. 0: the closed form, infinitely many."""
    tsa_direction: Direction = "to-target"
    """`to-target`: labeled features move to the unlabeled ones (the paper's equations)."""
    tsa_per_domain: bool = False
    """Keep the target statistics of each domain (site, scanner) apart."""
    graph_weight: Annotated[float, Ge(0), Le(10)] | None = None
    """Weight γ of the graph-clustering term. None: the method's (0.1)."""
    graph_alpha: Annotated[float, Gt(1), Le(100)] = 2.0
    """α_cc of the graph term: pairs below 1/α_cc of the largest affinity repel each other."""
    graph_clusters: Annotated[int, Ge(2), Le(256)] | None = None
    """Most clusters k of the graph term. None: twice the classes, background included."""
    graph_nodes: Annotated[int, Ge(16), Le(4096)] | None = None
    """Most nodes N of the graph term. None: the preset's (paper: 1024)."""
    ema_decay: Annotated[float, Ge(0), Le(1)] | None = None
    """Decay λ of the teacher's moving average. None: the preset's (paper: 0.99)."""
    device: Device = "auto"
    """Where to train; `auto` takes CUDA, then MPS, then the CPU."""
    threads: Annotated[int, Ge(0), Le(1024)] = 0
    """CPU threads for training; 0: all cores (the widget leaves one free)."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of everything random in the run."""
    clip_low: float | None = None
    """Intensities below are set to this first (CT: HU); goes with `clip_high`."""
    clip_high: float | None = None
    """Intensities above are set to this first."""
    clip_channels: str = ""
    """Bounds of single channels, such as `ct=-125:275, pet=0:20`; the others keep `clip_low` and
    `clip_high`."""
    largest_component: str = "auto"
    """Classes of which only the largest connected component is kept in what the model proposes:
    `auto` (those that are annotated in one piece; preset `paper`: all), `all`, `none`, or their
    names, separated by commas."""
    validation_share: Annotated[float, Ge(0), Le(0.5)] | None = None
    """Share of the annotated slices held out to measure Dice. None: a tenth where there are
    enough of them (50 or more), else none."""
    early_stop: bool = True
    """End when Dice on the held-out slices has not risen for a third of the budget."""
    mixed_precision: bool = True
    """Half precision where the GPU gains from it; the CPU always takes full precision."""
    compile: bool = False
    """Compile the networks with `torch.compile`: slow to start, faster steps."""
    overlay_interval_s: Annotated[float, Gt(0)] = 0.8
    """Seconds between two predictions of the watched slice."""
    event_interval_s: Annotated[float, Ge(0)] = 0.25
    """Seconds between two step reports; 0 reports each step."""
    checkpoint_interval_s: Annotated[float, Gt(0)] = 60.0
    """Seconds between two periodic checkpoints."""

    def __post_init__(self) -> None:
        given: object = self.largest_component
        if isinstance(given, bool):  # as runs of earlier versions have it
            object.__setattr__(self, "largest_component", "all" if given else "none")


def validate_config(config: TrainingConfig) -> None:
    """Check limits and contradictions.

    Raises
    ------
    ConfigError
        Naming the setting, its limits, what was given and the way out.
    """
    _check_limits(config)
    if config.minutes is not None and config.steps is not None:
        raise ConfigError(
            f"Expected a budget in minutes or in steps, found both ({config.minutes:g} min and "
            f"{config.steps} steps); leave one out."
        )
    if (config.clip_low is None) != (config.clip_high is None) or (
        config.clip_low is not None and not config.clip_low < (config.clip_high or 0.0)
    ):
        raise ConfigError(
            f"Expected 'clip_low' below 'clip_high', found {config.clip_low} and "
            f"{config.clip_high}; give both or neither."
        )
    for name, methods in (("tsa_weight", METHODS_WITH_TSA), ("graph_weight", METHODS_WITH_GRAPH)):
        if getattr(config, name) is not None and config.method not in methods:
            raise ConfigError(
                f"Method '{config.method}' has no term that '{name}' could weigh; leave it out or "
                f"choose the method {' or '.join(sorted(methods))}."
            )


def effective_weights(config: TrainingConfig) -> tuple[float, float]:
    """Graph weight γ and TSA weight β of a run, with the method's defaults filled in."""
    graph = DEFAULT_GRAPH_WEIGHT if config.graph_weight is None else config.graph_weight
    tsa = DEFAULT_TSA_WEIGHT if config.tsa_weight is None else config.tsa_weight
    return (
        graph if config.method in METHODS_WITH_GRAPH else 0.0,
        tsa if config.method in METHODS_WITH_TSA else 0.0,
    )


def _check_limits(config: TrainingConfig) -> None:
    hints = get_type_hints(TrainingConfig, include_extras=True)
    for field in fields(config):
        value = getattr(config, field.name)
        hint = hints[field.name]
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(get_args(hint))
            raise ConfigError(
                f"Expected '{field.name}' to be one of {choices}, found {value!r}; choose one."
            )
        if value is None:
            continue
        for limit in _limits_of(hint):
            if not _holds(limit, value):
                raise ConfigError(
                    f"Expected '{field.name}' {_in_words(limit)}, found {value!r}; "
                    "choose a value within the limit."
                )


def _limits_of(hint: object) -> tuple[object, ...]:
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            return tuple(get_args(part)[1:])
    return ()


def _holds(limit: object, value: float) -> bool:
    match limit:
        case Ge(ge=bound):
            return bool(value >= bound)  # type: ignore[operator]
        case Gt(gt=bound):
            return bool(value > bound)  # type: ignore[operator]
        case Le(le=bound):
            return bool(value <= bound)  # type: ignore[operator]
    return True


def _in_words(limit: object) -> str:
    match limit:
        case Ge(ge=bound):
            return f"of at least {bound}"
        case Gt(gt=bound):
            return f"above {bound}"
        case Le(le=bound):
            return f"of at most {bound}"
    return str(limit)
