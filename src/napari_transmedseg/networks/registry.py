"""Networks by name."""

from collections.abc import Callable

from torch import nn

from napari_transmedseg.errors import ConfigError
from napari_transmedseg.networks.monai_networks import (
    basic_unet,
    dyn_unet,
    seg_res_net,
    swin_unetr,
)
from napari_transmedseg.networks.output import SegmentationNetwork
from napari_transmedseg.networks.tap import TappedNetwork
from napari_transmedseg.networks.unet import UNet
from napari_transmedseg.networks.vnet import VNet

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNet,
    "vnet": VNet,
    "basicunet": basic_unet,
    "segresnet": seg_res_net,
    "swinunetr": swin_unetr,
    "dynunet": dyn_unet,
}


def network_names() -> tuple[str, ...]:
    """Names that `build_network` knows."""
    return tuple(_BUILDERS)


def register_network(name: str, builder: Callable[..., nn.Module]) -> None:
    """Make a network known by name, in this process.

    Parameters
    ----------
    name
        Not yet taken.
    builder
        Takes the keyword arguments of `build_network` and returns a `SegmentationNetwork`, or any
        module that ends in a 1×1 convolution and returns logits (see `TappedNetwork`).

    Raises
    ------
    ConfigError
        When the name is taken.
    """
    if name in _BUILDERS:
        raise ConfigError(
            f"Expected a new name for the network, found '{name}', which is taken; choose another "
            f"than {', '.join(_BUILDERS)}."
        )
    _BUILDERS[name] = builder


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
        Feature channels per level, finest first. SegResNet and SwinUNETR take the first only.
    dropout
        Dropout rate of each encoder level, finest first; MONAI's networks take their mean.

    Raises
    ------
    ConfigError
        When the name is unknown, or what a registered builder returns does not end in a 1×1
        convolution.
    """
    if name not in _BUILDERS:
        raise ConfigError(
            f"Expected a network out of {', '.join(_BUILDERS)}, found '{name}'; choose one of them."
        )
    network = _BUILDERS[name](
        in_channels=in_channels,
        num_classes=num_classes,
        dims=dims,
        channels=channels,
        dropout=dropout,
    )
    if isinstance(network, SegmentationNetwork):
        return network
    return TappedNetwork(network, in_channels=in_channels, num_classes=num_classes, dims=dims)


def required_multiple(name: str, *, dims: int, channels: tuple[int, ...]) -> int:
    """Number by which the sides of a network's input must divide; errors as `build_network`."""
    if name in ("unet", "vnet"):
        return int(2 ** (len(channels) - 1))
    network = build_network(name, in_channels=1, num_classes=2, dims=dims, channels=channels)
    return network.downsampling
