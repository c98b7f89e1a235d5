"""Channels of the images: the same in every case, and each with bounds of its own."""

from collections.abc import Sequence

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ConfigError, PlanError, TrainingError
from napari_transmedseg.imaging.volume import Volume

Clip = tuple[float, float] | None


def common_channels(cases: Sequence[TrainingCase]) -> tuple[str, ...]:
    """Names of the channels of every case; empty where cases are single images.

    Raises
    ------
    PlanError
        Naming the first case whose channels, or their order, are others.
    """
    expected = cases[0].channels
    for case in cases:
        if case.channels != expected:
            raise PlanError(
                f"Expected {in_words(expected)} in every case as in {cases[0].case_id}, found "
                f"{in_words(case.channels)} in {case.case_id}; give every case the same channels "
                "in the same order, in a new project."
            )
    return expected


def require_channels(volume: Volume, channels: Sequence[str], what: str) -> None:
    """Refuse an image that a network made for `channels` would misunderstand.

    Raises
    ------
    TrainingError
    """
    if volume.channel_names != tuple(channels):
        raise TrainingError(
            f"Expected {what} with {in_words(channels)}, on which the network is trained, found "
            f"{in_words(volume.channel_names)}; give it the same channels in the same order."
        )


def require_same_channels(channels: Sequence[str], previous: Sequence[str]) -> None:
    """Refuse to go on with a network that was made for other channels.

    Raises
    ------
    TrainingError
    """
    if tuple(channels) != tuple(previous):
        raise TrainingError(
            f"Expected a model trained on {in_words(channels)} as the cases have, found one "
            f"trained on {in_words(previous)}; train from scratch instead."
        )


def channel_clips(config: TrainingConfig, channels: Sequence[str]) -> tuple[Clip, ...]:
    """Bounds of each channel where some have their own, else nothing.

    Raises
    ------
    ConfigError
        If `clip_channels` is not like `ct=-125:275, pet=0:20`, or names a channel that is missing.
    """
    if not config.clip_channels.strip():
        return ()
    own: dict[str, Clip] = {}
    for part in config.clip_channels.split(","):
        name, bounds = _parsed(part)
        if name not in channels:
            raise ConfigError(
                f"Expected bounds for {in_words(channels)}, found some for '{name}'; name "
                "channels of the cases, or use 'clip_low' and 'clip_high' for all."
            )
        own[name] = bounds
    common: Clip = None
    if config.clip_low is not None and config.clip_high is not None:
        common = (config.clip_low, config.clip_high)
    return tuple(own.get(name, common) for name in channels)


def in_words(channels: Sequence[str]) -> str:
    """Channels for a sentence."""
    return f"the channels {', '.join(channels)}" if channels else "a single image"


def _parsed(part: str) -> tuple[str, tuple[float, float]]:
    name, _, bounds = part.rpartition("=")
    low, _, high = bounds.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not name.strip() or not found[0] < found[1]:
        raise ConfigError(
            "Expected bounds per channel such as 'ct=-125:275, pet=0:20', found "
            f"'{part.strip()}'; give NAME=LOW:HIGH with LOW below HIGH."
        )
    return name.strip(), found
