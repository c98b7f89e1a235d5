"""Networks by name."""

from collections.abc import Callable

from napari_transmedseg.errors import ConfigError
from napari_transmedseg.networks.output import SegmentationNetwork
from napari_transmedseg.networks.unet import UNet

_BUILDERS: dict[str, Callable[..., SegmentationNetwork]] = {"unet": UNet}


def network_names() -> tuple[str, ...]:
    """Names that `build_network` knows."""
    return tuple(_BUILDERS)


def build_network(
    name: str,
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    channels: tuple[int, ...],
    dropout: tuple[float, ...] = (),
) -> SegmentationNetwork:
    """Make an untrained network.

    Parameters
    ----------
    name
        One of `network_names()`.
    in_channels
        Image channels.
    num_classes
        Classes with the background.
    dims
        2 or 3: space axes of its input.
    channels
        Feature channels per level, finest first.
    dropout
        Dropout rate of each encoder level, finest first.

    Raises
    ------
    ConfigError
        When the name is unknown.
    """
    if name not in _BUILDERS:
        raise ConfigError(
            f"Expected a network out of {', '.join(_BUILDERS)}, found '{name}'; choose one of them."
        )
    return _BUILDERS[name](
        in_channels=in_channels,
        num_classes=num_classes,
        dims=dims,
        channels=channels,
        dropout=dropout,
    )
